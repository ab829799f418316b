//! The three sizes a bed comes in, and what each is made of.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    part::{self, Part},
    preflight::{self, Package},
};

/// Which parts a bed has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// etcd, API server and controller manager: schema, access, garbage collection.
    Control,
    /// And a scheduler with fake nodes: thousands of pods that only seem to run.
    Fleet,
    /// And a real node: containers, volumes, DNS, network policy, a registry.
    Node,
}

impl Profile {
    /// All of them, smallest first.
    pub const ALL: [Self; 3] = [Self::Control, Self::Fleet, Self::Node];

    /// The word people type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Fleet => "fleet",
            Self::Node => "node",
        }
    }

    /// The parts that we build for it.
    pub const fn parts(self) -> &'static [&'static Part] {
        match self {
            Self::Control => &[&part::KUBERNETES, &part::ETCD],
            Self::Fleet => &[&part::KUBERNETES, &part::ETCD, &part::KWOK],
            Self::Node => {
                &[&part::KUBERNETES, &part::ETCD, &part::COREDNS, &part::KUBE_ROUTER, &part::PAUSE]
            }
        }
    }

    /// The Debian packages it stands on.
    pub fn packages(self) -> Vec<Package> {
        let more: &[Package] = match self {
            Self::Control => &[],
            Self::Fleet => &preflight::FLEET,
            Self::Node => &preflight::NODE,
        };
        preflight::BASIC.iter().chain(more).copied().collect()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == text).ok_or_else(|| {
            Error::Refuse(format!("there is no profile `{text}`: choose control, fleet or node"))
        })
    }
}
