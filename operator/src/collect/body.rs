//! What is sent in a request: a few bytes, or a file in pieces, checked against its digest before its last piece goes.

use std::{
    fs::File,
    io::{self, Read},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, time::Instant};
use understudy_core::evidence::Digest;

/// How much of a file is read at once, and how many such pieces wait to be sent.
const PIECE: u64 = 64 << 10;
const WAITING: usize = 4;

/// When something last moved on a connection, and whether all of a body did.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Moved>);

#[derive(Debug)]
struct Moved {
    last: Mutex<Instant>,
    whole: AtomicBool,
}

impl Progress {
    /// From now on.
    pub(super) fn new() -> Self {
        let last = Mutex::new(Instant::now());
        Self(Arc::new(Moved { last, whole: AtomicBool::new(false) }))
    }

    /// Something moved.
    pub(super) fn mark(&self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether the body is given away to its last byte.
    pub(super) fn is_whole(&self) -> bool {
        self.0.whole.load(Ordering::Acquire)
    }

    fn left(&self, left: u64) {
        self.0.whole.store(left == 0, Ordering::Release);
    }

    /// When that was.
    pub(super) fn last(&self) -> Instant {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body of a known length.
#[derive(Debug)]
pub(super) struct Pieces {
    from: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
    progress: Progress,
}

impl Pieces {
    /// Bytes that are there already.
    pub(super) fn whole(bytes: Bytes, progress: &Progress) -> Self {
        let (sender, from) = mpsc::channel(1);
        let left = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if left > 0 {
            let _ = sender.try_send(Ok(bytes));
        }
        progress.left(left);
        Self { from, left, progress: progress.clone() }
    }

    /// A file of that length and digest. If it has another by now the body breaks off before its end, so that nobody
    /// takes it for whole.
    pub(super) fn file(file: File, (digest, size): (Digest, u64), progress: &Progress) -> Self {
        let (sender, from) = mpsc::channel(WAITING);
        if size > 0 {
            tokio::task::spawn_blocking(move || {
                if let Err(error) = feed(file, (digest, size), &sender) {
                    let _ = sender.blocking_send(Err(error));
                }
            });
        }
        progress.left(size);
        Self { from, left: size, progress: progress.clone() }
    }
}

/// Reads and passes on, the last piece only if all is what it should be.
fn feed(
    mut file: File,
    (digest, size): (Digest, u64),
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut state = Sha256::new();
    let mut left = size;
    loop {
        let length = usize::try_from(left.min(PIECE)).unwrap_or_default();
        let mut piece = vec![0; length];
        file.read_exact(&mut piece)?;
        state.update(&piece);
        left -= left.min(PIECE);
        if left == 0 && Digest::from(state.clone()) != digest {
            return Err(io::Error::other("the file changed"));
        }
        // Nobody wants any more.
        if sender.blocking_send(Ok(piece.into())).is_err() || left == 0 {
            return Ok(());
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match ready!(this.from.poll_recv(context)) {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
        };
        this.progress.mark();
        this.left = this.left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        this.progress.left(this.left);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use http_body_util::BodyExt;
    use understudy_core::evidence::Digest;

    use super::{Pieces, Progress};

    fn file(bytes: &[u8]) -> (tempfile::TempDir, File) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        File::create(&path).unwrap().write_all(bytes).unwrap();
        let file = File::open(path).unwrap();
        (place, file)
    }

    #[tokio::test]
    async fn file_arrives_whole() {
        for size in [0, 1, 65_536, 65_537, 1_000_000] {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let (_place, file) = file(&bytes);
            let known = (Digest::of(&bytes), u64::try_from(size).unwrap());
            let sent = Pieces::file(file, known, &Progress::new()).collect().await.unwrap();
            assert_eq!(sent.to_bytes(), bytes, "{size}");
        }
    }

    #[tokio::test]
    async fn changed_file_never_arrives_whole() {
        let bytes = vec![7; 200_000];
        for (now, wanted) in [(&bytes[..], 0), (&bytes[..199_999], 0), (&bytes[..], 1)] {
            let (_place, file) = file(now);
            let digest = Digest::of(if wanted == 0 { b"another" } else { &bytes[..199_999] });
            let body = Pieces::file(file, (digest, 200_000), &Progress::new());
            assert!(body.collect().await.is_err());
        }
    }
}
