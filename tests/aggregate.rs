//! An aggregated API whose server is dead stops every namespace deletion of a cluster. We say so, open and
//! push on, and end when it is back or gone.

#[expect(dead_code, reason = "counting is for another suite")]
#[path = "stage.rs"]
mod stage;

use std::time::Duration;

use serde_json::{Value, json};
use understudy_bed::{Bed, Profile, Result, testing::Outcome};
use understudy_fakes::{Scene, bed::Own, cluster::LONG, scene::COMMITS};

use stage::{block_on, stage_on};

/// A stack without pods: this bed has no nodes.
fn template() -> Value {
    json!({"source": {"inline": [{
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
        "data": {"commit": "{{ commit.sha }}"},
    }]}})
}

async fn dead_api() -> Result<()> {
    let own = Own::up(Profile::Control, "aggregate")?;
    let stage = stage_on(Bed::attach(own.name())?).await?;
    let scene = Scene::new(&stage.cluster, &stage.upstream, "dead", &template(), &[]).await?;
    scene.open("one", COMMITS[0]).await?;
    scene.reach("one", "Ready", COMMITS[0]).await?;
    let service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.dead.example.com"},
        "spec": {
            "group": "dead.example.com", "version": "v1", "groupPriorityMinimum": 1000,
            "versionPriority": 10, "insecureSkipTLSVerify": true,
            "service": {"name": "nobody", "namespace": "default"},
        },
    });
    let path = "/apis/apiregistration.k8s.io/v1/apiservices/v1.dead.example.com";
    scene.cluster.apply(path, &service).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    scene.cluster.delete(&scene.preview("one")).await?;
    let named = |one: &Value| {
        let list = one.pointer("/status/conditions").and_then(Value::as_array);
        list.into_iter().flatten().any(|condition| {
            let text = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or_default();
            text("type") == "TeardownBlocked" && text("message").contains("dead.example.com")
        })
    };
    scene.cluster.until(&scene.preview("one"), Duration::from_mins(1), named).await?;
    scene.open("two", COMMITS[0]).await?;
    scene.reach("two", "Ready", COMMITS[0]).await?;
    scene.change("two", &json!({"commit": COMMITS[1]})).await?;
    scene.reach("two", "Ready", COMMITS[1]).await?;
    scene.cluster.delete(path).await?;
    scene.cluster.until(&scene.preview("one"), LONG * 3, Value::is_null).await?;
    scene.clear().await
}

#[test]
#[ignore = "makes a control bed: cargo verify --only aggregate"]
fn dead_aggregated_api_is_named_and_stops_nothing_but_removals() -> Outcome {
    block_on(dead_api())
}
