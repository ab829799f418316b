//! Connections that know whether anything came on them, and whether everything went.

use std::{
    io::{IoSlice, Result},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    heard: AtomicBool,
    unsent: AtomicBool,
}

impl Heard {
    /// From now on nothing was heard.
    pub(crate) fn forget(&self) {
        self.0.heard.store(false, Ordering::Release);
    }

    /// Whether a byte came since then.
    pub(crate) fn is_so(&self) -> bool {
        self.0.heard.load(Ordering::Acquire)
    }

    /// Whether something of what was written may still be here.
    pub(crate) fn is_unsent(&self) -> bool {
        self.0.unsent.load(Ordering::Acquire)
    }
}

/// A connection that notes it.
#[derive(Debug)]
pub(crate) struct Ear<IO> {
    stream: IO,
    heard: Heard,
}

impl<IO> Ear<IO> {
    /// Notes there what becomes of this connection.
    pub(crate) fn new(stream: IO, heard: Heard) -> Self {
        Self { stream, heard }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Ear<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = bytes.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, bytes))?;
        if bytes.filled().len() > before {
            self.heard.0.heard.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

/// Whoever writes on it flushes it when everything was written, and not before: so does hyper.
impl<IO: AsyncWrite + Unpin> AsyncWrite for Ear<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        self.heard.0.unsent.store(true, Ordering::Release);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.heard.0.unsent.store(true, Ordering::Release);
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.heard.0.unsent.store(false, Ordering::Release);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
