//! Finding and ending a bed's processes, from what the kernel says rather than from a note of ours.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::{Error, Result};

/// The word in the supervisor's command line that nothing else carries.
pub const SUPERVISE: &str = "supervise";

/// The supervisor of the bed in that folder: the process that is first in its PID namespace. What
/// only launched it (`unshare`) has the same words but no namespace of its own.
pub fn supervisor(folder: &Path) -> Option<Pid> {
    processes(folder).into_iter().find(|pid| is_first_of_its_namespace(*pid))
}

/// Every process that carries the bed's folder and role: the supervisor and what launches it.
pub fn processes(folder: &Path) -> Vec<Pid> {
    let Ok(items) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    items
        .flatten()
        .filter_map(|item| item.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .filter(|pid| carries(*pid, folder))
        .collect()
}

/// Kills every process whose environment carries that word.
pub fn kill_marked(mark: &str) {
    let Ok(items) = fs::read_dir("/proc") else { return };
    let carries = |pid: Pid| {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
        environment
            .is_ok_and(|text| text.split(|byte| *byte == 0).any(|word| word == mark.as_bytes()))
    };
    let pids = items.flatten().filter_map(|item| item.file_name().to_str()?.parse().ok());
    for pid in pids.filter_map(Pid::from_raw).filter(|pid| carries(*pid)) {
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if carries(pid) {
            // One that ended meanwhile is as good as killed.
            let _ = pidfd_send_signal(&handle, Signal::KILL);
        }
    }
}

/// Names of the beds whose supervisor lives and has its folder below that one.
pub fn names_below(beds: &Path) -> Vec<String> {
    let Ok(items) = fs::read_dir("/proc") else { return Vec::new() };
    let lines = items.flatten().filter_map(|item| fs::read(item.path().join("cmdline")).ok());
    lines
        .filter_map(|line| {
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            let pair = words.windows(2).find(|pair| pair.first() == Some(&SUPERVISE.as_bytes()))?;
            let folder = Path::new(std::str::from_utf8(pair.last()?).ok()?);
            let name = folder.strip_prefix(beds).ok()?.to_str()?;
            Some(name.to_owned())
        })
        .collect()
}

fn carries(pid: Pid, folder: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())) else {
        return false;
    };
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let folder = folder.as_os_str().as_encoded_bytes();
    words.windows(2).any(|pair| pair == [SUPERVISE.as_bytes(), folder])
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
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = processes(folder);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::Bed(format!("processes {left:?} did not end within 20 s")));
        }
        for pid in left {
            kill(pid, folder)?;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Kills that process unless its PID meanwhile belongs to another.
fn kill(pid: Pid, folder: &Path) -> Result<()> {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return Ok(());
    };
    // The handle is bound to the process of this moment, so a second look makes the signal safe.
    if !carries(pid, folder) {
        return Ok(());
    }
    match pidfd_send_signal(&handle, Signal::KILL).map_err(io::Error::from) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            Err(Error::kernel(format!("end process {}", pid.as_raw_nonzero()))(error))
        }
        _ => Ok(()),
    }
}
