//! The slow proof that a machine which never saw this project can have a bed.

use std::{path::PathBuf, process::Command, time::Instant};

use super::context::{Context, Ran};
use crate::{
    command,
    error::Result,
    home::{self, Home},
    progress::spoken,
};

/// The cache of the cold bed, so that whoever ends beds finds it too.
pub(super) fn cache(home: &Home) -> PathBuf {
    folder(home).join(Home::VARIABLE.to_lowercase())
}

fn folder(home: &Home) -> PathBuf {
    home.staging().join("cold")
}

/// Clones the last commit and brings a node bed up with no cache of any kind.
pub(super) fn cold(context: &Context<'_>) -> Result<Ran> {
    let folder = folder(context.home);
    // Go makes its module cache read-only, folders too.
    let clear = || {
        command::run(
            Command::new("sh")
                .arg("-c")
                .arg("chmod -R u+w \"$1\" 2>/dev/null; rm -rf \"$1\"")
                .arg("sh")
                .arg(&folder),
        )
    };
    clear()?;
    home::make_folder(&folder)?;
    let clone = folder.join("clone");
    command::run(
        Command::new("git").args(["clone", "--quiet"]).arg(context.workspace).arg(&clone),
    )?;
    let started = Instant::now();
    let mut up = Command::new("cargo");
    up.args(["bed", "up", "--profile", "node", "--name", "verify-cold"]);
    let empty = |command: &mut Command| {
        for variable in ["GOCACHE", "GOMODCACHE", "CARGO_HOME", "CARGO_TARGET_DIR", Home::VARIABLE]
        {
            command.env(variable, folder.join(variable.to_lowercase()));
        }
        command.current_dir(&clone);
    };
    empty(&mut up);
    let mut ran = context.run_as_set(&mut up)?;
    let took = spoken(started.elapsed());
    let mut down = Command::new("cargo");
    down.args(["bed", "down", "--name", "verify-cold"]);
    empty(&mut down);
    let ended = context.run_as_set(&mut down)?;
    clear()?;
    if !ended.success {
        return Ok(ended);
    }
    if !ran.success {
        return Ok(ran);
    }
    let lines: Vec<String> =
        ran.output.lines().map(|line| format!("measured: {}", line.trim())).collect();
    ran.output = lines.join("\n");
    ran.note = format!("a node bed from nothing in {took}");
    Ok(ran)
}
