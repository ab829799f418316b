//! Every object of a preview as it is to be: the namespace, the guards, and the stack with images pinned,
//! marked and in the order in which it is applied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use understudy_crds::{isolation::Isolation, job::RunFor, label};

use crate::{
    child::ObjectId,
    fence::{guards, pod_security_labels},
    hosts::Hosts,
    object::{items, pod_template, text},
    settings::{Identity, Settings},
    sidecar::{self, Collecting},
    stack::{JobCheck, Preparation, Stack},
};

/// The role that we are given inside a preview, and the binding that gives it.
pub const PREVIEW_ROLE: &str = "understudy-preview";
const BINDING: &str = "understudy";

/// The order of applying: what comes later may need what comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Our own rights in the namespace.
    Binding,
    /// Quota, limits, fence, account: before anything that runs.
    Guard,
    /// Configuration and secrets.
    Configuration,
    /// Volumes.
    Storage,
    /// Services, so that names resolve.
    Service,
    /// What runs and keeps data.
    Stateful,
    /// What else runs.
    Workload,
}

/// An object as it is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Which one.
    pub id: ObjectId,
    /// When its turn is.
    pub rank: Rank,
    /// The whole of it but its namespace and UID.
    pub object: Value,
}

impl Desired {
    /// The digest of what is applied.
    pub fn digest(&self) -> &str {
        self.object
            .pointer("/metadata/labels")
            .and_then(|words| words.get(label::APPLIED))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// Whose objects they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'name> {
    /// The preview's UID.
    pub uid: &'name str,
    /// Its namespace.
    pub namespace: &'name str,
    /// Its name.
    pub name: &'name str,
}

/// An image that was found: which digest its name stands for in this preview.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// `sha256:…` by registry and repository.
    pub digests: BTreeMap<String, String>,
    /// The commit they were built from.
    pub commit: String,
    /// Whether what runs is scaled to zero.
    pub asleep: bool,
}

/// The namespace: made by a POST, so that a foreign one of its name is never adopted.
pub fn namespace(owner: Owner<'_>, name: &str, isolation: &Isolation) -> Value {
    let mut labels = Map::new();
    labels.insert(label::PREVIEW_UID.to_owned(), json!(owner.uid));
    labels.insert(label::PREVIEW_NAMESPACE.to_owned(), json!(owner.namespace));
    for (name, level) in pod_security_labels(isolation.pod_security) {
        labels.insert(name.to_owned(), json!(level));
    }
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "annotations": {label::PREVIEW_NAME: owner.name}},
    })
}

/// Our rights and the guards, in their order.
/// `collects` says whether there are checks whose results must be brought out.
pub fn fences(
    owner: Owner<'_>,
    isolation: &Isolation,
    settings: &Settings,
    collects: bool,
) -> Vec<Desired> {
    let subject = match &settings.operator {
        Identity::ServiceAccount { namespace, name } => {
            json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
        }
        Identity::User(name) => {
            json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name})
        }
    };
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": BINDING},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": PREVIEW_ROLE,
        },
        "subjects": [subject],
    });
    let mut all = vec![marked(owner, Rank::Binding, binding)];
    let mut guards = guards(isolation, settings.edge.as_ref());
    guards.extend(settings.collecting.iter().filter(|_| collects).map(sidecar::opening));
    all.extend(guards.into_iter().map(|guard| marked(owner, Rank::Guard, guard)));
    all
}

/// The stack, in its order, each object complete.
pub fn objects(owner: Owner<'_>, stack: &Stack, hosts: &Hosts, pins: &Pins) -> Vec<Desired> {
    let mut all: Vec<Desired> = stack
        .objects
        .iter()
        .map(|object| {
            let mut object = object.clone();
            dress(&mut object, owner, stack, hosts, pins);
            let rank = rank(&object);
            marked(owner, rank, object)
        })
        .collect();
    all.sort_by(|one, other| (one.rank, &one.id).cmp(&(other.rank, &other.id)));
    all
}

/// The Jobs that make the stack ready, in their order. The name of each says of which commit it is.
pub fn preparations(owner: Owner<'_>, stack: &Stack, hosts: &Hosts, pins: &Pins) -> Vec<Desired> {
    let one = |task: &Preparation| {
        let mut job = task.job.clone();
        dress(&mut job, owner, stack, hosts, pins);
        let seed = match task.run {
            RunFor::EveryCommit => json!([job, pins.commit]),
            RunFor::Fresh => json!([task.name]),
        };
        named(owner, job, &seed)
    };
    stack.prepare.iter().map(one).collect()
}

/// The Job of a run of a check, with the collector beside it.
pub fn run(
    owner: Owner<'_>,
    (check, job): (&str, &JobCheck),
    (stack, hosts, pins): (&Stack, &Hosts, &Pins),
    (attempt, judged, collecting): (u32, &str, &Collecting),
) -> Desired {
    let mut object = job.job.clone();
    dress(&mut object, owner, stack, hosts, pins);
    sidecar::beside(&mut object, collecting, hosts, &job.results);
    if let Some(template) = object.pointer_mut("/spec/template") {
        word(template, "labels", label::CHECK, check);
    }
    let number = attempt.to_string();
    for (name, value) in
        [(label::CHECK, check), (label::COMMIT, &pins.commit), (label::ATTEMPT, &number)]
    {
        word(&mut object, "labels", name, value);
    }
    let seed = json!([owner.uid, check, pins.commit, attempt, judged]);
    named(owner, object, &seed)
}

