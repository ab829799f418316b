//! What a preview follows: its template, the Secrets it is granted, its time.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use understudy_bed::{Result, testing::text};
use understudy_fakes::{
    Registry, Scene,
    cluster::LONG,
    registry::Manner,
    scene::{COMMITS, small},
};

use crate::stage::stage;

/// What leaves the template goes; what cannot be changed is made anew.
pub(crate) async fn template() -> Result<()> {
    let stage = stage().await?;
    let mut template = small();
    let settings =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}});
    template["source"]["inline"].as_array_mut().expect("a list").push(settings);
    let scene = Scene::new(&stage.cluster, &stage.upstream, "follow", &template, &[]).await?;
    scene.open("one", COMMITS[0]).await?;
    let preview = scene.reach("one", "Ready", COMMITS[0]).await?;
    let stack = text(&preview, "/status/namespace/name").to_owned();
    let deployment = format!("/apis/apps/v1/namespaces/{stack}/deployments/web");
    let before = scene.cluster.find(&deployment).await?.unwrap_or_default();
    let mut other = small();
    let spec = &mut other["source"]["inline"][0]["spec"];
    spec["selector"]["matchLabels"]["app"] = json!("other");
    spec["template"]["metadata"]["labels"]["app"] = json!("other");
    other["source"]["inline"][1]["spec"]["selector"]["app"] = json!("other");
    scene.template(&other).await?;
    let config = format!("/api/v1/namespaces/{stack}/configmaps/settings");
    scene.cluster.until(&config, LONG, Value::is_null).await?;
    let anew = |one: &Value| {
        text(one, "/spec/selector/matchLabels/app") == "other"
            && text(one, "/metadata/uid") != text(&before, "/metadata/uid")
    };
    scene.cluster.until(&deployment, LONG, anew).await?;
    let pods = format!("/api/v1/namespaces/{stack}/pods");
    let rolled = |list: &Value| {
        let items = list.get("items").and_then(Value::as_array);
        items.is_some_and(|pods| {
            pods.len() == 1 && pods.iter().all(|pod| text(pod, "/metadata/labels/app") == "other")
        })
    };
    scene.cluster.until(&pods, LONG, rolled).await?;
    scene.reach("one", "Ready", COMMITS[0]).await?;
    scene.clear().await
}

/// A Secret of the scene's own namespace.
async fn secret(scene: &Scene, name: &str, type_: &str, key: &str, value: &str) -> Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": scene.namespace},
        "type": type_, "data": {key: ByteString(value.as_bytes().to_vec())},
    });
    let path = format!("/api/v1/namespaces/{}/secrets/{name}", scene.namespace);
    scene.cluster.apply(&path, &object).await.map(drop)
}

/// A trusted preview gets what it is granted, an untrusted one does not; both may pull.
pub(crate) async fn secrets() -> Result<()> {
    let stage = stage().await?;
    let registry = Registry::start().await?;
    registry.push("shop/web", COMMITS[0], "first", ("linux", "amd64"));
    registry.treat("shop/web", Manner::Token("ada".to_owned(), "pull-word".to_owned()));
    let name = format!("{}/shop/web", registry.address());
    let mut template = small();
    let main = &mut template["source"]["inline"][0]["spec"]["template"]["spec"]["containers"][0];
    main["image"] = json!(name);
    template["images"] = json!([{
        "name": name, "tag": "{{ commit.sha }}", "pullSecretRef": {"name": "regcred"},
    }]);
    template["secrets"] = json!([{"name": "stripe", "copyFrom": {"name": "preview-stripe"}}]);
    let flag = format!("--plain-http-registry={}", registry.address());
    let scene = Scene::new(&stage.cluster, &stage.upstream, "secret", &template, &[&flag]).await?;
    scene.open("trusted", COMMITS[0]).await?;
    let refused = |one: &Value| {
        text(one, "/status/reason") == "SecretNotFound"
            || text(one, "/status/reason") == "ImageAccessDenied"
    };
    scene.cluster.until(&scene.preview("trusted"), LONG, refused).await?;
    let auth = ByteString(b"ada:pull-word".to_vec());
    let config = json!({"auths": {registry.address(): {"auth": auth}}}).to_string();
    secret(&scene, "regcred", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", &config)
        .await?;
    secret(&scene, "preview-stripe", "Opaque", "key", "sk-test-1").await?;
    // Secrets cannot be watched: a change of the preview, or of the template, looks at them again.
    scene.change("trusted", &json!({"keepUntil": "2030-01-01T00:00:00Z"})).await?;
    let preview = scene.reach("trusted", "Ready", COMMITS[0]).await?;
    let inside = format!("/api/v1/namespaces/{}/secrets", text(&preview, "/status/namespace/name"));
    let copied = scene.cluster.find(&format!("{inside}/stripe")).await?.unwrap_or_default();
    assert_eq!(copied.pointer("/data/key"), Some(&json!(ByteString(b"sk-test-1".to_vec()))));
    let said = scene.operator.lock().await.log() + &preview.to_string();
    assert!(!said.contains("sk-test-1") && !said.contains("pull-word"), "no secret is told");
    scene.open("untrusted", COMMITS[0]).await?;
    scene.change("untrusted", &json!({"trust": "Untrusted"})).await?;
    let preview = scene.reach("untrusted", "Ready", COMMITS[0]).await?;
    let inside = format!("/api/v1/namespaces/{}/secrets", text(&preview, "/status/namespace/name"));
    scene.cluster.until(&format!("{inside}/stripe"), LONG, Value::is_null).await?;
    assert!(scene.cluster.find(&format!("{inside}/regcred")).await?.is_some(), "it may still pull");
    scene.clear().await
}

/// Before its end a preview is warned of; afterwards everything is gone but itself; a push brings it back.
pub(crate) async fn time() -> Result<()> {
    let stage = stage().await?;
    let mut template = small();
    template["lifecycle"] = json!({"ttl": "1m"});
    let scene = Scene::new(&stage.cluster, &stage.upstream, "time", &template, &[]).await?;
    scene.open("one", COMMITS[0]).await?;
    let preview = scene.reach("one", "Ready", COMMITS[0]).await?;
    let earlier = Timestamp::now() - SignedDuration::from_secs(50);
    let past = json!({"status": {"lastActivity": earlier.to_string()}});
    scene.cluster.patch(&format!("{}/status", scene.preview("one")), &past).await?;
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events", scene.namespace);
    let warned = |list: &Value| {
        let items = list.get("items").and_then(Value::as_array);
        items.into_iter().flatten().any(|one| text(one, "/reason") == "ExpiresSoon")
    };
    scene.cluster.until(&events, LONG, warned).await?;
    let stopped = |one: &Value| {
        text(one, "/status/phase") == "Stopped" && one.pointer("/status/teardown/seconds").is_some()
    };
    scene.cluster.until(&scene.preview("one"), LONG, stopped).await?;
    let namespace = format!("/api/v1/namespaces/{}", text(&preview, "/status/namespace/name"));
    assert!(scene.cluster.find(&namespace).await?.is_none(), "everything is gone");
    scene.change("one", &json!({"commit": COMMITS[1]})).await?;
    scene.reach("one", "Ready", COMMITS[1]).await?;
    scene.clear().await
}
