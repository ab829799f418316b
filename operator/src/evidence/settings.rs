//! What people say of evidence: where it is taken, kept and shown, and for how long.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use understudy_core::{
    fence::EdgePods,
    sidecar::{Collecting, Opening},
};
use understudy_crds::scalar::Span;
use url::Url;

use crate::args::listen;

/// Settings of `understudy operator` for evidence.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// Our own image, by which results are collected beside checks that are Jobs
    #[arg(long, env = "UNDERSTUDY_IMAGE")]
    pub(crate) image: Option<String>,
    /// Where collectors bring results
    #[arg(long, env = "UNDERSTUDY_EVIDENCE_LISTEN", default_value = "0.0.0.0:8082", value_parser = listen)]
    pub(crate) evidence_listen: SocketAddr,
    /// Where collectors reach that, as `http://host:port`; without it checks that are Jobs prove nothing
    #[arg(long, env = "UNDERSTUDY_EVIDENCE_URL", value_parser = url)]
    pub(crate) evidence_url: Option<Url>,
    /// The namespace of our own pods (label app.kubernetes.io/component: operator), which fences of checks let out to; not
    /// needed if the URL names an address
    #[arg(long, env = "UNDERSTUDY_EVIDENCE_NAMESPACE")]
    pub(crate) evidence_namespace: Option<String>,
    /// Where evidence is kept, as `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`; by
    /// default in the data directory
    #[arg(long, env = "UNDERSTUDY_EVIDENCE_STORE", value_parser = store)]
    pub(crate) evidence_store: Option<Url>,
    /// How long evidence is kept; the last run of each check of an open preview stays in any case
    #[arg(long, env = "UNDERSTUDY_EVIDENCE_AGE", default_value = "720h")]
    pub(crate) evidence_age: Span,
    /// How much evidence is kept, in GiB
    #[arg(long, env = "UNDERSTUDY_EVIDENCE_GIB", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) evidence_gib: u64,
    /// Where files are kept; a temporary directory by default, and what is in it goes with us
    #[arg(long, env = "UNDERSTUDY_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where evidence can be read, by whoever has a preview's link
    #[arg(long, env = "UNDERSTUDY_PAGES_LISTEN", default_value = "0.0.0.0:8081", value_parser = listen)]
    pub(crate) pages_listen: SocketAddr,
    /// What links to it begin with, as `https://host`; without it there are none
    #[arg(long, env = "UNDERSTUDY_PAGES_URL", value_parser = url)]
    pub(crate) pages_url: Option<Url>,
}

fn url(text: &str) -> Result<Url, String> {
    let wrong =
        || "a URL is http://host:port, such as http://understudy.understudy:8082".to_owned();
    let url: Url = text.parse().map_err(|_| wrong())?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/";
    let own = url.username().is_empty() && url.query().is_none() && url.fragment().is_none();
    if plain && own { Ok(url) } else { Err(wrong()) }
}

fn store(text: &str) -> Result<Url, String> {
    text.parse().map_err(|_| "a store is file:///folder, or s3://bucket/prefix".to_owned())
}

impl Settings {
    /// How checks bring their results out, if that is settled: our image and our URL, and what fences open for it. The
    /// edge is named as pods reach it, and by its pods if it has any.
    pub(crate) fn collecting(
        &self,
        (address, pods): (Option<&str>, Option<EdgePods>),
    ) -> Option<Collecting> {
        let (image, url) = (self.image.clone()?, self.evidence_url.as_ref()?);
        let host: Option<IpAddr> = url.host_str()?.trim_matches(['[', ']']).parse().ok();
        let evidence = match (host, &self.evidence_namespace) {
            (Some(ip), _) => Opening::Address(SocketAddr::new(ip, url.port_or_known_default()?)),
            (None, Some(namespace)) => {
                Opening::Pods(EdgePods::component(namespace.clone(), "operator"))
            }
            (None, None) => return None,
        };
        let edge = address.and_then(|address| {
            let opening = match (address.parse::<SocketAddr>(), pods) {
                (Ok(socket), _) => Opening::Address(socket),
                (Err(_), Some(pods)) => Opening::Pods(pods),
                (Err(_), None) => return None,
            };
            Some((address.to_owned(), opening))
        });
        let evidence_url = url.as_str().trim_end_matches('/').to_owned();
        Some(Collecting { image, evidence_url, evidence, edge })
    }
}
