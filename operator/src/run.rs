//! `understudy operator`: start and stop, in one order.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    channel::mpsc,
    future::{BoxFuture, Shared},
};
use jiff::SignedDuration;
use kube::runtime::controller::{Config, applier};
use kube_lease_manager::LeaseManagerBuilder;
use tokio::{sync::watch, task::JoinHandle};
use understudy_core::{
    decide::AWAKE_AT_LEAST,
    fence::EdgePods,
    settings::{Identity, Settings},
};

use crate::{
    admin,
    backoff::Backoff,
    cluster::{api::Api, connect, watch::follow, world::World},
    controller::{Context, failed, reconcile},
    evidence,
    outside::registry::Registries,
    signals::asked_to_end,
};

/// How long looks that are under way may take to end after a signal.
const DRAIN: Duration = Duration::from_secs(20);

/// How long one renewal of the lease may take: less than [`GRACE`].
const RENEWAL: Duration = Duration::from_secs(2);

/// How many seconds before its end the lease is renewed.
const GRACE: u64 = 3;

/// What the operator was told.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) context: Option<String>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) base_domain: String,
    pub(crate) url_scheme: String,
    pub(crate) url_port: Option<u16>,
    pub(crate) edge_address: Option<String>,
    pub(crate) edge_namespace: Option<String>,
    pub(crate) awake_at_least: Duration,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) evidence: evidence::Settings,
    /// The edge as pods reach it.
    pub(crate) edge_address_inside: Option<String>,
    pub(crate) max_concurrent: u16,
    /// Name of the lease's holder and its length in seconds; `None` to lead without asking.
    pub(crate) lease: Option<(String, u64)>,
    pub(crate) registries: Registries,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No connection.
    #[error("{0}")]
    Connect(#[from] connect::Error),
    /// The address is taken.
    #[error("cannot listen on {address}: {source}; choose another with `--admin-listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Evidence cannot be kept.
    #[error("{0}")]
    Evidence(#[from] evidence::Error),
    /// The lease cannot be asked for.
    #[error("cannot ask for the lease: {0}")]
    Lease(String),
    /// Somebody else leads now: going on would be two hands on one thing.
    #[error("the lease was lost")]
    Lost,
    /// Signals cannot be heard.
    #[error("cannot listen for signals: {0}")]
    Signal(#[source] std::io::Error),
}

/// Runs until a signal, or until the lease is lost.
pub(crate) async fn run(options: Options) -> Result<(), Error> {
    let asked = asked_to_end().map_err(Error::Signal)?;
    let stop = async move {
        asked.await;
        tracing::info!("a signal: looks that are under way are brought to their end");
    };
    let stop: Stop = stop.boxed().shared();
    lead(&options, stop).await
}

async fn connect(
    options: &Options,
    patience: Option<Duration>,
) -> Result<kube::Client, connect::Error> {
    connect::connect(options.kubeconfig.clone(), options.context.clone(), patience).await
}

fn settings(options: &Options, operator: Identity) -> Settings {
    let edge = options.edge_namespace.clone();
    let edge = edge.map(|namespace| EdgePods::component(namespace, "edge"));
    Settings {
        base_domain: options.base_domain.clone(),
        url_scheme: options.url_scheme.clone(),
        url_port: options.url_port,
        edge: edge.clone(),
        wakes: options.edge_address.is_some(),
        awake_at_least: SignedDuration::try_from(options.awake_at_least).unwrap_or(AWAKE_AT_LEAST),
        collecting: options.evidence.collecting((options.edge_address_inside.as_deref(), edge)),
        operator,
    }
}

fn watched(options: &Options) -> String {
    match options.namespaces.as_slice() {
        [] => "every namespace".to_owned(),
        some => format!("the namespaces {}", some.join(", ")),
    }
}

/// Resolves when the process is to end.
type Stop = Shared<BoxFuture<'static, ()>>;

async fn lead(options: &Options, stop: Stop) -> Result<(), Error> {
    let client = connect(options, None).await?;
    tracing::info!("understudy {} watches {}", env!("CARGO_PKG_VERSION"), watched(options));
    let settings = settings(options, connect::identity(&client).await?);
    let (keeper, _folder) = evidence::open(&options.evidence).await?;
    let (wake, woken) = mpsc::unbounded();
    let world = Arc::new(World::new(
        Api::new(client.clone()),
        settings,
        (options.registries.clone(), options.edge_address.clone()),
        keeper,
        wake,
    ));
    let _admin = watched_over(options, &world).await?;
    let _watches = follow(&world, &options.namespaces);
    let ready = async {
        // A Lease that is not renewed in time is lost, so a renewal that hangs is given up while it holds.
        let held = hold(connect(options, Some(RENEWAL)).await?, options).await?;
        synced(&world).await;
        Ok::<_, Error>(held)
    };
    let held = tokio::select! {
        held = ready => held?,
        () = stop.clone() => return Ok(()),
    };
    // Only who leads knows every run: whoever brings results comes again until then.
    let _evidence = evidence::serve(&options.evidence, &world).await?;
    world.metrics.leads(true);
    tracing::info!("leads; everything was seen once");
    let context = Arc::new(Context { world: Arc::clone(&world), backoff: Backoff::default() });
    let config = Config::default().concurrency(options.max_concurrent);
    let requests = woken.take_until(stop.clone()).map(Ok::<_, std::convert::Infallible>);
    let looks = applier(
        |object, context| Box::pin(reconcile(object, context)),
        failed,
        context,
        world.previews(),
        requests,
        config,
    );
    // Failures were told by the policy; a preview that went meanwhile needs no word.
    let looks = looks.for_each(|_| std::future::ready(()));
    let drained = async {
        stop.await;
        tokio::time::sleep(DRAIN).await;
    };
    let Held { mut leading, task } = held;
    tokio::select! {
        () = looks => {}
        () = drained => tracing::warn!("some looks did not come to an end in time"),
        () = lost(&mut leading) => return Err(Error::Lost),
    }
    // Nobody listens any more: the lease is given back, so that the next one need not wait for its end.
    drop(leading);
    if let Some(task) = task {
        let _ = tokio::time::timeout(Duration::from_secs(2), task).await;
    }
    Ok(())
}

/// Serves metrics and health.
async fn watched_over(options: &Options, world: &Arc<World>) -> Result<AbortOnDrop, Error> {
    let address = options.admin_listen;
    let listener =
        admin::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    Ok(AbortOnDrop(tokio::spawn(admin::serve(listener, Arc::clone(world)))))
}

/// The lease, while it is ours.
struct Held {
    leading: Option<watch::Receiver<bool>>,
    task: Option<JoinHandle<kube_lease_manager::Result<kube_lease_manager::LeaseManager>>>,
}

/// Ends when we no longer lead.
async fn lost(leading: &mut Option<watch::Receiver<bool>>) {
    match leading {
        None => std::future::pending().await,
        Some(leading) => while leading.changed().await.is_ok() && *leading.borrow() {},
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Nothing is decided before every watch has shown everything once: an empty cache is no fact.
async fn synced(world: &World) {
    loop {
        if world.unsynced().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until we lead.
async fn hold(client: kube::Client, options: &Options) -> Result<Held, Error> {
    let Some((identity, seconds)) = &options.lease else {
        return Ok(Held { leading: None, task: None });
    };
    let namespace = client.default_namespace().to_owned();
    let manager = LeaseManagerBuilder::new(client, "understudy")
        .with_namespace(namespace)
        .with_identity(identity)
        .with_duration(*seconds)
        .with_grace(GRACE.min(seconds / 2))
        .build()
        .await
        .map_err(|error| Error::Lease(error.to_string()))?;
    let (mut leading, task) = manager.watch().await;
    tracing::info!("{identity} asks for the lease, and waits while another holds it");
    while !*leading.borrow_and_update() {
        if leading.changed().await.is_err() {
            return Err(Error::Lost);
        }
    }
    Ok(Held { leading: Some(leading), task: Some(task) })
}
