//! What people type: settings are read here and nowhere else.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use understudy_crds::definitions;

use crate::{
    cluster::permissions,
    collect, edge, evidence,
    outside::registry::Registries,
    run::{self, Options},
    telemetry,
};

/// A stand-in for every pull request.
#[derive(Debug, Parser)]
#[command(name = "understudy", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Print the custom resource definitions as YAML, for `kubectl apply --filename=-`
    Crds {
        /// Only this kind, by its plural name
        kind: Option<String>,
    },
    /// Print the cluster roles that the operator needs, as YAML for `kubectl apply --filename=-`
    Roles {
        /// YAML, or a list in JSON
        #[arg(long, default_value = "yaml", value_parser = ["yaml", "json"])]
        output: String,
    },
    /// Print the version
    Version,
    /// Run the controllers
    Operator(Box<Operator>),
    /// Run the reverse proxy in front of every preview
    Edge(Box<EdgeRole>),
    /// Collect the results of a check, beside it in its pod
    Collect(Box<CollectRole>),
}

/// Settings of `understudy edge`, and of every role.
#[derive(Debug, Args)]
struct EdgeRole {
    #[command(flatten)]
    edge: edge::Settings,
    #[command(flatten)]
    common: Common,
}

/// Settings of `understudy collect`: it needs no cluster.
#[derive(Debug, Args)]
struct CollectRole {
    #[command(flatten)]
    collect: collect::args::CollectArgs,
    #[command(flatten)]
    logging: Logging,
}

/// Settings of every role that runs in a cluster.
#[derive(Debug, Args)]
struct Common {
    /// The kubeconfig; without it $KUBECONFIG, or the pod's own account
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long)]
    context: Option<String>,
    #[command(flatten)]
    logging: Logging,
}

/// Settings of every role that runs.
#[derive(Debug, Args)]
struct Logging {
    /// How the log is written
    #[arg(long, env = "UNDERSTUDY_LOG", default_value = "text")]
    log: telemetry::Form,
    /// What is logged, as in `info,understudy=debug`
    #[arg(
        long,
        env = "UNDERSTUDY_LOG_FILTER",
        default_value = "info,kube_runtime=warn,kube_client=off"
    )]
    log_filter: String,
}

