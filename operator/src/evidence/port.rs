//! Where collectors bring what they collected. Who asks is who its token says, and each run is finalised once.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use bytes::Bytes;
use futures::TryStreamExt;
use understudy_core::{
    evidence::{LARGEST_MANIFEST, Manifest, Missing, Run as RunAnswer},
    run::{Run, Runs},
};

use super::{
    error::{PutError, StoreError},
    keeper::{Finalised, KeepError},
    layout::Digest,
    visitor::{Denied, Visitor, visitor},
};
use crate::cluster::world::World;

/// The most that one file may have, in bytes.
const LARGEST_FILE: u64 = 256 << 20;

/// When a collector is told to come again, in seconds.
const AGAIN: &str = "1";

/// The routes.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/v1/run", get(told))
        .route("/v1/blobs/sha256/{hex}", put(stored).head(known))
        .route("/v1/run/manifest", post(finalised))
        .layer(DefaultBodyLimit::disable())
        .with_state(world)
}

/// Why a collector does not get what it asks for.
enum Refusal {
    Denied(Denied),
    Final,
    Path,
    Later(String),
    Answer(StatusCode, String),
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<KeepError> for Refusal {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Store(error @ StoreError::RunFull { .. }) => {
                Self::Answer(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
            }
            error => Self::Later(error.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let later = |status, text: String| {
            (status, [(header::RETRY_AFTER, AGAIN)], text + "\n").into_response()
        };
        match self {
            Self::Denied(Denied::Token(why)) => {
                (StatusCode::UNAUTHORIZED, format!("{why}\n")).into_response()
            }
            Self::Denied(Denied::Pod(why)) => {
                (StatusCode::FORBIDDEN, format!("{why}\n")).into_response()
            }
            Self::Denied(Denied::Later(why)) | Self::Later(why) => {
                later(StatusCode::SERVICE_UNAVAILABLE, why)
            }
            Self::Final => (StatusCode::CONFLICT, "the run is final\n").into_response(),
            Self::Path => (StatusCode::NOT_FOUND, "no such blob\n").into_response(),
            Self::Answer(status, why) => (status, why + "\n").into_response(),
        }
    }
}

/// The run that a visitor collects for, as it is now.
async fn run(world: &Arc<World>, headers: &HeaderMap) -> Result<(Visitor, Run), Refusal> {
    let visitor = visitor(world, headers).await?;
    let runs = match world.keeper.runs(&visitor.preview).await {
        Runs::Known(runs) => runs,
        Runs::Unknown(why) => return Err(Refusal::Later(why)),
    };
    // One that is not bound to its Job yet will be in a moment.
    let Some(run) = runs.into_values().find(|run| run.begun.uid.as_ref() == Some(&visitor.job))
    else {
        return Err(Refusal::Later("the run of this Job is not known yet".to_owned()));
    };
    Ok((visitor, run))
}

async fn told(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
) -> Result<Json<RunAnswer>, Refusal> {
    let (_, run) = run(&world, &headers).await?;
    Ok(Json(RunAnswer {
        is_final: run.arrived.is_some() || run.judged.is_some(),
        check: run.begun.check,
        commit: run.begun.commit,
        attempt: run.begun.attempt,
    }))
}

fn digest(hex: &str) -> Result<Digest, Refusal> {
    hex.parse().map_err(|_| Refusal::Path)
}

async fn known(
    State(world): State<Arc<World>>,
    Path(hex): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let (visitor, _) = run(&world, &headers).await?;
    let of = visitor.uid()?;
    let evidence = world.keeper.evidence();
    let size = evidence.blob_size(&of, digest(&hex)?).await.map_err(KeepError::Store)?;
    Ok(if size.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

async fn stored(
    State(world): State<Arc<World>>,
    Path(hex): Path<String>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (visitor, run) = run(&world, request.headers()).await?;
    if run.arrived.is_some() || run.judged.is_some() {
        return Err(Refusal::Final);
    }
    let body = request.into_body().into_data_stream().map_err(std::io::Error::other);
    let evidence = world.keeper.evidence();
    match evidence.put_blob(&visitor.uid()?, digest(&hex)?, body, LARGEST_FILE).await {
        Ok(super::store::Stored::New) => Ok(StatusCode::CREATED),
        Ok(super::store::Stored::Known) => Ok(StatusCode::OK),
        Err(PutError::Store(error)) => Err(KeepError::Store(error).into()),
        Err(PutError::ExceedLimit { .. }) => {
            Err(Refusal::Answer(StatusCode::PAYLOAD_TOO_LARGE, "the file is too large".to_owned()))
        }
        Err(error) => Err(Refusal::Answer(StatusCode::BAD_REQUEST, error.to_string())),
    }
}

async fn finalised(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (visitor, run) = run(&world, &headers).await?;
    let begun = &run.begun;
    if run.judged.is_some() && run.arrived.is_none() {
        return Err(Refusal::Final);
    }
    let wrong = |why: String| Refusal::Answer(StatusCode::BAD_REQUEST, why);
    let bytes: Bytes = to_bytes(body, LARGEST_MANIFEST)
        .await
        .map_err(|error| Refusal::Answer(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    let manifest = Manifest::parse(&bytes).map_err(|error| wrong(error.to_string()))?;
    let same = (&manifest.check, &manifest.commit, manifest.attempt)
        == (&begun.check, &begun.commit, begun.attempt);
    if !same {
        return Err(wrong("it is the manifest of another run".to_owned()));
    }
    let kept = world.keeper.finalise(&visitor.preview, &begun.job, (&manifest, &bytes)).await?;
    world.wake(&visitor.preview);
    Ok(match kept {
        Finalised::Kept { before: false } => StatusCode::CREATED.into_response(),
        Finalised::Kept { before: true } => StatusCode::OK.into_response(),
        Finalised::Other => return Err(Refusal::Final),
        Finalised::Missing(missing) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Json(Missing { missing })).into_response()
        }
    })
}
