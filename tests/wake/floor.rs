//! The least a wake could take: somebody scales bare Deployments up, sees that they are ready, and connects.

use std::time::Instant;

use futures::future::try_join_all;
use serde_json::{Value, json};
use understudy_bed::{Error, Profile, Result, testing::text};
use understudy_fakes::{
    cluster::LONG,
    scene::COMMITS,
    watch::{History, Seen},
};

use crate::scene::{Sleepers, stack};

/// Bare stacks, each in a namespace of its own, scaled to nothing.
pub(crate) struct Floor {
    slices: History,
    namespaces: Vec<String>,
}

impl Floor {
    /// Makes so many.
    pub(crate) async fn new(sleepers: &Sleepers, profile: Profile, number: usize) -> Result<Self> {
        let cluster = &sleepers.stage.cluster;
        let slices = History::follow(cluster, "/apis/discovery.k8s.io/v1/endpointslices").await?;
        let text =
            stack(profile, sleepers.after).to_string().replace("{{ commit.sha }}", COMMITS[0]);
        let spec: Value = serde_json::from_str(&text).unwrap_or_default();
        let objects = spec.pointer("/source/inline").and_then(Value::as_array).cloned();
        let objects = objects.unwrap_or_default();
        let namespaces: Vec<String> = (0..number)
            .map(|index| format!("{}-floor-{index}", sleepers.scene.namespace))
            .collect();
        for namespace in &namespaces {
            let home =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            cluster.apply(&format!("/api/v1/namespaces/{namespace}"), &home).await?;
            for object in &objects {
                let mut object = object.clone();
                let path = if object.get("kind") == Some(&json!("Service")) {
                    format!("/api/v1/namespaces/{namespace}/services/web")
                } else {
                    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                        spec.insert("replicas".to_owned(), json!(0));
                    }
                    deployment(namespace)
                };
                cluster.apply(&path, &object).await?;
            }
        }
        Ok(Self { slices, namespaces })
    }

    /// Scales so many up at once; how long each took until somebody answered, in seconds. All are at rest again
    /// afterwards.
    pub(crate) async fn measure(&self, sleepers: &Sleepers, number: usize) -> Result<Vec<f64>> {
        let mark = self.slices.mark();
        let began = Instant::now();
        let chosen = self.namespaces.iter().take(number);
        let times = try_join_all(chosen.clone().map(|namespace| async move {
            self.scale(sleepers, namespace, 1).await?;
            let ready = |seen: &Seen| address(&seen.object, namespace);
            let address = self.slices.until(mark, LONG, ready).await?;
            connect(sleepers, address).await?;
            Ok::<_, Error>(began.elapsed().as_secs_f64())
        }))
        .await?;
        for namespace in chosen.clone() {
            self.scale(sleepers, namespace, 0).await?;
        }
        for namespace in chosen {
            let pods = format!("/api/v1/namespaces/{namespace}/pods");
            let none = |list: &Value| list["items"].as_array().is_some_and(Vec::is_empty);
            sleepers.stage.cluster.until(&pods, LONG, none).await?;
        }
        Ok(times)
    }

    async fn scale(&self, sleepers: &Sleepers, namespace: &str, to: u32) -> Result<()> {
        let change = json!({"spec": {"replicas": to}});
        sleepers.stage.cluster.patch(&deployment(namespace), &change).await.map(drop)
    }

    /// Removes them, without waiting.
    pub(crate) async fn clear(&self, sleepers: &Sleepers) -> Result<()> {
        for namespace in &self.namespaces {
            sleepers.stage.cluster.delete(&format!("/api/v1/namespaces/{namespace}")).await?;
        }
        Ok(())
    }
}

fn deployment(namespace: &str) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/deployments/web")
}

/// Where a pod of that namespace is ready, if the slice says so.
fn address(slice: &Value, namespace: &str) -> Option<String> {
    if text(slice, "/metadata/namespace") != namespace {
        return None;
    }
    let ready = |one: &&Value| one.pointer("/conditions/ready") == Some(&json!(true));
    let one = slice.get("endpoints")?.as_array()?.iter().find(ready)?;
    Some(format!("{}:{}", text(one, "/addresses/0"), slice.pointer("/ports/0/port")?))
}

async fn connect(sleepers: &Sleepers, address: String) -> Result<()> {
    let bed = sleepers.stage.bed.clone();
    let answer = tokio::task::spawn_blocking(move || bed.get(&address, "/"));
    answer.await.map_err(|error| Error::Bed(error.to_string()))?.map(drop)
}
