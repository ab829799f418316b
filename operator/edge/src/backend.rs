//! One pod's port, and the connections to it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::{
    body::{Body, Pace},
    framing::LARGEST_HEAD,
    heard::{Ear, Heard},
    sight::Target,
    socket,
};

/// A pod is near: it answers at once or not at all.
const CONNECT: Duration = Duration::from_secs(2);

/// How long an idle connection is kept: Node.js closes after 5 s (`server.keepAliveTimeout`), and a request
/// must not meet that moment.
const IDLE: Duration = Duration::from_secs(4);

/// How long a request may still be sent after its answer was read: then its connection is not worth keeping.
const FINISH: Duration = Duration::from_secs(1);

/// Streams of one connection of HTTP/2 that are used at once: no pod should take fewer (RFC 9113, 6.5.2). Those
/// who read slowly, or not at all, keep theirs, and whoever comes next gets another connection.
const STREAMS: usize = 100;

/// What a pod may send unread on a stream of HTTP/2, and on all of them: more than all streams of a connection can
/// take, so that none holds up another. The library also lets small frames cost half of the latter and no more
/// before it gives the connection up: what is held for a byte in a frame of its own is far more than a byte.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// What is read of an answer at once, at the most: as much as nginx is usually given (`proxy_buffers`). With 64 KiB
/// large answers cost twice the processor time, since a pod is woken four times as often.
const READ: usize = 256 << 10;

/// How many idle connections are kept.
const KEPT: usize = 256;

/// A pod's port.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Where it is.
    pub target: Target,
    /// Requests and tunnels under way.
    pub in_flight: AtomicUsize,
    retired: AtomicBool,
    idle: Mutex<Vec<(Instant, Own)>>,
    shared: tokio::sync::Mutex<Vec<Shared>>,
}

/// A connection that one request may use.
pub(crate) enum Connection {
    /// Ours alone until the answer was read.
    Own(Own),
    /// Shared with others.
    Shared(Shared),
}

/// A connection of HTTP/1.1, and whether a byte of an answer came.
#[derive(Debug)]
pub(crate) struct Own {
    sender: http1::SendRequest<Body>,
    heard: Heard,
}

/// A connection of HTTP/2.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    sender: http2::SendRequest<Body>,
    places: Place,
}

/// How many streams the pod takes at once on a connection. Each request on its way holds a copy.
type Place = Arc<AtomicUsize>;

