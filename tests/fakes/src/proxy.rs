//! A proxy in front of a real API server that fails at the write it is told to, or kills whoever wrote.
//!
//! Everything else passes through as it is. It also watches over what must hold at every moment: no
//! workload before the guards, and nothing made twice.

mod body;
mod guard;
mod rule;

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, body::Incoming, header::RETRY_AFTER, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use understudy_bed::{Error, Result};

use body::{Reply, full, relayed};
use guard::Guard;
pub use rule::Manner;
use rule::Rules;

/// What goes wrong, at one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The client is killed before the write is sent on.
    KillBefore,
    /// It is killed when the write is done and the answer is not there yet.
    KillDuring,
    /// It is killed with the answer in its hands.
    KillAfter,
    /// The answer is 409.
    Conflict,
    /// The answer is 500.
    Broken,
    /// The answer is 429 with `Retry-After: 1`.
    Throttled,
    /// The write is done, and the connection ends without an answer.
    Cut,
    /// Every watch ends.
    WatchesCut,
    /// Every watch ends, and each next one is answered 410.
    WatchesGone,
    /// Watches stay open and say nothing more.
    WatchesSilent,
    /// The client is killed, and its next lists are as they were when the fault was armed.
    StaleLists,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::KillBefore,
        Self::KillDuring,
        Self::KillAfter,
        Self::Conflict,
        Self::Broken,
        Self::Throttled,
        Self::Cut,
        Self::WatchesCut,
        Self::WatchesGone,
        Self::WatchesSilent,
        Self::StaleLists,
    ];
}

/// A request to kill the client; answered when it is dead.
pub type Kill = oneshot::Sender<()>;

/// The proxy.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    upstream: Client,
    state: Mutex<State>,
    kills: mpsc::UnboundedSender<Kill>,
    /// Counts up when watches are to end.
    cut: watch::Sender<u64>,
    /// Counts up when watches are to fall silent.
    silence: watch::Sender<u64>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Shared")
    }
}

#[derive(Default)]
struct State {
    armed: Option<(Fault, usize)>,
    counting: bool,
    writes: Vec<String>,
    fired: bool,
    /// Lists by their address, as they were when the fault was armed.
    snapshot: HashMap<String, Bytes>,
    /// Lists that were asked for.
    lists: Vec<String>,
    /// Lists that are still to be answered from the snapshot.
    stale: Vec<String>,
    /// Watches that are still to be answered 410.
    gone: Vec<String>,
    guard: Guard,
    rules: Rules,
}

impl Proxy {
    /// Starts one before the API server of that client; kills are asked for through the receiver.
    pub async fn start(upstream: Client) -> Result<(Self, mpsc::UnboundedReceiver<Kill>)> {
        let failed = |error: std::io::Error| Error::Bed(format!("proxy: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (kills, killer) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::default(),
            kills,
            cut: watch::channel(0).0,
            silence: watch::channel(0).0,
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok((Self { address, shared, task }, killer))
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Begins to count writes; at the one of that number (from 1) the fault fires.
    pub async fn arm(&self, fault: Option<(Fault, usize)>) -> Result<()> {
        if matches!(fault, Some((Fault::StaleLists, _))) {
            let lists = self.shared.state().lists.clone();
            for uri in lists {
                let answer = self.shared.get(&uri).await?;
                self.shared.state().snapshot.insert(uri, answer);
            }
        }
        let mut state = self.shared.state();
        state.armed = fault;
        state.counting = true;
        state.writes.clear();
        state.fired = false;
        Ok(())
    }

    /// The writes since it was armed.
    pub fn writes(&self) -> Vec<String> {
        self.shared.state().writes.clone()
    }

    /// Whether the fault fired.
    pub fn fired(&self) -> bool {
        self.shared.state().fired
    }

    /// What must never happen and did.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().guard.violations()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn get(&self, uri: &str) -> Result<Bytes> {
        let failed = |error: &dyn std::fmt::Display| Error::Bed(format!("{uri}: {error}"));
        let request = Request::get(uri).body(Body::empty()).map_err(|error| failed(&error))?;
        let answer = self.upstream.send(request).await.map_err(|error| failed(&error))?;
        let body = answer.into_body().collect().await.map_err(|error| failed(&error))?;
        Ok(body.to_bytes())
    }

    /// Has the client killed and waits until it is dead.
    async fn kill(&self) {
        let (dead, died) = oneshot::channel();
        if self.kills.send(dead).is_ok() {
            let _ = died.await;
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    // A connection that we cut, or whose client died, ends with an error that is meant.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("hung up")
    }
}

impl std::error::Error for Hangup {}

type Answer = std::result::Result<Response<Reply>, Hangup>;

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    let uri = request.uri().to_string();
    if let Some(answer) = shared.state().rules.answer(request.method(), &uri) {
        return Ok(answer);
    }
    if request.method() == Method::GET {
        return if uri.contains("watch=true") || uri.contains("watch=1") {
            watched(&shared, request, &uri).await
        } else {
            read(&shared, request, &uri).await
        };
    }
    // Leases and the question who we are belong to no preview.
    if uri.contains("/leases") || uri.contains("selfsubjectreviews") {
        return forward(&shared, request).await.map(|(answer, _)| answer);
    }
    let act = format!("{} {}", request.method(), uri.split('?').next().unwrap_or_default());
    let fault = {
        let mut state = shared.state();
        if state.counting {
            state.writes.push(act);
        }
        let due = state.armed.is_some_and(|(_, nth)| state.writes.len() == nth);
        let fault = state.armed.filter(|_| due && !state.fired).map(|(fault, _)| fault);
        state.fired |= fault.is_some();
        fault
    };
    match fault {
        None => forward(&shared, request).await.map(|(answer, _)| answer),
        Some(fault) => fail(&shared, request, fault).await,
    }
}

async fn fail(shared: &Arc<Shared>, request: Request<Incoming>, fault: Fault) -> Answer {
    match fault {
        Fault::KillBefore => {
            shared.kill().await;
            Err(Hangup)
        }
        Fault::KillDuring => {
            let _ = forward(shared, request).await?;
            shared.kill().await;
            Err(Hangup)
        }
        Fault::KillAfter | Fault::StaleLists => {
            let (answer, _) = forward(shared, request).await?;
            if fault == Fault::StaleLists {
                let mut state = shared.state();
                state.stale = state.snapshot.keys().cloned().collect();
            }
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                // The answer goes out first.
                tokio::time::sleep(Duration::from_millis(2)).await;
                shared.kill().await;
            });
            Ok(answer)
        }
        Fault::Conflict => Ok(refusal(409, "Conflict", "the object has been modified")),
        Fault::Broken => Ok(refusal(500, "InternalError", "an internal error occurred")),
        Fault::Throttled => Ok(refusal(429, "TooManyRequests", "too many requests")),
        Fault::Cut => {
            let _ = forward(shared, request).await?;
            Err(Hangup)
        }
        Fault::WatchesCut | Fault::WatchesGone => {
            if fault == Fault::WatchesGone {
                let mut state = shared.state();
                let lists = state.lists.clone();
                state.gone.extend(lists);
            }
            shared.cut.send_modify(|count| *count += 1);
            forward(shared, request).await.map(|(answer, _)| answer)
        }
        Fault::WatchesSilent => {
            shared.silence.send_modify(|count| *count += 1);
            forward(shared, request).await.map(|(answer, _)| answer)
        }
    }
}

