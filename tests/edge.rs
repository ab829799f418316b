//! The edge in front of backends that the test holds in its own hands: manners, hostile requests, streams, sleep.

#![expect(
    clippy::indexing_slicing,
    reason = "an answer without the field it is asked for fails the test"
)]

#[path = "edge/flow.rs"]
mod flow;
#[path = "edge/hostile.rs"]
mod hostile;
#[path = "edge/manners.rs"]
mod manners;
#[path = "edge/rest.rs"]
mod rest;
#[expect(dead_code, reason = "counting by the operator's token is for another suite")]
mod stage;

use std::sync::atomic::{AtomicU16, Ordering};

use understudy_bed::{
    Error, Profile, Result,
    testing::{Outcome, shared},
};
use understudy_fakes::{
    backend::Backend,
    edge::{Edge, INSIDE, Preview, get},
};

use stage::{Stage, block_on, stage_on};

/// Ports inside the bed, each for one listener.
static PORTS: AtomicU16 = AtomicU16::new(20_000);

fn port() -> u16 {
    PORTS.fetch_add(2, Ordering::Relaxed)
}

/// A bed, an edge of its own, and a namespace for its previews.
struct Scene {
    stage: Stage,
    edge: Edge,
    namespace: String,
    _folder: tempfile::TempDir,
}

async fn scene(topic: &str, flags: &[&str]) -> Result<Scene> {
    let stage = stage_on(shared(Profile::Control)?).await?;
    Edge::install(&stage.bed)?;
    let namespace = format!("{topic}-{}", std::process::id());
    stage.cluster.home(&namespace).await?;
    let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
    let edge = Edge::start(&stage.bed, folder.path(), port(), flags).await?;
    Ok(Scene { stage, edge, namespace, _folder: folder })
}

impl Scene {
    async fn open(&self, name: &str) -> Result<Preview> {
        Preview::open(&self.stage.cluster, &self.namespace, name).await
    }

    /// A preview with that backend as its pod, once it is answered: where the edge is, and its host.
    async fn serve(&self, name: &str, backend: &Backend) -> Result<(String, String)> {
        let preview = self.open(name).await?;
        preview.pods(&[(INSIDE, backend.port, "a")]).await?;
        let (address, host) = (self.edge.plain(), preview.host());
        until(async || get(&address, &host, "/").await, |one| one.status() == 200).await?;
        Ok((address, host))
    }
}

/// Waits until an answer is as it should be: a watch takes a moment.
async fn until<T>(
    mut look: impl AsyncFnMut() -> Result<T>,
    holds: impl Fn(&T) -> bool,
) -> Result<T> {
    let mut last = look().await?;
    for _ in 0..200 {
        if holds(&last) {
            return Ok(last);
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        last = look().await?;
    }
    Ok(last)
}

#[test]
#[ignore = "needs a control bed: cargo verify --only edge"]
fn host_leads_to_its_pods_and_nowhere_else() -> Outcome {
    block_on(manners::story())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only edge"]
fn hostile_requests_get_the_answer_one_would_expect() -> Outcome {
    block_on(hostile::story())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only edge"]
fn bytes_flow_as_they_come() -> Outcome {
    block_on(flow::story())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only edge"]
fn sleeper_is_woken_by_one_write_and_loses_nobody() -> Outcome {
    block_on(rest::story())
}
