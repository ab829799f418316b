//! Somebody else edits what we set.

use serde_json::{Value, json};
use understudy_bed::Result;
use understudy_fakes::{
    Scene,
    cluster::LONG,
    scene::{COMMITS, small},
};

use crate::stage::stage;

/// Edits are put back from the watch; after three times with the same manager we stop and say so.
pub(crate) async fn edits() -> Result<()> {
    let stage = stage().await?;
    let scene = Scene::new(&stage.cluster, &stage.upstream, "contest", &small(), &[]).await?;
    scene.open("one", COMMITS[0]).await?;
    let preview = scene.reach("one", "Ready", COMMITS[0]).await?;
    let stack =
        preview.pointer("/status/namespace/name").and_then(Value::as_str).unwrap_or_default();
    let service = format!("/api/v1/namespaces/{stack}/services/web");
    let selector = |wanted: &'static str| {
        move |one: &Value| one.pointer("/spec/selector/app").and_then(Value::as_str) == Some(wanted)
    };
    let edit = json!({"spec": {"selector": {"app": "theirs"}}});
    let edited = format!("{service}?fieldManager=somebody");
    for _ in 0..3 {
        scene.cluster.patch(&edited, &edit).await?;
        scene.cluster.until(&service, LONG, selector("web")).await?;
    }
    scene.cluster.patch(&edited, &edit).await?;
    let contested =
        |one: &Value| one.pointer("/status/reason").and_then(Value::as_str) == Some("Contested");
    let preview = scene.cluster.until(&scene.preview("one"), LONG, contested).await?;
    let message = preview.pointer("/status/message").and_then(Value::as_str).unwrap_or_default();
    assert!(message.contains("Service web") && message.contains("`somebody`"), "{message}");
    let left = scene.cluster.find(&service).await?.unwrap_or_default();
    assert!(selector("theirs")(&left), "left to them");
    guards(&scene, stack).await?;
    scene.clear().await
}

/// Guards are put back whatever happens to them: edited, relabelled, deleted.
async fn guards(scene: &Scene, stack: &str) -> Result<()> {
    let policy =
        format!("/apis/networking.k8s.io/v1/namespaces/{stack}/networkpolicies/understudy");
    let before = scene.cluster.find(&policy).await?.unwrap_or_default();
    scene.cluster.delete(&policy).await?;
    let back = |one: &Value| {
        one.pointer("/metadata/uid").is_some()
            && one.pointer("/metadata/uid") != before.pointer("/metadata/uid")
            && one.pointer("/spec") == before.pointer("/spec")
    };
    scene.cluster.until(&policy, LONG, back).await?;
    scene.cluster.patch(&policy, &json!({"spec": {"ingress": [{}]}})).await?;
    let same = |one: &Value| one.pointer("/spec") == before.pointer("/spec");
    scene.cluster.until(&policy, LONG, same).await?;
    let namespace = format!("/api/v1/namespaces/{stack}");
    let level = "/metadata/labels/pod-security.kubernetes.io~1enforce";
    let loose =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    scene.cluster.patch(&namespace, &loose).await?;
    let tight = |one: &Value| one.pointer(level).and_then(Value::as_str) == Some("restricted");
    scene.cluster.until(&namespace, LONG, tight).await.map(drop)
}