/// An answer as the API server forms it.
fn refusal(code: u16, reason: &str, message: &str) -> Response<Reply> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    let mut answer = Response::new(full(status.to_string().into()));
    *answer.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or_default();
    if code == 429 {
        answer.headers_mut().insert(RETRY_AFTER, hyper::header::HeaderValue::from_static("1"));
    }
    answer
}

async fn read(shared: &Arc<Shared>, request: Request<Incoming>, uri: &str) -> Answer {
    let listing = uri.contains("limit=");
    if listing {
        let mut state = shared.state();
        if !state.lists.iter().any(|one| one == uri) {
            state.lists.push(uri.to_owned());
        }
        let due = state.stale.iter().position(|one| one == uri);
        if let Some(body) =
            due.map(|at| state.stale.swap_remove(at)).and_then(|uri| state.snapshot.get(&uri))
        {
            return Ok(Response::new(full(body.clone())));
        }
    }
    forward(shared, request).await.map(|(answer, _)| answer)
}

async fn watched(shared: &Arc<Shared>, request: Request<Incoming>, uri: &str) -> Answer {
    let path = uri.split('?').next().unwrap_or_default();
    {
        let mut state = shared.state();
        let gone = state.gone.iter().position(|one| one.split('?').next() == Some(path));
        if let Some(at) = gone {
            state.gone.swap_remove(at);
            return Ok(refusal(410, "Expired", "too old resource version"));
        }
    }
    let (head, _) = request.into_parts();
    let upstream = Request::from_parts(head, Body::empty());
    let answer = shared.upstream.send(upstream).await.map_err(|_| Hangup)?;
    let (head, body) = answer.into_parts();
    let (cut, silence) = (shared.cut.subscribe(), shared.silence.subscribe());
    Ok(Response::from_parts(head, relayed(body, cut, silence)))
}

/// Sends a request on, and lets the guard see how it went.
async fn forward(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> std::result::Result<(Response<Reply>, u16), Hangup> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map_err(|_| Hangup)?.to_bytes();
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    shared.state().guard.before(&method, &path, &bytes);
    let upstream = Request::from_parts(head, Body::from(bytes.to_vec()));
    // A client that dies does not take back what it sent.
    let shared = Arc::clone(shared);
    let answer = tokio::spawn(async move {
        let (head, body) = shared.upstream.send(upstream).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        shared.state().guard.after(&method, &path, head.status.as_u16(), &body);
        Some((head, body))
    });
    let (head, body) = answer.await.ok().flatten().ok_or(Hangup)?;
    let code = head.status.as_u16();
    Ok((Response::from_parts(head, full(body)), code))
}

/// Bodies of ours do not fail.
type Never = Infallible;
