//! Removing what has to go. Everything is looked at before anything is removed: a look that fails removes nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs, io,
    path::PathBuf,
    pin::pin,
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::path::Path;

use crate::evidence::{
    error::StoreError,
    layout::{Digest, Document, Layout, Place, Uid},
    retention::{Holding, Leaving, References, Retention, Run, StoredBlob, age, leaving},
    store::{Evidence, StoredRun, written},
    upload,
};

/// Uploads that nobody finished go after this time.
const ABANDONED: Duration = Duration::from_hours(24);

/// The record of a preview that is closed and has nothing else goes after this time.
const RECORD: Duration = Duration::from_hours(1);

/// How many documents are read at once.
const AT_ONCE: usize = 8;

/// How a sweep reads documents whose form is not known here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// The check that a `run.json` is of.
    pub(crate) check: fn(&[u8]) -> Option<String>,
    /// All digests that a `manifest.json` names; none if it is not one.
    pub(crate) digests: fn(&[u8]) -> Option<Vec<Digest>>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Objects and files that were removed.
    pub(crate) objects: u64,
    /// The bytes they had.
    pub(crate) bytes: u64,
    /// Runs among them.
    pub(crate) runs: u64,
    /// Uploads and temporary files among them that nobody had finished.
    pub(crate) abandoned: u64,
    /// Bytes that stay.
    pub(crate) kept: u64,
}

/// One preview as a sweep finds it.
struct Found {
    holding: Holding,
    sizes: HashMap<Path, u64>,
    /// When its record was written.
    record: Option<Timestamp>,
    /// Notes of uploads, with their time.
    uploads: Vec<(Place, Timestamp)>,
}

impl Evidence {
    /// Removes what `policy` does not keep, by age and size, oldest first, with the blobs that nothing refers to any
    /// more, and uploads nobody finished. `open` are the previews that there are: of each of their checks the last
    /// run stays. May run beside anything, and beside itself.
    pub(crate) async fn sweep(
        &self,
        policy: Retention,
        open: &HashSet<Uid>,
        reading: Reading,
        now: Timestamp,
    ) -> Result<Swept, StoreError> {
        let mut all = Vec::new();
        for preview in self.previews().await? {
            let is_open = open.contains(&preview);
            all.push(self.survey(preview, is_open, reading).await?);
        }
        let mut swept = Swept::default();
        let holdings = all.iter().map(|found| &found.holding);
        for (found, leaving) in all.iter().zip(leaving(policy, holdings, now)) {
            self.clear(found, &leaving, now, &mut swept).await?;
            swept.kept = swept.kept.saturating_add(found.sizes.values().sum());
        }
        swept.kept = swept.kept.saturating_sub(swept.bytes);
        self.clear_probes(now, &mut swept).await?;
        self.clear_folder(now, &mut swept).await?;
        Ok(swept)
    }

    /// Everything of one preview.
    async fn survey(&self, preview: Uid, open: bool, read: Reading) -> Result<Found, StoreError> {
        let (mut runs, mut blobs) = (BTreeMap::new(), Vec::new());
        let (mut sizes, mut record, mut uploads) = (HashMap::new(), None, Vec::new());
        let mut list = pin!(self.list(&self.layout().preview(&preview)));
        while let Some(found) = list.try_next().await? {
            let time = written(&found);
            match self.layout().place(&found.location) {
                None => continue,
                Some((_, Place::Record)) => record = Some(time),
                Some((_, place @ Place::Upload(_))) => uploads.push((place, time)),
                Some((_, Place::Blob(digest))) => {
                    blobs.push(StoredBlob { digest, bytes: found.size, written: time });
                }
                Some((_, Place::Run(job, document))) => {
                    let new = || StoredRun::empty(job.clone());
                    let run: &mut StoredRun = runs.entry(job.clone()).or_insert_with(new);
                    run.add(document, &found);
                }
            }
            sizes.insert(found.location, found.size);
        }
        let runs =
            futures::stream::iter(runs.into_values().map(|run| self.look(&preview, run, read)));
        let runs = runs.buffered(AT_ONCE).try_collect().await?;
        Ok(Found { holding: Holding { preview, open, runs, blobs }, sizes, record, uploads })
    }

    async fn look(&self, preview: &Uid, run: StoredRun, read: Reading) -> Result<Run, StoreError> {
        let place = |document| Place::Run(run.job.clone(), document);
        let started = self.read(preview, &place(Document::Run)).await?;
        // Asked for even if the listing did not show it: taking its blobs by mistake could not be made good.
        let manifest = self.read(preview, &place(Document::Manifest)).await?;
        let references = match manifest.map(|bytes| (read.digests)(&bytes)) {
            None => References::Nothing,
            Some(None) => References::Unknown,
            Some(Some(digests)) => References::Blobs(digests.into_iter().collect()),
        };
        Ok(Run {
            check: started.and_then(|bytes| (read.check)(&bytes)),
            judged: run.documents.contains(&Document::Verdict),
            references,
            touched: run.touched,
            bytes: run.bytes,
            job: run.job,
        })
    }

