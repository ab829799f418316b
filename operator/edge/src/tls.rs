//! TLS with one wildcard certificate, taken over anew whenever it changes.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How often files are looked at: a kubelet takes about a minute to bring a changed Secret.
const LOOK: Duration = Duration::from_secs(5);

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A Secret of type `kubernetes.io/tls`, as namespace and name.
    Secret(String, String),
    /// A folder with `tls.crt` and `tls.key`.
    Folder(PathBuf),
}

/// Why a certificate is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The files cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, #[source] std::io::Error),
    /// It is no PEM, or a part is missing.
    #[error("tls.crt or tls.key cannot be used: {0}")]
    Parse(String),
    /// Nothing can be set up with it.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

/// The certificate in use.
#[derive(Debug)]
pub struct Certificates {
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

#[derive(Debug, Default)]
struct Current(RwLock<Option<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Certificates {
    /// Without a certificate yet: handshakes fail until there is one.
    pub fn new() -> Result<Self, CertificateError> {
        let current = Arc::new(Current::default());
        let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { current, config: Arc::new(config) })
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.current.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The handshake.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await
    }

    /// Takes a certificate over, if it and its key belong together.
    fn take(&self, certificate: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let parse = |error: &dyn std::fmt::Display| CertificateError::Parse(error.to_string());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| parse(&error))?;
        // What is wrong with a key is not repeated: it might hold a part of it.
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| CertificateError::Parse("tls.key is no private key".to_owned()))?;
        let provider = aws_lc_rs::default_provider();
        let whole = CertifiedKey::from_der(chain, key, &provider).map_err(|error| parse(&error))?;
        let mut current = self.current.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::new(whole));
        Ok(())
    }

    /// Follows the source for ever; what cannot be used leaves the last one in use.
    pub async fn follow(&self, source: Source, client: Client) {
        match source {
            Source::Folder(folder) => self.follow_folder(&folder).await,
            Source::Secret(namespace, name) => self.follow_secret(client, &namespace, &name).await,
        }
    }

    async fn follow_folder(&self, folder: &Path) {
        let mut before = None;
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            let found = match read(folder) {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!("{error}");
                    continue;
                }
            };
            if before.as_ref() != Some(&found) {
                self.say(self.take(&found.0, &found.1));
                before = Some(found);
            }
        }
    }

    async fn follow_secret(&self, client: Client, namespace: &str, name: &str) {
        let secrets: Api<Secret> = Api::namespaced(client, namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = std::pin::pin!(watcher(secrets, config).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(secret) | Event::InitApply(secret)) => {
                    let part = |key: &str| {
                        secret
                            .data
                            .as_ref()
                            .and_then(|data| data.get(key))
                            .map(|bytes| bytes.0.clone())
                    };
                    let (certificate, key) = (part("tls.crt"), part("tls.key"));
                    self.say(self.take(&certificate.unwrap_or_default(), &key.unwrap_or_default()));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!("the watch of Secret {name} is begun again: {error}"),
            }
        }
    }

    fn say(&self, taken: Result<(), CertificateError>) {
        match taken {
            Ok(()) => tracing::info!("the certificate was taken over"),
            Err(error) if self.is_there() => tracing::warn!("{error}; the last one stays in use"),
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

fn read(folder: &Path) -> Result<(Vec<u8>, Vec<u8>), CertificateError> {
    let part = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| CertificateError::Read(path, error))
    };
    Ok((part("tls.crt")?, part("tls.key")?))
}
