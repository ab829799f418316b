//! A store for tests that fails on command, in the ways that real ones do.

use std::{
    error::Error as Cause,
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart, memory::InMemory, path::Path,
};

use crate::evidence::{
    layout::Layout,
    store::{Backend, Evidence},
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never answers.
    Hang,
    /// There is no space left.
    Full,
    /// It cannot be written.
    ReadOnly,
    /// There is no connection.
    Gone,
    /// It is asked to create and overwrites.
    Overwrite,
    /// It does not know of creating.
    NoCreate,
}

/// What it goes wrong at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Any call.
    All,
    /// Calls that write.
    Writing,
    /// Reading the documents of runs.
    Reading,
    /// The second and later entries of a listing.
    Listing,
}

#[derive(Debug, Default)]
struct State {
    fault: Mutex<Option<(At, Fault)>>,
    /// Uploads in parts that were begun and neither completed nor given up.
    uploads: AtomicUsize,
    removed: AtomicUsize,
}

/// A store in memory that fails on command.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    inner: Arc<InMemory>,
    state: Arc<State>,
}

impl fmt::Display for Faulty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Faulty")
    }
}

impl Faulty {
    /// One that works.
    pub(crate) fn new() -> (Self, Evidence) {
        let store = Self { inner: Arc::default(), state: Arc::default() };
        let evidence = Evidence::behind(Backend {
            store: Arc::new(store.clone()),
            parts: None,
            layout: Layout::under(Path::default()),
            folder: None,
        });
        (store, evidence)
    }

    /// Fails from now on, or does not.
    pub(crate) fn fail(&self, fault: Option<(At, Fault)>) {
        *self.state.fault.lock().expect("a lock") = fault;
    }

    /// How many uploads in parts are under way.
    pub(crate) fn uploads(&self) -> usize {
        self.state.uploads.load(Ordering::SeqCst)
    }

    /// How many objects were removed.
    pub(crate) fn removed(&self) -> usize {
        self.state.removed.load(Ordering::SeqCst)
    }

    fn fault(&self, at: At) -> Option<Fault> {
        let fault = *self.state.fault.lock().expect("a lock");
        fault.filter(|(where_, _)| *where_ == at || *where_ == At::All).map(|(_, fault)| fault)
    }

    async fn meet(&self, at: At) -> Result<()> {
        match self.fault(at) {
            None | Some(Fault::Overwrite | Fault::NoCreate) => Ok(()),
            Some(Fault::Hang) => std::future::pending().await,
            Some(fault) => Err(failure(fault)),
        }
    }
}

fn failure(fault: Fault) -> Error {
    let kind = match fault {
        Fault::Full => io::ErrorKind::StorageFull,
        Fault::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
        _ => io::ErrorKind::ConnectionReset,
    };
    // As in a folder: the cause is at the end of a chain.
    let source: Box<dyn Cause + Send + Sync> = Box::new(io::Error::from(kind));
    Error::Generic { store: "faulty", source }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        self.meet(At::Writing).await?;
        match self.fault(At::Writing) {
            Some(Fault::Overwrite) => options.mode = PutMode::Overwrite,
            Some(Fault::NoCreate) if options.mode == PutMode::Create => {
                let (operation, implementer) = ("create".to_owned(), "faulty".to_owned());
                return Err(Error::NotImplemented { operation, implementer });
            }
            _ => {}
        }
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.meet(At::Writing).await?;
        self.state.uploads.fetch_add(1, Ordering::SeqCst);
        let inner = self.inner.put_multipart_opts(path, options).await?;
        Ok(Box::new(Parts { inner, store: self.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if path.as_ref().contains("/runs/") {
            self.meet(At::Reading).await?;
        } else if self.fault(At::All).is_some() {
            self.meet(At::All).await?;
        }
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let allowed = paths.then(move |path| {
            let this = this.clone();
            async move {
                this.meet(At::Writing).await?;
                this.state.removed.fetch_add(1, Ordering::SeqCst);
                path
            }
        });
        self.inner.delete_stream(allowed.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let this = self.clone();
        let numbered = self.inner.list(prefix).enumerate();
        let entry = move |(number, found)| {
            let this = this.clone();
            async move {
                if number > 0 {
                    this.meet(At::Listing).await?;
                }
                found
            }
        };
        numbered.then(entry).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if self.fault(At::All).is_some() {
            self.meet(At::All).await?;
        }
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Parts {
    inner: Box<dyn MultipartUpload>,
    store: Faulty,
}

#[async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let (store, part) = (self.store.clone(), self.inner.put_part(payload));
        async move {
            store.meet(At::Writing).await?;
            part.await
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.store.meet(At::Writing).await?;
        self.store.state.uploads.fetch_sub(1, Ordering::SeqCst);
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.state.uploads.fetch_sub(1, Ordering::SeqCst);
        self.inner.abort().await
    }
}
