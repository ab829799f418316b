//! The life of one preview of the shop on real pods: open, push, break, mend, close.

#[expect(dead_code, reason = "counting is for another suite")]
mod stage;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use understudy_bed::{
    Error, Home, Profile, Result,
    testing::{Namespace, Outcome, shared, text},
};
use understudy_core::{fence::pod_security_labels, parameters::Parameters};
use understudy_crds::isolation::PodSecurity;
use understudy_fakes::{Scene, cluster::LONG, scene::COMMITS};

use stage::{Stage, block_on, stage_on};

const NAME: &str = "shop-42";

/// A fourth commit: the one that mends.
const MENDED: &str = "d4d4d4d4d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4";

/// How much longer than a bare namespace a teardown may take.
const SLOWER: f64 = 1.3;

/// The pods of a preview that are not on their way out.
async fn pods(stage: &Stage, namespace: &str) -> Result<Vec<Value>> {
    let list = stage.cluster.find(&format!("/api/v1/namespaces/{namespace}/pods")).await?;
    let items = list.as_ref().and_then(|list| list.get("items")?.as_array()).cloned();
    let stay = |pod: &Value| pod.pointer("/metadata/deletionTimestamp").is_none();
    Ok(items.unwrap_or_default().into_iter().filter(stay).collect())
}

async fn told() -> Result<()> {
    let stage = stage_on(shared(Profile::Node)?).await?;
    let home = Home::find()?;
    understudy_shop::database(&home, &stage.bed)?;
    understudy_shop::build(&home, &stage.bed, COMMITS[0], false)?;
    let (_registry, [mirror, plain]) = understudy_shop::registry(&stage.bed)?;
    let template = understudy_shop::alone();
    let spec = template.pointer("/spec").cloned().unwrap_or_default();
    let scene =
        Scene::new(&stage.cluster, &stage.upstream, "life", &spec, &[&mirror, &plain]).await?;
    let namespace = opened(&stage, &scene).await?;
    pushed(&stage, &scene, &home, &namespace).await?;
    broken(&stage, &scene, &home, &namespace).await?;
    understudy_shop::build(&home, &stage.bed, MENDED, false)?;
    scene.change(NAME, &json!({"commit": MENDED})).await?;
    scene.reach(NAME, "Ready", MENDED).await?;
    closed(&stage, &scene).await?;
    scene.clear().await
}

async fn opened(stage: &Stage, scene: &Scene) -> Result<String> {
    scene.open(NAME, COMMITS[0]).await?;
    let preview = scene.reach(NAME, "Ready", COMMITS[0]).await?;
    assert_eq!(text(&preview, "/status/commit"), COMMITS[0]);
    let wide = ["get", "previews", "--namespace", &scene.namespace, "--output=wide"];
    println!("{}", stage.bed.kubectl_run(&wide)?);
    let describe = ["describe", "preview", NAME, "--namespace", &scene.namespace];
    println!("{}", stage.bed.kubectl_run(&describe)?);
    println!("measured: the shop is Ready: {}", text(&preview, "/status/summary/steps"));
    Ok(text(&preview, "/status/namespace/name").to_owned())
}

/// Only what changed rolls: the database stays the pod that it was.
async fn pushed(stage: &Stage, scene: &Scene, home: &Home, namespace: &str) -> Result<()> {
    let before = pods(stage, namespace).await?;
    understudy_shop::build(home, &stage.bed, COMMITS[1], false)?;
    scene.change(NAME, &json!({"commit": COMMITS[1]})).await?;
    let preview = scene.reach(NAME, "Ready", COMMITS[1]).await?;
    assert_eq!(text(&preview, "/status/commit"), COMMITS[1]);
    let after = pods(stage, namespace).await?;
    for pod in &before {
        let (app, uid) = (text(pod, "/metadata/labels/app"), text(pod, "/metadata/uid"));
        let stayed = after.iter().any(|other| text(other, "/metadata/uid") == uid);
        assert_eq!(stayed, app == "db", "{app}: {before:?} became {after:?}");
    }
    println!("measured: a push is Ready: {}", text(&preview, "/status/summary/steps"));
    Ok(())
}

