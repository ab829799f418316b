//! The runs of checks: kept in the evidence store, known here once they were read, and told to whoever decides.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;
use understudy_core::{
    evidence::{CollectedReport, Manifest, Outcome},
    facts::Preview,
    junit,
    run::{Arrived, Begun, Counted, Judged, Moment, ReportSeen, Run, Runs},
};

use super::{
    error::StoreError,
    keys::Keys,
    layout::{Document, Place, PreviewKey, Uid},
    store::{Created, Evidence},
};

/// How many reports are read at once: each may be as long as a report may be.
const READERS: usize = 2;

/// What every look and every collector has at hand.
#[derive(Clone)]
pub(crate) struct Keeper {
    evidence: Evidence,
    keys: Keys,
    /// What links begin with, and the keys of previews by their UIDs.
    pages: Option<String>,
    links: Arc<Mutex<HashMap<String, PreviewKey>>>,
    known: Arc<Mutex<HashMap<String, BTreeMap<String, Run>>>>,
    readers: Arc<Semaphore>,
}

/// By what a preview's evidence is found.
#[derive(Serialize, Deserialize)]
struct Record {
    namespace: String,
    name: String,
    repository: String,
    number: u64,
    key: String,
}

/// Why a run could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    /// The store did not do it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A name that cannot be one.
    #[error("`{0}` is no name of the evidence store")]
    Name(String),
    /// What lies there is not what we wrote.
    #[error("{0} in the evidence store cannot be read: {1}")]
    Read(String, String),
}

/// What a run's manifest came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finalised {
    /// It is kept now, or was before with the same bytes.
    Kept {
        /// Whether it was there before.
        before: bool,
    },
    /// Another is there.
    Other,
    /// These blobs did not arrive.
    Missing(Vec<understudy_core::evidence::Digest>),
}

fn uid(text: &str) -> Result<Uid, KeepError> {
    text.parse().map_err(|_| KeepError::Name(text.to_owned()))
}

impl Keeper {
    pub(crate) fn new(evidence: Evidence, pages: Option<String>) -> Self {
        let (keys, links) = (Keys::default(), Arc::default());
        Self {
            evidence,
            keys,
            pages,
            links,
            known: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Learns which links lead to what is there already.
    pub(crate) async fn learn(&self) -> Result<(), StoreError> {
        self.keys.load(&self.evidence).await.map(drop)
    }

    /// Whose link is whose.
    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Where a preview's evidence can be read; `None` before there is any, or if nobody said where pages are.
    pub(crate) fn link(&self, preview: &str) -> Option<String> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let key = links.get(preview)?;
        Some(format!("{}/evidence/{}/", self.pages.as_ref()?, key.reveal()))
    }

    /// Makes the record by which a preview's evidence is found, if there is none yet.
    pub(crate) async fn introduce(&self, preview: &Preview) -> Result<(), KeepError> {
        let known = || self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains_key(&preview.uid) {
            return Ok(());
        }
        let of = uid(&preview.uid)?;
        let repository = preview.spec.repository_ref.as_ref();
        let record = Record {
            namespace: preview.namespace.clone(),
            name: preview.name.clone(),
            repository: repository.map(|one| one.name.clone()).unwrap_or_default(),
            number: preview.spec.pull_request.number.into(),
            key: PreviewKey::random().reveal().to_owned(),
        };
        let record = match self.evidence.create(&of, &Place::Record, json(&record)).await? {
            Created::New | Created::Same => record,
            Created::Other(first) => serde_json::from_slice(&first)
                .map_err(|error| KeepError::Read("preview.json".to_owned(), error.to_string()))?,
        };
        let Ok(key) = record.key.parse::<PreviewKey>() else {
            return Err(KeepError::Read("preview.json".to_owned(), "its key is none".to_owned()));
        };
        self.keys.learn(&key, of);
        known().insert(preview.uid.clone(), key);
        Ok(())
    }

    /// The store itself.
    pub(crate) const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<String, Run>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runs of a preview; read once, and known from then on.
    pub(crate) async fn runs(&self, preview: &str) -> Runs {
        if let Some(known) = self.known().get(preview) {
            return Runs::Known(known.clone());
        }
        match self.load(preview).await {
            Ok(runs) => {
                let mut known = self.known();
                // Whatever was begun while it was read is newer.
                let entry = known.entry(preview.to_owned()).or_default();
                for (job, run) in runs {
                    entry.entry(job).or_insert(run);
                }
                Runs::Known(entry.clone())
            }
            Err(error) => Runs::Unknown(error.to_string()),
        }
    }

    /// Forgets what is known of a preview that went; the store keeps it.
    pub(crate) fn forget(&self, preview: &str) {
        self.known().remove(preview);
        self.links.lock().unwrap_or_else(PoisonError::into_inner).remove(preview);
    }

    async fn load(&self, preview: &str) -> Result<BTreeMap<String, Run>, KeepError> {
        let of = uid(preview)?;
        let mut runs = BTreeMap::new();
        for stored in self.evidence.runs(&of).await? {
            let job = stored.job.clone();
            let Some(begun) = self.document::<Begun>(&of, &job, Document::Run).await? else {
                continue;
            };
            let judged = self.document::<Judged>(&of, &job, Document::Verdict).await?;
            let arrived = match judged {
                Some(_) => None,
                None => self.arrived(&of, &job).await?,
            };
            runs.insert(begun.job.clone(), Run { begun, arrived, judged });
        }
        Ok(runs)
    }

    async fn document<T: DeserializeOwned>(
        &self,
        preview: &Uid,
        job: &Uid,
        document: Document,
    ) -> Result<Option<T>, KeepError> {
        let place = Place::Run(job.clone(), document);
        let Some(bytes) = self.evidence.read(preview, &place).await? else { return Ok(None) };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| KeepError::Read(place.to_string(), error.to_string()))
    }

