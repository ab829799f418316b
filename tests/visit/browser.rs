//! A browser in a pod, which finds the preview by its URL as a person would: the cluster's DNS leads every name below
//! the base domain to one address, and there is the edge.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::{Value, json};
use understudy_bed::{
    Bed, Error, Result,
    net::Forward,
    plan::address,
    testing::{Namespace, text},
};

/// A namespace with the spec, the address with the edge, and the folder where pictures are left.
pub(crate) struct Browser {
    namespace: Namespace,
    image: String,
    pictures: PathBuf,
    _edge: Forward,
}

impl Browser {
    /// Sets it up in front of the edge at that address of this machine.
    pub(crate) fn new(bed: &Bed, image: String, edge: &str) -> Result<Self> {
        let namespace = Namespace::create(bed, "browser")?;
        namespace.apply(&[json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "specs"},
            "data": {"shop.spec.js": understudy_shop::SPEC},
        })])?;
        let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("visit");
        if pictures.exists() {
            fs::remove_dir_all(&pictures).map_err(Error::touch("remove", &pictures))?;
        }
        fs::create_dir_all(&pictures).map_err(Error::touch("make", &pictures))?;
        // The pod writes there, and is nobody in particular.
        fs::set_permissions(&pictures, PermissionsExt::from_mode(0o777))
            .map_err(Error::touch("open up", &pictures))?;
        let edge = bed.expose(&format!("{}:80", address::EDGE), edge)?;
        Ok(Self { namespace, image, pictures, _edge: edge })
    }

    /// Begins the part of the spec that begins with that word, at the preview's URL.
    pub(crate) fn begin(&self, part: &str, preview: &Value, more: &[(&str, &str)]) -> Result<()> {
        let url = text(preview, "/status/hosts/0/url");
        let words = [("E2E_URL", url), ("E2E_OUT", "/out")];
        let env: Vec<Value> = words
            .iter()
            .chain(more)
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let mounts = json!([
            // By itself: files of a ConfigMap are links, and links are not taken for specs.
            {"name": "specs", "mountPath": "/e2e/specs/shop.spec.js", "subPath": "shop.spec.js"},
            {"name": "out", "mountPath": "/out"},
        ]);
        let container = json!({
            "name": "browser", "image": self.image, "args": [format!("--grep={part}:")], "env": env,
            "volumeMounts": mounts,
            "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1536Mi"}},
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        });
        self.namespace.apply(&[json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": part},
            "spec": {"backoffLimit": 0, "template": {"spec": {
                "restartPolicy": "Never", "automountServiceAccountToken": false,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
                "volumes": [
                    {"name": "specs", "configMap": {"name": "specs"}},
                    {"name": "out", "hostPath": {"path": self.pictures, "type": "Directory"}},
                ],
            }}},
        })])
    }

    /// Waits until that part has said so, or has ended without.
    pub(crate) fn hears(&self, part: &str, words: &str) -> Result<()> {
        self.namespace.until(&format!("`{words}` of {part}"), || {
            let log = self.log(part)?;
            let ended = log.contains(" passed (") || log.contains(" failed\n");
            Ok((log.contains(words) || ended).then_some(()))
        })
    }

    /// Waits until that part has ended well; says what it measured and where its pictures are.
    pub(crate) fn ends(&self, part: &str, pictures: &[&str]) -> Result<()> {
        let fine = self.namespace.job_end(part)?;
        let log = self.log(part)?;
        assert!(fine, "the browser says of {part}:\n{log}");
        for line in log.lines().filter(|line| line.contains("measured: ")) {
            println!("{line}");
        }
        for picture in pictures {
            println!("picture: {}", self.pictures.join(format!("{picture}.png")).display());
        }
        Ok(())
    }

    fn log(&self, part: &str) -> Result<String> {
        self.namespace.kubectl(&["logs", &format!("job/{part}")])
    }
}
