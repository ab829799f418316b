//! The evidence store: what is created once stays as it is, blobs are what their names say, and no call hangs.
//! What the documents mean is not known here.

mod prove;

use std::{
    collections::BTreeMap, fmt, io, ops::Range, path::PathBuf, pin::pin, sync::Arc, time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use jiff::Timestamp;
use object_store::{
    GetOptions, ListResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, multipart::MultipartStore, path::Path,
};
use sha2::Digest as _;

use crate::evidence::{
    error::{PutError, StoreError},
    layout::{Digest, Document, Layout, Place, Uid},
    upload::Upload,
};

/// How long a call may go without getting anywhere.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest document that is read.
const DOCUMENT: u64 = 8 << 20;

/// Where all evidence lies. A clone is the same store.
#[derive(Clone)]
pub(crate) struct Evidence {
    backend: Arc<Backend>,
    patience: Duration,
}

/// What stands behind a store.
pub(crate) struct Backend {
    /// Whole objects.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Uploads in parts, if the store keeps them beyond the process that began them.
    pub(crate) parts: Option<Arc<dyn MultipartStore>>,
    /// Where things lie in it.
    pub(crate) layout: Layout,
    /// The folder, if it is one.
    pub(crate) folder: Option<PathBuf>,
}

impl fmt::Debug for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Evidence({})", self.backend.store)
    }
}

/// A blob is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Now it is.
    New,
    /// It was before; its bytes were not read.
    Known,
}

/// What came of creating a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is there now.
    New,
    /// It was there, with the same bytes.
    Same,
    /// It was there, with these bytes, and stays so.
    Other(Bytes),
}

/// A blob, or a part of one, on its way out.
pub(crate) struct Blob {
    /// The size of the whole, in bytes.
    pub(crate) size: u64,
    /// Its bytes. An error ends it.
    pub(crate) stream: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// A run that has something in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredRun {
    /// The UID of its Job.
    pub(crate) job: Uid,
    /// Which documents there are, without those that the store's listing left out.
    pub(crate) documents: Vec<Document>,
    /// When the last of them was written, by the store's clock.
    pub(crate) touched: Timestamp,
    /// How many bytes they have together.
    pub(crate) bytes: u64,
}

impl StoredRun {
    /// Nothing of it was seen yet.
    pub(crate) const fn empty(job: Uid) -> Self {
        Self { job, documents: Vec::new(), touched: Timestamp::MIN, bytes: 0 }
    }

    /// One more document of it was seen.
    pub(crate) fn add(&mut self, document: Document, found: &ObjectMeta) {
        self.documents.push(document);
        self.touched = self.touched.max(written(found));
        self.bytes = self.bytes.saturating_add(found.size);
    }
}

impl Evidence {
    /// A store on this backend.
    pub(crate) fn behind(backend: Backend) -> Self {
        Self { backend: Arc::new(backend), patience: PATIENCE }
    }

    /// With another bound on how long a call may go without getting anywhere; 30 s if nobody says so.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Stores what `body` gives under its digest, in constant memory. If the blob is there already, `body` is not
    /// read. Nothing is visible before the last byte has come and the digest is right; a body that pauses for longer
    /// than our patience counts as broken off.
    pub(crate) async fn put_blob(
        &self,
        preview: &Uid,
        digest: Digest,
        body: impl Stream<Item = io::Result<Bytes>> + Send,
        limit: u64,
    ) -> Result<Stored, PutError> {
        if self.blob_size(preview, digest).await.map_err(PutError::Store)?.is_some() {
            return Ok(Stored::Known);
        }
        let mut body = pin!(body);
        let mut upload = Upload::of(self, preview, digest);
        let (mut hasher, mut size) = (sha2::Sha256::new(), 0_u64);
        while let Some(piece) = self.next(&mut body).await {
            let piece = piece.map_err(PutError::BreakOff)?;
            size = size.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if size > limit {
                return Err(PutError::ExceedLimit { limit });
            }
            hasher.update(&piece);
            upload.push(&piece).await.map_err(PutError::Store)?;
        }
        let found = Digest::finished(hasher);
        if found != digest {
            return Err(PutError::MeetWrongDigest { found });
        }
        upload.finish().await.map_err(PutError::Store)?;
        Ok(Stored::New)
    }