    /// What arrived of a run, read again from the store and counted by us.
    async fn arrived(&self, preview: &Uid, job: &Uid) -> Result<Option<Arrived>, KeepError> {
        let place = Place::Run(job.clone(), Document::Manifest);
        let Some(bytes) = self.evidence.read(preview, &place).await? else { return Ok(None) };
        match Manifest::parse(&bytes) {
            Ok(manifest) => Ok(Some(self.counted(preview, &manifest, &bytes).await?)),
            Err(error) => Err(KeepError::Read(place.to_string(), error.to_string())),
        }
    }

    /// Notes what a run is begun as. It is there before its Job is.
    pub(crate) async fn begin(&self, preview: &str, begun: &Begun) -> Result<(), KeepError> {
        let place = Place::Run(uid(&begun.job)?, Document::Run);
        self.evidence.replace(&uid(preview)?, &place, json(begun)).await?;
        let run = Run { begun: begun.clone(), arrived: None, judged: None };
        let mut known = self.known();
        let runs = known.entry(preview.to_owned()).or_default();
        let known = runs.entry(begun.job.clone()).or_insert(run);
        known.begun.clone_from(begun);
        Ok(())
    }

    /// Keeps a verdict. The first stays, whoever comes later.
    pub(crate) async fn judge(
        &self,
        preview: &str,
        begun: &Begun,
        judged: &Judged,
    ) -> Result<(), KeepError> {
        let place = Place::Run(uid(&begun.job)?, Document::Verdict);
        let judged = match self.evidence.create(&uid(preview)?, &place, json(judged)).await? {
            Created::New | Created::Same => judged.clone(),
            Created::Other(first) => serde_json::from_slice(&first)
                .map_err(|error| KeepError::Read(place.to_string(), error.to_string()))?,
        };
        let mut known = self.known();
        let runs = known.entry(preview.to_owned()).or_default();
        let empty = Run { begun: begun.clone(), arrived: None, judged: None };
        runs.entry(begun.job.clone()).or_insert(empty).judged = Some(judged);
        Ok(())
    }

