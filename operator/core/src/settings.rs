//! What whoever installed Understudy decided, as far as decisions go by it.

use jiff::SignedDuration;

use crate::{fence::EdgePods, sidecar::Collecting};

/// The operator's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The domain that every host of a preview is one label below: `preview.example.com`.
    pub base_domain: String,
    /// `http` or `https`.
    pub url_scheme: String,
    /// The port of URLs, if it is not the scheme's own.
    pub url_port: Option<u16>,
    /// The proxy that may connect to previews.
    pub edge: Option<EdgePods>,
    /// Whether there is a proxy that wakes who sleeps.
    pub wakes: bool,
    /// For how long after it was last asked for a preview is awake, whatever its template says.
    pub awake_at_least: SignedDuration,
    /// How checks by Jobs bring their results out; `None` where none can run.
    pub collecting: Option<Collecting>,
    /// Who we are for the API server.
    pub operator: Identity,
}

/// A user of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Anybody else, by name.
    User(String),
}

impl Identity {
    /// From the name that the API server calls us by.
    pub fn named(user: &str) -> Self {
        let account =
            user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
        match account {
            Some((namespace, name)) => {
                Self::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() }
            }
            None => Self::User(user.to_owned()),
        }
    }
}

impl Settings {
    /// The URL of a host label.
    pub fn url(&self, label: &str) -> String {
        let port = self.url_port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{}://{label}.{}{port}", self.url_scheme, self.base_domain)
    }
}