/// A commit that crashes is Failed soon, with the object, the reason and the line; the old one is called old.
async fn broken(stage: &Stage, scene: &Scene, home: &Home, namespace: &str) -> Result<()> {
    understudy_shop::build(home, &stage.bed, COMMITS[2], true)?;
    scene.change(NAME, &json!({"commit": COMMITS[2]})).await?;
    let preview = scene.reach(NAME, "Failed", COMMITS[2]).await?;
    let message = text(&preview, "/status/message");
    println!("measured: a broken commit says: {message}");
    for words in ["Deployment api", "container api", "exit code 1", "this build is broken"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(message.contains("still shows the old commit b2b2b2b"), "{message}");
    assert_eq!(text(&preview, "/status/commit"), COMMITS[1]);
    let crash = first_crash(stage, namespace).await?;
    let said: Option<Timestamp> = text(&preview, "/status/since").parse().ok();
    let seconds = crash.zip(said).map(|(crash, said)| crash.duration_until(said).as_secs());
    println!("measured: Failed {seconds:?} s after the first crash");
    assert!(seconds.is_some_and(|seconds| seconds <= 30), "{seconds:?}");
    Ok(())
}

/// When the crashing pod came about: its first crash cannot be earlier.
async fn first_crash(stage: &Stage, namespace: &str) -> Result<Option<Timestamp>> {
    let pods = pods(stage, namespace).await?;
    let api = pods.iter().filter(|pod| text(pod, "/metadata/labels/app") == "api");
    Ok(api.filter_map(|pod| text(pod, "/metadata/creationTimestamp").parse().ok()).max())
}

/// The teardown against a bare namespace with the same content.
async fn closed(stage: &Stage, scene: &Scene) -> Result<()> {
    let bare = bare(stage).await?;
    let began = Instant::now();
    scene.cluster.delete(&scene.preview(NAME)).await?;
    scene.cluster.until(&scene.preview(NAME), LONG, Value::is_null).await?;
    let took = began.elapsed();
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events", scene.namespace);
    let events = scene.cluster.find(&events).await?.unwrap_or_default();
    let receipt = events.get("items").and_then(Value::as_array).into_iter().flatten();
    let receipt = receipt.map(|one| text(one, "/note")).find(|note| note.starts_with("removed "));
    let receipt = receipt.unwrap_or_default();
    println!(
        "measured: closed in {:.1} s, a bare namespace with the same content in {:.1} s; {receipt}",
        took.as_secs_f64(),
        bare.as_secs_f64()
    );
    assert!(receipt.ends_with(", 0 left"), "{receipt}");
    assert!(took.as_secs_f64() <= bare.as_secs_f64() * SLOWER, "{took:?} against {bare:?}");
    Ok(())
}

/// How long a namespace with the same stack takes to go by itself.
async fn bare(stage: &Stage) -> Result<Duration> {
    let parameters = Parameters::default().with("commit.sha", MENDED);
    let template = understudy_shop::alone();
    let stack = template.pointer("/spec/source/inline").cloned().unwrap_or_default();
    let stack = parameters.render(&stack).map_err(|error| Error::Bed(error.to_string()))?;
    let labels: serde_json::Map<String, Value> = pod_security_labels(PodSecurity::Restricted)
        .iter()
        .map(|(name, level)| ((*name).to_owned(), Value::from(*level)))
        .collect();
    let namespace = Namespace::labelled(&stage.bed, "bare", &Value::Object(labels))?;
    namespace.apply(&[json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"},
        "stringData": {"password": "word-of-a-test"},
    })])?;
    namespace.apply(stack.as_array().map(Vec::as_slice).unwrap_or_default())?;
    namespace.wait_for("deployment/web", "condition=Available")?;
    let path = format!("/api/v1/namespaces/{}", namespace.name());
    let began = Instant::now();
    stage.cluster.delete(&path).await?;
    stage.cluster.until(&path, LONG, Value::is_null).await?;
    Ok(began.elapsed())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only life"]
fn shop_is_opened_pushed_broken_mended_and_closed() -> Outcome {
    block_on(told())
}
