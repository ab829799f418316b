//! Teardowns that something is in the way of.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use understudy_bed::{Result, testing::text};
use understudy_fakes::{
    Scene,
    cluster::LONG,
    scene::{COMMITS, small},
};

use crate::stage::stage;

/// The namespace is deleted by hand while the preview is open: it is built again.
pub(crate) async fn by_hand() -> Result<()> {
    let stage = stage().await?;
    let scene = Scene::new(&stage.cluster, &stage.upstream, "hand", &small(), &[]).await?;
    scene.open("one", COMMITS[0]).await?;
    let before = scene.reach("one", "Ready", COMMITS[0]).await?;
    let namespace = format!("/api/v1/namespaces/{}", text(&before, "/status/namespace/name"));
    scene.cluster.delete(&namespace).await?;
    let rebuilt = |one: &Value| {
        text(one, "/status/phase") == "Ready"
            && text(one, "/status/namespace/uid") != text(&before, "/status/namespace/uid")
    };
    scene.cluster.until(&scene.preview("one"), LONG, rebuilt).await?;
    scene.clear().await
}

/// A finalizer nobody honours is named within a minute; another preview opens and closes meanwhile; it ends
/// by itself when the finalizer goes.
pub(crate) async fn held() -> Result<()> {
    let stage = stage().await?;
    let scene = Scene::new(&stage.cluster, &stage.upstream, "held", &small(), &[]).await?;
    scene.open("one", COMMITS[0]).await?;
    let before = scene.reach("one", "Ready", COMMITS[0]).await?;
    let stack = text(&before, "/status/namespace/name");
    let service = format!("/api/v1/namespaces/{stack}/services/web");
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    scene.cluster.patch(&service, &hold).await?;
    let began = Instant::now();
    scene.cluster.delete(&scene.preview("one")).await?;
    let blocked = |one: &Value| {
        let list = one.pointer("/status/conditions").and_then(Value::as_array);
        list.into_iter().flatten().any(|condition| {
            text(condition, "/type") == "TeardownBlocked"
                && text(condition, "/message").contains("example.com/hold")
                && text(condition, "/message").contains("Service web")
        })
    };
    let limit = Duration::from_mins(1);
    scene.cluster.until(&scene.preview("one"), limit, blocked).await?;
    println!("measured: a held teardown is named after {:.0} s", began.elapsed().as_secs_f64());
    scene.open("two", COMMITS[0]).await?;
    scene.reach("two", "Ready", COMMITS[0]).await?;
    scene.cluster.delete(&scene.preview("two")).await?;
    scene.cluster.until(&scene.preview("two"), Duration::from_secs(30), Value::is_null).await?;
    scene.cluster.patch(&service, &json!({"metadata": {"finalizers": null}})).await?;
    scene.cluster.until(&scene.preview("one"), LONG, Value::is_null).await?;
    scene.clear().await
}

/// Closed and opened again within a second: another namespace, never a write into the dying one.
pub(crate) async fn reopened() -> Result<()> {
    let stage = stage().await?;
    let scene = Scene::new(&stage.cluster, &stage.upstream, "again", &small(), &[]).await?;
    scene.open("one", COMMITS[0]).await?;
    let before = scene.reach("one", "Ready", COMMITS[0]).await?;
    scene.cluster.delete(&scene.preview("one")).await?;
    // The old object stays until its teardown is done: another name is what a second preview of the same
    // pull request would get at once.
    scene.open("one-again", COMMITS[1]).await?;
    let after = scene.reach("one-again", "Ready", COMMITS[1]).await?;
    assert_ne!(text(&before, "/status/namespace/name"), text(&after, "/status/namespace/name"));
    scene.cluster.until(&scene.preview("one"), LONG, Value::is_null).await?;
    scene.open("one", COMMITS[0]).await?;
    let third = scene.reach("one", "Ready", COMMITS[0]).await?;
    assert_ne!(text(&before, "/status/namespace/name"), text(&third, "/status/namespace/name"));
    scene.clear().await
}