/// Settings of `understudy operator`.
#[derive(Debug, Args)]
struct Operator {
    /// Where previews, templates and repositories are watched (repeatable; all namespaces by default)
    #[arg(long = "namespace", env = "UNDERSTUDY_NAMESPACE", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// The domain that every preview's host is one label below: preview.example.com
    #[arg(long, env = "UNDERSTUDY_BASE_DOMAIN", value_parser = domain)]
    base_domain: String,
    /// How URLs of previews begin
    #[arg(long, env = "UNDERSTUDY_URL_SCHEME", default_value = "http")]
    url_scheme: Scheme,
    /// The port in URLs of previews, if it is not the scheme's own
    #[arg(long, env = "UNDERSTUDY_URL_PORT")]
    url_port: Option<u16>,
    /// The edge's plain HTTP, as host:port: checks go through it as visitors do, and previews that nobody looks at sleep,
    /// since it wakes them
    #[arg(long, env = "UNDERSTUDY_EDGE_ADDRESS", value_parser = address)]
    edge_address: Option<String>,
    /// The edge as pods of previews reach it, if that is somewhere else
    #[arg(long, env = "UNDERSTUDY_EDGE_ADDRESS_INSIDE", value_parser = address, hide = true)]
    edge_address_inside: Option<String>,
    /// The namespace of the edge's pods (label app.kubernetes.io/component: edge), which the fences let in
    #[arg(long, env = "UNDERSTUDY_EDGE_NAMESPACE")]
    edge_namespace: Option<String>,
    /// For how long at least a preview is awake after it was asked for
    #[arg(long, env = "UNDERSTUDY_AWAKE_AT_LEAST", default_value = "3m", hide = true)]
    awake_at_least: understudy_crds::scalar::Span,
    /// Where metrics and health are served
    #[arg(long, env = "UNDERSTUDY_ADMIN_LISTEN", default_value = "0.0.0.0:9090", value_parser = listen)]
    admin_listen: SocketAddr,
    #[command(flatten)]
    evidence: evidence::Settings,
    /// How many previews are looked at side by side
    #[arg(long, env = "UNDERSTUDY_MAX_CONCURRENT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    max_concurrent: u16,
    /// Whether replicas agree by a Lease who works
    #[arg(long, env = "UNDERSTUDY_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set)]
    leader_elect: bool,
    /// How long a Lease holds without being renewed, from 4s to 5m
    #[arg(long, env = "UNDERSTUDY_LEASE_DURATION", default_value = "8s", value_parser = lease)]
    lease_duration: u64,
    /// Who we are in the Lease: the pod's name, so that a restarted container takes its Lease back at once
    #[arg(long, env = "POD_NAME", hide = true)]
    identity: Option<String>,
    /// A registry that is spoken to without TLS, as host:port (repeatable)
    #[arg(long, env = "UNDERSTUDY_PLAIN_HTTP_REGISTRY", value_delimiter = ',')]
    plain_http_registry: Vec<String>,
    /// Where a registry is asked instead, as name=host:port (repeatable)
    #[arg(long, env = "UNDERSTUDY_REGISTRY_MIRROR", value_delimiter = ',', value_parser = mirror)]
    registry_mirror: Vec<(String, String)>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scheme {
    Http,
    Https,
}

fn domain(text: &str) -> Result<String, String> {
    let label = |label: &str| label.parse::<understudy_crds::scalar::DnsLabel>().is_ok();
    if text.len() <= 180 && text.split('.').all(label) {
        Ok(text.to_owned())
    } else {
        Err("a domain is DNS labels with dots between, such as preview.example.com".to_owned())
    }
}

/// `:9090` means every address of this machine.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| "an address is 127.0.0.1:9090 or :9090".to_owned())
}

fn address(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() =>
        {
            Ok(text.to_owned())
        }
        _ => {
            Err("an address is host:port without http://, such as understudy-edge.understudy:8000"
                .to_owned())
        }
    }
}

fn lease(text: &str) -> Result<u64, String> {
    let seconds =
        text.parse::<understudy_crds::scalar::Span>().map(|span| span.duration().as_secs());
    match seconds {
        Ok(seconds @ 4..=300) => Ok(seconds),
        _ => Err("a lease lasts from 4s to 5m".to_owned()),
    }
}

fn mirror(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, at)) if !name.is_empty() && !at.is_empty() => {
            Ok((name.to_owned(), at.to_owned()))
        }
        _ => Err("a mirror is name=host:port".to_owned()),
    }
}

/// Outside a pod two of us may run on one machine, and each is somebody else.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    match (host, std::env::var_os("KUBERNETES_SERVICE_HOST")) {
        (Some(pod), Some(_)) => pod,
        (host, _) => {
            let host = host.or_else(|| std::fs::read_to_string("/etc/hostname").ok());
            let host = host.map_or_else(|| "understudy".to_owned(), |host| host.trim().to_owned());
            format!("{host}-{}", std::process::id())
        }
    }
}

impl Operator {
    fn options(self) -> Options {
        Options {
            kubeconfig: self.common.kubeconfig,
            context: self.common.context,
            namespaces: self.namespaces,
            base_domain: self.base_domain,
            url_scheme: match self.url_scheme {
                Scheme::Http => "http".to_owned(),
                Scheme::Https => "https".to_owned(),
            },
            url_port: self.url_port,
            edge_namespace: self.edge_namespace,
            awake_at_least: self.awake_at_least.duration(),
            admin_listen: self.admin_listen,
            evidence: self.evidence,
            edge_address_inside: self.edge_address_inside.or_else(|| self.edge_address.clone()),
            edge_address: self.edge_address,
            max_concurrent: self.max_concurrent,
            lease: self
                .leader_elect
                .then(|| (self.identity.unwrap_or_else(identity), self.lease_duration)),
            registries: Registries {
                plain_http: self.plain_http_registry,
                mirrors: self.registry_mirror,
            },
        }
    }
}

