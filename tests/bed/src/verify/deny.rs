//! cargo-deny: installed once per machine, then bans, licences and sources always, and advisories when
//! their database can be had.

use std::{path::PathBuf, process::Command, time::Duration};

use super::context::{Context, Ran};
use crate::{error::Result, home};

const VERSION: &str = "0.20.2";

/// What cargo-deny prints when it cannot fetch the database, which is no finding.
const UNREACHABLE: [&str; 3] = [
    "failed to fetch advisory database",
    "failed to acquire advisory database",
    "unable to fetch advisory",
];

/// How long the database may take: a network that swallows packets must not hold everything up.
const FETCH: Duration = Duration::from_mins(1);

pub(super) fn check(context: &Context<'_>) -> Result<Ran> {
    let program = installed(context)?;
    let deny = |words: &[&str]| {
        let mut command = Command::new("timeout");
        command
            .arg(FETCH.as_secs().to_string())
            .arg(&program)
            .args(["--all-features", "check"])
            .args(words);
        command
    };
    let mut ran = context.run(&mut deny(&["bans", "licenses", "sources"]))?;
    if !ran.success {
        return Ok(ran);
    }
    let advisories = context.run(&mut deny(&["advisories"]))?;
    let unreachable =
        UNREACHABLE.iter().any(|sign| advisories.output.contains(sign)) || advisories.timed_out;
    if advisories.success {
        "with advisories".clone_into(&mut ran.note);
    } else if unreachable {
        "advisories not checked: their database cannot be reached".clone_into(&mut ran.note);
    } else {
        return Ok(advisories);
    }
    Ok(ran)
}

fn installed(context: &Context<'_>) -> Result<PathBuf> {
    let root = context.home.root().join(format!("tools/cargo-deny-{VERSION}"));
    let program = root.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    let _lock =
        context.home.lock("cargo-deny", || context.step.at("waiting for another installation"))?;
    if !program.is_file() {
        context.step.at("installing cargo-deny");
        home::make_folder(&root)?;
        let mut install = Command::new("cargo");
        install
            .args(["install", "cargo-deny", "--version", VERSION, "--locked", "--root"])
            .arg(&root);
        // Not into the shared folder: its optimised build would only fill it.
        install.env("CARGO_TARGET_DIR", context.home.staging().join("cargo-deny"));
        let ran = context.run(&mut install)?;
        home::remove_folder(&context.home.staging().join("cargo-deny"))?;
        if !ran.success {
            return Err(crate::Error::Bed(format!(
                "cargo-deny cannot be installed:\n{}",
                ran.output
            )));
        }
    }
    Ok(program)
}
