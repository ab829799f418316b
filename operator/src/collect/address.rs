//! What is said to the evidence address, and what its answers mean.

use std::{fs::File, time::Duration};

use http::{Method, StatusCode};
use hyper::body::Bytes;
use tokio::time::Instant;
use understudy_core::evidence::{Digest, Missing, Run};

use super::{
    body::{Pieces, Progress},
    wire::{Answer, Unanswered, Wire},
};

/// The first wait after a failure, and the longest.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// The longest wait that we are asked for and heed: there is no more time than that.
const LONGEST_ASKED: Duration = Duration::from_secs(15);

/// Why the address did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// No answer.
    #[error("did not answer")]
    Reach(#[source] Unanswered),
    /// It may do it later.
    #[error("said HTTP {0}")]
    Wait(StatusCode, Option<Duration>),
    /// We are not who it takes results from.
    #[error("does not take results from this pod (HTTP {0})")]
    Refuse(StatusCode),
    /// The run is final: another manifest is there.
    #[error("has the results of this run already")]
    Finish,
    /// It never will.
    #[error("refused it with HTTP {0}")]
    Reject(StatusCode),
    /// What was to be sent is no longer what it was.
    #[error("was not sent a file that changed")]
    Change,
}

impl Trouble {
    /// Whether it may go away by itself.
    pub(super) const fn passes(&self) -> bool {
        matches!(self, Self::Reach(_) | Self::Wait(..))
    }

    /// How long it is to be waited after so many failures in a row; `jitter` is from 0.5 to 1.
    pub(super) fn wait(&self, failures: u32, jitter: f64) -> Duration {
        let doubled =
            FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
        let wait = doubled.min(LONGEST).mul_f64(jitter);
        match self {
            Self::Wait(_, Some(asked)) => wait.max(*asked).min(LONGEST_ASKED),
            _ => wait,
        }
    }
}

/// What became of a manifest.
#[derive(Debug)]
pub(super) enum Filed {
    /// It is there.
    Stored,
    /// It names files that are not there.
    Missing(Vec<Digest>),
}

/// Whether something is asked once, or again and again until a time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    Once,
    Until(Instant),
}

impl Patience {
    /// Does something as long as this allows.
    pub(super) async fn bound<Done>(self, act: impl Future<Output = Done>) -> Option<Done> {
        match self {
            Self::Once => Some(act.await),
            Self::Until(end) if Instant::now() < end => {
                tokio::time::timeout_at(end, act).await.ok()
            }
            Self::Until(_) => None,
        }
    }

    /// Asks as often as this allows.
    pub(super) async fn ask<Said, Asking>(self, asked: impl Fn() -> Asking) -> Result<Said, Trouble>
    where
        Asking: Future<Output = Result<Said, Trouble>>,
    {
        let Self::Until(end) = self else { return asked().await };
        let mut last = Trouble::Reach(Unanswered::Stall(0));
        for failures in 1.. {
            match tokio::time::timeout_at(end, asked()).await {
                Ok(Err(trouble)) if trouble.passes() => last = trouble,
                Ok(said) => return said,
                Err(_) => break,
            }
            let wait = last.wait(failures, rand::random_range(0.5..1.0));
            tracing::debug!("the evidence address {last}; again in {} ms", wait.as_millis());
            if Instant::now() + wait >= end {
                break;
            }
            tokio::time::sleep(wait).await;
        }
        Err(last)
    }
}

/// Whose run this is.
pub(super) async fn run(wire: &Wire) -> Result<Run, Trouble> {
    let answer = wire.ask(Method::GET, "/v1/run", nothing).await.map_err(Trouble::Reach)?;
    let answer = judged(answer)?;
    serde_json::from_slice(&answer.body).map_err(|_| Trouble::Reject(answer.status))
}

/// Whether a file is there.
pub(super) async fn has(wire: &Wire, digest: Digest) -> Result<bool, Trouble> {
    let path = format!("/v1/blobs/sha256/{}", digest.hex());
    let answer = wire.ask(Method::HEAD, &path, nothing).await.map_err(Trouble::Reach)?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(false);
    }
    judged(answer).map(|answer| answer.status.is_success())
}

/// Sends a file of that digest and length.
pub(super) async fn put(wire: &Wire, file: File, known: (Digest, u64)) -> Result<(), Trouble> {
    let path = format!("/v1/blobs/sha256/{}", known.0.hex());
    let body = |progress: &Progress| Pieces::file(file, known, progress);
    let answer = wire.ask(Method::PUT, &path, body).await.map_err(Trouble::Reach)?;
    done(&judged(answer)?)
}

/// Sends the manifest.
pub(super) async fn file(wire: &Wire, manifest: Bytes) -> Result<Filed, Trouble> {
    let path = "/v1/run/manifest";
    let body = |progress: &Progress| Pieces::whole(manifest, progress);
    let answer = wire.ask(Method::POST, path, body).await.map_err(Trouble::Reach)?;
    if answer.status == StatusCode::UNPROCESSABLE_ENTITY
        && let Ok(Missing { missing }) = serde_json::from_slice(&answer.body)
    {
        return Ok(Filed::Missing(missing));
    }
    done(&judged(answer)?).map(|()| Filed::Stored)
}

fn nothing(progress: &Progress) -> Pieces {
    Pieces::whole(Bytes::new(), progress)
}

/// What every answer means, whatever was asked for.
fn judged(answer: Answer) -> Result<Answer, Trouble> {
    let status = answer.status;
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Trouble::Refuse(status)),
        StatusCode::CONFLICT => Err(Trouble::Finish),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Err(Trouble::Wait(status, answer.wait))
        }
        status if status.is_server_error() => Err(Trouble::Wait(status, answer.wait)),
        status if status.is_client_error() => Err(Trouble::Reject(status)),
        _ => Ok(answer),
    }
}

/// Whatever is neither a failure nor a success means that somebody else answers.
fn done(answer: &Answer) -> Result<(), Trouble> {
    if answer.status.is_success() { Ok(()) } else { Err(Trouble::Reject(answer.status)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::Trouble;

    #[test]
    fn waits_grow_to_five_seconds_and_heed_what_is_asked() {
        let busy = Trouble::Wait(StatusCode::SERVICE_UNAVAILABLE, None);
        let waits: Vec<u128> = [1, 2, 3, 5, 6, 99].map(|n| busy.wait(n, 1.0).as_millis()).into();
        assert_eq!(waits, [250, 500, 1000, 4000, 5000, 5000]);
        assert_eq!(busy.wait(1, 0.5), Duration::from_millis(125));
        let asked = Trouble::Wait(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(9)));
        assert_eq!(asked.wait(1, 1.0), Duration::from_secs(9));
        let for_ever = Trouble::Wait(StatusCode::TOO_MANY_REQUESTS, Some(Duration::MAX));
        assert_eq!(for_ever.wait(1, 1.0), Duration::from_secs(15));
    }
}
