//! `run` and `forward`: from here into a bed, and back.

use std::{os::unix::process::CommandExt, process::ExitCode};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{PidfdFlags, pidfd_open},
};

use super::print;
use crate::{
    bed::Bed,
    error::{Error, Result},
    net,
};

/// How often refused connections are told, in nanoseconds.
const TELL_INTERVAL_NS: i64 = 500_000_000;

/// Becomes the command inside the bed: its signals, its exit code and its end are then ours.
pub(super) fn run(bed: &Bed, words: &[String]) -> Result<ExitCode> {
    let Some((program, words)) = words.split_first() else {
        return Err(Error::Refuse("say what to run".to_owned()));
    };
    let source = bed.inside(program)?.args(words).exec();
    Err(Error::Spawn { program: "nsenter".to_owned(), source })
}

/// Carries connections until interrupted, or until this very bed ends: one that is made anew under its
/// name has another network.
pub(super) fn forward(bed: &Bed, forwards: &[String], expose: &[String]) -> Result<()> {
    let pid = bed.supervisor()?.ok_or_else(|| Error::Refuse("the bed is not up".to_owned()))?;
    let bed_ends = pidfd_open(pid, PidfdFlags::empty()).map_err(Error::kernel("watch the bed"))?;
    let mut open = Vec::new();
    for text in forwards {
        let (host, inside) = pair(text, "HOST=BED")?;
        let forward = bed.forward_from(host, inside)?;
        print(&format!("{} -> {inside} in the bed", forward.local()));
        open.push(forward);
    }
    for text in expose {
        let (inside, host) = pair(text, "BED=HOST")?;
        let forward = bed.expose(inside, host)?;
        print(&format!("{} in the bed -> {host}", forward.local()));
        open.push(forward);
    }
    let mut told = 0;
    loop {
        let interval = Timespec { tv_sec: 0, tv_nsec: TELL_INTERVAL_NS };
        let mut watched = [PollFd::new(&bed_ends, PollFlags::IN)];
        if poll(&mut watched, Some(&interval)).is_ok_and(|ready| ready > 0) {
            print("the bed ended");
            return Ok(());
        }
        let refused = open.iter().map(net::Forward::refused).sum();
        if refused > told {
            told = refused;
            eprintln!("{refused} connections so far found nobody listening at the other end");
        }
    }
}

fn pair<'text>(text: &'text str, form: &str) -> Result<(&'text str, &'text str)> {
    text.split_once('=').ok_or_else(|| {
        Error::Refuse(format!("`{text}` is not {form}, such as 127.0.0.1:8080=198.18.255.1:80"))
    })
}
