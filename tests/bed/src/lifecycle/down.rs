//! Ending a bed, and proving that nothing of it is left.

use std::{
    fs::{self, File},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::check_name;
use crate::{
    cgroup,
    error::{Error, Result},
    home::{self, Home},
    process, supervisor,
};

/// What is left of a bed on this machine; everything empty means nothing.
#[derive(Debug, Default)]
pub struct Remains {
    /// Processes that carry its folder.
    pub processes: Vec<i32>,
    /// Its control groups.
    pub cgroups: Vec<PathBuf>,
    /// Mounts of this machine that mention its folder.
    pub mounts: Vec<String>,
    /// Its folder.
    pub folder: Option<PathBuf>,
}

impl Remains {
    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.processes.is_empty()
            && self.cgroups.is_empty()
            && self.mounts.is_empty()
            && self.folder.is_none()
    }
}

/// Looks for everything a bed of that name could leave.
pub fn remains(home: &Home, name: &str) -> Result<Remains> {
    let folder = home.beds().join(name);
    let text = folder.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    Ok(Remains {
        processes: process::processes(&folder)?
            .iter()
            .map(|pid| pid.as_raw_nonzero().get())
            .collect(),
        cgroups: cgroup::existing(&folder),
        mounts: mounts.lines().filter(|line| line.contains(&text)).map(str::to_owned).collect(),
        folder: folder.exists().then_some(folder),
    })
}

/// Ends the bed of that name and removes all of it; `false` if there was nothing.
pub fn down(home: &Home, name: &str) -> Result<bool> {
    check_name(name)?;
    let _lock = home.lock(&format!("bed-{name}"), || {
        eprintln!("waiting for another command on bed `{name}`");
    })?;
    if remains(home, name)?.is_empty() {
        return Ok(false);
    }
    end(home, name)?;
    home::remove_folder(&home.beds().join(name))?;
    let left = remains(home, name)?;
    if left.is_empty() {
        Ok(true)
    } else {
        Err(Error::Bed(format!("bed `{name}` left something: {left:?}")))
    }
}

/// Ends the bed's processes and removes its control groups; its folder with the logs stays. The caller
/// holds the bed's lock.
pub(super) fn end(home: &Home, name: &str) -> Result<()> {
    let folder = home.beds().join(name);
    process::end(&folder)?;
    let deadline = Instant::now() + Duration::from_secs(5);
    let alive = supervisor::alive_path(&folder);
    while File::open(&alive).is_ok_and(|file| file.try_lock().is_err()) {
        if Instant::now() > deadline {
            return Err(Error::Refuse(format!(
                "bed `{name}` lives, but its processes cannot be seen from here: end it from the container or \
                 PID namespace that it was brought up in"
            )));
        }
        thread::sleep(Duration::from_millis(20));
    }
    cgroup::remove(&folder)
}
