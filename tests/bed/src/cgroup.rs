//! A bed's control groups: one folder of its own below every controller, made before its first process
//! and removed after its last. Works with version 1 (a hierarchy per controller) and version 2.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::{
    digest::Key,
    error::{Error, Result},
};

const ROOT: &str = "/sys/fs/cgroup";

/// Where a bed's own processes go, beside the kubelet's `kubepods`.
const PARTS: &str = "parts";

/// Version 1 gives a new cpuset no processors, so nothing can be put into it before they are set.
const WITHOUT_PARTS: &str = "cpuset";

/// The name of the groups of the bed in that folder: it tells beds of one name in two caches apart.
pub fn name(folder: &Path) -> String {
    let bed = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut hash = Key::default().with("folder", folder.as_os_str().as_encoded_bytes()).short();
    hash.truncate(6);
    format!("bed-{bed}-{hash}")
}

/// Every hierarchy of this machine.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_path_buf()];
    }
    let Ok(items) = fs::read_dir(root) else {
        return Vec::new();
    };
    items
        .filter_map(|item| item.ok().map(|item| item.path()))
        .filter(|path| path.join("cgroup.procs").exists())
        .collect()
}

/// Makes the groups of the bed in that folder.
pub fn make(folder: &Path) -> Result<()> {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name(folder));
        let path = if group.parent().is_some_and(|parent| parent.ends_with(WITHOUT_PARTS)) {
            group
        } else {
            group.join(PARTS)
        };
        // The unified hierarchy of a version 1 machine may refuse; the kubelet makes its own there.
        if let Err(error) = fs::create_dir_all(&path)
            && !hierarchy.ends_with("unified")
        {
            return Err(Error::touch("make", path)(error));
        }
    }
    Ok(())
}

/// Moves the calling process into the groups of the bed in that folder; its children follow.
pub fn enter(folder: &Path) -> Result<()> {
    for hierarchy in hierarchies() {
        let path = hierarchy.join(name(folder)).join(PARTS).join("cgroup.procs");
        if path.exists() {
            fs::write(&path, "0").map_err(Error::touch("enter", path))?;
        }
    }
    Ok(())
}

/// The groups of the bed in that folder that exist.
pub fn existing(folder: &Path) -> Vec<PathBuf> {
    hierarchies()
        .into_iter()
        .map(|path| path.join(name(folder)))
        .filter(|path| path.exists())
        .collect()
}

/// Removes the groups of the bed in that folder, whose processes have ended; the kernel may need a moment.
pub fn remove(folder: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        for group in existing(folder) {
            remove_tree(&group);
        }
        let left = existing(folder);
        let Some(first) = left.first() else {
            return Ok(());
        };
        if Instant::now() > deadline {
            return Err(Error::Bed(format!(
                "the cgroup {} does not go: a process is in it",
                first.display()
            )));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Control groups are removed folder by folder, children first; what cannot go yet is tried again.
fn remove_tree(group: &Path) {
    if let Ok(items) = fs::read_dir(group) {
        for item in items.flatten() {
            if item.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_tree(&item.path());
            }
        }
    }
    let _ = fs::remove_dir(group);
}
