//! Evidence: what checks left, kept where it outlives their previews, and brought there by collectors.

mod error;
#[cfg(test)]
mod faults;
mod file;
pub(crate) mod keeper;
mod keys;
mod layout;
mod open;
mod page;
mod port;
mod range;
mod retention;
#[cfg(test)]
mod s3;
mod serve;
mod settings;
mod store;
mod sweep;
mod sweeper;
mod upload;
mod visitor;

use std::{net::SocketAddr, sync::Arc};

use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

pub(crate) use self::settings::Settings;
use self::{error::StoreError, keeper::Keeper, open::OpenError, store::Evidence};
use crate::cluster::world::World;

/// Why there is nowhere to keep evidence, or nobody to take it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The address leads to no store.
    #[error("{0}; choose another with `--evidence-store`")]
    Open(#[from] OpenError),
    /// It does not do what a store must.
    #[error("the evidence store cannot be used: {0}")]
    Prove(#[from] StoreError),
    /// No folder.
    #[error("cannot make the data directory: {0}; choose another with `--data-dir`")]
    Folder(#[source] std::io::Error),
    /// The address is taken.
    #[error("cannot listen on {address}: {source}; choose another with `{flag}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Where it comes from.
        flag: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// Opens the store, and tries whether it keeps what it is given. The folder is a temporary one, if nobody named any.
pub(crate) async fn open(settings: &Settings) -> Result<(Keeper, Option<TempDir>), Error> {
    let mut temporary = None;
    let url = match (&settings.evidence_store, &settings.data_dir) {
        (Some(url), _) => url.clone(),
        (None, Some(folder)) => below(folder)?,
        (None, None) => {
            let folder = tempfile::tempdir().map_err(Error::Folder)?;
            let url = below(folder.path())?;
            temporary = Some(folder);
            url
        }
    };
    let evidence = Evidence::open(&url, std::env::vars())?;
    evidence.prove().await?;
    let pages =
        settings.pages_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    let keeper = Keeper::new(evidence, pages);
    keeper.learn().await?;
    Ok((keeper, temporary))
}

fn below(folder: &std::path::Path) -> Result<Url, Error> {
    let folder = std::path::absolute(folder).map_err(Error::Folder)?.join("evidence");
    std::fs::create_dir_all(&folder).map_err(Error::Folder)?;
    Url::from_directory_path(&folder)
        .map_err(|()| Error::Folder(std::io::Error::other("its path is no URL")))
}

/// Takes what collectors bring, shows what is kept, and removes what is too old, until it is dropped.
pub(crate) async fn serve(settings: &Settings, world: &Arc<World>) -> Result<JoinSet<()>, Error> {
    let mut tasks = JoinSet::new();
    let keeper = &world.keeper;
    let pages = serve::router(keeper.evidence().clone(), keeper.keys().clone());
    for (address, flag, router) in [
        (settings.evidence_listen, "--evidence-listen", port::router(Arc::clone(world))),
        (settings.pages_listen, "--pages-listen", pages),
    ] {
        let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen {
            address,
            flag,
            source,
        })?;
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("nobody listens at {address} any more: {error}");
            }
        });
    }
    let (age, bytes) = (settings.evidence_age.duration(), settings.evidence_gib << 30);
    tasks.spawn(sweeper::sweep(Arc::clone(world), retention::Retention { age, bytes }));
    Ok(tasks)
}
