//! Previews that sleep soon, an edge that wakes them, and a watch that misses nothing of it.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use serde_json::{Value, json};
use understudy_bed::{
    Error, Home, Profile, Result,
    net::Forward,
    testing::{shared, text},
};
use understudy_crds::label;
use understudy_fakes::{
    Scene,
    cluster::{LONG, path},
    edge::Edge,
    scene::{COMMITS, small},
    watch::{History, Seen},
};

use crate::stage::{Stage, stage_on};

/// What stays with the operator's settings of a test: rights, kinds, and who runs.
pub(crate) struct Sleepers {
    pub(crate) stage: Stage,
    pub(crate) scene: Scene,
    pub(crate) edge: Edge,
    pub(crate) history: History,
    pub(crate) folder: tempfile::TempDir,
    /// How long after the last request a preview sleeps.
    pub(crate) after: Duration,
    _registry: Option<Forward>,
}

/// The port of the edge inside the bed.
pub(crate) const PORT: u16 = 20_000;

/// A stack of one web front, which sleeps so long after the last request; with fake pods one that nobody has to pull.
pub(crate) fn stack(profile: Profile, after: Duration) -> Value {
    let Some(mut spec) = (match profile {
        Profile::Node => understudy_shop::alone().pointer("/spec").cloned(),
        _ => Some(small()),
    }) else {
        return Value::Null;
    };
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("checks");
        fields.remove("secrets");
        fields
            .insert("lifecycle".to_owned(), json!({"sleepAfter": format!("{}s", after.as_secs())}));
        let front = |one: &Value| text(one, "/metadata/name") == "web";
        if let Some(inline) =
            fields.get_mut("source").and_then(|source| source.get_mut("inline")?.as_array_mut())
        {
            inline.retain(front);
        }
        if let Some(expose) = fields.get_mut("expose").and_then(Value::as_array_mut) {
            expose.retain(|one| text(one, "/name") == "web");
        }
    }
    let pod = "/source/inline/1/spec/template/spec";
    if profile == Profile::Node
        && let Some(pod) = spec.pointer_mut(pod).and_then(Value::as_object_mut)
    {
        beside_an_api(pod);
    }
    spec
}

/// How often the edge notes that something is in use: it must be sure of a note for twice that long.
pub(crate) fn notes(after: Duration) -> String {
    format!("--note-interval={}s", after.as_secs() / 3)
}

/// Gives the web front an API that always has the same to say, instead of one with a database.
fn beside_an_api(pod: &mut serde_json::Map<String, Value>) {
    // What the API is made of does not end when it is asked to.
    pod.insert("terminationGracePeriodSeconds".to_owned(), json!(2));
    let serve = "mkdir /tmp/api && echo '{\"commit\": \"a1\", \"products\": []}' > /tmp/api/products && echo ok > /tmp/api/healthz \
                 && exec httpd -f -p 8081 -h /tmp/api";
    let api = json!({
        "name": "api", "image": format!("{}/busybox:1", understudy_bed::plan::address::REGISTRY),
        "command": ["sh", "-c", serve], "securityContext": {"runAsUser": 65532},
    });
    if let Some(containers) = pod.get_mut("containers").and_then(Value::as_array_mut) {
        if let Some(web) = containers.first_mut().and_then(Value::as_object_mut) {
            web.insert("env".to_owned(), json!([{"name": "SHOP_API", "value": "127.0.0.1:8081"}]));
        }
        containers.push(api);
    }
}

