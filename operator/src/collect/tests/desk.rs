//! The operator as collectors see it: an HTTP server that holds state and does what it is told to, behind a gate that
//! can be shut in the middle of anything.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http_body_util::BodyExt;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::Instant,
};
use understudy_core::evidence::{Digest, Manifest};

pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What happens to the next request of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    /// It is answered so, with `Retry-After` if that is not 0.
    Say(u16, u64),
    /// It is read and never answered.
    Hang,
    /// It is done, and the gate shuts before the answer.
    Lose,
}

#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Sizes, by digest.
    pub(super) blobs: BTreeMap<Digest, u64>,
    pub(super) manifest: Option<Bytes>,
    pub(super) is_final: bool,
    /// Every token that was shown, each once.
    pub(super) tokens: Vec<String>,
    /// What every request is answered with.
    pub(super) refusal: Option<u16>,
    pub(super) puts: VecDeque<Next>,
    pub(super) posts: VecDeque<Next>,
    /// Files that are lost when the manifest comes.
    pub(super) loses: usize,
    /// How many bodies came whole, and when requests to send one came.
    pub(super) bodies: usize,
    pub(super) asked: Vec<Instant>,
    /// How long each piece of a body takes.
    pub(super) slow: Duration,
}

/// The server and its gate.
#[derive(Debug, Clone)]
pub(super) struct Operator {
    desk: Arc<Mutex<Desk>>,
    open: watch::Sender<bool>,
    pub(super) url: String,
}

impl Operator {
    pub(super) async fn begin() -> Self {
        let desk = Arc::new(Mutex::new(Desk::default()));
        let open = watch::Sender::new(true);
        let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", gate.local_addr().unwrap());
        let this = Self { desk, open, url };
        let router = Router::new()
            .route("/v1/run", get(run))
            .route("/v1/blobs/sha256/{hex}", put(blob).head(head))
            .route("/v1/run/manifest", post(manifest))
            .with_state(this.clone());
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = inner.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(inner, router).await });
        tokio::spawn(keep(gate, address.to_string(), this.open.clone()));
        this
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }

    /// Everybody is thrown out, and nobody is let in until it is opened.
    pub(super) fn shut(&self) {
        self.open.send_replace(false);
    }

    pub(super) fn open(&self) {
        self.open.send_replace(true);
    }

    pub(super) fn manifest(&self) -> Manifest {
        Manifest::parse(self.desk().manifest.as_ref().expect("a manifest")).unwrap()
    }

    fn refused(&self, headers: &HeaderMap) -> Option<Response> {
        let mut desk = self.desk();
        let token = headers.get(header::AUTHORIZATION)?.to_str().unwrap().to_owned();
        if !desk.tokens.contains(&token) {
            desk.tokens.push(token);
        }
        let status = StatusCode::from_u16(desk.refusal?).unwrap();
        Some(status.into_response())
    }
}

/// Carries connections while it is open.
async fn keep(gate: TcpListener, to: String, open: watch::Sender<bool>) {
    let address = gate.local_addr().unwrap();
    let mut listener = Some(gate);
    let mut state = open.subscribe();
    let mut inside = JoinSet::new();
    loop {
        let Some(here) = &listener else {
            state.wait_for(|open| *open).await.unwrap();
            listener = Some(TcpListener::bind(address).await.unwrap());
            continue;
        };
        tokio::select! {
            _ = state.wait_for(|open| !open) => {
                listener = None;
                inside.abort_all();
            }
            accepted = here.accept() => {
                let (mut ours, to) = (accepted.unwrap().0, to.clone());
                inside.spawn(async move {
                    let mut theirs = TcpStream::connect(to).await.unwrap();
                    let _ = copy_bidirectional(&mut ours, &mut theirs).await;
                });
            }
        }
    }
}

async fn run(State(this): State<Operator>, headers: HeaderMap) -> Response {
    if let Some(refused) = this.refused(&headers) {
        return refused;
    }
    let is_final = this.desk().is_final;
    let run = json!({"check": "e2e", "commit": COMMIT, "attempt": 1, "final": is_final});
    run.to_string().into_response()
}

async fn head(
    State(this): State<Operator>,
    Path(hex): Path<String>,
    headers: HeaderMap,
) -> Response {
    let known = |desk: &Desk| desk.blobs.contains_key(&Digest::from_hex(&hex).unwrap());
    match this.refused(&headers) {
        Some(refused) => refused,
        None if known(&this.desk()) => StatusCode::OK.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn blob(
    State(this): State<Operator>,
    Path(hex): Path<String>,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    if let Some(refused) = this.refused(&headers) {
        return refused;
    }
    let (next, slow) = {
        let mut desk = this.desk();
        desk.asked.push(Instant::now());
        (desk.puts.pop_front(), desk.slow)
    };
    if let Some(Next::Say(status, wait)) = next {
        return said(status, wait);
    }
    let (mut state, mut size) = (Sha256::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return StatusCode::BAD_REQUEST.into_response() };
        let data = frame.into_data().unwrap();
        state.update(&data);
        size += u64::try_from(data.len()).unwrap();
        tokio::time::sleep(slow).await;
    }
    let digest = Digest::from_hex(&hex).unwrap();
    assert_eq!(headers[header::CONTENT_LENGTH], size.to_string());
    assert_eq!(Digest::from(state), digest, "a whole body is the right one");
    match next {
        Some(Next::Hang) => std::future::pending().await,
        Some(Next::Lose) => this.shut(),
        _ => {}
    }
    let mut desk = this.desk();
    desk.bodies += 1;
    let known = desk.blobs.insert(digest, size).is_some();
    if known { StatusCode::OK } else { StatusCode::CREATED }.into_response()
}

async fn manifest(State(this): State<Operator>, headers: HeaderMap, bytes: Bytes) -> Response {
    if let Some(refused) = this.refused(&headers) {
        return refused;
    }
    let next = this.desk().posts.pop_front();
    match next {
        Some(Next::Say(status, wait)) => return said(status, wait),
        Some(Next::Hang) => std::future::pending().await,
        Some(Next::Lose) | None => {}
    }
    let mut desk = this.desk();
    for _ in 0..std::mem::take(&mut desk.loses) {
        desk.blobs.pop_first();
    }
    let read = Manifest::parse(&bytes).unwrap();
    let mut missing: Vec<Digest> = read.files().map(|file| file.digest).collect();
    missing.retain(|digest| !desk.blobs.contains_key(digest));
    if !missing.is_empty() {
        let missing = json!({"missing": missing}).to_string();
        return (StatusCode::UNPROCESSABLE_ENTITY, missing).into_response();
    }
    let status = match &desk.manifest {
        None => StatusCode::CREATED,
        Some(there) if *there == bytes => StatusCode::OK,
        Some(_) => StatusCode::CONFLICT,
    };
    if status == StatusCode::CREATED {
        desk.manifest = Some(bytes);
    }
    if matches!(next, Some(Next::Lose)) {
        this.shut();
    }
    status.into_response()
}

fn said(status: u16, wait: u64) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    if wait == 0 {
        return status.into_response();
    }
    (status, [(header::RETRY_AFTER, wait.to_string())]).into_response()
}
