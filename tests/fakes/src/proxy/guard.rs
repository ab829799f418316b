//! What must hold at every write, whatever fails: guards before workloads, nothing made twice, nothing
//! removed or said without naming the very object that is meant.

use std::collections::{HashMap, HashSet};

use hyper::Method;
use serde_json::Value;

/// The guards of a namespace, by the names of their kinds.
const GUARDS: [&str; 4] = ["resourcequotas", "limitranges", "networkpolicies", "serviceaccounts"];

/// Kinds that bring pods about.
const WORKLOADS: [&str; 4] = ["deployments", "statefulsets", "jobs", "cronjobs"];

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Guard {
    standing: HashMap<String, HashSet<String>>,
    made: HashSet<String>,
    violations: Vec<String>,
}

/// Namespace and kind of a path inside a namespace.
fn place(path: &str) -> Option<(&str, &str)> {
    let (_, rest) = path.split_once("/namespaces/")?;
    let mut words = rest.split('/');
    Some((words.next()?, words.next()?))
}

impl Guard {
    /// A write is about to be sent on.
    pub(super) fn before(&mut self, method: &Method, path: &str, body: &[u8]) {
        self.addressed(method, path, body);
        let Some((namespace, kind)) = place(path) else { return };
        if *method != Method::PATCH || !WORKLOADS.contains(&kind) {
            return;
        }
        let standing = self.standing.get(namespace);
        let missing: Vec<&str> = GUARDS
            .into_iter()
            .filter(|guard| !standing.is_some_and(|standing| standing.contains(*guard)))
            .collect();
        if !missing.is_empty() {
            self.violations.push(format!("{path} before {}", missing.join(", ")));
        }
    }

    /// Another object may have taken the name meanwhile, or somebody may have said more.
    fn addressed(&mut self, method: &Method, path: &str, body: &[u8]) {
        let needed: &[&str] = match *method {
            // All pods of a namespace go at once.
            Method::DELETE if !path.ends_with("/pods") => &["/preconditions/uid"],
            Method::PATCH if path.ends_with("/status") => {
                &["/metadata/uid", "/metadata/resourceVersion"]
            }
            _ => return,
        };
        let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
        for place in needed.iter().filter(|place| body.pointer(place).is_none()) {
            self.violations.push(format!("{method} {path} without {place}"));
        }
    }

    /// A write was answered.
    pub(super) fn after(&mut self, method: &Method, path: &str, code: u16, body: &[u8]) {
        if !(200..300).contains(&code) {
            return;
        }
        if let (Some((namespace, kind)), true) = (place(path), *method == Method::PATCH) {
            self.standing.entry(namespace.to_owned()).or_default().insert(kind.to_owned());
        }
        if *method == Method::DELETE {
            self.made.retain(|one| !one.ends_with(path));
        }
        // Questions about oneself and tokens are no objects.
        if code == 201 && !path.contains("/selfsubject") {
            let name = serde_json::from_slice::<Value>(body).unwrap_or_default();
            let name = name.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let whole = match path.rsplit('/').next() {
                Some(last) if last == name => path.to_owned(),
                _ => format!("{path}/{name}"),
            };
            if !self.made.insert(whole.clone()) {
                self.violations.push(format!("{whole} was made twice"));
            }
        }
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.violations.clone()
    }
}
