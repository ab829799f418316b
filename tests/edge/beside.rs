//! Whoever else is there while somebody means harm: their answers, how long those took, and what the edge held
//! and did in the meantime.

use std::time::{Duration, Instant};

use understudy_bed::{Error, Result};
use understudy_fakes::edge::get;

use crate::Scene;

/// How long anybody else may have to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the edge held and did, and how others fared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    /// Its memory before.
    pub(crate) before: u64,
    /// The most of its memory that was seen.
    pub(crate) most: u64,
    /// Time of processors.
    pub(crate) spent: Duration,
    /// How many others were answered.
    pub(crate) answered: usize,
    /// The slowest of them.
    pub(crate) slowest: Duration,
}

impl Beside {
    /// By how much its memory grew at most, in KiB.
    pub(crate) const fn growth(&self) -> u64 {
        self.most.saturating_sub(self.before)
    }
}

impl std::fmt::Display for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { spent, answered, slowest, .. } = self;
        let (spent, slowest) = (spent.as_millis(), slowest.as_millis());
        let growth = self.growth();
        write!(
            f,
            "{spent} ms of processors, {growth} KiB more, {answered} others in at most {slowest} ms"
        )
    }
}

/// Does the work, and has somebody else ask for that host all the while, and once when it is done. Each is answered
/// by its own preview: the backend says the path it was asked for.
pub(crate) async fn beside<T>(
    scene: &Scene,
    (address, host): (&str, &str),
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Beside)> {
    let (before, spent) = (scene.edge.memory_kib(), scene.edge.processor_time());
    let mut seen = Beside { before, most: before, spent, answered: 0, slowest: Duration::ZERO };
    let mut work = std::pin::pin!(work);
    let outcome = loop {
        let other = async {
            ask(&mut seen, (address, host)).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<(), Error>(())
        };
        tokio::select! {
            outcome = work.as_mut() => break outcome?,
            other = other => other?,
        }
        seen.most = seen.most.max(scene.edge.memory_kib());
    };
    seen.most = seen.most.max(scene.edge.memory_kib());
    seen.spent = scene.edge.processor_time().saturating_sub(spent);
    ask(&mut seen, (address, host)).await?;
    Ok((outcome, seen))
}

async fn ask(seen: &mut Beside, (address, host): (&str, &str)) -> Result<()> {
    let began = Instant::now();
    let path = format!("/beside-{}", seen.answered);
    let answer = tokio::time::timeout(PATIENCE, get(address, host, &path)).await;
    let late = |_| Error::Bed(format!("somebody else waited {} s", PATIENCE.as_secs()));
    let answer = answer.map_err(late)??;
    let said = String::from_utf8_lossy(answer.body()).into_owned();
    if answer.status() != 200 || !said.contains(&format!("{path}\"")) {
        return Err(Error::Bed(format!("somebody else got {}: {said}", answer.status())));
    }
    seen.answered += 1;
    seen.slowest = seen.slowest.max(began.elapsed());
    Ok(())
}
