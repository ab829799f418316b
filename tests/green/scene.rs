//! A preview whose checks are small scripts, an edge, and an operator that takes their results.

use std::time::Duration;

use serde_json::{Value, json};
use understudy_bed::{
    Error, Profile, Result,
    net::Forward,
    plan::address,
    testing::{shared, text},
};
use understudy_fakes::{Scene, edge::Edge, evidence};

use crate::{
    stage::{Stage, stage_on},
    ways::Way,
};

/// Where the edge is found by pods.
const EDGE: u16 = 20_000;

/// Longer than any of it takes.
const LONG: Duration = Duration::from_mins(5);

/// Everything such checks need.
pub(crate) struct Judges {
    pub(crate) stage: Stage,
    pub(crate) scene: Scene,
    pub(crate) way: evidence::Way,
    _edge: Edge,
    _registry: Forward,
    _folder: tempfile::TempDir,
}

/// A front that answers anything with a page.
fn spec(checks: &[Value]) -> Value {
    let busybox = format!("{}/busybox:1", address::REGISTRY);
    json!({
        "source": {"inline": [
            {
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                "spec": {
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {
                            "terminationGracePeriodSeconds": 1,
                            "containers": [{
                                "name": "web", "image": busybox,
                                "command": ["sh", "-c", "mkdir /tmp/w && echo ok > /tmp/w/index.html && exec httpd -f -p 8080 -h /tmp/w"],
                                "securityContext": {"runAsUser": 65532},
                                "env": [{"name": "COMMIT", "value": "{{ commit.sha }}"}],
                            }],
                        },
                    },
                },
            },
            {
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
            },
        ]},
        "expose": [{"name": "web", "service": "web", "port": 80}],
        "checks": checks,
        "isolation": {"quota": {"cpu": "8", "memory": "64Gi", "pods": "60"}},
    })
}

/// A check that runs this script.
pub(crate) fn check(name: &str, script: &str) -> Value {
    let timeout = if name == "too-slow-after-report" { "15s" } else { "2m" };
    json!({
        "name": name, "timeout": timeout,
        "job": {
            "image": format!("{}/busybox:1", address::REGISTRY), "command": ["sh", "-c", script],
            "results": {"junit": ["*.xml"]}, "runAsUser": 65532,
        },
    })
}

impl Judges {
    /// Sets it up on the shared node bed.
    pub(crate) async fn new() -> Result<Self> {
        let stage = stage_on(shared(Profile::Node)?).await?;
        Edge::install(&stage.bed)?;
        let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
        let edge = Edge::start(&stage.bed, folder.path(), EDGE, &[]).await?;
        let (registry, [mirror, plain]) = understudy_shop::registry(&stage.bed)?;
        let way = evidence::Way::open(&stage.bed, &edge, folder.path())?;
        let flags: Vec<&str> =
            [&mirror, &plain].into_iter().chain(&way.flags).map(String::as_str).collect();
        let scene =
            Scene::new(&stage.cluster, &stage.upstream, "green", &spec(&[]), &flags).await?;
        Ok(Self { stage, scene, way, _edge: edge, _registry: registry, _folder: folder })
    }

    /// From now on these are the checks.
    pub(crate) async fn template(&self, ways: &[&Way]) -> Result<()> {
        let checks: Vec<Value> = ways.iter().map(|way| check(way.name, way.script)).collect();
        self.checks(&checks).await
    }

    /// The same, as they stand in a template.
    pub(crate) async fn checks(&self, checks: &[Value]) -> Result<()> {
        self.scene.template(&spec(checks)).await
    }

    /// Waits until each has a verdict.
    pub(crate) async fn settled(&self, name: &str, ways: &[&Way]) -> Result<Value> {
        self.until(name, |preview| {
            ways.iter()
                .all(|way| !matches!(text(verdict(preview, way.name), "/verdict"), "" | "Running"))
        })
        .await
    }

    /// Waits until the preview is so.
    pub(crate) async fn until(&self, name: &str, so: impl Fn(&Value) -> bool) -> Result<Value> {
        let path = self.scene.preview(name);
        self.scene.told(self.stage.cluster.until(&path, LONG, so).await).await
    }
}

/// What a check came to.
pub(crate) fn verdict<'status>(preview: &'status Value, name: &str) -> &'status Value {
    let checks = preview.pointer("/status/checks").and_then(Value::as_array);
    checks.into_iter().flatten().find(|one| text(one, "/name") == name).unwrap_or(&Value::Null)
}
