//! `understudy collect`: beside a test in its pod it sends what the test leaves behind to the operator, and says last
//! what that came to. It judges nothing, and writes nothing but its last words.

mod address;
pub(crate) mod args;
mod body;
mod choose;
mod finish;
mod folder;
mod forward;
mod gather;
mod look;
mod read;
#[cfg(test)]
mod tests;
mod trust;
mod wire;

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use axum::{Router, routing::get};
use tokio::{net::TcpListener, task::JoinSet};
use understudy_core::evidence::LastWords;

use crate::signals::asked_to_end;

use args::CollectArgs;
use choose::Limits;
use finish::Time;
use folder::Folder;
use gather::{Collection, Pace};
use look::Wanted;
use wire::Wire;

/// How much longer than its time the end may take before it is given up.
const END: Duration = Duration::from_millis(500);

/// Why a collector cannot begin.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Signals cannot be heard.
    #[error("the collector cannot listen for signals: {0}")]
    Signal(#[source] io::Error),
    /// A port of the pod's loopback is taken.
    #[error("the collector {0}")]
    Forward(#[source] forward::Listen),
    /// The port for its health is taken.
    #[error("the collector cannot listen on {0}: {1}")]
    Health(SocketAddr, #[source] io::Error),
    /// There is no folder of results.
    #[error("the folder of results {0} cannot be opened: {1}")]
    Open(PathBuf, #[source] io::Error),
    /// The globs together are too much.
    #[error("the globs cannot be used: {0}")]
    Match(#[source] globset::Error),
    /// TLS cannot be spoken.
    #[error("{0}")]
    Trust(#[source] trust::Error),
}

/// Collects until a signal, then brings it to its end; the exit code says whether a manifest is stored.
pub(crate) async fn run(args: CollectArgs) -> ExitCode {
    // Before anything else: as the first process of a container we would not even be ended by a signal that nobody
    // listens for.
    let stop = asked_to_end().map_err(Error::Signal);
    let log = args.termination_log.clone();
    let words = match stop {
        Ok(stop) => collect(args, Pace::default(), stop).await,
        Err(error) => LastWords::failed(&error.to_string()),
    };
    if let Err(error) = say(&log, &words) {
        tracing::error!("cannot write the last words to {}: {error}", log.display());
    }
    match words {
        LastWords::Stored(summary) => {
            tracing::info!("stored: {} reports, {} tests", summary.reports, summary.total);
            ExitCode::SUCCESS
        }
        LastWords::Failed { error } => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Collects until `stop`, and ends within the time that is set.
async fn collect(args: CollectArgs, pace: Pace, stop: impl Future<Output = ()>) -> LastWords {
    let begun = begin(&args, pace).await;
    let (mut collection, _tasks) = match begun {
        Ok(begun) => begun,
        Err(error) => return LastWords::failed(&error.to_string()),
    };
    tokio::select! {
        () = stop => {}
        // What is being sent is dropped: reports go first now.
        () = collection.watch() => {}
    }
    let time = Time::begin(args.collect_timeout.duration());
    // Whoever waits knows better what for: it may say so first.
    let finished = tokio::time::timeout_at(time.end() + END, collection.finish(time)).await;
    finished.unwrap_or_else(|_| {
        let seconds = args.collect_timeout.duration().as_secs();
        LastWords::failed(&format!("the results could not be collected within {seconds} s"))
    })
}

/// Listens on the forwards, then says that it is healthy.
async fn begin(args: &CollectArgs, pace: Pace) -> Result<(Collection, JoinSet<()>), Error> {
    let failed = |error| Error::Open(args.results.clone(), error);
    let folder = Folder::open(&args.results).map_err(failed)?;
    let wanted = Wanted::new(&args.reports, &args.artifacts).map_err(Error::Match)?;
    let url = args.evidence_url.clone();
    let tls = url.tls.then(|| trust::connector(args.evidence_ca_file.as_deref()));
    let tls = tls.transpose().map_err(Error::Trust)?;
    let wire = Wire::new(url, tls, args.token_file.clone(), pace.silence);
    let mut tasks = forward::listen(&args.forwards).await.map_err(Error::Forward)?;
    let address = args.health_listen;
    let failed = |error| Error::Health(address, error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    tasks.spawn(async move {
        let router = Router::new().route("/healthz", get(async || "ok\n"));
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("health is no longer served: {error}");
        }
    });
    let limits = Limits::from(args);
    Ok((Collection::new(folder, (wanted, limits), wire, pace), tasks))
}

/// Writes to what the kubelet has put there: it is never made or replaced.
fn say(log: &PathBuf, words: &LastWords) -> io::Result<()> {
    std::fs::write(log, serde_json::to_vec(words)?)
}
