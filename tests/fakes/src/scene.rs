//! A namespace with a template, an operator that serves it alone, and a proxy between it and the API
//! server: everything one test needs, and nothing it shares.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::Mutex, task::JoinHandle};
use understudy_bed::{Bed, Error, Result};
use understudy_crds::label::GROUP;

use crate::{
    cluster::{Cluster, HOME, LONG, path},
    operator::{Operator, plain_kubeconfig},
    proxy::{Kill, Proxy},
};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Two commits and one that is bad, for tests that push.
pub const COMMITS: [&str; 3] = [
    "a1a1a1a1d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4",
    "b2b2b2b2d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4",
    "c3c3c3c3d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4",
];

/// A namespace, its operator, and what stands between that and the API server.
#[derive(Debug)]
pub struct Scene {
    /// The API server, as administrator.
    pub cluster: Cluster,
    /// Where templates and previews are.
    pub namespace: String,
    /// Between the operator and the API server.
    pub proxy: Proxy,
    /// The operator.
    pub operator: Arc<Mutex<Operator>>,
    killer: JoinHandle<()>,
    _folder: TempDir,
}

impl Scene {
    /// Sets it up: a namespace, the template, the operator. `upstream` speaks as the operator's account; with
    /// a kubeconfig the operator goes past the proxy.
    pub async fn new(
        cluster: &Cluster,
        upstream: &(Cluster, Option<PathBuf>),
        topic: &str,
        template: &Value,
        flags: &[&str],
    ) -> Result<Self> {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{topic}-{}-{number}", std::process::id());
        cluster.home(&namespace).await?;
        let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
        let (proxy, mut kills) = Proxy::start(upstream.0.client()).await?;
        let kubeconfig = match &upstream.1 {
            Some(direct) => direct.clone(),
            None => plain_kubeconfig(&proxy.address(), folder.path())?,
        };
        let scope = format!("--namespace={namespace}");
        let mut words = vec!["--leader-elect=false", scope.as_str()];
        words.extend(flags);
        let operator = Operator::start(folder.path(), &kubeconfig, &words)?;
        let operator = Arc::new(Mutex::new(operator));
        let victim = Arc::clone(&operator);
        let killer = tokio::spawn(async move {
            while let Some(kill) = kills.recv().await {
                restart(&victim, kill).await;
            }
        });
        let scene =
            Self { cluster: cluster.clone(), namespace, proxy, operator, killer, _folder: folder };
        scene.template(template).await?;
        Ok(scene)
    }

    /// Writes the template.
    pub async fn template(&self, spec: &Value) -> Result<()> {
        let object = json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "PreviewTemplate",
            "metadata": {"name": "web", "namespace": self.namespace}, "spec": spec,
        });
        self.cluster
            .apply(&path(&self.namespace, "previewtemplates", "web"), &object)
            .await
            .map(drop)
    }

    /// The path of a preview.
    pub fn preview(&self, name: &str) -> String {
        path(&self.namespace, "previewenvironments", name)
    }

    /// Opens a preview at that commit.
    pub async fn open(&self, name: &str, commit: &str) -> Result<()> {
        let object = json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "PreviewEnvironment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "templateRef": {"name": "web"}, "pullRequest": {"number": 42}, "commit": commit,
                "trust": "Trusted",
            },
        });
        let all = path(&self.namespace, "previewenvironments", "");
        self.cluster.create(&all, &object).await.map(drop)
    }

    /// Changes a preview's spec.
    pub async fn change(&self, name: &str, spec: &Value) -> Result<()> {
        self.cluster.patch(&self.preview(name), &json!({"spec": spec})).await.map(drop)
    }

    /// Waits until the preview is in that phase with that commit wanted and looked at.
    pub async fn reach(&self, name: &str, phase: &str, commit: &str) -> Result<Value> {
        let path = self.preview(name);
        let reached = self.cluster.until(&path, LONG, |one| is(one, phase, commit));
        self.told(reached.await).await
    }

    /// An outcome whose error tells what the operator said last.
    pub async fn told<T>(&self, outcome: Result<T>) -> Result<T> {
        match outcome {
            Ok(found) => Ok(found),
            Err(error) => {
                let log = self.operator.lock().await.log();
                let tail: Vec<&str> = log.lines().rev().take(15).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                Err(Error::Bed(format!("{error}\n--- the operator's log\n{tail}")))
            }
        }
    }

    /// Removes what the scene made, without waiting.
    pub async fn clear(&self) -> Result<()> {
        self.killer.abort();
        self.operator.lock().await.kill().await;
        let previews = path(&self.namespace, "previewenvironments", "");
        let list = self.cluster.find(&previews).await?.unwrap_or_default();
        for item in list.get("items").and_then(Value::as_array).into_iter().flatten() {
            let text =
                |place: &str| item.pointer(place).and_then(Value::as_str).unwrap_or_default();
            let one = self.preview(text("/metadata/name"));
            let free = json!({"metadata": {"finalizers": null}});
            // It may have gone between.
            let _ = self.cluster.patch(&one, &free).await;
            let stack = text("/status/namespace/name");
            if !stack.is_empty() {
                self.cluster.delete(&format!("/api/v1/namespaces/{stack}")).await?;
            }
        }
        self.cluster.delete(&format!("/api/v1/namespaces/{}", self.namespace)).await
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.killer.abort();
    }
}

async fn restart(operator: &Mutex<Operator>, kill: Kill) {
    let mut operator = operator.lock().await;
    operator.kill().await;
    // Whoever asked may be gone by now.
    let _ = kill.send(());
    // A start that fails shows as a preview that goes nowhere.
    let _ = operator.restart();
}

/// Whether the preview is in that phase, with everything of its spec looked at.
pub fn is(preview: &Value, phase: &str, commit: &str) -> bool {
    let text = |place: &str| preview.pointer(place).and_then(Value::as_str).unwrap_or_default();
    text("/status/phase") == phase
        && preview.pointer("/status/observedGeneration") == preview.pointer("/metadata/generation")
        && text("/spec/commit") == commit
}

/// A connection as the operator's own account.
pub async fn upstream(bed: &Bed, folder: &Path) -> Result<(Cluster, PathBuf)> {
    let kubeconfig = crate::operator::kubeconfig(bed, bed.kubectl(), HOME, folder)?;
    Ok((Cluster::connect(&kubeconfig).await?, kubeconfig))
}

/// A stack of one Deployment and one Service with an `http` check, as a template's spec.
pub fn small() -> Value {
    json!({
        "source": {"inline": [
            {
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                "spec": {
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {"containers": [{
                            "name": "web", "image": "example.com/web:1",
                            "env": [{"name": "COMMIT", "value": "{{ commit.sha }}"}],
                        }]},
                    },
                },
            },
            {
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
            },
        ]},
        "expose": [{"name": "web", "service": "web", "port": 80}],
        "checks": [{"name": "smoke", "http": {"path": "/healthz"}}],
    })
}
