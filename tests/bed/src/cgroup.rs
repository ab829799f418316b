//! A bed's control groups: one folder of its own below every controller, made before its first process
//! and removed after its last. Works with version 1 (a hierarchy per controller) and version 2.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::error::{Error, Result};

const ROOT: &str = "/sys/fs/cgroup";

/// Where a bed's own processes go, beside the kubelet's `kubepods`.
const PARTS: &str = "parts";

/// Version 1 gives a new cpuset no processors, so nothing can be put into it before they are set.
const WITHOUT_PARTS: &str = "cpuset";

/// The name of a bed's groups.
pub fn name(bed: &str) -> String {
    format!("bed-{bed}")
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

/// Makes the groups of that bed.
pub fn make(bed: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name(bed));
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

/// Moves the calling process into the groups of that bed; its children follow.
pub fn enter(bed: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let path = hierarchy.join(name(bed)).join(PARTS).join("cgroup.procs");
        if path.exists() {
            fs::write(&path, "0").map_err(Error::touch("enter", path))?;
        }
    }
    Ok(())
}

/// The groups of that bed that exist.
pub fn existing(bed: &str) -> Vec<PathBuf> {
    hierarchies()
        .into_iter()
        .map(|path| path.join(name(bed)))
        .filter(|path| path.exists())
        .collect()
}

/// Removes the groups of that bed, whose processes have ended; the kernel may need a moment.
pub fn remove(bed: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        for group in existing(bed) {
            remove_tree(&group);
        }
        let left = existing(bed);
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
