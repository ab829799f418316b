//! Whom TLS trusts: the certificates that were named, or those of the system.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The file cannot be read, or is no PEM.
    #[error("the certificates in {0} cannot be read: {1}")]
    Read(String, String),
    /// There is none.
    #[error(
        "there are no certificates to trust the evidence address by: name them with `--evidence-ca-file`"
    )]
    Find,
    /// TLS itself.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

/// What connects with TLS.
pub(super) fn connector(file: Option<&Path>) -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            let failed = |error: &dyn std::fmt::Display| {
                Error::Read(path.display().to_string(), error.to_string())
            };
            let text = std::fs::read(path).map_err(|error: io::Error| failed(&error))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(Error::Find);
    }
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(Error::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
