//! Reading evidence with a link: who has the preview's key may look at its runs and their files, and nothing in them
//! can act in a browser. Nothing is written here.

use axum::{
    Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde::Serialize;

use crate::evidence::{
    error::StoreError,
    file,
    keys::Keys,
    layout::{Digest, Document, Place, PreviewKey, Uid},
    page::{Entry, LeftView, Manifest, PreviewView, RunPage, RunView, RunsPage},
    range::{Wanted, wanted},
    store::{Evidence, StoredRun},
};

/// How many runs a page shows.
const SHOWN: usize = 200;

/// How many documents are read at once for one page.
const AT_ONCE: usize = 8;

/// A file may show itself and nothing else. It has no origin, runs nothing and asks for nothing.
const FILE: &str = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'";
/// A browser shows a video by a page that asks for it again.
const VIDEO: &str = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'";
/// From our own pages files can be saved.
const PAGE: &str = "sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                    form-action 'none'; frame-ancestors 'none'";
/// The bytes under a digest are the same for ever; the link to them is for whoever has it.
const FOR_EVER: &str = "private, max-age=31536000, immutable";
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// What every answer is made from.
#[derive(Clone)]
struct Reader {
    evidence: Evidence,
    keys: Keys,
}

/// Answers below `/evidence/`.
pub(crate) fn router(evidence: Evidence, keys: Keys) -> Router {
    Router::new()
        .route("/evidence/{key}", get(whole_address))
        .route("/evidence/{key}/", get(runs))
        .route("/evidence/{key}/runs/{job}", get(whole_run_address))
        .route("/evidence/{key}/runs/{job}/", get(run))
        .route("/evidence/{key}/runs/{job}/files/{position}/{*name}", get(one_file))
        .fallback(async || Refusal::Nothing)
        .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
        .layer(middleware::map_response(guarded))
        .with_state(Reader { evidence, keys })
}

/// Why there is no answer.
enum Refusal {
    /// There is nothing, or not for this key: nobody can tell which.
    Nothing,
    /// The store failed.
    Store(StoreError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Nothing | Self::Store(StoreError::FindNothing { .. }) => {
                (StatusCode::NOT_FOUND, "There is nothing at this address.\n").into_response()
            }
            Self::Store(error) => {
                tracing::warn!("evidence cannot be shown: {error}");
                let text =
                    "The evidence store does not answer as it should. Try again in a moment.\n";
                let retry = [(header::RETRY_AFTER, "10")];
                (StatusCode::SERVICE_UNAVAILABLE, retry, text).into_response()
            }
        }
    }
}

