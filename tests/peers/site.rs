//! Beds with as many previews as a comparison needs.

use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use understudy_bed::{Bed, Error, Result};
use understudy_fakes::{
    Cluster,
    edge::{Edge, INSIDE, Preview},
    tls::Pair,
};

use crate::{
    rivals::{Rivals, pod},
    stage::{Stage, stage_on},
    tools::Tools,
};

/// A bed, its previews, and everybody in front of them.
pub(crate) struct Site {
    pub(crate) stage: Stage,
    pub(crate) rivals: Rivals,
    /// How many previews there are.
    pub(crate) previews: usize,
    /// What hosts end with: they are `pr-N.SUFFIX`.
    pub(crate) suffix: String,
    /// Configurations and what tools leave.
    pub(crate) folder: tempfile::TempDir,
}

/// How many previews are made at once.
const AT_ONCE: usize = 32;

impl Site {
    /// Sets it up.
    pub(crate) async fn new(
        bed: Bed,
        previews: usize,
        (tools, program): (&Tools, &Path),
    ) -> Result<Self> {
        let stage = stage_on(bed).await?;
        Edge::install(&stage.bed)?;
        let namespace = format!("peers-{}", std::process::id());
        stage.cluster.home(&namespace).await?;
        populate(&stage.cluster, &namespace, previews).await?;
        let folder = tempfile::tempdir().map_err(|error| Error::Bed(error.to_string()))?;
        let pair = Pair::new(&format!("{namespace}.preview.test"))?;
        pair.write(folder.path())?;
        // As HAProxy wants it: both in one file.
        let (pem, both) = (folder.path().join("tls.pem"), [pair.certificate, pair.key].concat());
        std::fs::write(&pem, both).map_err(Error::touch("write", &pem))?;
        let suffix = format!("{namespace}.preview.test");
        let rivals =
            Rivals::start((&stage.bed, folder.path()), (tools, program), (previews, &suffix));
        Ok(Self { rivals: rivals.await?, stage, previews, suffix, folder })
    }
}

/// Makes previews `pr-0` to that number, each with a pod of its own.
async fn populate(cluster: &Cluster, namespace: &str, previews: usize) -> Result<()> {
    let made = stream::iter(0..=previews).map(|number| async move {
        let preview = Preview::open(cluster, namespace, &format!("pr-{number}")).await?;
        preview.pods(&[(INSIDE, pod(number), &format!("pod-{number}"))]).await
    });
    made.buffer_unordered(AT_ONCE).try_collect().await
}
