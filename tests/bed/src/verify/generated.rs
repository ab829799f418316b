//! Files that a program of ours writes and a person reads.

use std::{fmt::Write as _, fs, process::Command};

use clap::CommandFactory;

use super::context::Context;
use crate::{
    cli::Cli,
    command,
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

/// Files that `understudy crds KIND` writes, relative to the workspace, and their kind.
const DEFINITIONS: [(&str, &str); 3] = [
    ("crds/yaml/previewenvironments.yaml", "previewenvironments"),
    ("crds/yaml/previewrepositories.yaml", "previewrepositories"),
    ("crds/yaml/previewtemplates.yaml", "previewtemplates"),
];

/// Says whether each file is as it would be written; writes those that are not when asked to.
pub(super) fn check(context: &Context<'_>, bless: bool) -> Result<String> {
    let mut wanted = vec![(REFERENCE, reference())];
    for (file, kind) in DEFINITIONS {
        let mut crds = Command::new("cargo");
        crds.args([
            "run",
            "--quiet",
            "--locked",
            "--package=understudy-operator",
            "--",
            "crds",
            kind,
        ]);
        crds.env("CARGO_TARGET_DIR", context.target).current_dir(context.workspace);
        let header = "# Written by `cargo verify --bless`; do not edit.\n";
        wanted.push((file, format!("{header}{}", command::run(&mut crds)?)));
    }
    let mut stale = Vec::new();
    for (file, text) in &wanted {
        let path = context.workspace.join(file);
        if fs::read_to_string(&path).is_ok_and(|found| found == *text) {
            continue;
        }
        if bless {
            fs::write(&path, text).map_err(Error::touch("write", path))?;
        }
        stale.push(*file);
    }
    match (stale.is_empty(), bless) {
        (true, _) => Ok(format!("{} files", wanted.len())),
        (false, true) => Ok(format!("written: {}", stale.join(", "))),
        (false, false) => Err(Error::Bed(format!(
            "stale: {}; write with `cargo verify --bless`",
            stale.join(", ")
        ))),
    }
}
