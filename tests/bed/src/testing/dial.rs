//! Dials from inside a pod: the only honest test of a network policy, since a node reaches its own
//! pods whatever the policy says.

use serde_json::{Value, json};

use super::Namespace;
use crate::{
    error::{Error, Result},
    plan::address,
};

/// How one dial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialled {
    /// A connection came about (or, for a name, an address was found).
    Open,
    /// Refused, or no answer within two seconds.
    Closed,
}

/// A running pod of a namespace that other addresses are dialled from.
#[derive(Debug)]
pub struct Pod<'namespace> {
    namespace: &'namespace Namespace,
    name: String,
}

impl<'namespace> Pod<'namespace> {
    /// Starts a busybox pod of that name that serves its own name over HTTP on port 8080.
    pub fn start(namespace: &'namespace Namespace, name: &str) -> Result<Self> {
        namespace.apply(&[Self::object(name)])?;
        namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?;
        Ok(Self { namespace, name: name.to_owned() })
    }

    /// The pod's object: it satisfies the `restricted` pod security standard.
    pub fn object(name: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": Self::spec(name),
        })
    }

    /// What the pod runs, for use in a template.
    pub fn spec(name: &str) -> Value {
        let serve = format!(
            "mkdir /tmp/www && echo {name} > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"
        );
        json!({
            // A shell that is the first process ignores the polite signal.
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "main",
                "image": format!("{}/busybox:1", address::REGISTRY),
                "command": ["sh", "-c", serve],
                "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                },
            }],
        })
    }

    /// Its address.
    pub fn address(&self) -> Result<String> {
        let pod = self.namespace.get(&format!("pod/{}", self.name))?;
        let address = pod.pointer("/status/podIP").and_then(Value::as_str);
        address
            .map(str::to_owned)
            .ok_or_else(|| Error::Bed(format!("pod {} has no address", self.name)))
    }

    /// Runs a command in it and returns what was printed.
    pub fn exec(&self, words: &[&str]) -> Result<String> {
        let mut all = vec!["exec", self.name.as_str(), "--"];
        all.extend(words);
        self.namespace.kubectl(&all)
    }

    /// Fetches a page over HTTP.
    pub fn fetch(&self, url: &str) -> Result<String> {
        // busybox's own timeout option crashes on names.
        self.exec(&["timeout", "5", "wget", "-q", "-O", "-", url])
    }

    /// Dials each of the addresses (`host:port`), all at once, in their order.
    pub fn dial(&self, targets: &[String]) -> Result<Vec<Dialled>> {
        dial(targets, |words| self.exec(words))
    }

    /// Asks cluster DNS for a name.
    pub fn resolve(&self, name: &str) -> Result<Dialled> {
        let script =
            format!("timeout 4 nslookup {name} >/dev/null 2>&1 && echo open || echo closed");
        let printed = self.exec(&["sh", "-c", &script])?;
        Ok(if printed.trim() == "open" { Dialled::Open } else { Dialled::Closed })
    }
}

/// Dials each of the addresses (`host:port`) from wherever `run` runs a command, all at once, in their order.
pub fn dial(
    targets: &[String],
    run: impl FnOnce(&[&str]) -> Result<String>,
) -> Result<Vec<Dialled>> {
    let mut script = String::new();
    for (index, target) in targets.iter().enumerate() {
        let (host, port) = target
            .rsplit_once(':')
            .ok_or_else(|| Error::Refuse(format!("`{target}` is not host:port")))?;
        script.push_str(&format!(
            "(timeout 2 nc {host} {port} </dev/null >/dev/null 2>&1; \
             case $? in 0) echo {index} open;; *) echo {index} closed;; esac) &\n"
        ));
    }
    script.push_str("wait\n");
    let printed = run(&["sh", "-c", &script])?;
    (0..targets.len())
        .map(|index| {
            match printed.lines().find_map(|line| line.strip_prefix(&format!("{index} "))) {
                Some("open") => Ok(Dialled::Open),
                Some("closed") => Ok(Dialled::Closed),
                _ => Err(Error::Bed(format!("no answer about target {index}:\n{printed}"))),
            }
        })
        .collect()
}
