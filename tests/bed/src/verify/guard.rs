//! Beds of a verification end with it, however it ends: also when it is killed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::{
    error::{Error, Result},
    home::Home,
    lifecycle, process,
};

/// What the names of all beds of a verification begin with.
pub const PREFIX: &str = "verify-";

/// The lock that a verification holds as long as it runs.
pub(super) const LOCK: &str = "verify";

/// Starts a process that outlives us by as long as it takes to end our beds.
pub(super) fn start(bed: &Path) -> Result<()> {
    let program = "setsid".to_owned();
    Command::new(&program)
        .arg(bed)
        .args(["inner", "end-with", &std::process::id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
        .map_err(|source| Error::Spawn { program, source })
}

/// The `bed` program in the shared folder of compiled output, as the first step builds it.
pub(super) fn bed_program(target: &Path) -> PathBuf {
    target.join("debug/bed")
}

/// The variable that every program of a verification carries, with the verification's PID.
pub(super) const MARK: &str = "UNDERSTUDY_VERIFICATION";

/// The guard's role: waits for the end of that process, then ends what it left: programs and beds.
pub fn end_with(pid: i32) -> Result<()> {
    if let Some(handle) =
        Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
    {
        let mut watched = [PollFd::new(&handle, PollFlags::IN)];
        while matches!(poll(&mut watched, None), Err(rustix::io::Errno::INTR) | Ok(0)) {}
    }
    let home = Home::find()?;
    // Before its lock is free for the next verification: an orphan would meddle with that one's beds.
    process::kill_marked(&format!("{MARK}={pid}"))?;
    // Whoever holds the lock verifies, and has ended by itself what the last one left.
    let lock = home.lock_file(LOCK)?;
    if lock.try_lock().is_ok() { end_all(&home) } else { Ok(()) }
}

/// Ends every bed of a verification; the caller knows that no other one runs.
pub(super) fn end_all(home: &Home) -> Result<()> {
    let mut homes = vec![home.clone()];
    let cold = super::cold::cache(home);
    if cold.is_dir() {
        homes.push(Home::at(&cold)?);
    }
    for home in homes {
        for report in lifecycle::reports(&home)? {
            if report.name.starts_with(PREFIX) {
                lifecycle::down(&home, &report.name)?;
            }
        }
    }
    Ok(())
}
