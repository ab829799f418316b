//! A connection to the API server: from a kubeconfig, or from inside the cluster.

use std::{path::PathBuf, time::Duration};

use k8s_openapi::{
    api::authentication::v1::SelfSubjectReview, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use understudy_core::settings::Identity;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig: {0}")]
    ReadConfig(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The API server does not answer.
    #[error("cannot reach the API server: {0}")]
    Reach(#[source] Box<kube::Error>),
}

/// Connects; `patience` is how long an answer may take, if that is not up to each request.
pub(crate) async fn connect(
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    patience: Option<Duration>,
) -> Result<Client, Error> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let read = |error: Box<dyn std::error::Error + Send + Sync>| Error::ReadConfig(error);
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| read(error.into()))?;
            Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| read(error.into()))?
        }
        None if options.context.is_some() => {
            Config::from_kubeconfig(&options).await.map_err(|error| read(error.into()))?
        }
        None => Config::infer().await.map_err(|error| read(error.into()))?,
    };
    // A request that failed is looked at by us: repeating it blindly could make two of one.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = patience;
    config.write_timeout = Some(Duration::from_secs(30));
    Client::try_from(config).map_err(|error| Error::Reach(Box::new(error)))
}

/// Who we are for the API server.
pub(crate) async fn identity(client: &Client) -> Result<Identity, Error> {
    let review = SelfSubjectReview { metadata: ObjectMeta::default(), status: None };
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let answer = api.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|error| Error::Reach(Box::new(error)))?;
    let user = answer.status.and_then(|status| status.user_info).and_then(|user| user.username);
    Ok(Identity::named(&user.unwrap_or_default()))
}
