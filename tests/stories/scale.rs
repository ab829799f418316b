//! What previews cost: requests, counted in the audit log, and time, memory and processor beside a floor.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use understudy_bed::{Error, Result, audit::Request, testing::text};
use understudy_fakes::{
    Scene,
    cluster::{LONG, path},
    cost::{memory_kib, processor_time},
    scene::{COMMITS, small},
};

use crate::stage::{Stage, stage};

/// How many requests a client may send side by side; the operator's own bound.
const SIDE_BY_SIDE: usize = 16;

/// Whoever counts requests waits until nobody crowds the cluster: a teardown that takes long says so, which is
/// a request more.
static QUIET: Mutex<()> = Mutex::const_new(());

/// Opens, pushes and closes one preview beside `others`, and counts.
pub(crate) async fn costs(others: usize) -> Result<()> {
    let _quiet = QUIET.lock().await;
    let stage = stage().await?;
    let scene = Scene::new(&stage.cluster, &stage.upstream, "cost", &small(), &[]).await?;
    if others > 0 {
        crowd(&stage, &scene, others).await?;
    }
    let name = "one-more";
    let mark = stage.bed.audit().mark(&stage.bed)?;
    scene.open(name, COMMITS[0]).await?;
    scene.reach(name, "Ready", COMMITS[0]).await?;
    let opened = stage.requests(mark, Request::is_write)?;
    let mark = stage.bed.audit().mark(&stage.bed)?;
    scene.change(name, &json!({"commit": COMMITS[1]})).await?;
    scene.reach(name, "Ready", COMMITS[1]).await?;
    let pushed = stage.requests(mark, Request::is_write)?;
    let mark = stage.bed.audit().mark(&stage.bed)?;
    scene.cluster.delete(&scene.preview(name)).await?;
    scene.cluster.until(&scene.preview(name), LONG, Value::is_null).await?;
    let closed = stage.requests(mark, Request::is_write)?;
    for (act, counts, most) in [("open", opened, 14), ("push", pushed, 7), ("close", closed, 5)] {
        let sum: usize = counts.values().sum();
        println!("measured: {act} beside {others} others: {sum} writes {counts:?}");
        assert!(sum <= most, "{act}: {sum} writes, {most} are the most: {counts:?}");
    }
    scene.clear().await
}

/// Opens many at once, and prints what that took beside a client that sends the same writes and does
/// nothing else.
async fn crowd(stage: &Stage, scene: &Scene, number: usize) -> Result<()> {
    let floor = floor(stage, scene, number).await?;
    let pid = scene.operator.lock().await.pid();
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
    let before = processor_time(pid);
    let began = Instant::now();
    let opens = stream::iter(0..number)
        .map(|index| async move { scene.open(&format!("many-{index}"), COMMITS[0]).await });
    opens.buffer_unordered(SIDE_BY_SIDE).try_collect::<Vec<()>>().await?;
    let limit = Duration::from_mins(10);
    let all = path(&scene.namespace, "previewenvironments", "");
    let ready = |list: &Value| {
        let items = list.get("items").and_then(Value::as_array);
        items.into_iter().flatten().filter(|one| text(one, "/status/phase") == "Ready").count()
    };
    // Looking is work for the API server too: once a second is enough to tell a minute.
    while scene.cluster.find(&all).await?.as_ref().is_none_or(|list| ready(list) < number) {
        if began.elapsed() > limit {
            return Err(Error::Bed(format!("{number} previews are not Ready after {limit:?}")));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "measured: {number} previews Ready in {took:.1} s (floor {floor:.1} s, {:.2} times), {:.1} processor \
         seconds, {} MiB",
        took / floor,
        processor_time(pid).saturating_sub(before).as_secs_f64(),
        memory_kib(pid) >> 10
    );
    Ok(())
}

/// The same writes in the same order, by a client that decides nothing: guards, stack, one status.
async fn floor(stage: &Stage, scene: &Scene, number: usize) -> Result<f64> {
    let began = Instant::now();
    let cluster = &stage.cluster;
    let names: Vec<String> =
        (0..number).map(|index| format!("{}-f{index}", scene.namespace)).collect();
    let made = stream::iter(&names).map(|name| async move {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        cluster.create("/api/v1/namespaces", &namespace).await?;
        for (kind, object) in same_writes() {
            let own = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let root = if kind.contains('/') {
                format!("/apis/{}", kind.rsplit_once('/').map_or("", |kind| kind.0))
            } else {
                "/api/v1".to_owned()
            };
            let plural = kind.rsplit('/').next().unwrap_or_default();
            cluster.apply(&format!("{root}/namespaces/{name}/{plural}/{own}"), &object).await?;
        }
        let deployment = format!("/apis/apps/v1/namespaces/{name}/deployments/web");
        let available = |one: &Value| one.pointer("/status/availableReplicas") == Some(&json!(1));
        cluster.until(&deployment, LONG, available).await?;
        Ok::<_, Error>(())
    });
    made.buffer_unordered(SIDE_BY_SIDE).try_collect::<Vec<()>>().await?;
    let took = began.elapsed().as_secs_f64();
    let path = |name: &String| format!("/api/v1/namespaces/{name}");
    for name in &names {
        cluster.delete(&path(name)).await?;
    }
    for name in &names {
        cluster.until(&path(name), Duration::from_mins(10), Value::is_null).await?;
    }
    Ok(took)
}

fn same_writes() -> Vec<(String, Value)> {
    let isolation = understudy_crds::isolation::Isolation::default();
    let mut all: Vec<(String, Value)> = understudy_core::fence::guards(&isolation, None)
        .into_iter()
        .map(|guard| {
            let kind = text(&guard, "/kind");
            let plural = match kind {
                "NetworkPolicy" => "networking.k8s.io/v1/networkpolicies".to_owned(),
                other => format!("{}s", other.to_lowercase()),
            };
            (plural, guard)
        })
        .collect();
    let small = small();
    let stack = small.pointer("/source/inline").and_then(Value::as_array).cloned();
    for object in stack.into_iter().flatten() {
        let plural =
            if text(&object, "/kind") == "Service" { "services" } else { "apps/v1/deployments" };
        all.push((plural.to_owned(), object));
    }
    // Statuses, the binding and the Event are answered as quickly as a small object.
    for index in 0..6 {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("small-{index}")}});
        all.push(("configmaps".to_owned(), object));
    }
    all
}

/// Previews that nothing happens to: no write, and no read but watches.
pub(crate) async fn idle(number: usize, seconds: u64) -> Result<()> {
    let stage = stage().await?;
    let scene = Scene::new(&stage.cluster, &stage.upstream, "idle", &small(), &[]).await?;
    for index in 0..number {
        scene.open(&format!("idle-{index}"), COMMITS[0]).await?;
    }
    for index in 0..number {
        scene.reach(&format!("idle-{index}"), "Ready", COMMITS[0]).await?;
    }
    let mark = stage.bed.audit().mark(&stage.bed)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let counts = stage.requests(mark, |request| request.verb != "watch")?;
    println!("measured: {number} idle previews for {seconds} s: {counts:?} besides watches");
    assert!(counts.is_empty(), "{counts:?}");
    scene.clear().await
}
