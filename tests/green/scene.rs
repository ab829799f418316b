//! A preview whose checks are small scripts, an edge, and an operator that takes their results.

use std::time::Duration;

use serde_json::{Value, json};
use understudy_bed::{
    Error, Home, Profile, Result,
    net::Forward,
    plan::address,
    testing::{shared, text},
};
use understudy_fakes::{
    Operator, Scene,
    edge::{Edge, INSIDE},
};

use crate::{
    stage::{Stage, stage_on},
    ways::Way,
};

/// Where the edge and the evidence port are found by pods.
const EDGE: u16 = 20_000;
const EVIDENCE: u16 = 20_082;

/// Longer than any of it takes.
const LONG: Duration = Duration::from_mins(5);

/// Everything such checks need.
pub(crate) struct Judges {
    pub(crate) stage: Stage,
    pub(crate) scene: Scene,
    pub(crate) evidence: String,
    _edge: Edge,
    _ways: (Forward, Forward),
    _folder: tempfile::TempDir,
}

/// A port of this machine that nobody listens on.
fn free() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| Error::Bed(error.to_string()))
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
        let image = Operator::image(&Home::find()?, &stage.bed)?;
        let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
        let edge = Edge::start(&stage.bed, folder.path(), EDGE, &[]).await?;
        let (registry, [mirror, plain]) = understudy_shop::registry(&stage.bed)?;
        let port = free()?;
        let evidence = format!("127.0.0.1:{port}");
        let way = stage.bed.expose(&format!("{INSIDE}:{EVIDENCE}"), &evidence)?;
        let flags = [
            mirror,
            plain,
            format!("--edge-address={}", edge.plain()),
            format!("--edge-address-inside={}", edge.inside()),
            format!("--evidence-listen={evidence}"),
            format!("--evidence-url=http://{INSIDE}:{EVIDENCE}"),
            format!("--image={image}"),
            format!("--data-dir={}", folder.path().display()),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let scene =
            Scene::new(&stage.cluster, &stage.upstream, "green", &spec(&[]), &flags).await?;
        Ok(Self { stage, scene, evidence, _edge: edge, _ways: (registry, way), _folder: folder })
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
