//! What the operator may believe when it sees only a part of the cluster, and what it does when it cannot speak.

use std::time::Duration;

use serde_json::{Value, json};
use understudy_bed::Result;
use understudy_fakes::{
    Scene,
    cluster::LONG,
    proxy::Manner,
    scene::{COMMITS, small},
};

use crate::stage::stage;

/// A scene whose operator goes through the proxy, with one preview that is Ready, and its namespace.
async fn scene(topic: &str) -> Result<(Scene, String)> {
    let stage = stage().await?;
    let upstream = (stage.upstream.0.clone(), None);
    let scene = Scene::new(&stage.cluster, &upstream, topic, &small(), &[]).await?;
    scene.open("one", COMMITS[0]).await?;
    let ready = scene.reach("one", "Ready", COMMITS[0]).await?;
    let stack = ready.pointer("/status/namespace/name").and_then(Value::as_str);
    let namespace = format!("/api/v1/namespaces/{}", stack.unwrap_or_default());
    Ok((scene, namespace))
}

/// A new operator that gets no list of templates writes nothing, and goes on when it has one.
pub(crate) async fn cold() -> Result<()> {
    let (scene, _) = scene("cold").await?;
    scene.operator.lock().await.kill().await;
    scene.proxy.treat("/previewtemplates?", Manner::Refuse);
    scene.proxy.arm(None).await?;
    scene.operator.lock().await.restart()?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(scene.proxy.writes(), Vec::<String>::new(), "an empty cache is no fact");
    scene.proxy.relent();
    scene.change("one", &json!({"commit": COMMITS[1]})).await?;
    scene.reach("one", "Ready", COMMITS[1]).await?;
    scene.clear().await
}

/// Closed while no operator runs, and the next one gets a list without the namespace: it is removed before
/// the preview goes.
pub(crate) async fn blind() -> Result<()> {
    let (scene, namespace) = scene("blind").await?;
    scene.operator.lock().await.kill().await;
    scene.proxy.treat("/api/v1/namespaces?", Manner::Empty);
    scene.cluster.delete(&scene.preview("one")).await?;
    scene.operator.lock().await.restart()?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.proxy.relent();
    scene.cluster.until(&scene.preview("one"), LONG, Value::is_null).await?;
    assert_eq!(scene.cluster.find(&namespace).await?, None, "the preview went and left it behind");
    scene.clear().await
}

/// Events are refused for as long as you like: the status is said, and the Event once it can be made.
pub(crate) async fn speechless() -> Result<()> {
    let (scene, _) = scene("speech").await?;
    scene.proxy.treat("/events", Manner::Refuse);
    scene.change("one", &json!({"commit": COMMITS[1]})).await?;
    scene.reach("one", "Ready", COMMITS[1]).await?;
    scene.proxy.relent();
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events", scene.namespace);
    let short = COMMITS[1].get(..7).unwrap_or_default();
    let told = |list: &Value| {
        let items = list.get("items").and_then(Value::as_array);
        items.into_iter().flatten().any(|one| {
            one.get("note").and_then(Value::as_str).is_some_and(|note| note.contains(short))
        })
    };
    scene.cluster.until(&events, LONG, told).await?;
    scene.clear().await
}

/// What fails for long is tried ever more seldom: what is said meanwhile is no reason to look again at once.
pub(crate) async fn patient() -> Result<()> {
    let (scene, _) = scene("patient").await?;
    scene.proxy.treat("/events", Manner::Refuse);
    scene.change("one", &json!({"commit": COMMITS[1]})).await?;
    scene.reach("one", "Ready", COMMITS[1]).await?;
    scene.proxy.arm(None).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let said = scene.proxy.writes().len();
    println!("measured: while no Event can be made for 15 s, the status is said {said} times");
    scene.clear().await?;
    assert!(said <= 10, "{said} times");
    Ok(())
}
