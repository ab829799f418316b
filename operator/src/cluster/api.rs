//! Requests to the API server: JSON in, JSON out, one request for one call and no repetition.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::Value;
use understudy_crds::label::FIELD_MANAGER;

/// The longest that a request may take: the API server itself gives up after 60 s (`--request-timeout`). What is
/// never answered would hold a preview, and a place among those looked at, for ever.
const PATIENCE: Duration = Duration::from_secs(65);

/// The API server.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server said no.
    #[error("{act}: {message}")]
    Answer {
        /// `PATCH /api/v1/namespaces/x`.
        act: String,
        /// The HTTP status.
        code: u16,
        /// The machine's word for why.
        reason: String,
        /// The sentence.
        message: String,
        /// Causes, by their machine's words.
        causes: Vec<String>,
        /// When to come back, in seconds.
        retry_after: Option<u64>,
    },
    /// There was no answer, or none to be understood.
    #[error("{act}: {source}")]
    Send {
        /// `PATCH /api/v1/namespaces/x`.
        act: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// The HTTP status; 0 without an answer.
    pub(crate) const fn code(&self) -> u16 {
        match self {
            Self::Answer { code, .. } => *code,
            Self::Send { .. } => 0,
        }
    }

    /// The variant's name in a word that has bounds, for metrics.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Send { .. } => "unreachable",
            Self::Answer { code, .. } => match *code {
                403 => "forbidden",
                404 => "not_found",
                409 => "conflict",
                422 => "invalid",
                429 => "throttled",
                _ => "refused",
            },
        }
    }

    /// Whether an object of that name is there already, which is not the same as a conflict of versions.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self, Self::Answer { reason, .. } if reason == "AlreadyExists")
    }

    /// Whether there was an answer that nobody can read: asking again gives the same.
    pub(crate) fn is_illegible(&self) -> bool {
        matches!(self, Self::Send { source, .. } if source.is::<serde_json::Error>())
    }

    /// When the API server asked us to come back, in seconds.
    pub(crate) const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Answer { retry_after, .. } => *retry_after,
            Self::Send { .. } => None,
        }
    }
}

impl Api {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Reads an object; `None` if it is not there.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Value>, Error> {
        match self.send(Method::GET, path, "", None).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code() == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads something that is no JSON, at most that many bytes of it.
    pub(crate) async fn read(&self, path: &str, longest: usize) -> Result<(u16, Vec<u8>), Error> {
        let act = format!("GET {}", path.split('?').next().unwrap_or_default());
        in_time(&act, self.read_slowly(path, longest)).await
    }

    async fn read_slowly(&self, path: &str, longest: usize) -> Result<(u16, Vec<u8>), Error> {
        let act = format!("GET {path}");
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Send {
            act: act.clone(),
            source,
        };
        let request =
            Request::get(path).body(Body::empty()).map_err(|error| failed(error.into()))?;
        let reply = self.client.send(request).await.map_err(|error| failed(error.into()))?;
        let (head, mut body) = reply.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failed(error.into()))?;
            let Some(data) = frame.data_ref() else { continue };
            let room = longest.saturating_sub(bytes.len());
            bytes.extend(data.iter().take(room));
            if bytes.len() >= longest {
                break;
            }
        }
        Ok((head.status.as_u16(), bytes))
    }

    /// Makes an object.
    pub(crate) async fn create(&self, path: &str, object: &Value) -> Result<Value, Error> {
        let path = format!("{path}?fieldManager={FIELD_MANAGER}");
        self.send(Method::POST, &path, "application/json", Some(object)).await
    }

    /// Applies an object: server-side apply under our name.
    pub(crate) async fn apply(&self, path: &str, object: &Value) -> Result<Value, Error> {
        let path = format!("{path}?fieldManager={FIELD_MANAGER}&force=true");
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", Some(object)).await
    }

    /// Changes parts of an object.
    pub(crate) async fn merge(&self, path: &str, change: &Value) -> Result<Value, Error> {
        let path = format!("{path}?fieldManager={FIELD_MANAGER}");
        self.send(Method::PATCH, &path, "application/merge-patch+json", Some(change)).await
    }

    /// Deletes an object, or all at that path.
    pub(crate) async fn delete(&self, path: &str, options: &Value) -> Result<Value, Error> {
        self.send(Method::DELETE, path, "application/json", Some(options)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let act = format!("{method} {}", path.split('?').next().unwrap_or_default());
        in_time(&act, self.send_slowly(method, path, content, body)).await
    }

    async fn send_slowly(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let act = format!("{method} {}", path.split('?').next().unwrap_or_default());
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Send {
            act: act.clone(),
            source,
        };
        let mut request = Request::builder().method(method).uri(path);
        if !content.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, content);
        }
        let bytes = body.map(ToString::to_string).unwrap_or_default().into_bytes();
        let request = request.body(Body::from(bytes)).map_err(|error| failed(error.into()))?;
        let answer = self.client.send(request).await.map_err(|error| failed(error.into()))?;
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.map_err(|error| failed(error.into()))?.to_bytes();
        let parsed = serde_json::from_slice::<Value>(&bytes);
        if head.status.is_success() {
            return parsed.map_err(|error| failed(error.into()));
        }
        let after = head.headers.get(http::header::RETRY_AFTER);
        let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
        Err(refusal(act, head.status.as_u16(), after, &parsed.unwrap_or_default()))
    }
}

async fn in_time<T>(act: &str, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        let source = format!("no answer within {} s", PATIENCE.as_secs()).into();
        Err(Error::Send { act: act.to_owned(), source })
    })
}

fn refusal(act: String, code: u16, retry_after: Option<u64>, said: &Value) -> Error {
    let text =
        |place: &str| said.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
    let causes = said.pointer("/details/causes").and_then(Value::as_array);
    let causes = causes
        .into_iter()
        .flatten()
        .filter_map(|cause| cause.get("reason")?.as_str().map(str::to_owned))
        .collect();
    let message = match text("/message") {
        message if message.is_empty() => format!("HTTP status {code}"),
        message => message,
    };
    Error::Answer { act, code, reason: text("/reason"), message, causes, retry_after }
}