/// Why a role could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A kind that is not ours.
    #[error(
        "there is no kind `{0}`: choose previewrepositories, previewtemplates or previewenvironments"
    )]
    FindKind(String),
    /// YAML could not be written.
    #[error("cannot write YAML: {0}")]
    WriteYaml(String),
    /// Standard output could not be written.
    #[error("cannot print: {0}")]
    Print(#[source] std::io::Error),
    /// A setting that cannot be.
    #[error("{0}")]
    Setting(String),
    /// The process cannot work as it should.
    #[error("cannot start: {0}")]
    Start(#[source] std::io::Error),
    /// The operator ended.
    #[error("{0}")]
    Operate(#[source] run::Error),
    /// The edge ended.
    #[error("{0}")]
    Edge(#[source] edge::Error),
}

impl Error {
    /// Whether the person who typed can put it right.
    pub(crate) const fn is_usage(&self) -> bool {
        matches!(self, Self::Setting(_) | Self::FindKind(_))
    }
}

impl Cli {
    /// Carries the role out.
    pub(crate) fn run(self) -> Result<(), Error> {
        let text = match self.role {
            Role::Crds { kind } => crds(kind.as_deref())?,
            Role::Roles { output } if output == "json" => {
                serde_json::Value::from(permissions::roles()).to_string()
            }
            Role::Roles { .. } => yaml(&permissions::roles())?,
            Role::Version => format!("understudy {}\n", env!("CARGO_PKG_VERSION")),
            Role::Operator(operator) => {
                let runtime = begin(&operator.common.logging)?;
                let outcome = runtime.block_on(run::run(operator.options()));
                runtime.shutdown_timeout(END);
                return outcome.map_err(Error::Operate);
            }
            Role::Collect(role) => {
                let runtime = begin(&role.logging)?;
                let code = runtime.block_on(collect::run(role.collect));
                runtime.shutdown_timeout(END);
                std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
            }
            Role::Edge(role) => {
                let runtime = begin(&role.common.logging)?;
                let Common { kubeconfig, context, .. } = role.common;
                let outcome = runtime.block_on(role.edge.run(kubeconfig, context));
                runtime.shutdown_timeout(END);
                return outcome.map_err(Error::Edge);
            }
        };
        std::io::stdout().write_all(text.as_bytes()).map_err(Error::Print)
    }
}

fn crds(kind: Option<&str>) -> Result<String, Error> {
    let chosen: Vec<_> = definitions()
        .into_iter()
        .filter(|one| {
            kind.is_none_or(|kind| {
                one.pointer("/spec/names/plural").is_some_and(|plural| plural == kind)
            })
        })
        .collect();
    if chosen.is_empty() {
        return Err(Error::FindKind(kind.unwrap_or_default().to_owned()));
    }
    yaml(&chosen)
}

/// How long what still runs may take once everything was ended in order.
const END: std::time::Duration = std::time::Duration::from_secs(1);

/// Begins to log, and makes what a role runs on.
fn begin(logging: &Logging) -> Result<tokio::runtime::Runtime, Error> {
    telemetry::begin(logging.log, &logging.log_filter).map_err(Error::Setting)?;
    // Before the first connection: two providers would be ambiguous.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Start)
}

fn yaml(objects: &[serde_json::Value]) -> Result<String, Error> {
    let documents = objects
        .iter()
        .map(|one| {
            serde_saphyr::to_string(one).map_err(|error| Error::WriteYaml(error.to_string()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(documents.join("---\n"))
}
