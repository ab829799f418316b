//! The programs of a profile: from the cache, built, or from a folder of somebody's own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::Request;
use crate::{
    error::{Error, Result},
    home::Home,
    image, part, preflight,
    profile::Profile,
    progress::Progress,
};

/// What a bed is made from.
pub(super) struct Parts {
    /// Programs by the name they are called by.
    pub(super) programs: BTreeMap<String, PathBuf>,
    /// The registry's storage with the base images, for a node.
    pub(super) seed: Option<PathBuf>,
}

impl Parts {
    /// Refuses what would end badly later: wrong assets; no Go, or too little room, for what is missing.
    pub(super) fn check(home: &Home, request: &Request) -> Result<()> {
        if let (Some(assets), Profile::Control) = (&request.assets, request.profile) {
            Self::found_in(assets)?;
            return preflight::free_space(home, preflight::TO_RUN).map(drop);
        }
        if request.profile.parts().iter().all(|part| part.is_cached(home)) {
            return preflight::free_space(home, preflight::TO_RUN).map(drop);
        }
        preflight::free_space(home, preflight::TO_BUILD)?;
        part::check_go().map(drop)
    }

    /// Has every part of the profile, or the assets that were named.
    pub(super) fn ensure(home: &Home, request: &Request, progress: &Progress) -> Result<Self> {
        if let (Some(assets), Profile::Control) = (&request.assets, request.profile) {
            return Self::found_in(assets);
        }
        if request.profile == Profile::Node {
            // Before minutes of building, not after.
            image::mirror()?;
        }
        let mut programs = BTreeMap::new();
        let mut entries = BTreeMap::new();
        for part in request.profile.parts() {
            let entry = part.ensure(home, progress)?;
            let program = part.program(&entry);
            for name in part.called {
                programs.insert((*name).to_owned(), program.with_file_name(name));
            }
            programs.insert(part.name.to_owned(), program);
            entries.insert(part.name, entry);
        }
        let seed = match (entries.get(part::COREDNS.name), entries.get(part::PAUSE.name)) {
            (Some(coredns), Some(pause)) => Some(image::seed(home, coredns, pause, progress)?),
            _ => None,
        };
        Ok(Self { programs, seed })
    }

    /// `KUBEBUILDER_ASSETS` holds no controller manager as a rule: then there is none.
    fn found_in(assets: &Path) -> Result<Self> {
        let assets = std::path::absolute(assets).map_err(Error::touch("find", assets))?;
        let mut programs = BTreeMap::new();
        for name in ["etcd", "kube-apiserver", "kubectl", "kube-controller-manager"] {
            let path = assets.join(name);
            if path.is_file() {
                programs.insert(name.to_owned(), path);
            } else if name != "kube-controller-manager" {
                return Err(Error::Refuse(format!(
                    "KUBEBUILDER_ASSETS is {} but there is no {name} in it",
                    assets.display()
                )));
            }
        }
        Ok(Self { programs, seed: None })
    }
}
