//! The one reverse proxy in front of every preview.
//!
//! It decides nothing about previews: it learns routes and readiness from watches, carries bytes, says what is so
//! when there is nothing to carry, and writes two annotations: when a preview was last asked for, and that a wake is
//! wanted.

mod access;
mod backend;
mod body;
mod drain;
mod feed;
pub mod framing;
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod heard;
mod hold;
pub mod host;
mod last;
mod listen;
mod metrics;
mod notes;
mod page;
mod proxy;
pub mod rest;
mod sight;
mod socket;
mod table;
pub mod tls;
mod tunnel;
mod visitor;

#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use kube::Client;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

pub use headers::PAGE;

use access::AccessLog;
use drain::Drain;
use feed::Feed;
use metrics::Metrics;
use table::Table;
use tls::{Certificates, Source};

/// How much of everything there may be.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections of clients on one address.
    pub connections: usize,
    /// Requests and tunnels of one preview.
    pub preview: usize,
    /// Requests that wait for pods; of one preview a tenth.
    pub held: usize,
    /// How long one waits.
    pub hold: Duration,
    /// How long a preview may take before the head of its answer.
    pub answer: Duration,
    /// Between two notes that a preview is used.
    pub interval: Duration,
    /// How long requests and tunnels may take to end after a signal.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            preview: 10_000,
            held: 1_000,
            hold: Duration::from_mins(1),
            answer: proxy::ANSWER,
            interval: rest::INTERVAL,
            drain: Duration::from_secs(25),
        }
    }
}

/// What the edge was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where plain HTTP is served.
    pub listen: SocketAddr,
    /// Where TLS is served, and where its certificate comes from.
    pub tls: Option<(SocketAddr, Source)>,
    /// Bounds.
    pub limits: Limits,
    /// Whether each request is logged to standard output.
    pub access_log: bool,
}

/// Why the edge ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The access log cannot be begun.
    #[error("cannot begin the access log: {0}")]
    Log(#[source] std::io::Error),
    /// TLS cannot be set up.
    #[error("{0}")]
    Tls(#[from] tls::CertificateError),
}

/// The edge; a cheap copy.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

impl Deref for Edge {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What an edge is made of.
pub struct Inner {
    client: Client,
    table: Table,
    feed: Feed,
    metrics: Metrics,
    limits: Limits,
    access: Option<AccessLog>,
    drain: Drain,
    held: AtomicUsize,
    began: Instant,
    open: watch::Sender<bool>,
    certificates: Option<Arc<Certificates>>,
}

impl Edge {
    /// An edge that nobody can reach yet.
    pub fn new(client: Client, options: &Options) -> Result<Self, Error> {
        let access = options.access_log.then(AccessLog::begin).transpose().map_err(Error::Log)?;
        let certificates = match options.tls {
            Some(_) => Some(Arc::new(Certificates::new()?)),
            None => None,
        };
        Ok(Self(Arc::new(Inner {
            client,
            table: Table::default(),
            feed: Feed::default(),
            metrics: Metrics::default(),
            limits: options.limits.clone(),
            access,
            drain: Drain::default(),
            held: AtomicUsize::new(0),
            began: Instant::now(),
            open: watch::Sender::new(false),
            certificates,
        })))
    }

    /// What is counted, as Prometheus reads it.
    pub fn metrics_text(&self) -> String {
        let mut registry = Registry::default();
        self.0.metrics.register(&mut registry);
        let mut text = String::new();
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }

    /// What keeps it from being ready, by name; nothing once it is.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = self.feed.missing();
        if self.certificates.as_ref().is_some_and(|one| !one.is_there()) {
            missing.push("certificate");
        }
        if self.drain.is_leaving() {
            missing.push("time: it is about to end");
        }
        missing
    }

    /// Serves until `stop`, then ends in order.
    pub async fn run(
        &self,
        options: &Options,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let plain = bind(options.listen)?;
        let mut tasks = JoinSet::new();
        let tls = match &options.tls {
            Some((address, source)) => {
                let listener = bind(*address)?;
                self.certificates.clone().map(|one| (listener, one, source.clone()))
            }
            None => None,
        };
        let mut watches = feed::follow(self);
        watches.spawn(notes::renew(self.clone()));
        if let Some((_, certificates, source)) = &tls {
            let (certificates, source) = (Arc::clone(certificates), source.clone());
            let client = self.client.clone();
            watches.spawn(async move { certificates.follow(source, client).await });
        }
        // Whoever connects before everything was seen waits in the kernel's queue.
        let opened = async {
            let mut open = self.open.subscribe();
            let _ = open.wait_for(|open| *open).await;
        };
        let mut stop = std::pin::pin!(stop);
        tokio::select! {
            () = opened => {}
            () = stop.as_mut() => return Ok(()),
        }
        tracing::info!("serves {} hosts", self.table.routes());
        tasks.spawn(listen::listen(self.clone(), plain, None));
        if let Some((listener, certificates, _)) = tls {
            tasks.spawn(listen::listen(self.clone(), listener, Some(certificates)));
        }
        stop.await;
        tracing::info!("a signal: requests under way are brought to their end");
        let ended = async { while tasks.join_next().await.is_some() {} };
        tokio::join!(self.drain.end(self.limits.drain), ended);
        Ok(())
    }

    fn open(&self) {
        self.open.send_replace(true);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Binds an address so that the next process may bind it too while this one ends.
fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { address, source };
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
    };
    let socket = socket.map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.set_reuseport(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    socket.listen(4096).map_err(failed)
}
