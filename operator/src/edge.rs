//! `understudy edge`: the proxy as a process, with its settings, its signals, and its metrics and health.

use std::{net::SocketAddr, path::PathBuf};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use clap::Args;
use tokio::net::TcpListener;
use understudy_crds::scalar::Span;
use understudy_edge::{Edge, Limits, Options, tls::Source};

use crate::{args::listen, cluster::connect, signals::asked_to_end};

/// Settings of `understudy edge`.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Where plain HTTP is served
    #[arg(long, env = "UNDERSTUDY_LISTEN", default_value = "0.0.0.0:8000", value_parser = listen)]
    listen: SocketAddr,
    /// Where TLS is served, once there is a certificate
    #[arg(long, env = "UNDERSTUDY_TLS_LISTEN", default_value = "0.0.0.0:8443", value_parser = listen)]
    tls_listen: SocketAddr,
    /// The Secret with the wildcard certificate, as namespace/name; our account must be allowed to get, list and watch it there
    #[arg(long, env = "UNDERSTUDY_TLS_SECRET", value_parser = secret, conflicts_with = "tls_dir")]
    tls_secret: Option<(String, String)>,
    /// The folder with the wildcard certificate: tls.crt and tls.key
    #[arg(long, env = "UNDERSTUDY_TLS_DIR")]
    tls_dir: Option<PathBuf>,
    /// Where metrics and health are served
    #[arg(long, env = "UNDERSTUDY_ADMIN_LISTEN", default_value = "0.0.0.0:9090", value_parser = listen)]
    admin_listen: SocketAddr,
    /// Whether each request is logged to standard output, as an object each
    #[arg(long, env = "UNDERSTUDY_ACCESS_LOG", default_value_t = true, action = clap::ArgAction::Set)]
    access_log: bool,
    /// How many connections of clients there may be
    #[arg(long, env = "UNDERSTUDY_MAX_CONNECTIONS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// How many requests may wait for previews to start
    #[arg(long, env = "UNDERSTUDY_MAX_HELD", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    max_held: u32,
    /// How long a request may wait for a preview to start
    #[arg(long, env = "UNDERSTUDY_HOLD_TIMEOUT", default_value = "1m")]
    hold_timeout: Span,
    /// How long a preview may take before it begins to answer
    #[arg(long, env = "UNDERSTUDY_ANSWER_TIMEOUT", default_value = "5m")]
    answer_timeout: Span,
    /// How often at most it is noted that a preview is used
    #[arg(long, env = "UNDERSTUDY_NOTE_INTERVAL", default_value = "1m", hide = true)]
    note_interval: Span,
}

/// Why the edge ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No connection.
    #[error("{0}")]
    Connect(#[from] connect::Error),
    /// The address for metrics and health is taken.
    #[error("cannot listen on {0}: {1}; choose another with `--admin-listen`")]
    Admin(SocketAddr, #[source] std::io::Error),
    /// Signals cannot be heard.
    #[error("cannot listen for signals: {0}")]
    Signal(#[source] std::io::Error),
    /// The proxy itself.
    #[error("{0}")]
    Edge(#[from] understudy_edge::Error),
}

fn secret(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("a Secret is namespace/name".to_owned()),
    }
}

impl Settings {
    fn options(&self) -> Options {
        let folder = self.tls_dir.clone().map(Source::Folder);
        let named =
            self.tls_secret.clone().map(|(namespace, name)| Source::Secret(namespace, name));
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Options {
            listen: self.listen,
            tls: folder.or(named).map(|source| (self.tls_listen, source)),
            limits: Limits {
                connections: number(self.max_connections),
                held: number(self.max_held),
                hold: self.hold_timeout.duration(),
                answer: self.answer_timeout.duration(),
                interval: self.note_interval.duration(),
                ..Limits::default()
            },
            access_log: self.access_log,
        }
    }

    /// Runs until a signal.
    pub(crate) async fn run(
        self,
        kubeconfig: Option<PathBuf>,
        context: Option<String>,
    ) -> Result<(), Error> {
        let stop = asked_to_end().map_err(Error::Signal)?;
        let client = connect::connect(kubeconfig, context, None).await?;
        let options = self.options();
        let edge = Edge::new(client, &options)?;
        let address = self.admin_listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| Error::Admin(address, source))?;
        let admin = tokio::spawn(admin(listener, edge.clone()));
        let outcome = edge.run(&options, stop).await;
        admin.abort();
        outcome.map_err(Error::Edge)
    }
}

/// Serves metrics and health.
async fn admin(listener: TcpListener, edge: Edge) {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(async |State(edge): State<Edge>| edge.metrics_text()))
        .with_state(edge);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!("metrics and health are no longer served: {error}");
    }
}

async fn ready(State(edge): State<Edge>) -> (StatusCode, String) {
    match edge.missing() {
        missing if missing.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        missing => {
            let text = format!("not seen yet: {}\n", missing.join(", "));
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}
