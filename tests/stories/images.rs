//! Images that are late, never there, moved or refused.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use understudy_bed::{Result, testing::text};
use understudy_crds::label;
use understudy_fakes::{
    Registry, Scene,
    cluster::LONG,
    registry::Manner,
    scene::{COMMITS, small},
};

use crate::stage::{Stage, stage};

const AMD64: (&str, &str) = ("linux", "amd64");

/// The small stack with an image of its own, and a registry that may have it.
async fn scene(stage: &Stage, registry: &Registry, deadline: &str) -> Result<Scene> {
    let name = format!("{}/shop/web", registry.address());
    let mut template = small();
    template["source"]["inline"][0]["spec"]["template"]["spec"]["containers"][0]["image"] =
        json!(name);
    template["images"] = json!([{"name": name, "tag": "{{ commit.sha }}", "deadline": deadline}]);
    let flag = format!("--plain-http-registry={}", registry.address());
    Scene::new(&stage.cluster, &stage.upstream, "image", &template, &[&flag]).await
}

/// The pods of the scene's previews.
async fn pods(scene: &Scene) -> Result<Vec<Value>> {
    let path =
        format!("/api/v1/pods?labelSelector={}={}", label::PREVIEW_NAMESPACE, scene.namespace);
    let list = scene.cluster.find(&path).await?.unwrap_or_default();
    Ok(list.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// The image appears that many seconds late: until then no pod, afterwards Ready.
pub(crate) async fn late(seconds: u64) -> Result<()> {
    let stage = stage().await?;
    let registry = Registry::start().await?;
    registry.push("shop/web", "other", "other", AMD64);
    let scene = scene(&stage, &registry, "10m").await?;
    let began = Instant::now();
    scene.open("late", COMMITS[0]).await?;
    let waiting = scene.reach("late", "WaitingForImage", COMMITS[0]).await?;
    assert_eq!(text(&waiting, "/status/reason"), "ImageNotFound");
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        assert_eq!(pods(&scene).await?.len(), 0, "nothing runs before every image is there");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let asked = registry.requests().iter().filter(|one| one.contains("/manifests/")).count();
    let took = began.elapsed().as_secs();
    let digest = registry.push("shop/web", COMMITS[0], "first", AMD64);
    let ready = scene.reach("late", "Ready", COMMITS[0]).await?;
    assert_eq!(text(&ready, "/status/images/0/digest"), digest);
    for pod in pods(&scene).await? {
        assert!(text(&pod, "/spec/containers/0/image").ends_with(&digest));
        assert_eq!(pod.pointer("/status/containerStatuses/0/restartCount"), Some(&json!(0)));
    }
    println!("measured: asked {asked} times in {took} s for a tag that was not there");
    assert!(asked as u64 <= 2 + took / 2, "asked politely: {asked} times in {took} s");
    scene.clear().await
}

/// The image never appears: refused at the deadline, and asked for no more.
pub(crate) async fn never() -> Result<()> {
    let stage = stage().await?;
    let registry = Registry::start().await?;
    let scene = scene(&stage, &registry, "12s").await?;
    scene.open("never", COMMITS[0]).await?;
    let refused = scene.reach("never", "Refused", COMMITS[0]).await?;
    assert_eq!(text(&refused, "/status/reason"), "ImageDeadlineExceeded");
    assert!(text(&refused, "/status/message").contains("did not appear within 12s"));
    let asked = registry.requests().len();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(registry.requests().len(), asked, "it is over");
    assert_eq!(pods(&scene).await?.len(), 0);
    scene.clear().await
}

/// A tag that moves after it was pinned changes nothing.
pub(crate) async fn moved() -> Result<()> {
    let stage = stage().await?;
    let registry = Registry::start().await?;
    let first = registry.push("shop/web", COMMITS[0], "first", AMD64);
    let scene = scene(&stage, &registry, "10m").await?;
    scene.open("moved", COMMITS[0]).await?;
    scene.reach("moved", "Ready", COMMITS[0]).await?;
    let second = registry.push("shop/web", COMMITS[0], "second", AMD64);
    assert_ne!(first, second);
    // Whatever makes it look again, a new operator too.
    scene.operator.lock().await.kill().await;
    scene.operator.lock().await.restart()?;
    scene.change("moved", &json!({"keepUntil": "2030-01-01T00:00:00Z"})).await?;
    let ready = scene.reach("moved", "Ready", COMMITS[0]).await?;
    assert_eq!(text(&ready, "/status/images/0/digest"), first);
    for pod in pods(&scene).await? {
        assert!(text(&pod, "/spec/containers/0/image").ends_with(&first));
    }
    scene.clear().await
}

/// Each refusal of a registry has its own reason, and goes away with its cause.
pub(crate) async fn manners() -> Result<()> {
    let stage = stage().await?;
    let registry = Registry::start().await?;
    registry.push("shop/web", COMMITS[0], "first", AMD64);
    let scene = scene(&stage, &registry, "10m").await?;
    let cases = [
        (Manner::Refuse(401, "UNAUTHORIZED"), "ImageAccessDenied", "401"),
        (Manner::Refuse(403, "DENIED"), "ImageAccessDenied", "403"),
        (Manner::Refuse(404, "NAME_UNKNOWN"), "NoSuchRepository", "no such repository"),
        (Manner::Refuse(404, "MANIFEST_UNKNOWN"), "ImageNotFound", "not in its registry yet"),
        (Manner::Refuse(429, "TOOMANYREQUESTS"), "RegistryRateLimited", "rate limit"),
        (Manner::Refuse(500, "UNKNOWN"), "RegistryUnavailable", "HTTP status 500"),
        (Manner::Slow(Duration::from_secs(30)), "RegistryUnavailable", "no answer within"),
    ];
    for (index, (manner, reason, words)) in cases.into_iter().enumerate() {
        let name = format!("case-{index}");
        registry.treat("shop/web", manner);
        scene.open(&name, COMMITS[0]).await?;
        // What another preview heard a moment ago is believed for a moment.
        let said = |one: &Value| {
            text(one, "/status/reason") == reason && text(one, "/status/message").contains(words)
        };
        let preview = scene.cluster.until(&scene.preview(&name), LONG, said).await?;
        assert_eq!(text(&preview, "/status/phase"), "WaitingForImage", "{reason}");
        scene.cluster.delete(&scene.preview(&name)).await?;
    }
    registry.push("shop/web", COMMITS[1], "arm", ("linux", "arm64"));
    registry.treat("shop/web", Manner::Open);
    scene.open("arm", COMMITS[1]).await?;
    let wrong = |one: &Value| text(one, "/status/reason") == "WrongPlatform";
    scene.cluster.until(&scene.preview("arm"), LONG, wrong).await?;
    scene.open("open", COMMITS[0]).await?;
    scene.reach("open", "Ready", COMMITS[0]).await?;
    scene.clear().await
}
