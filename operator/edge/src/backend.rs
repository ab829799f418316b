//! One pod's port, and the connections to it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::{body::Body, sight::Target};

/// A pod is near: it answers at once or not at all.
const CONNECT: Duration = Duration::from_secs(2);

/// How long an idle connection is kept: Node.js closes after 5 s (`server.keepAliveTimeout`), and a request
/// must not meet that moment.
const IDLE: Duration = Duration::from_secs(4);

/// How many idle connections are kept.
const KEPT: usize = 256;

/// A pod's port.
#[derive(Debug)]
pub struct Backend {
    /// Where it is.
    pub target: Target,
    /// Requests and tunnels under way.
    pub in_flight: AtomicUsize,
    retired: AtomicBool,
    idle: Mutex<Vec<(Instant, http1::SendRequest<Body>)>>,
    shared: tokio::sync::Mutex<Option<http2::SendRequest<Body>>>,
}

/// A connection that one request may use.
pub enum Connection {
    /// Ours alone until the answer was read.
    Own(http1::SendRequest<Body>),
    /// Shared with others.
    Shared(http2::SendRequest<Body>),
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No pod is ready, or all were tried.
    #[error("no pod is ready")]
    Absent,
    /// Nobody listens there.
    #[error("cannot connect to {0}: {1}")]
    Connect(std::net::SocketAddr, String),
    /// The connection ended before an answer was there.
    #[error("{0} gave no answer: {1}")]
    Answer(std::net::SocketAddr, hyper::Error),
    /// It took too long.
    #[error("{0} gave no answer in time")]
    Late(std::net::SocketAddr),
}

/// A request that was not answered, and the request itself if nothing of it was sent.
pub(crate) type Unsent = (BackendError, Option<Box<Request<Body>>>);

impl Backend {
    /// Nobody is connected yet.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            in_flight: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            idle: Mutex::default(),
            shared: tokio::sync::Mutex::default(),
        }
    }

    /// No new request goes there; those under way come to their end.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Ok(mut shared) = self.shared.try_lock() {
            *shared = None;
        }
    }

    /// An idle connection.
    pub fn reuse(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((since, sender)) = idle.pop() {
            if since.elapsed() >= IDLE {
                // Those below are older still.
                idle.clear();
                return None;
            }
            // It may still be finishing the last answer: whoever sends waits for that.
            if !sender.is_closed() {
                return Some(Connection::Own(sender));
            }
        }
        None
    }

    /// A connection whose answer was read to its end.
    pub fn give_back(&self, sender: http1::SendRequest<Body>) {
        if sender.is_closed() || self.retired.load(Ordering::Acquire) {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push((Instant::now(), sender));
        }
    }

    /// A new connection, or the shared one.
    pub async fn connect(&self, h2: bool) -> Result<Connection, BackendError> {
        if h2 {
            return self.share().await;
        }
        let stream = self.dial().await?;
        let (sender, connection) = http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| BackendError::Connect(self.target.address, error.to_string()))?;
        tokio::spawn(async move {
            // How it ends is seen by whoever waits for an answer.
            let _ = connection.with_upgrades().await;
        });
        Ok(Connection::Own(sender))
    }

    async fn share(&self) -> Result<Connection, BackendError> {
        let mut shared = self.shared.lock().await;
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(Connection::Shared(sender.clone()));
        }
        let stream = self.dial().await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_while_idle(false)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| BackendError::Connect(self.target.address, error.to_string()))?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        if !self.retired.load(Ordering::Acquire) {
            *shared = Some(sender.clone());
        }
        Ok(Connection::Shared(sender))
    }

    async fn dial(&self) -> Result<TcpStream, BackendError> {
        let address = self.target.address;
        let failed = |why: String| BackendError::Connect(address, why);
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address))
            .await
            .map_err(|_| failed(format!("no answer within {} s", CONNECT.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
        Ok(stream)
    }
}

impl Connection {
    /// Sends a request; the head of the answer, and the connection if it is ours alone.
    pub async fn send(
        self,
        address: std::net::SocketAddr,
        request: Request<Body>,
        patience: Duration,
    ) -> Result<(Response<Incoming>, Option<http1::SendRequest<Body>>), Unsent> {
        let late = || (BackendError::Late(address), None);
        match self {
            Self::Own(mut sender) => {
                if let Err(error) = sender.ready().await {
                    return Err((BackendError::Answer(address, error), Some(Box::new(request))));
                }
                let answer = tokio::time::timeout(patience, sender.try_send_request(request)).await;
                match answer.map_err(|_| late())? {
                    Ok(answer) => Ok((answer, Some(sender))),
                    Err(mut error) => {
                        let request = error.take_message().map(Box::new);
                        Err((BackendError::Answer(address, error.into_error()), request))
                    }
                }
            }
            Self::Shared(mut sender) => {
                if let Err(error) = sender.ready().await {
                    return Err((BackendError::Answer(address, error), Some(Box::new(request))));
                }
                let answer = tokio::time::timeout(patience, sender.try_send_request(request)).await;
                match answer.map_err(|_| late())? {
                    Ok(answer) => Ok((answer, None)),
                    Err(mut error) => {
                        let request = error.take_message().map(Box::new);
                        Err((BackendError::Answer(address, error.into_error()), request))
                    }
                }
            }
        }
    }
}