impl Sleepers {
    /// Sets it up on the shared bed, without previews. What is in use is noted three times before it may sleep.
    pub(crate) async fn new(profile: Profile, after: Duration) -> Result<Self> {
        let stage = stage_on(shared(profile)?).await?;
        Edge::install(&stage.bed)?;
        let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
        let edge = Edge::start(&stage.bed, folder.path(), PORT, &[&notes(after)]).await?;
        let mut flags = vec![
            format!("--edge-address={}", edge.plain()),
            format!("--awake-at-least={}s", after.as_secs()),
        ];
        let mut registry = None;
        if profile == Profile::Node {
            understudy_shop::build(&Home::find()?, &stage.bed, COMMITS[0], false)?;
            let (forward, more) = understudy_shop::registry(&stage.bed)?;
            registry = Some(forward);
            flags.extend(more);
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (cluster, upstream, stack) = (&stage.cluster, &stage.upstream, stack(profile, after));
        let scene = Scene::new(cluster, upstream, "wake", &stack, &flags).await?;
        let all = path(&scene.namespace, "previewenvironments", "");
        let history = History::follow(&stage.cluster, &all).await?;
        Ok(Self { stage, scene, edge, history, folder, after, _registry: registry })
    }

    /// Opens so many, and waits until each was Ready: the first may sleep before the last is.
    pub(crate) async fn open(&self, names: &[String]) -> Result<()> {
        for name in names {
            self.scene.open(name, COMMITS[0]).await?;
        }
        for name in names {
            let settled = |one: &Value| matches!(text(one, "/status/phase"), "Ready" | "Asleep");
            let path = self.scene.preview(name);
            self.scene.told(self.stage.cluster.until(&path, LONG, settled).await).await?;
        }
        Ok(())
    }

    /// Waits until all of them sleep and no pod of theirs is left.
    pub(crate) async fn asleep(&self, names: &[String]) -> Result<()> {
        for name in names {
            let preview = self.scene.preview(name);
            let asleep = |one: &Value| text(one, "/status/phase") == "Asleep";
            self.scene.told(self.stage.cluster.until(&preview, LONG, asleep).await).await?;
        }
        let selector = format!("/api/v1/pods?labelSelector={}", label::PREVIEW_UID);
        let own: HashSet<String> = names.iter().filter_map(|name| self.home(name)).collect();
        let gone = |list: &Value| {
            let items = list.get("items").and_then(Value::as_array);
            !items.into_iter().flatten().any(|pod| own.contains(text(pod, "/metadata/namespace")))
        };
        self.stage.cluster.until(&selector, LONG, gone).await.map(drop)
    }

    /// The namespace of a preview's stack, as far as it was told.
    fn home(&self, name: &str) -> Option<String> {
        let of = |seen: &Seen| text(&seen.object, "/status/namespace/name").to_owned();
        let own = |seen: &&Seen| text(&seen.object, "/metadata/name") == name;
        self.history.all().iter().rev().find(own).map(of).filter(|home| !home.is_empty())
    }

    /// The host of a preview.
    pub(crate) fn host(name: &str) -> String {
        format!("pr-{name}.preview.test")
    }

    /// When somebody last asked for a wake of that preview.
    pub(crate) fn wanted(preview: &Value) -> Option<&str> {
        let annotations = preview.pointer("/metadata/annotations");
        annotations.and_then(|all| all.get(label::WAKE_WANTED)?.as_str())
    }

    /// How often wakes were asked for since the mark, by preview.
    pub(crate) fn wakes(&self, mark: usize) -> Vec<(String, usize)> {
        let mut wakes: Vec<(String, usize)> = Vec::new();
        for (name, versions) in self.by_name() {
            let changes = versions.iter().zip(versions.iter().skip(1));
            let fresh = changes.filter(|((_, before), (place, after))| {
                *place >= mark && Self::wanted(&before.object) != Self::wanted(&after.object)
            });
            wakes.push((name, fresh.count()));
        }
        wakes
    }

    /// Every version of each preview, with its place in the history.
    pub(crate) fn by_name(&self) -> Vec<(String, Vec<(usize, Seen)>)> {
        let mut all: BTreeMap<String, Vec<(usize, Seen)>> = BTreeMap::new();
        for (place, seen) in self.history.all().into_iter().enumerate() {
            let name = text(&seen.object, "/metadata/name").to_owned();
            all.entry(name).or_default().push((place, seen));
        }
        all.into_iter().collect()
    }
}
