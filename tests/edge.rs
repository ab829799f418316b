//! The edge in front of backends that the test holds in its own hands: manners, hostile requests, streams, sleep.

#![expect(
    clippy::indexing_slicing,
    reason = "an answer without the field it is asked for fails the test"
)]

#[path = "edge/beside.rs"]
mod beside;
#[path = "edge/between.rs"]
mod between;
#[path = "edge/book.rs"]
mod book;
#[path = "edge/bounds.rs"]
mod bounds;
#[path = "edge/floods.rs"]
mod floods;
#[path = "edge/flow.rs"]
mod flow;
#[path = "edge/frames.rs"]
mod frames;
#[path = "edge/hostile.rs"]
mod hostile;
#[path = "edge/manners.rs"]
mod manners;
#[path = "edge/pods.rs"]
mod pods;
#[path = "edge/readers.rs"]
mod readers;
#[path = "edge/rest.rs"]
mod rest;
#[expect(dead_code, reason = "counting by the operator's token is for another suite")]
mod stage;
#[path = "edge/streams.rs"]
mod streams;
#[path = "edge/tls.rs"]
mod tls;
#[path = "edge/tunnels.rs"]
mod tunnels;

use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpStream;
use understudy_bed::{
    Bed, Error, Profile, Result,
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

    /// A connection to the edge with nothing between: whoever does not read on it is felt.
    fn dial(&self) -> Result<TcpStream> {
        dial(&self.stage.bed, self.edge.inside())
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

/// A connection to an address inside the bed that waits for nothing before it sends.
fn dial(bed: &Bed, address: &str) -> Result<TcpStream> {
    let stream = bed.dial(address)?;
    let made = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
    let made = made.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    made.map_err(|error| Error::Bed(error.to_string()))
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
fn hostile_http2_ends_or_waits_alone() -> Outcome {
    block_on(async {
        let scene = scene("frames", &[]).await?;
        floods::story(&scene).await?;
        streams::story(&scene).await?;
        readers::story(&scene).await
    })
}

#[test]
#[ignore = "needs a control bed: cargo verify --only edge"]
fn what_is_beyond_a_bound_is_told_so_and_tunnels_cost_little() -> Outcome {
    block_on(async {
        let scene = scene("bounds", &bounds::FLAGS).await?;
        tunnels::story(&scene).await?;
        bounds::story(&scene).await
    })
}

#[test]
#[ignore = "needs a control bed: cargo verify --only edge"]
fn pods_that_speak_http2_badly_harm_nobody_else() -> Outcome {
    block_on(pods::story())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only edge"]
fn certificate_changes_and_nobody_is_dropped() -> Outcome {
    block_on(tls::story())
}

#[test]
#[ignore = "needs a control bed: cargo verify --long edge"]
fn long_certificate_that_cannot_be_used_changes_nothing() -> Outcome {
    block_on(tls::long_story())
}

#[test]
#[ignore = "needs a control bed: cargo verify --long edge"]
fn long_ten_thousand_requests_of_one_preview_are_the_most() -> Outcome {
    block_on(bounds::long_story())
}

#[test]
#[ignore = "needs a control bed: cargo verify --long edge"]
fn long_http2_is_spoken_by_the_book() -> Outcome {
    block_on(book::story())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only edge"]
fn http2_arrives_in_http1_as_it_was_meant() -> Outcome {
    block_on(between::story())
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
