//! Finding and ending a bed's processes, from what the kernel says rather than from a note of ours.
//!
//! A listing that cannot be made is an error and never an empty one: nothing is ended or removed because
//! something could not be seen.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::{Error, Result};

/// The role in the supervisor's command line; its folder stands behind it, as the last word.
pub const SUPERVISE: [&str; 2] = ["inner", "supervise"];

/// How long processes may take to end.
const END: Duration = Duration::from_secs(20);

/// The supervisor of the bed in that folder: the process that is first in its PID namespace. What
/// only launched it (`unshare`) has the same words but no namespace of its own.
pub fn supervisor(folder: &Path) -> Result<Option<Pid>> {
    Ok(processes(folder)?.into_iter().find(|pid| is_first_of_its_namespace(*pid)))
}

/// Every process that carries the bed's folder and role: the supervisor and what launches it.
pub fn processes(folder: &Path) -> Result<Vec<Pid>> {
    Ok(all()?.into_iter().filter(|pid| supervised(*pid).as_deref() == Some(folder)).collect())
}

/// Folders of all beds whose supervisor lives.
pub fn supervised_folders() -> Result<Vec<PathBuf>> {
    Ok(all()?.into_iter().filter_map(supervised).collect())
}

/// Kills every process whose environment carries that word.
pub fn kill_marked(mark: &str) -> Result<()> {
    let carries = |pid: Pid| {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
        environment
            .is_ok_and(|text| text.split(|byte| *byte == 0).any(|word| word == mark.as_bytes()))
    };
    all()?.into_iter().filter(|pid| carries(*pid)).try_for_each(|pid| kill(pid, carries))
}

fn all() -> Result<Vec<Pid>> {
    let items = fs::read_dir("/proc").map_err(Error::touch("list", "/proc"))?;
    let mut pids = Vec::new();
    for item in items {
        let name = item.map_err(Error::touch("list", "/proc"))?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw));
    }
    Ok(pids)
}

/// The folder of the bed that this process supervises or launches, by its command line.
fn supervised(pid: Pid) -> Option<PathBuf> {
    let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    let words: Vec<&str> =
        std::str::from_utf8(&line).ok()?.trim_end_matches('\0').split('\0').collect();
    let (folder, before) = words.split_last()?;
    before.ends_with(&SUPERVISE).then(|| PathBuf::from(folder))
}

fn is_first_of_its_namespace(pid: Pid) -> bool {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("NSpid:")).is_some_and(|line| {
        let pids: Vec<&str> = line.split_whitespace().collect();
        pids.len() > 1 && pids.last() == Some(&"1")
    })
}

/// Ends every process of the bed in that folder and waits until they are gone. With the supervisor the
/// kernel ends everything in its PID namespace.
pub fn end(folder: &Path) -> Result<()> {
    let deadline = Instant::now() + END;
    loop {
        let left = processes(folder)?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::Bed(format!(
                "processes {left:?} did not end within {} s",
                END.as_secs()
            )));
        }
        for pid in left {
            kill(pid, |pid| supervised(pid).as_deref() == Some(folder))?;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Kills that process unless its PID meanwhile belongs to another.
fn kill(pid: Pid, still: impl Fn(Pid) -> bool) -> Result<()> {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    // The handle is bound to the process of this moment, so a second look makes the signal safe.
    if !still(pid) {
        return Ok(());
    }
    match pidfd_send_signal(&handle, Signal::KILL).map_err(io::Error::from) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            Err(Error::kernel(format!("end process {}", pid.as_raw_nonzero()))(error))
        }
        _ => Ok(()),
    }
}
