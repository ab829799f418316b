//! Images: the base images every node bed starts with, and building and loading one's own.

mod seed;
mod work;

pub use seed::{mirror, seed};
pub use work::{build, load};

use std::{path::Path, process::Command};

use crate::{command, error::Result, home};

/// buildah with its storage in our cache, so that neither `/var/lib/containers` nor an engine is needed.
fn buildah(storage: &Path) -> Result<Command> {
    let (root, run) = (storage.join("storage"), storage.join("run"));
    home::make_folder(&root)?;
    home::make_folder(&run)?;
    let mut command = command::tied("buildah");
    command.arg("--root").arg(root).arg("--runroot").arg(run).args(["--storage-driver", "vfs"]);
    command.env("BUILDAH_ISOLATION", "chroot").env("TMPDIR", storage);
    Ok(command)
}

/// Pushes an image of that storage to a registry that speaks plain HTTP on loopback.
fn push(storage: &Path, image: &str, to: &str) -> Result<()> {
    let mut command = buildah(storage)?;
    command.args(["push", "--quiet", "--tls-verify=false", image, &format!("docker://{to}")]);
    command::run(&mut command).map(drop)
}