/// What of a connection is kept until an answer was read to its end.
pub(crate) enum Lease {
    /// It is ours alone.
    Own(Own),
    /// A place on one that others use as well.
    Place(#[expect(dead_code, reason = "it counts while it is there")] Place),
}

impl Shared {
    /// Whether one more stream has its place.
    fn has_room(&self) -> bool {
        let most = self.places.load(Ordering::Relaxed).clamp(1, STREAMS);
        // Two copies are the connection's own.
        Arc::strong_count(&self.places) < most + 2
    }
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    /// No pod is ready, or all were tried.
    #[error("no pod is ready")]
    Absent,
    /// Nobody listens there.
    #[error("cannot connect to {0}: {1}")]
    Connect(std::net::SocketAddr, String),
    /// The connection ended before an answer was there.
    #[error("{0} gave no answer: {1}")]
    Answer(std::net::SocketAddr, hyper::Error),
    /// The same, before a byte of it was there.
    #[error("{0} ended the connection instead of an answer: {1}")]
    Silence(std::net::SocketAddr, hyper::Error),
    /// It took too long.
    #[error("{0} gave no answer in time")]
    Late(std::net::SocketAddr),
}

/// A request that was not answered, and the request itself if nothing of it was sent.
pub(crate) type Unsent = (BackendError, Option<Box<Request<Body>>>);

impl Backend {
    /// Nobody is connected yet.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            in_flight: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            idle: Mutex::default(),
            shared: tokio::sync::Mutex::default(),
        }
    }

    /// No new request goes there; those under way come to their end.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Ok(mut shared) = self.shared.try_lock() {
            shared.clear();
        }
    }

    /// An idle connection.
    pub(crate) fn reuse(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((since, own)) = idle.pop() {
            if since.elapsed() >= IDLE {
                // Those below are older still.
                idle.clear();
                return None;
            }
            if own.sender.is_ready() {
                return Some(Connection::Own(own));
            }
        }
        None
    }

    /// A connection whose answer was read to its end. It is taken once its request was sent to its end as well:
    /// a preview may answer before it has read everything.
    pub(crate) fn give_back(self: &Arc<Self>, mut own: Own) {
        if own.sender.is_ready() {
            self.keep(own);
        } else if !own.sender.is_closed() {
            let backend = Arc::clone(self);
            tokio::spawn(async move {
                let ready = tokio::time::timeout(FINISH, own.sender.ready()).await;
                if matches!(ready, Ok(Ok(()))) {
                    backend.keep(own);
                }
            });
        }
    }

    fn keep(&self, own: Own) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT && !self.retired.load(Ordering::Acquire) {
            idle.push((Instant::now(), own));
        }
    }

    /// Closes what was idle for too long.
    pub(crate) fn sweep(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, own)| since.elapsed() < IDLE && !own.sender.is_closed());
        drop(idle);
        if let Ok(mut shared) = self.shared.try_lock() {
            let mut first = true;
            shared.retain(|one| {
                let used = Arc::strong_count(&one.places) > 2;
                !one.sender.is_closed() && (used || std::mem::take(&mut first))
            });
        }
    }

    /// A new connection, or the shared one.
    pub(crate) async fn connect(&self, h2: bool) -> Result<Connection, BackendError> {
        if h2 {
            // With the wait for others who are connecting, or they would fail one after another.
            let share = tokio::time::timeout(CONNECT, self.share()).await;
            return share.unwrap_or_else(|_| {
                Err(BackendError::Connect(self.target.address, "no answer in time".to_owned()))
            });
        }
        let heard = Heard::default();
        let stream = Ear::new(self.dial().await?, heard.clone());
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(READ)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| BackendError::Connect(self.target.address, error.to_string()))?;
        tokio::spawn(async move {
            // How it ends is seen by whoever waits for an answer.
            let _ = connection.with_upgrades().await;
        });
        Ok(Connection::Own(Own { sender, heard }))
    }

    async fn share(&self) -> Result<Connection, BackendError> {
        let mut shared = self.shared.lock().await;
        shared.retain(|one| !one.sender.is_closed());
        if let Some(one) = shared.iter().find(|one| one.has_room()) {
            return Ok(Connection::Shared(one.clone()));
        }
        let stream = self.dial().await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_while_idle(false)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| BackendError::Connect(self.target.address, error.to_string()))?;
        let one = Shared { sender, places: Arc::new(AtomicUsize::new(STREAMS)) };
        let (places, mut connection) = (Arc::clone(&one.places), connection);
        tokio::spawn(std::future::poll_fn(move |context| {
            places.store(connection.current_max_send_streams(), Ordering::Relaxed);
            std::pin::Pin::new(&mut connection).poll(context).map(drop)
        }));
        shared.push(one.clone());
        if self.retired.load(Ordering::Acquire) {
            shared.clear();
        }
        Ok(Connection::Shared(one))
    }

    async fn dial(&self) -> Result<TcpStream, BackendError> {
        let address = self.target.address;
        let failed = |why: String| BackendError::Connect(address, why);
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address))
            .await
            .map_err(|_| failed(format!("no answer within {} s", CONNECT.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        socket::tune(&stream);
        Ok(stream)
    }
}

impl Connection {
    /// Sends a request; the head of the answer, and the connection if it is ours alone. `pace` tells when a piece of
    /// the request's body was last taken: a long upload is no silence of the preview.
    pub(crate) async fn send(
        self,
        address: std::net::SocketAddr,
        request: Request<Body>,
        (patience, pace): (Duration, Pace),
    ) -> Result<(Response<Incoming>, Lease), Unsent> {
        match self {
            Self::Own(mut own) => {
                own.heard.forget();
                let sent = pace.wait(patience, own.sender.try_send_request(request)).await;
                let answer = sent.ok_or_else(|| (BackendError::Late(address), None))?;
                match answer {
                    Ok(answer) => Ok((answer, Lease::Own(own))),
                    Err(error) if own.heard.is_so() => Err(unsent(address, error)),
                    Err(mut error) => {
                        let request = error.take_message().map(Box::new);
                        Err((BackendError::Silence(address, error.into_error()), request))
                    }
                }
            }
            Self::Shared(Shared { mut sender, places }) => {
                let sent = pace.wait(patience, sender.try_send_request(request)).await;
                let answer = sent.ok_or_else(|| (BackendError::Late(address), None))?;
                answer
                    .map(|answer| (answer, Lease::Place(places)))
                    .map_err(|error| unsent(address, error))
            }
        }
    }
}

fn unsent(address: std::net::SocketAddr, mut error: TrySendError<Request<Body>>) -> Unsent {
    let request = error.take_message().map(Box::new);
    (BackendError::Answer(address, error.into_error()), request)
}
