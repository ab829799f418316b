//! The whole end state of a scene, with what must differ between two runs (UIDs, times, digests, random
//! values) replaced, so that two runs can be compared word for word.

use serde_json::{Map, Value, json};
use understudy_bed::Result;
use understudy_crds::label;

use crate::{cluster::path, scene::Scene};

/// Every kind that a preview may consist of.
const KINDS: [&str; 16] = [
    "/api/v1/namespaces",
    "/api/v1/resourcequotas",
    "/api/v1/limitranges",
    "/api/v1/serviceaccounts",
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/api/v1/services",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/pods",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/batch/v1/jobs",
    "/apis/batch/v1/cronjobs",
    "/apis/policy/v1/poddisruptionbudgets",
];

/// Takes it.
pub async fn take(scene: &Scene) -> Result<Value> {
    let mut all = Map::new();
    let previews = path(&scene.namespace, "previewenvironments", "");
    all.insert("previews".to_owned(), items(scene, &previews).await?);
    for kind in KINDS {
        let selected =
            format!("{kind}?labelSelector={}={}", label::PREVIEW_NAMESPACE, scene.namespace);
        let mut found = items(scene, &selected).await?;
        for item in found.as_array_mut().into_iter().flatten() {
            // What Kubernetes' own controllers say of it is theirs.
            if let Some(fields) = item.as_object_mut() {
                fields.remove("status");
            }
        }
        all.insert(kind.to_owned(), found);
    }
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events", scene.namespace);
    let events = items(scene, &events).await?;
    all.insert("events".to_owned(), said(&events));
    let mut all = Value::Object(all);
    let names = names(&all);
    normalise(&mut all, "", &names);
    Ok(all)
}

async fn items(scene: &Scene, path: &str) -> Result<Value> {
    let list = scene.cluster.find(path).await?.unwrap_or_default();
    let mut items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |item: &Value| {
        item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    items.sort_by_key(name);
    Ok(Value::Array(items))
}

/// What the events say, without how often and when.
fn said(events: &Value) -> Value {
    let mut notes: Vec<String> = events
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| {
            let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{} {}: {}", text("type"), text("reason"), without_numbers(text("note")))
        })
        .collect();
    notes.sort();
    json!(notes)
}

/// `in 5.34 s` may take any time.
fn without_numbers(note: &str) -> String {
    let mut words: Vec<&str> = note.split(' ').collect();
    for place in 1..words.len() {
        let is_time = words.get(place - 1) == Some(&"in");
        if let Some(word) =
            words.get_mut(place).filter(|word| is_time && word.parse::<f64>().is_ok())
        {
            *word = "N";
        }
    }
    words.join(" ")
}

/// Names that differ from run to run: of the previews' namespaces, UIDs, and the scene's own namespace.
fn names(all: &Value) -> Vec<(String, &'static str)> {
    let mut names = Vec::new();
    for preview in all.get("previews").and_then(Value::as_array).into_iter().flatten() {
        for (place, word) in [
            ("/metadata/uid", "UID"),
            ("/status/namespace/name", "NAMESPACE"),
            ("/status/namespace/uid", "NAMESPACE-UID"),
            ("/metadata/namespace", "HOME"),
        ] {
            if let Some(text) = preview.pointer(place).and_then(Value::as_str) {
                names.push((text.to_owned(), word));
            }
        }
    }
    names
}

/// Fields whose values say nothing about the end.
const PASSING: [&str; 25] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "lastTransitionTime",
    "since",
    "lastActivity",
    "expiresAt",
    "startedAt",
    "seconds",
    "steps",
    "clusterIP",
    "clusterIPs",
    "podIP",
    "podIPs",
    "lastUpdateTime",
    "startTime",
    "containerID",
    "nodeName",
    "hostIP",
    "hostIPs",
    "generation",
    "judged",
    "finishedAt",
    "lastProbeTime",
];

const DIGESTS: [&str; 3] = [label::APPLIED, label::TEMPLATE, "pod-template-hash"];

fn normalise(value: &mut Value, name: &str, names: &[(String, &str)]) {
    match value {
        Value::Object(fields) => {
            // Our own generation and the one we looked at are the story; those of others count updates.
            fields.retain(|field, _| !PASSING.contains(&field.as_str()));
            for (field, value) in fields.iter_mut() {
                if DIGESTS.contains(&field.as_str()) || name == "data" {
                    *value = json!("…");
                } else {
                    normalise(value, field, names);
                }
            }
            // Pods are known by their number; names are random.
            if fields.get("generateName").is_some() {
                fields.retain(|field, _| field == "generateName");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| normalise(item, name, names)),
        Value::String(text) => {
            for (from, to) in names {
                *text = text.replace(from.as_str(), to);
            }
            *text = text.split(' ').map(without_hash).collect::<Vec<_>>().join(" ");
        }
        _ => {}
    }
}

/// A `ReplicaSet` is called after its Deployment and a hash of its template, which has our labels in it.
fn without_hash(word: &str) -> String {
    let hash = |text: &str| {
        (6..=10).contains(&text.len()) && text.chars().all(|letter| letter.is_ascii_alphanumeric())
    };
    let bare = word.trim_matches('"').trim_end_matches('-');
    match bare.rsplit_once('-') {
        Some((name, end)) if hash(end) && name == "web" => format!("{name}-HASH"),
        _ => word.to_owned(),
    }
}
