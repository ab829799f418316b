//! What a collector does while the test runs: it looks, and sends what has come to rest. Whatever goes wrong here is
//! tried again; what is final is decided at the end.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior};
use understudy_core::{
    evidence::{Digest, ResultPath, Run},
    junit,
};

use super::{
    address::{self, Patience, Trouble},
    choose::{Absent, Limits, choose},
    folder::{Folder, Stamp},
    look::{Found, Wanted, look},
    read::{self, Known, Unread},
    wire::Wire,
};

/// How many files are sent side by side.
pub(super) const BESIDE: usize = 8;

/// What is smaller is sent without asking whether it is there.
const WORTH_ASKING: u64 = 64 << 10;

/// How long nothing is sent during the run after we were told that nobody takes it from us.
const REFUSED: Duration = Duration::from_secs(15);

/// How often a file is read anew because it changed before it was sent.
const TRIES: u32 = 3;

/// When things are done.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Between two looks.
    pub(super) look: Duration,
    /// How long a file must not have changed.
    pub(super) rest: Duration,
    /// How long nothing may move on a connection.
    pub(super) silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(2),
            rest: Duration::from_secs(4),
            silence: Duration::from_secs(10),
        }
    }
}

/// Why a file did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undelivered {
    /// It could not be read.
    #[error("{0}")]
    Read(#[source] Unread),
    /// The time was over before it was read.
    #[error("there was no time left to read it")]
    Wait,
    /// It could not be sent.
    #[error("the evidence address {0}")]
    Send(#[source] Trouble),
}

/// Everything a collector knows.
#[derive(Debug)]
pub(super) struct Collection {
    folder: Arc<Folder>,
    wanted: Wanted,
    limits: Limits,
    pub(super) wire: Wire,
    pace: Pace,
    pub(super) began: Timestamp,
    pub(super) run: Option<Run>,
    /// Since when each file is as it is.
    seen: HashMap<ResultPath, (Stamp, Instant)>,
    known: Mutex<HashMap<ResultPath, Known>>,
    /// What the address has.
    stored: Mutex<HashSet<Digest>>,
}

impl Collection {
    /// Nothing is known yet.
    pub(super) fn new(
        folder: Folder,
        (wanted, limits): (Wanted, Limits),
        wire: Wire,
        pace: Pace,
    ) -> Self {
        Self {
            folder: Arc::new(folder),
            wanted,
            limits,
            wire,
            pace,
            began: Timestamp::now(),
            run: None,
            seen: HashMap::new(),
            known: Mutex::default(),
            stored: Mutex::default(),
        }
    }

    /// Looks and sends for ever; it may be dropped at any moment.
    pub(super) async fn watch(&mut self) {
        let mut ticks = tokio::time::interval(self.pace.look);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failures, mut not_before) = (0_u32, Instant::now());
        loop {
            ticks.tick().await;
            let ready = self.ready().await;
            if Instant::now() < not_before {
                continue;
            }
            let Err(trouble) = self.send(ready).await else {
                failures = 0;
                continue;
            };
            failures = failures.saturating_add(1);
            let wait = if trouble.passes() {
                trouble.wait(failures, rand::random_range(0.5..1.0))
            } else {
                REFUSED
            };
            tracing::debug!("the evidence address {trouble}; tried again later");
            not_before = Instant::now() + wait;
        }
    }

    /// What fits and is wanted now, and what is not had.
    pub(super) async fn chosen(&mut self) -> Option<(Vec<Found>, Absent)> {
        let (folder, wanted) = (Arc::clone(&self.folder), self.wanted.clone());
        let looked = tokio::task::spawn_blocking(move || look(&folder, &wanted)).await.ok()?;
        let (chosen, absent) = choose(looked, &self.limits);
        let paths: HashSet<&ResultPath> = chosen.iter().map(|found| &found.path).collect();
        self.known().retain(|path, _| paths.contains(path));
        Some((chosen, absent))
    }

    /// Files that have come to rest and were not sent.
    async fn ready(&mut self) -> Vec<Found> {
        let Some((mut chosen, _)) = self.chosen().await else { return Vec::new() };
        let now = Instant::now();
        let before = std::mem::take(&mut self.seen);
        for found in &chosen {
            let same = before.get(&found.path).filter(|(stamp, _)| *stamp == found.stamp);
            let since = same.map_or(now, |(_, since)| *since);
            self.seen.insert(found.path.clone(), (found.stamp, since));
        }
        chosen.retain(|found| {
            let since = self.seen.get(&found.path).map_or(now, |(_, since)| *since);
            now.duration_since(since) >= self.pace.rest && !self.is_stored(found)
        });
        chosen
    }

    /// Sends files, each once; the trouble if there is any that concerns them all.
    async fn send(&mut self, ready: Vec<Found>) -> Result<(), Trouble> {
        let run = match &self.run {
            Some(run) => run,
            None => self.run.insert(address::run(&self.wire).await?),
        };
        if run.is_final {
            return Err(Trouble::Finish);
        }
        let this = &*self;
        let mut sent = stream::iter(ready)
            .map(|found| async move { this.deliver(&found, Patience::Once).await })
            .buffer_unordered(BESIDE);
        while let Some(delivered) = sent.next().await {
            match delivered {
                Err(Undelivered::Send(trouble)) if !matches!(trouble, Trouble::Reject(_)) => {
                    return Err(trouble);
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Reads a file if it is not known as it is, and sends it if it is not there.
    pub(super) async fn deliver(
        &self,
        found: &Found,
        patience: Patience,
    ) -> Result<Known, Undelivered> {
        for _ in 0..TRIES {
            let read = patience.bound(self.read(found)).await.ok_or(Undelivered::Wait)?;
            let known = read.map_err(Undelivered::Read)?;
            match patience.ask(|| self.put(&known)).await {
                Ok(()) => {
                    self.stored().insert(known.file.digest);
                    return Ok(known);
                }
                Err(Trouble::Change) => {
                    self.known().remove(&found.path);
                }
                Err(trouble) => return Err(Undelivered::Send(trouble)),
            }
        }
        Err(Undelivered::Read(Unread::Settle))
    }

    async fn read(&self, found: &Found) -> Result<Known, Unread> {
        let known =
            self.known().get(&found.path).filter(|known| known.stamp == found.stamp).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let limits = junit::Limits { bytes: self.limits.report, ..junit::Limits::default() };
        let known = read::read(&self.folder, found, &limits).await?;
        self.known().insert(found.path.clone(), known.clone());
        Ok(known)
    }

    async fn put(&self, known: &Known) -> Result<(), Trouble> {
        let (digest, size) = (known.file.digest, known.file.size);
        if self.stored().contains(&digest)
            || (size >= WORTH_ASKING && address::has(&self.wire, digest).await?)
        {
            return Ok(());
        }
        let file = self.unchanged(known).ok_or(Trouble::Change)?;
        address::put(&self.wire, file, (digest, size)).await
    }

    fn unchanged(&self, known: &Known) -> Option<File> {
        let file = self.folder.file(Path::new(known.file.path.as_str())).ok()?;
        let stamp = Stamp::of(&file.metadata().ok()?);
        (stamp == known.stamp).then_some(file)
    }

    fn is_stored(&self, found: &Found) -> bool {
        let known = self.known();
        let same = known.get(&found.path).filter(|known| known.stamp == found.stamp);
        same.is_some_and(|known| self.stored().contains(&known.file.digest))
    }

    /// The address has lost these.
    pub(super) fn forget(&self, digests: &[Digest]) -> bool {
        let mut stored = self.stored();
        let before = stored.len();
        stored.retain(|digest| !digests.contains(digest));
        stored.len() < before
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ResultPath, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
