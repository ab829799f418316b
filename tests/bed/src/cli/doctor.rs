//! `doctor`: what this machine has and lacks, without changing anything.

use std::{fs, path::Path, process::ExitCode};

use super::print;
use crate::{
    error::Result,
    home::Home,
    part,
    preflight::{self, in_gib},
    profile::Profile,
};

/// Prints a line per fact; 1 if something is missing.
pub(super) fn doctor(home: &Home) -> ExitCode {
    let mut healthy = true;
    let mut say = |name: &str, outcome: Result<String>| match outcome {
        Ok(text) => print(&format!("  ok    {name:<22} {text}")),
        Err(error) => {
            healthy = false;
            print(&format!("  LACK  {name:<22} {error}"));
        }
    };
    say("root", preflight::root().map(|()| "yes".to_owned()));
    say("Rust", preflight::rust());
    say("Go", part::check_go());
    say(
        "free space",
        preflight::free_space(home, preflight::TO_BUILD)
            .map(|bytes| format!("{:.0} GiB", in_gib(bytes))),
    );
    say("cache", Ok(home.root().display().to_string()));
    for profile in Profile::ALL {
        let missing = preflight::missing(&profile.packages());
        let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
        let text = if names.is_empty() {
            "every Debian package is there".to_owned()
        } else {
            format!("`up` will install: {}", names.join(" "))
        };
        say(&format!("profile {profile}"), Ok(text));
    }
    let version = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "2" } else { "1" };
    say("cgroups", Ok(format!("version {version}")));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    say("kernel", Ok(kernel.trim().to_owned()));
    if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