    /// Keeps a run's manifest, once everything that it names is there.
    pub(crate) async fn finalise(
        &self,
        preview: &str,
        job: &str,
        (manifest, bytes): (&Manifest, &Bytes),
    ) -> Result<Finalised, KeepError> {
        let of = uid(preview)?;
        let mut missing = Vec::new();
        for file in manifest.files() {
            if self.evidence.blob_size(&of, file.digest.into()).await?.is_none() {
                missing.push(file.digest);
            }
        }
        if !missing.is_empty() {
            return Ok(Finalised::Missing(missing));
        }
        let arrived = self.counted(&of, manifest, bytes).await?;
        let place = Place::Run(uid(job)?, Document::Manifest);
        let before = match self.evidence.create(&of, &place, bytes.clone()).await? {
            Created::New => false,
            Created::Same => true,
            Created::Other(_) => return Ok(Finalised::Other),
        };
        if let Some(run) = self.known().get_mut(preview).and_then(|runs| runs.get_mut(job)) {
            run.arrived = Some(arrived);
        }
        Ok(Finalised::Kept { before })
    }

    async fn counted(
        &self,
        preview: &Uid,
        manifest: &Manifest,
        bytes: &[u8],
    ) -> Result<Arrived, KeepError> {
        let mut arrived = Arrived {
            manifest: Some(understudy_core::evidence::Digest::of(bytes)),
            artifacts: u64::try_from(manifest.artifacts.len()).unwrap_or(u64::MAX),
            unreadable: manifest
                .unreadable
                .iter()
                .map(|one| format!("{}: {}", one.path, one.why))
                .chain((manifest.lost_reports > 0).then(|| {
                    format!(
                        "{} that may have been reports were not collected",
                        manifest.lost_reports
                    )
                }))
                .collect(),
            ..Arrived::default()
        };
        for report in &manifest.reports {
            let read = self.report(preview, report).await?;
            if let (Ok(ours), Outcome::Read(theirs)) = (&read, &report.outcome)
                && ours.counts != *theirs
            {
                arrived.fault =
                    Some(format!("report {} counts otherwise than it did", report.file.path));
            }
            let (path, modified) = (report.file.path.to_string(), report.file.modified);
            arrived.reports.push(ReportSeen { path, modified, read });
        }
        Ok(arrived)
    }

    async fn report(
        &self,
        preview: &Uid,
        report: &CollectedReport,
    ) -> Result<Result<Counted, String>, KeepError> {
        let limits = junit::Limits::default();
        if report.file.size > limits.bytes {
            return Ok(Err(format!("it is larger than {} MiB", limits.bytes >> 20)));
        }
        let _turn = self.readers.acquire().await;
        let blob = self.evidence.blob(preview, report.file.digest.into(), None).await?;
        if blob.size != report.file.size {
            return Ok(Err(format!(
                "{} bytes of it were stored, not {}",
                blob.size, report.file.size
            )));
        }
        let pieces: Vec<Bytes> = blob.stream.boxed().try_collect().await?;
        let whole = pieces.concat();
        let read =
            tokio::task::spawn_blocking(move || junit::read(whole.as_slice(), &limits)).await;
        Ok(match read {
            Ok(Ok(report)) => Ok(counted(report)),
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(_) => Err("it could not be read".to_owned()),
        })
    }
}

fn counted(report: junit::Report) -> Counted {
    let moment = |stamp: junit::Stamp| match stamp {
        junit::Stamp::Instant(at) => Some(Moment { at, local: false }),
        junit::Stamp::Local(at) => {
            let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
            Some(Moment { at, local: true })
        }
    };
    let named = report.earliest.and_then(moment).zip(report.latest.and_then(moment));
    let failure = report.failures.into_iter().next();
    Counted {
        counts: report.counts,
        claimed: report.claimed,
        flaky: report.flaky,
        named,
        failure: failure.map(|failure| {
            let line = telling(&failure.message).to_owned();
            (failure.name, line)
        }),
    }
}

/// The line of a failed test's words that says most.
fn telling(message: &str) -> &str {
    let lines = || message.lines().map(str::trim).filter(|line| !line.is_empty());
    let word = |line: &&str| {
        let line = line.to_lowercase();
        ["error", "assert", "expected", "panicked"].iter().any(|word| line.contains(word))
    };
    lines().find(word).or_else(|| lines().next()).unwrap_or_default()
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
