//! A registry that holds tags and refuses as it is told to, over the real protocol.
//!
//! Its rules are those of the OCI distribution specification 1.1: `GET /v2/`, `GET|HEAD
//! /v2/<name>/manifests/<reference>` (section "Pulling manifests"), `GET /v2/<name>/blobs/<digest>`, and the
//! error codes of section "Error Codes"; the token service is Docker's ("Token Authentication Specification").

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};
use understudy_bed::{Error, Result};

/// How a registry treats a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Whatever is there is given to everybody.
    Open,
    /// Only with a token, which the token service gives for that user and password.
    Token(String, String),
    /// Only with that user and password.
    Basic(String, String),
    /// This status, with this error code.
    Refuse(u16, &'static str),
    /// No answer for so long.
    Slow(Duration),
}

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    address: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    address: String,
    manifests: HashMap<String, HashMap<String, Bytes>>,
    blobs: HashMap<String, Bytes>,
    manners: HashMap<String, Manner>,
    requests: Vec<String>,
}

fn digest(bytes: &[u8]) -> String {
    let hex = Sha256::digest(bytes);
    hex.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

impl Registry {
    /// Starts an empty one on this machine's loopback.
    pub async fn start() -> Result<Self> {
        let failed = |error: std::io::Error| Error::Bed(format!("registry: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?.to_string();
        let state = Arc::new(Mutex::new(State { address: address.clone(), ..State::default() }));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, task })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a tag there whose image is made for that platform; what differs in `content` differs in
    /// digest. Returns the digest.
    pub fn push(&self, name: &str, tag: &str, content: &str, platform: (&str, &str)) -> String {
        let config = json!({
            "os": platform.0, "architecture": platform.1, "config": {"Labels": {"content": content}},
            "rootfs": {"type": "layers", "diff_ids": []},
        });
        let config = Bytes::from(config.to_string());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(&config), "size": config.len(),
            },
            "layers": [],
        });
        let manifest = Bytes::from(manifest.to_string());
        let own = digest(&manifest);
        let mut state = self.state();
        state.blobs.insert(digest(&config), config);
        let tags = state.manifests.entry(name.to_owned()).or_default();
        tags.insert(tag.to_owned(), manifest.clone());
        tags.insert(own.clone(), manifest);
        own
    }

    /// How the repository is treated from now on.
    pub fn treat(&self, name: &str, manner: Manner) {
        self.state().manners.insert(name.to_owned(), manner);
    }

    /// The requests so far, as `GET /v2/…`.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        tokio::spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> std::result::Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let slow = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests.push(format!("{} {}", request.method(), request.uri()));
        match repository(&path).and_then(|name| state.manners.get(name)) {
            Some(Manner::Slow(time)) => Some(*time),
            _ => None,
        }
    };
    if let Some(time) = slow {
        tokio::time::sleep(time).await;
    }
    let state = state.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(state.answer(&path, &request))
}

/// The repository of `/v2/<name>/manifests/<reference>`.
fn repository(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v2/")?;
    let end = rest.find("/manifests/").or_else(|| rest.find("/blobs/"))?;
    rest.get(..end)
}

impl State {
    fn answer(&self, path: &str, request: &Request<Incoming>) -> Answer {
        let credential = request.headers().get(header::AUTHORIZATION);
        let credential = credential.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if path == "/token" {
            return self.token(request.uri().query().unwrap_or_default(), credential);
        }
        if path == "/v2/" {
            return self.ping(credential);
        }
        let Some(name) = repository(path) else { return refusal(404, "NAME_INVALID") };
        match self.manners.get(name) {
            Some(Manner::Refuse(code, error)) => return refusal(*code, error),
            Some(Manner::Token(user, _)) if credential != format!("Bearer token-of-{user}") => {
                return self.challenge();
            }
            Some(Manner::Basic(user, password)) if credential != basic(user, password) => {
                return refusal(401, "UNAUTHORIZED");
            }
            _ => {}
        }
        let reference = path.rsplit('/').next().unwrap_or_default();
        if path.contains("/blobs/") {
            return self.blobs.get(reference).map_or_else(
                || refusal(404, "BLOB_UNKNOWN"),
                |blob| Response::new(Full::new(blob.clone())),
            );
        }
        let Some(tags) = self.manifests.get(name) else { return refusal(404, "NAME_UNKNOWN") };
        let Some(manifest) = tags.get(reference) else { return refusal(404, "MANIFEST_UNKNOWN") };
        let mut answer = Response::new(Full::new(manifest.clone()));
        let value = |text: &str| header::HeaderValue::from_str(text).ok();
        for (name, text) in [
            ("content-type", Some("application/vnd.oci.image.manifest.v1+json".to_owned())),
            ("docker-content-digest", Some(digest(manifest))),
        ] {
            if let Some(value) = text.and_then(|text| value(&text)) {
                answer.headers_mut().insert(name, value);
            }
        }
        answer
    }

    /// Some registries ask everybody for a token before they say anything.
    fn ping(&self, credential: &str) -> Answer {
        let token = self.manners.values().any(|one| matches!(one, Manner::Token(..)));
        if token && credential.is_empty() {
            return self.challenge();
        }
        let basic = self.manners.values().any(|one| matches!(one, Manner::Basic(..)));
        if basic && credential.is_empty() {
            let mut answer = refusal(401, "UNAUTHORIZED");
            let value = header::HeaderValue::from_static("Basic realm=\"test\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            return answer;
        }
        Response::new(Full::new(Bytes::from_static(b"{}")))
    }

    fn challenge(&self) -> Answer {
        let mut answer = refusal(401, "UNAUTHORIZED");
        let realm = format!("Bearer realm=\"http://{}/token\",service=\"test\"", self.address);
        if let Ok(value) = header::HeaderValue::from_str(&realm) {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        answer
    }

    fn token(&self, query: &str, credential: &str) -> Answer {
        let name = query.split('&').find_map(|pair| pair.strip_prefix("scope=repository"));
        let name = name.map(|name| name.replace("%3A", ":").replace("%2F", "/"));
        let name = name.as_deref().unwrap_or_default().trim_start_matches(':');
        let name = name.split(':').next().unwrap_or_default();
        let user = match self.manners.get(name) {
            Some(Manner::Token(user, password)) if credential == basic(user, password) => user,
            Some(Manner::Token(..)) if !credential.is_empty() => {
                return refusal(401, "UNAUTHORIZED");
            }
            _ => "anonymous",
        };
        let body = json!({"token": format!("token-of-{user}"), "expires_in": 300});
        Response::new(Full::new(Bytes::from(body.to_string())))
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", encoded(format!("{user}:{password}").as_bytes()))
}

/// Base64 (RFC 4648, section 4).
fn encoded(bytes: &[u8]) -> String {
    let text = serde_json::to_value(k8s_bytes(bytes)).unwrap_or_default();
    text.as_str().unwrap_or_default().to_owned()
}

fn k8s_bytes(bytes: &[u8]) -> k8s_openapi::ByteString {
    k8s_openapi::ByteString(bytes.to_vec())
}

fn refusal(code: u16, error: &str) -> Answer {
    let body: Value = json!({"errors": [{"code": error, "message": "refused", "detail": {}}]});
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    answer
}
