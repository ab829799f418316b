//! Compiled output outside the checkout, so that a second clone on the same machine is quick.
//!
//! The folder is shared by all clones and keyed by the compiler. Cargo tells what is fresh by the times
//! of files, which mean nothing between two trees: when other sources were compiled into the folder last,
//! what was compiled of our own packages is forgotten, and only dependencies are kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    command,
    digest::Key,
    error::{Error, Result},
    home::{self, Home},
};

/// The folder for `CARGO_TARGET_DIR`; the caller holds the lock of verification.
pub(super) fn folder(home: &Home, workspace: &Path) -> Result<PathBuf> {
    let rustc = command::run(Command::new("rustc").arg("--version").arg("--verbose"))?;
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let key = Key::default().with("rustc", rustc).with("flags", flags).short();
    let folder = home.root().join(format!("target-{key}"));
    home::make_folder(&folder)?;
    let owner = folder.join("last-sources");
    let ours = format!("{} {}", workspace.display(), sources(workspace)?);
    if fs::read_to_string(&owner).is_ok_and(|last| last != ours) {
        forget_own_packages(&folder)?;
    }
    home::write_atomically(&owner, ours)?;
    Ok(folder)
}

/// The key of everything in the checkout that git tracks or would: an untracked file is compiled too.
fn sources(workspace: &Path) -> Result<String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace);
    let mut key = Key::default();
    for name in command::run(&mut list)?.split('\0').filter(|name| !name.is_empty()) {
        // A file that was removed but is still in the index has no content.
        key = key.with(name, fs::read(workspace.join(name)).unwrap_or_default());
    }
    Ok(key.short())
}

/// Removes cargo's notes on packages of ours in every profile; they are compiled again. What is compiled
/// for a target that was named lies one folder deeper: `TARGET/PROFILE` beside `PROFILE`.
fn forget_own_packages(folder: &Path) -> Result<()> {
    for outer in fs::read_dir(folder).map_err(Error::touch("list", folder))?.flatten() {
        forget_in_profile(&outer.path())?;
        for inner in fs::read_dir(outer.path()).into_iter().flatten().flatten() {
            forget_in_profile(&inner.path())?;
        }
    }
    Ok(())
}

fn forget_in_profile(profile: &Path) -> Result<()> {
    for item in fs::read_dir(profile.join(".fingerprint")).into_iter().flatten().flatten() {
        if item.file_name().to_string_lossy().starts_with("understudy") {
            home::remove_folder(&item.path())?;
        }
    }
    Ok(())
}
