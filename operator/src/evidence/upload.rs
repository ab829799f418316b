//! One blob on its way into the store: small ones whole, large ones in parts. Nothing is visible before its end,
//! and whatever ends an upload before takes its parts away.

use std::{mem, sync::Arc};

use futures::FutureExt;
use object_store::{
    MultipartId, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, PutPayloadMut,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use tokio::runtime::Handle;

use crate::evidence::{
    error::StoreError,
    layout::{Digest, Place, Uid},
    store::Evidence,
};

/// The size of a part, of which one is in memory: all the same, as some stores ask for, and more than the 5 MiB
/// that all of them do.
const PART: usize = 8 << 20;

/// In which pieces a part is kept.
const BLOCK: usize = 256 << 10;

/// An upload that has begun.
pub(crate) struct Upload<'store> {
    evidence: &'store Evidence,
    preview: Uid,
    place: Place,
    subject: String,
    path: Path,
    waiting: PutPayloadMut,
    begun: Begun,
}

/// How far it is.
enum Begun {
    /// Nothing was sent yet.
    Nothing,
    /// Parts of a store that knows of uploads only while we do; it removes them itself when this is dropped.
    Own(Box<dyn MultipartUpload>),
    /// Parts of a store that keeps them until somebody asks for their removal: a note remembers it.
    Noted(Noted),
}

struct Noted {
    store: Arc<dyn ObjectStore>,
    parts: Arc<dyn MultipartStore>,
    path: Path,
    note: Path,
    id: MultipartId,
    sent: Vec<PartId>,
}

impl<'store> Upload<'store> {
    /// Of the blob with this digest. Nothing is sent yet.
    pub(crate) fn of(evidence: &'store Evidence, preview: &Uid, digest: Digest) -> Self {
        let place = Place::Blob(digest);
        Self {
            evidence,
            preview: preview.clone(),
            path: evidence.layout().path(preview, &place),
            subject: format!("writing {preview}/{place}"),
            place,
            waiting: empty(),
            begun: Begun::Nothing,
        }
    }

    /// Takes more bytes, and sends every part that is whole.
    pub(crate) async fn push(&mut self, mut piece: &[u8]) -> Result<(), StoreError> {
        while !piece.is_empty() {
            let room = PART.saturating_sub(self.waiting.content_length());
            let (now, later) = piece.split_at_checked(room).unwrap_or((piece, &[]));
            self.waiting.extend_from_slice(now);
            piece = later;
            // The last part is sent at the end: until then a blob may be small enough to be sent whole.
            if !piece.is_empty() {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Makes it visible under its name.
    pub(crate) async fn finish(mut self) -> Result<(), StoreError> {
        if matches!(self.begun, Begun::Nothing) {
            let payload = self.part();
            let put = self.evidence.objects().put(&self.path, payload);
            return self.evidence.within(|| self.subject.clone(), put).await.map(|_| ());
        }
        if self.waiting.content_length() > 0 {
            self.send().await?;
        }
        let subject = self.subject.clone();
        match &mut self.begun {
            Begun::Nothing => {}
            Begun::Own(upload) => {
                self.evidence.within(|| subject, upload.complete()).await?;
                self.begun = Begun::Nothing;
            }
            Begun::Noted(noted) => {
                let sent = mem::take(&mut noted.sent);
                let complete = noted.parts.complete_multipart(&noted.path, &noted.id, sent);
                self.evidence.within(|| subject, complete).await?;
                // A note that stays behind is found by a sweep, which sees that there is nothing to give up.
                let _ = self.evidence.within(String::new, noted.store.delete(&noted.note)).await;
                self.begun = Begun::Nothing;
            }
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), StoreError> {
        if matches!(self.begun, Begun::Nothing) {
            self.begin().await?;
        }
        let (payload, subject) = (self.part(), self.subject.clone());
        match &mut self.begun {
            Begun::Nothing => {}
            Begun::Own(upload) => {
                self.evidence.within(|| subject, upload.put_part(payload)).await?;
            }
            Begun::Noted(noted) => {
                let number = noted.sent.len();
                let put = noted.parts.put_part(&noted.path, &noted.id, number, payload);
                let part = self.evidence.within(|| subject, put).await?;
                noted.sent.push(part);
            }
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(self.evidence.objects());
        let path = self.path.clone();
        let Some(parts) = self.evidence.parts() else {
            // A folder is opened without a thought for others; on a task of its own it holds up nobody.
            let open = tokio::spawn(async move { store.put_multipart(&path).await });
            let open = open.map(|ended| ended.unwrap_or_else(|error| Err(error.into())));
            let upload = self.evidence.within(|| self.subject.clone(), open).await?;
            self.begun = Begun::Own(upload);
            return Ok(());
        };
        let parts = Arc::clone(parts);
        let id =
            self.evidence.within(|| self.subject.clone(), parts.create_multipart(&path)).await?;
        let note = Place::Upload(Uid::random());
        let note = self.evidence.layout().path(&self.preview, &note);
        let text = PutPayload::from(format!("{}\n{id}", self.place).into_bytes());
        self.begun = Begun::Noted(Noted {
            store: Arc::clone(&store),
            parts,
            path,
            note: note.clone(),
            id,
            sent: Vec::new(),
        });
        self.evidence.within(|| self.subject.clone(), store.put(&note, text)).await.map(|_| ())
    }

    fn part(&mut self) -> PutPayload {
        mem::replace(&mut self.waiting, empty()).freeze()
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let patience = self.evidence.patience();
        // Removal is a courtesy: a sweep does it if this does not come about.
        match mem::replace(&mut self.begun, Begun::Nothing) {
            Begun::Nothing => {}
            Begun::Own(mut upload) => {
                runtime.spawn(async move {
                    let _ = tokio::time::timeout(patience, upload.abort()).await;
                });
            }
            Begun::Noted(Noted { store, parts, path, note, id, sent: _ }) => {
                runtime.spawn(tokio::time::timeout(patience, async move {
                    if parts.abort_multipart(&path, &id).await.is_ok() {
                        let _ = store.delete(&note).await;
                    }
                }));
            }
        }
    }
}

/// Reads a note: the blob and the store's name for its upload.
pub(crate) fn noted(text: &str) -> Option<(Digest, MultipartId)> {
    let (place, id) = text.split_once('\n')?;
    Some((place.strip_prefix("blobs/")?.parse().ok()?, id.to_owned()))
}

fn empty() -> PutPayloadMut {
    PutPayloadMut::new().with_block_size(BLOCK)
}
