//! Which evidence has to go: by age, then by size, oldest first, and never the last word on a check of an open
//! preview. A decision over what lies in the store; what acts on it is the sweep.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;

use crate::evidence::layout::{Digest, Uid};

/// A run that began and was not judged counts as under way for this long after its last sign.
const UNDER_WAY: Duration = Duration::from_hours(24);

/// A blob that was written within this time may belong to a run whose manifest is still to come.
const FRESH: Duration = Duration::from_hours(1);

/// How long evidence stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Runs that are older go.
    pub(crate) age: Duration,
    /// More than this many bytes in all do not stay.
    pub(crate) bytes: u64,
}

/// What a run refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum References {
    /// Nothing: it has no manifest.
    Nothing,
    /// Nobody knows: its manifest cannot be understood.
    Unknown,
    /// These blobs.
    Blobs(BTreeSet<Digest>),
}

/// One run as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// The UID of its Job.
    pub(crate) job: Uid,
    /// The check that it is of, as far as that can be read.
    pub(crate) check: Option<String>,
    /// Whether it was judged.
    pub(crate) judged: bool,
    /// What it refers to.
    pub(crate) references: References,
    /// When something was last written of it.
    pub(crate) touched: Timestamp,
    /// How many bytes its documents have.
    pub(crate) bytes: u64,
}

impl Run {
    fn is_under_way(&self, now: Timestamp) -> bool {
        !self.judged && age(self.touched, now) < UNDER_WAY
    }
}

/// A blob as it lies in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredBlob {
    /// Its name.
    pub(crate) digest: Digest,
    /// How many bytes it has.
    pub(crate) bytes: u64,
    /// When it was written.
    pub(crate) written: Timestamp,
}

/// Everything of one preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Whose it is.
    pub(crate) preview: Uid,
    /// Whether its preview is open.
    pub(crate) open: bool,
    /// Its runs.
    pub(crate) runs: Vec<Run>,
    /// Its blobs.
    pub(crate) blobs: Vec<StoredBlob>,
}

/// What goes of one preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaving {
    /// Whose it is.
    pub(crate) preview: Uid,
    /// Runs, oldest first.
    pub(crate) runs: Vec<Uid>,
    /// Blobs that no run that stays refers to.
    pub(crate) blobs: Vec<Digest>,
}

/// What goes of each preview, in the order of `holdings`; nothing of a preview is an entry as well.
pub(crate) fn leaving<'holding>(
    policy: Retention,
    holdings: impl IntoIterator<Item = &'holding Holding>,
    now: Timestamp,
) -> Vec<Leaving> {
    let mut shares: Vec<Share<'_>> = holdings.into_iter().map(|one| Share::of(one, now)).collect();
    let mut candidates: Vec<(Timestamp, &Uid, usize)> = Vec::new();
    for (place, share) in shares.iter_mut().enumerate() {
        let spared = spared(share.holding, now);
        for run in share.holding.runs.iter().filter(|run| !spared.contains(&run.job)) {
            if age(run.touched, now) > policy.age {
                share.drop_run(run);
            } else {
                candidates.push((run.touched, &run.job, place));
            }
        }
    }
    candidates.sort_unstable();
    let mut total: u64 = shares.iter().map(|share| share.bytes).sum();
    for (_, job, place) in candidates {
        if total <= policy.bytes {
            break;
        }
        let Some(share) = shares.get_mut(place) else { continue };
        let before = share.bytes;
        if let Some(run) = share.holding.runs.iter().find(|run| run.job == *job) {
            share.drop_run(run);
        }
        total = total.saturating_sub(before.saturating_sub(share.bytes));
    }
    shares.into_iter().map(|share| share.leaving(now)).collect()
}