impl From<PathRejection> for Refusal {
    fn from(_: PathRejection) -> Self {
        Self::Nothing
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What every answer carries, refusals too.
async fn guarded(mut answer: Response) -> Response {
    let map = answer.headers_mut();
    map.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    map.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    map.insert(ROBOTS, HeaderValue::from_static("noindex"));
    map.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(FILE));
    map.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Links on a page are relative to its last slash.
async fn whole_address(
    State(reader): State<Reader>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(key) = path?;
    reader.preview(&key)?;
    Ok(moved(&format!("{key}/")))
}

async fn whole_run_address(
    State(reader): State<Reader>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path((key, job)) = path?;
    reader.preview(&key)?;
    let job: Uid = job.parse().map_err(|_| Refusal::Nothing)?;
    Ok(moved(&format!("{job}/")))
}

/// The runs of a preview.
async fn runs(
    State(reader): State<Reader>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Path(key) = path?;
    let preview = reader.preview(&key)?;
    let about = reader.about(&preview).await?;
    let stored = reader.evidence.runs(&preview).await?;
    let older = stored.len().saturating_sub(SHOWN);
    let views = stored.into_iter().take(SHOWN).map(|run| reader.view(&preview, run));
    let runs = futures::stream::iter(views).buffered(AT_ONCE).try_collect().await?;
    Ok(shown(&RunsPage { preview: about, runs, older }, &uri))
}

/// One run and its files.
async fn run(
    State(reader): State<Reader>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Path((key, job)) = path?;
    let preview = reader.preview(&key)?;
    let job: Uid = job.parse().map_err(|_| Refusal::Nothing)?;
    let about = reader.about(&preview).await?;
    let stored = reader.evidence.run(&preview, &job).await?.ok_or(Refusal::Nothing)?;
    let run = reader.view(&preview, stored).await?;
    let manifest = reader.manifest(&preview, job).await?;
    let left = manifest.as_ref().map(LeftView::read);
    Ok(shown(&RunPage { preview: about, run, left }, &uri))
}

/// One file, by its position in the manifest. The name behind it is for people.
async fn one_file(
    State(reader): State<Reader>,
    path: Result<Path<(String, String, usize, String)>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path((key, job, position, _)) = path?;
    let preview = reader.preview(&key)?;
    let job: Uid = job.parse().map_err(|_| Refusal::Nothing)?;
    let manifest = reader.manifest(&preview, job).await?.unwrap_or_default();
    let entry = manifest.files().nth(position).ok_or(Refusal::Nothing)?;
    let digest = entry.digest().ok_or(Refusal::Nothing)?;
    let size = reader.evidence.blob_size(&preview, digest).await?.ok_or(Refusal::Nothing)?;
    let wanted = wanted(&method, &headers, &tag(digest), size);
    let body = match &wanted {
        Wanted::Beyond | Wanted::Known => Body::empty(),
        Wanted::Whole | Wanted::Part(_) if method == Method::HEAD => Body::empty(),
        Wanted::Whole => reader.body(&preview, digest, None).await?,
        Wanted::Part(range) => reader.body(&preview, digest, Some(range.clone())).await?,
    };
    let mut answer = Response::new(body);
    describe(&mut answer, &wanted, size);
    label(answer.headers_mut(), entry, digest);
    Ok(answer)
}

impl Reader {
    /// Whose key this is.
    fn preview(&self, key: &str) -> Result<Uid, Refusal> {
        let key: PreviewKey = key.parse().map_err(|_| Refusal::Nothing)?;
        self.keys.find(&key).ok_or(Refusal::Nothing)
    }

    /// What the preview's record says; without one nothing of it is shown.
    async fn about(&self, preview: &Uid) -> Result<PreviewView, Refusal> {
        let record = self.evidence.read(preview, &Place::Record).await?;
        Ok(PreviewView::read(&record.ok_or(Refusal::Nothing)?))
    }

    async fn view(&self, preview: &Uid, run: StoredRun) -> Result<RunView, StoreError> {
        let read = async |document| {
            let place = Place::Run(run.job.clone(), document);
            if run.documents.contains(&document) {
                self.evidence.read(preview, &place).await
            } else {
                Ok(None)
            }
        };
        let (started, verdict) = (read(Document::Run).await?, read(Document::Verdict).await?);
        Ok(RunView::read(&run.job, started.as_ref(), verdict.as_ref(), run.touched))
    }

    async fn manifest(&self, preview: &Uid, job: Uid) -> Result<Option<Manifest>, StoreError> {
        let bytes = self.evidence.read(preview, &Place::Run(job, Document::Manifest)).await?;
        Ok(bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    async fn body(
        &self,
        preview: &Uid,
        digest: Digest,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Body, StoreError> {
        let blob = self.evidence.blob(preview, digest, range).await?;
        Ok(Body::from_stream(blob.stream))
    }
}

/// A page, or the same as JSON for `?format=json`.
fn shown<T: askama::Template + Serialize>(page: &T, uri: &Uri) -> Response {
    let json = uri.query().is_some_and(|query| query.split('&').any(|one| one == "format=json"));
    let (kind, text) = if json {
        ("application/json", serde_json::to_string(page).ok())
    } else {
        ("text/html; charset=utf-8", page.render().ok())
    };
    let Some(text) = text else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, PAGE)];
    (headers, text).into_response()
}

fn moved(place: &str) -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, place)]).into_response()
}

/// The status, and how many bytes of how many.
fn describe(answer: &mut Response, wanted: &Wanted, size: u64) {
    let (status, length, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, Some(size), None),
        Wanted::Part(part) => {
            let range = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
            let length = part.end.saturating_sub(part.start);
            (StatusCode::PARTIAL_CONTENT, Some(length), Some(range))
        }
        Wanted::Beyond => {
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(0), Some(format!("bytes */{size}")))
        }
        Wanted::Known => (StatusCode::NOT_MODIFIED, None, None),
    };
    *answer.status_mut() = status;
    let map = answer.headers_mut();
    map.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(length) = length {
        map.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(range) = range.and_then(|range| range.try_into().ok()) {
        map.insert(header::CONTENT_RANGE, range);
    }
}

/// What a browser is told about a file.
fn label(map: &mut HeaderMap, entry: &Entry, digest: Digest) {
    let handling = file::handling(&entry.path);
    let policy = if handling.video { VIDEO } else { FILE };
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            map.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, handling.media);
    put(header::CONTENT_DISPOSITION, &file::disposition(&entry.path, handling.inline));
    put(header::CONTENT_SECURITY_POLICY, policy);
    put(header::CACHE_CONTROL, FOR_EVER);
    put(header::ETAG, &tag(digest));
}

fn tag(digest: Digest) -> String {
    format!("\"{digest}\"")
}

#[cfg(test)]
mod tests;
