//! Bodies on their way through: streamed, and holding what must be held until their last byte.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};

use crate::{
    backend::{Backend, Lease},
    headers,
    table::Preview,
    visitor::Visitor,
};

/// A body.
pub(crate) enum Body {
    /// None.
    Empty,
    /// One of ours, at most one piece.
    Own(Option<Bytes>),
    /// A client's, passed on piece by piece as it is taken.
    Passed(Stream<Incoming>, Stall),
    /// A preview's, with what is given back at its end.
    Answer(Stream<Incoming>, Held),
}

/// A body as it comes from either side.
pub(crate) struct Stream<B> {
    body: B,
    h2: bool,
}

impl<B: HttpBody<Data = Bytes, Error: Into<BodyError>> + Unpin> Stream<B> {
    /// The body of a message of that version.
    pub(crate) fn new(body: B, version: Version) -> Self {
        Self { body, h2: version == Version::HTTP_2 }
    }

    /// The next piece. hyper takes some resets for an end (`NO_ERROR`, `CANCEL`): they would make half a body whole.
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None if self.h2 && !self.body.is_end_stream() => {
                Some(Err("the stream was reset in the middle of a body".into()))
            }
            frame => frame.map(|frame| frame.map_err(Into::into)),
        };
        Poll::Ready(frame.map(|frame| {
            frame.map(|mut frame| {
                if let Some(trailers) = frame.trailers_mut() {
                    headers::trailers(trailers);
                }
                frame
            })
        }))
    }
}

/// How long a client may take for the next piece of a body it began: 60 s, as others do (nginx,
/// `client_body_timeout`). There is no limit to the whole.
const PIECE: Duration = Duration::from_mins(1);

/// When a piece of a request's body was last taken.
#[derive(Clone)]
pub(crate) struct Pace(Arc<Mutex<Instant>>);

impl Pace {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// What comes of it, unless nothing happens for so long.
    pub(crate) async fn wait<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let end = self.last() + patience;
            match tokio::time::timeout_at(end, work.as_mut()).await {
                Ok(done) => return Some(done),
                Err(_) if self.last() + patience <= Instant::now() => return None,
                Err(_) => {}
            }
        }
    }
}

/// Waits for the next piece, but not for ever. It costs nothing while pieces come.
pub(crate) struct Stall {
    pace: Pace,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// Tells that pace of its pieces.
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, sleep: None }
    }

    /// Whether the wait that is going on took too long.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(PIECE)));
        sleep.as_mut().poll(context).is_ready()
    }

    fn came(&mut self) {
        self.sleep = None;
        self.pace.step();
    }
}

/// Why a body ended before its end.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// What a request holds until its answer was passed on.
#[derive(Default)]
pub(crate) struct Held {
    /// What of the connection is ours until the answer is read to its end.
    pub lease: Option<(Arc<Backend>, Lease)>,
    /// That the pod is at work for us.
    pub busy: Option<Busy>,
    /// That it is under way at the preview.
    pub passing: Option<Passing>,
    /// The client's place among the connections, for as long as a tunnel lasts.
    pub _seat: Option<Arc<OwnedSemaphorePermit>>,
}

/// Counts a request at a pod while it lives.
pub(crate) struct Busy(Arc<Backend>);

impl Busy {
    /// Counts one more.
    pub(crate) fn new(backend: &Arc<Backend>) -> Self {
        backend.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(backend))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a request at a preview while it lives, and a use of the preview unless an onlooker asked.
pub(crate) struct Passing {
    preview: Arc<Preview>,
    uses: bool,
}

impl Passing {
    /// Counts one more.
    pub(crate) fn new(preview: &Arc<Preview>, visitor: Visitor) -> Self {
        let uses = visitor != Visitor::Onlooker;
        preview.under_way.fetch_add(1, Ordering::AcqRel);
        if uses {
            preview.in_use.fetch_add(1, Ordering::AcqRel);
        }
        Self { preview: Arc::clone(preview), uses }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if self.uses {
            self.preview.in_use.fetch_sub(1, Ordering::AcqRel);
        }
        self.preview.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Held {
    /// The answer was read to its end.
    pub(crate) fn end(&mut self) {
        if let Some((backend, Lease::Own(own))) = self.lease.take() {
            backend.give_back(own);
        }
        self.busy = None;
        self.passing = None;
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Own(Some(Bytes::from(text)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Passed(body, stall) => match body.poll_next(context) {
                Poll::Pending if stall.is_over(context) => {
                    Poll::Ready(Some(Err("the client stopped in the middle of its body".into())))
                }
                Poll::Pending => Poll::Pending,
                Poll::Ready(frame) => {
                    stall.came();
                    Poll::Ready(frame)
                }
            },
            Self::Answer(body, held) => {
                let frame = ready!(body.poll_next(context));
                if frame.is_none() || body.body.is_end_stream() {
                    held.end();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Own(None) => true,
            Self::Own(Some(_)) => false,
            Self::Passed(stream, _) | Self::Answer(stream, _) => stream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Own(None) => SizeHint::with_exact(0),
            Self::Own(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Passed(stream, _) | Self::Answer(stream, _) => stream.body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Version};
    use http_body::{Body as HttpBody, Frame};

    use super::{BodyError, Stream};

    /// These pieces, and whether they were all.
    struct Pieces(VecDeque<Frame<Bytes>>, bool);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }

        fn is_end_stream(&self) -> bool {
            self.1 && self.0.is_empty()
        }
    }

    fn read(
        version: Version,
        pieces: Vec<Frame<Bytes>>,
        whole: bool,
    ) -> Result<Vec<Frame<Bytes>>, String> {
        let mut stream = Stream::new(Pieces(pieces.into(), whole), version);
        let mut context = Context::from_waker(Waker::noop());
        let mut read = Vec::new();
        loop {
            match stream.poll_next(&mut context) {
                Poll::Ready(Some(Ok(frame))) => read.push(frame),
                Poll::Ready(Some(Err(error))) => return Err(error.to_string()),
                Poll::Ready(None) => return Ok(read),
                Poll::Pending => return Err("nothing comes".to_owned()),
            }
        }
    }

    #[test]
    fn half_a_body_of_http2_is_no_whole_one() {
        let half = || vec![Frame::data(Bytes::from_static(b"half"))];
        assert!(read(Version::HTTP_2, half(), false).is_err());
        assert_eq!(read(Version::HTTP_2, half(), true).map(|read| read.len()), Ok(1));
        // Of HTTP/1.1 hyper says an end of chunks is one.
        assert_eq!(read(Version::HTTP_11, half(), false).map(|read| read.len()), Ok(1));
    }

    #[test]
    fn trailers_pass_without_what_ends_here() {
        let named = |name, value| (name, HeaderValue::from_static(value));
        let all = [
            named(http::header::SET_COOKIE, "a=1"),
            named(http::header::FORWARDED, "for=6.6.6.6"),
            named(http::header::ETAG, "x"),
        ];
        let trailers = Frame::trailers(HeaderMap::from_iter(all));
        let read = read(Version::HTTP_2, vec![trailers], true).expect("a whole body");
        let expected = HeaderMap::from_iter([named(http::header::ETAG, "x")]);
        assert_eq!(read.first().and_then(Frame::trailers_ref), Some(&expected));
    }
}