    async fn next<S: Stream<Item = io::Result<Bytes>> + Unpin>(
        &self,
        body: &mut S,
    ) -> Option<io::Result<Bytes>> {
        let next = tokio::time::timeout(self.patience, body.next()).await;
        next.unwrap_or_else(|_| Some(Err(io::ErrorKind::TimedOut.into())))
    }

    /// The size of a blob in bytes, if the preview has it.
    pub(crate) async fn blob_size(
        &self,
        preview: &Uid,
        digest: Digest,
    ) -> Result<Option<u64>, StoreError> {
        let place = Place::Blob(digest);
        let path = self.layout().path(preview, &place);
        let look = self.objects().head(&path);
        match self.within(|| format!("looking for {preview}/{place}"), look).await {
            Ok(found) => Ok(Some(found.size)),
            Err(StoreError::FindNothing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a blob, or those of a part that is not empty and lies within it.
    pub(crate) async fn blob(
        &self,
        preview: &Uid,
        digest: Digest,
        range: Option<Range<u64>>,
    ) -> Result<Blob, StoreError> {
        let place = Place::Blob(digest);
        let subject = format!("reading {preview}/{place}");
        let path = self.layout().path(preview, &place);
        let get = self.objects().get_opts(&path, GetOptions::new().with_range(range));
        let found = self.within(|| subject.clone(), get).await?;
        let size = found.meta.size;
        Ok(Blob { size, stream: self.clone().paced(subject, found.into_stream()).boxed() })
    }

    /// Creates a document that never changes again. Whoever calls twice with the same bytes has succeeded.
    pub(crate) async fn create(
        &self,
        preview: &Uid,
        place: &Place,
        bytes: Bytes,
    ) -> Result<Created, StoreError> {
        match self.put(preview, place, bytes.clone(), PutMode::Create).await {
            Ok(()) => Ok(Created::New),
            Err(StoreError::MeetAnother { subject }) => match self.read(preview, place).await? {
                Some(there) if there == bytes => Ok(Created::Same),
                Some(there) => Ok(Created::Other(there)),
                None => Err(StoreError::MeetAnother { subject }),
            },
            Err(error) => Err(error),
        }
    }

    /// Writes a document over whatever is there.
    pub(crate) async fn replace(
        &self,
        preview: &Uid,
        place: &Place,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        self.put(preview, place, bytes, PutMode::Overwrite).await
    }

    async fn put(
        &self,
        preview: &Uid,
        place: &Place,
        bytes: Bytes,
        mode: PutMode,
    ) -> Result<(), StoreError> {
        let path = self.layout().path(preview, place);
        let put = self.objects().put_opts(&path, PutPayload::from(bytes), PutOptions::from(mode));
        let put = self.within(|| format!("writing {preview}/{place}"), put).await;
        put.map(|_| ()).map_err(StoreError::of_writing)
    }

    /// A document, if it is there.
    pub(crate) async fn read(
        &self,
        preview: &Uid,
        place: &Place,
    ) -> Result<Option<Bytes>, StoreError> {
        let subject = || format!("reading {preview}/{place}");
        let path = self.layout().path(preview, place);
        let found = match self.within(subject, self.objects().get(&path)).await {
            Ok(found) => found,
            Err(StoreError::FindNothing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = found.meta.size;
        if size > DOCUMENT {
            return Err(StoreError::ExceedLimit { subject: subject(), size, limit: DOCUMENT });
        }
        self.within(subject, found.bytes()).await.map(Some)
    }

    /// The previews that have anything in the store, sorted.
    pub(crate) async fn previews(&self) -> Result<Vec<Uid>, StoreError> {
        let named = |path: &Path| path.parts().next_back()?.as_ref().parse().ok();
        let list = self.list_root().await?;
        let mut previews: Vec<Uid> = list.common_prefixes.iter().filter_map(named).collect();
        previews.sort_unstable();
        Ok(previews)
    }

    /// What lies at the top: a folder for each preview, and what was left of trying the store out.
    pub(crate) async fn list_root(&self) -> Result<ListResult, StoreError> {
        let root = Some(self.layout().root()).filter(|root| !root.as_ref().is_empty());
        let list = self.objects().list_with_delimiter(root);
        self.within(|| "listing previews".to_owned(), list).await
    }

    /// The runs of a preview, newest first.
    pub(crate) async fn runs(&self, preview: &Uid) -> Result<Vec<StoredRun>, StoreError> {
        let mut runs = self.runs_under(&self.layout().runs(preview)).await?;
        runs.sort_by(|one, other| (other.touched, &other.job).cmp(&(one.touched, &one.job)));
        Ok(runs)
    }

    /// One run of a preview, if it has anything in the store.
    pub(crate) async fn run(
        &self,
        preview: &Uid,
        job: &Uid,
    ) -> Result<Option<StoredRun>, StoreError> {
        let mut runs = self.runs_under(&self.layout().run(preview, job)).await?;
        Ok(runs.pop())
    }

    async fn runs_under(&self, path: &Path) -> Result<Vec<StoredRun>, StoreError> {
        let mut runs = BTreeMap::new();
        let mut list = pin!(self.list(path));
        while let Some(found) = list.try_next().await? {
            if let Some((_, Place::Run(job, document))) = self.layout().place(&found.location) {
                let new = || StoredRun::empty(job.clone());
                let run: &mut StoredRun = runs.entry(job.clone()).or_insert_with(new);
                run.add(document, &found);
            }
        }
        Ok(runs.into_values().collect())
    }

    /// Everything under a path.
    pub(crate) fn list(
        &self,
        path: &Path,
    ) -> impl Stream<Item = Result<ObjectMeta, StoreError>> + use<> {
        let found = self.objects().list(Some(path));
        self.clone().paced(format!("listing {path}"), found)
    }

    /// Removes what may be gone already.
    pub(crate) async fn remove(&self, path: &Path) -> Result<(), StoreError> {
        let removed = self.objects().delete(path);
        match self.within(|| format!("removing {path}"), removed).await {
            Ok(()) | Err(StoreError::FindNothing { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A stream of which every item comes within our patience.
    fn paced<T: Send + 'static>(
        self,
        subject: String,
        stream: BoxStream<'static, object_store::Result<T>>,
    ) -> impl Stream<Item = Result<T, StoreError>> + Send + 'static {
        futures::stream::try_unfold((self, subject, stream), |(this, subject, mut stream)| async {
            let next = this.within(|| subject.clone(), stream.try_next()).await?;
            Ok(next.map(|item| (item, (this, subject, stream))))
        })
    }

    /// A call to the store, bounded and with its error understood.
    pub(crate) async fn within<T>(
        &self,
        subject: impl FnOnce() -> String,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.patience, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(StoreError::understood(subject(), error)),
            Err(_) => Err(StoreError::WaitTooLong { subject: subject(), after: self.patience }),
        }
    }

    /// How long a call may go without getting anywhere.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Where things lie.
    pub(crate) fn layout(&self) -> &Layout {
        &self.backend.layout
    }

    /// Whole objects.
    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.backend.store
    }

    /// Uploads in parts.
    pub(crate) fn parts(&self) -> Option<&Arc<dyn MultipartStore>> {
        self.backend.parts.as_ref()
    }

    /// The folder, if the store is one.
    pub(crate) fn folder(&self) -> Option<&std::path::Path> {
        self.backend.folder.as_deref()
    }
}

/// When it was written, by the store's clock.
pub(crate) fn written(found: &ObjectMeta) -> Timestamp {
    Timestamp::from_millisecond(found.last_modified.timestamp_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
