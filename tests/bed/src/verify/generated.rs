//! Files that a program of ours writes and a person reads.

use std::{fmt::Write as _, fs, path::Path};

use clap::CommandFactory;

use crate::{
    cli::Cli,
    error::{Error, Result},
};

/// The file, relative to the workspace.
const REFERENCE: &str = "tests/bed/REFERENCE.md";

/// Every command of `cargo bed` with its options, as Markdown.
pub fn reference() -> String {
    let mut text =
        "<!-- Written by `cargo verify --bless`; do not edit. -->\n\n# `cargo bed`\n".to_owned();
    let mut root = Cli::command();
    root.build();
    let long = root.render_long_help().to_string();
    let _ = write!(text, "\n```text\n{}\n```\n", long.trim_end());
    for command in root.get_subcommands_mut() {
        if command.is_hide_set() || command.get_name() == "help" {
            continue;
        }
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(
            text,
            "\n## `cargo bed {}`\n\n```text\n{}\n```\n",
            command.get_name(),
            lines.join("\n").trim_end()
        );
    }
    text
}

/// Says whether the file is as it would be written; writes it when asked to.
pub(super) fn check(workspace: &Path, bless: bool) -> Result<String> {
    let path = workspace.join(REFERENCE);
    let wanted = reference();
    if fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
        return Ok("1 file".to_owned());
    }
    if !bless {
        return Err(Error::Bed(format!(
            "{REFERENCE} is stale: write it with `cargo verify --bless`"
        )));
    }
    fs::write(&path, wanted).map_err(Error::touch("write", path))?;
    Ok(format!("{REFERENCE} written"))
}