    /// Removes what leaves one preview.
    async fn clear(
        &self,
        found: &Found,
        leaving: &Leaving,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), StoreError> {
        let preview = &leaving.preview;
        for job in &leaving.runs {
            // Last what tells which check it was of: if we stop in between, the next sweep knows it still.
            for document in [Document::Manifest, Document::Verdict, Document::Run] {
                self.take(found, &Place::Run(job.clone(), document), swept).await?;
            }
            swept.runs += 1;
        }
        if !leaving.blobs.is_empty() && self.is_as_found(found, leaving).await? {
            for digest in &leaving.blobs {
                self.take(found, &Place::Blob(*digest), swept).await?;
            }
        }
        let old = |time: Timestamp| age(time, now) >= ABANDONED;
        for (note, _) in found.uploads.iter().filter(|(_, time)| old(*time)) {
            self.give_up(preview, note).await?;
            self.take(found, note, swept).await?;
            swept.abandoned += 1;
        }
        let Holding { open, runs, blobs, .. } = &found.holding;
        let empty = runs.len() == leaving.runs.len() && blobs.len() == leaving.blobs.len();
        let old = found.record.is_some_and(|time| age(time, now) >= RECORD);
        if !open && empty && old && self.runs(preview).await?.is_empty() {
            self.take(found, &Place::Record, swept).await?;
        }
        Ok(())
    }

    /// Whether no run began since: it may have been told that a blob is there that was about to go.
    async fn is_as_found(&self, found: &Found, leaving: &Leaving) -> Result<bool, StoreError> {
        let known: BTreeSet<&Uid> = found.holding.runs.iter().map(|run| &run.job).collect();
        let now = self.runs(&leaving.preview).await?;
        Ok(now.iter().all(|run| known.contains(&run.job)))
    }

    /// Removes one object, if there was one.
    async fn take(
        &self,
        found: &Found,
        place: &Place,
        swept: &mut Swept,
    ) -> Result<(), StoreError> {
        let path = self.layout().path(&found.holding.preview, place);
        let Some(size) = found.sizes.get(&path) else { return Ok(()) };
        self.remove(&path).await?;
        swept.objects += 1;
        swept.bytes = swept.bytes.saturating_add(*size);
        Ok(())
    }

    /// Has the store forget the parts of an upload. One that ended meanwhile is no fault.
    async fn give_up(&self, preview: &Uid, note: &Place) -> Result<(), StoreError> {
        let text = self.read(preview, note).await?;
        let text = text.as_deref().and_then(|bytes| str::from_utf8(bytes).ok());
        if let (Some(parts), Some((digest, id))) = (self.parts(), text.and_then(upload::noted)) {
            let path = self.layout().path(preview, &Place::Blob(digest));
            let abort = parts.abort_multipart(&path, &id);
            match self.within(|| format!("giving up an upload to {path}"), abort).await {
                Ok(()) | Err(StoreError::FindNothing { .. }) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => tracing::debug!("an upload stays as it is: {error}"),
            }
        }
        Ok(())
    }

    /// Removes what was left by trying the store out, when that was cut off.
    async fn clear_probes(&self, now: Timestamp, swept: &mut Swept) -> Result<(), StoreError> {
        for found in self.list_root().await?.objects {
            let old = age(written(&found), now) >= ABANDONED;
            if old && Layout::is_probe(&found.location) {
                self.remove(&found.location).await?;
                swept.objects += 1;
                swept.abandoned += 1;
                swept.bytes = swept.bytes.saturating_add(found.size);
            }
        }
        Ok(())
    }

    /// Removes temporary files, which the listing of a folder leaves out.
    async fn clear_folder(&self, now: Timestamp, swept: &mut Swept) -> Result<(), StoreError> {
        let Some(folder) = self.folder().map(PathBuf::from) else { return Ok(()) };
        let walk = tokio::task::spawn_blocking(move || {
            let mut files = Vec::new();
            abandoned(&folder, now, &mut files).map(|()| files.iter().filter_map(unlink).collect())
        });
        let subject = || "removing temporary files".to_owned();
        let removed: Vec<u64> =
            self.within(subject, async { Ok(walk.await?) }).await?.map_err(|source| {
                let source =
                    object_store::Error::Generic { store: "folder", source: source.into() };
                StoreError::understood(subject(), source)
            })?;
        for bytes in removed {
            swept.objects += 1;
            swept.abandoned += 1;
            swept.bytes = swept.bytes.saturating_add(bytes);
        }
        Ok(())
    }
}

/// Finds files that stood beside their place, `name#1`, for too long. Links are not followed.
fn abandoned(folder: &std::path::Path, now: Timestamp, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        // Somebody else may remove what is empty.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            abandoned(&entry.path(), now, found)?;
        } else if kind.is_file() && is_temporary(&entry.file_name().to_string_lossy()) {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let modified = modified.ok().and_then(|time| Timestamp::try_from(time).ok());
            if modified.is_some_and(|time| age(time, now) >= ABANDONED) {
                found.push(entry.path());
            }
        }
    }
    Ok(())
}

fn is_temporary(name: &str) -> bool {
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|one| one.is_ascii_digit()))
}

/// Its size, if it could be removed.
fn unlink(path: &PathBuf) -> Option<u64> {
    let bytes = fs::symlink_metadata(path).ok()?.len();
    fs::remove_file(path).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests;