/// A Job under a name of its own.
fn named(owner: Owner<'_>, mut job: Value, seed: &Value) -> Desired {
    let name = format!("{}-{}", text(&job, "/metadata/name"), digest(seed));
    if let Some(metadata) = job.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".to_owned(), json!(name));
    }
    marked(owner, Rank::Workload, job)
}

fn rank(object: &Value) -> Rank {
    let keeps = || {
        items(object, "/spec/template/spec/volumes")
            .any(|(_, one)| one.get("persistentVolumeClaim").is_some())
    };
    match text(object, "/kind") {
        "StatefulSet" => Rank::Stateful,
        "Deployment" if keeps() => Rank::Stateful,
        "ConfigMap" | "Secret" => Rank::Configuration,
        "PersistentVolumeClaim" => Rank::Storage,
        "Service" => Rank::Service,
        _ => Rank::Workload,
    }
}

/// The object with our labels, and a digest of it all.
pub fn marked(owner: Owner<'_>, rank: Rank, mut object: Value) -> Desired {
    let id = ObjectId::of(&object);
    word(&mut object, "labels", label::PREVIEW_UID, owner.uid);
    word(&mut object, "labels", label::PREVIEW_NAMESPACE, owner.namespace);
    let digest = digest(&object);
    // No annotation: those of a Deployment are copied to its ReplicaSets, one write more for each wake.
    word(&mut object, "labels", label::APPLIED, &digest);
    Desired { id, rank, object }
}

/// Twenty hexadecimal digits that depend on the whole value.
pub fn digest(value: &Value) -> String {
    let hash = Sha256::digest(value.to_string().as_bytes());
    hash.iter().take(10).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Writes a label or an annotation below `holder`'s metadata.
pub fn word(holder: &mut Value, list: &str, name: &str, value: &str) {
    let Some(fields) = holder.as_object_mut() else { return };
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else { return };
    let words = metadata.entry(list).or_insert_with(|| json!({}));
    if let Some(words) = words.as_object_mut() {
        words.insert(name.to_owned(), json!(value));
    }
}

/// Pins images, tells the containers where they are, and marks the pods.
fn dress(object: &mut Value, owner: Owner<'_>, stack: &Stack, hosts: &Hosts, pins: &Pins) {
    let kind = text(object, "/kind").to_owned();
    if pins.asleep {
        lay_down(object, &kind);
    }
    let Some((pointer, _)) = pod_template(&kind) else { return };
    let workload = format!("{kind}/{}", text(object, "/metadata/name"));
    let secrets: BTreeSet<&str> =
        stack.images.iter().filter_map(|image| image.pull_secret.as_deref()).collect();
    if let Some(pod) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
        pull_with(pod, &secrets);
        for list in ["initContainers", "containers"] {
            let containers = pod.get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                let ours = pin(container, pins);
                environment(container, hosts, ours.then_some(pins.commit.as_str()));
            }
        }
    }
    let Some(template) = object.pointer_mut(pointer.trim_end_matches("/spec")) else { return };
    word(template, "labels", label::PREVIEW_UID, owner.uid);
    word(template, "labels", label::PREVIEW_NAMESPACE, owner.namespace);
    word(template, "annotations", label::WORKLOAD, &workload);
    let digest = digest(template);
    word(template, "annotations", label::TEMPLATE, &digest);
}

/// Scaled to zero; volumes stay.
fn lay_down(object: &mut Value, kind: &str) {
    let Some(spec) = object.pointer_mut("/spec").and_then(Value::as_object_mut) else { return };
    match kind {
        "Deployment" | "StatefulSet" => spec.insert("replicas".to_owned(), json!(0)),
        "CronJob" => spec.insert("suspend".to_owned(), json!(true)),
        _ => None,
    };
}

fn pull_with(pod: &mut Map<String, Value>, secrets: &BTreeSet<&str>) {
    if secrets.is_empty() {
        return;
    }
    let list = pod.entry("imagePullSecrets").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    for secret in secrets {
        if !list.iter().any(|one| one.get("name").and_then(Value::as_str) == Some(secret)) {
            list.push(json!({"name": secret}));
        }
    }
}

/// Replaces the image by its digest if it is one of those that are waited for; says whether it is.
fn pin(container: &mut Value, pins: &Pins) -> bool {
    let image = text(container, "/image").to_owned();
    let Some(digest) = pins.digests.get(repository(&image)) else { return false };
    if !image.contains('@')
        && let Some(fields) = container.as_object_mut()
    {
        fields.insert("image".to_owned(), json!(format!("{}@{digest}", repository(&image))));
    }
    true
}

/// Registry and repository of an image: what stands before its tag or digest.
pub fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

fn environment(container: &mut Value, hosts: &Hosts, commit: Option<&str>) {
    let Some(fields) = container.as_object_mut() else { return };
    let list = fields.entry("env").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    let mut ours = vec![("PREVIEW_ID".to_owned(), hosts.id.clone())];
    ours.extend(hosts.url().map(|url| ("PREVIEW_URL".to_owned(), url)));
    ours.extend(hosts.list.iter().map(|host| {
        let name = host.name.to_ascii_uppercase().replace('-', "_");
        (format!("PREVIEW_HOST_{name}"), host.url.clone())
    }));
    ours.extend(commit.map(|commit| ("PREVIEW_COMMIT".to_owned(), commit.to_owned())));
    let said = |name: &str, list: &[Value]| list.iter().any(|one| text(one, "/name") == name);
    // In front, so that variables of the stack may refer to them.
    for (name, value) in ours.into_iter().rev() {
        if !said(&name, list) {
            list.insert(0, json!({"name": name, "value": value}));
        }
    }
}

#[cfg(test)]
mod tests;