/// The runs that stay whatever the policy says: those under way, and of each check of an open preview the last one
/// and the last that was judged. Runs of which nobody knows the check count as one check.
fn spared(holding: &Holding, now: Timestamp) -> BTreeSet<Uid> {
    let under_way = holding.runs.iter().filter(|run| run.is_under_way(now));
    let mut spared: BTreeSet<Uid> = under_way.map(|run| run.job.clone()).collect();
    if holding.open {
        let mut last: BTreeMap<(Option<&str>, bool), &Run> = BTreeMap::new();
        for run in &holding.runs {
            for judged in [false, true].into_iter().filter(|judged| run.judged || !judged) {
                let one = last.entry((run.check.as_deref(), judged)).or_insert(run);
                if (run.touched, &run.job) > (one.touched, &one.job) {
                    *one = run;
                }
            }
        }
        spared.extend(last.into_values().map(|run| run.job.clone()));
    }
    spared
}

/// One preview while it is thought over.
struct Share<'holding> {
    holding: &'holding Holding,
    /// How many runs that stay refer to a blob.
    uses: HashMap<Digest, usize>,
    sizes: HashMap<Digest, u64>,
    gone: Vec<&'holding Run>,
    /// Bytes that stay. Blobs without a run are not among them, even if they stay for a while.
    bytes: u64,
}

impl<'holding> Share<'holding> {
    fn of(holding: &'holding Holding, now: Timestamp) -> Self {
        let mut uses: HashMap<Digest, usize> = HashMap::new();
        for run in &holding.runs {
            if let References::Blobs(digests) = &run.references {
                for digest in digests {
                    *uses.entry(*digest).or_default() += 1;
                }
            }
        }
        let keeps_all = keeps_all_blobs(&holding.runs, now);
        let counts = |blob: &&StoredBlob| keeps_all || uses.contains_key(&blob.digest);
        let blobs: u64 = holding.blobs.iter().filter(counts).map(|blob| blob.bytes).sum();
        let bytes = blobs.saturating_add(holding.runs.iter().map(|run| run.bytes).sum());
        let sizes = holding.blobs.iter().map(|blob| (blob.digest, blob.bytes)).collect();
        Self { holding, uses, sizes, gone: Vec::new(), bytes }
    }

    fn drop_run(&mut self, run: &'holding Run) {
        self.gone.push(run);
        self.bytes = self.bytes.saturating_sub(run.bytes);
        let References::Blobs(digests) = &run.references else { return };
        for digest in digests {
            let Some(uses) = self.uses.get_mut(digest) else { continue };
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                let size = self.sizes.get(digest).copied().unwrap_or_default();
                self.bytes = self.bytes.saturating_sub(size);
            }
        }
    }

    fn leaving(mut self, now: Timestamp) -> Leaving {
        self.gone.sort_by_key(|run| (run.touched, &run.job));
        let gone: BTreeSet<&Uid> = self.gone.iter().map(|run| &run.job).collect();
        let stays = |run: &&Run| !gone.contains(&run.job);
        let unused = |blob: &&StoredBlob| {
            self.uses.get(&blob.digest).is_none_or(|uses| *uses == 0)
                && age(blob.written, now) >= FRESH
        };
        let blobs = if keeps_all_blobs(self.holding.runs.iter().filter(stays), now) {
            Vec::new()
        } else {
            self.holding.blobs.iter().filter(unused).map(|blob| blob.digest).collect()
        };
        let runs = self.gone.iter().map(|run| run.job.clone()).collect();
        Leaving { preview: self.holding.preview.clone(), runs, blobs }
    }
}

/// Whether any blob may be one that these runs need: a run under way counts on what it was told is there.
fn keeps_all_blobs<'run>(runs: impl IntoIterator<Item = &'run Run>, now: Timestamp) -> bool {
    let mut runs = runs.into_iter();
    runs.any(|run| run.is_under_way(now) || run.references == References::Unknown)
}

/// How old something is; what was written by a clock that goes ahead of ours is new.
pub(crate) fn age(written: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(written)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
