//! Certificates as an edge is given them.

use std::{path::Path, process::Command};

use understudy_bed::{Error, Result, command};

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(format!("certificate: {error}"))
}

/// A key and a certificate for every host of that domain.
#[derive(Debug)]
pub struct Pair {
    /// In PEM.
    pub certificate: String,
    /// In PEM.
    pub key: String,
}

impl Pair {
    /// Makes them: a key on the curve P-256, as people get one today.
    pub fn new(domain: &str) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(failed)?;
        let text = format!(
            "[req]\ndistinguished_name=name\nx509_extensions=what\nprompt=no\n[name]\nCN=previews\n[what]\n\
             basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:*.{domain}\n"
        );
        std::fs::write(folder.path().join("asked"), text).map_err(failed)?;
        let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -config asked \
                     -keyout key -out certificate";
        let mut openssl = Command::new("openssl");
        openssl.args(words.split_whitespace()).current_dir(folder.path());
        command::run(&mut openssl)?;
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).map_err(failed);
        Ok(Self { certificate: read("certificate")?, key: read("key")? })
    }

    /// Puts it where an edge looks.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (name, text) in [("tls.crt", &self.certificate), ("tls.key", &self.key)] {
            let next = folder.join(format!("{name}.next"));
            std::fs::write(&next, text).map_err(failed)?;
            std::fs::rename(next, folder.join(name)).map_err(failed)?;
        }
        Ok(())
    }
}
