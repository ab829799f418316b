//! Rules for everything that is not Rust: the top level, the decision records, paths of a machine.

use std::collections::BTreeSet;

use crate::{Complaint, SourceFile};

/// What may stand at the top level, beside dot-files.
const TOP_LEVEL: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "charts",
    "crds",
    "deploy",
    "operator",
    "tests",
];

/// Where decision records live.
const RECORDS: &str = "operator/docs/adr/";

/// The first component of absolute paths that belong to one machine only.
const MACHINE_FOLDERS: [&str; 3] = ["work", "root", "home"];

/// Nothing new at the top level.
pub fn top_level(paths: &[&str]) -> Vec<Complaint> {
    let first: BTreeSet<&str> = paths.iter().filter_map(|path| path.split('/').next()).collect();
    first
        .into_iter()
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(name))
        .map(|name| {
            Complaint::about(name, "the top level is fixed: move it into one of its folders")
        })
        .collect()
}

/// Decision records are numbered without gaps, each with the four parts, each in the index.
pub fn records(files: &[SourceFile]) -> Vec<Complaint> {
    let mut found = Vec::new();
    let index = files.iter().find(|file| file.path == format!("{RECORDS}README.md"));
    let index = index.map_or("", |file| file.text.as_str());
    let mut records: Vec<&SourceFile> = files
        .iter()
        .filter(|file| file.path.starts_with(RECORDS) && !file.path.ends_with("README.md"))
        .collect();
    records.sort_by_key(|file| &file.path);
    for (position, record) in records.iter().enumerate() {
        let name = record.path.strip_prefix(RECORDS).unwrap_or_default();
        let number = format!("{:04}-", position + 1);
        if !name.starts_with(&number) {
            found.push(Complaint::about(
                &record.path,
                format!("records are numbered without gaps: expected {number}…"),
            ));
        }
        if !index.contains(&format!("({name})")) {
            found.push(Complaint::about(
                &record.path,
                format!("add a line with a link to {RECORDS}README.md"),
            ));
        }
        for part in ["## Context", "## Options", "## Decision", "## Consequences"] {
            if !record.text.contains(part) {
                found.push(Complaint::about(&record.path, format!("a record has a part `{part}`")));
            }
        }
    }
    found
}

/// No absolute path of somebody's machine in any file.
pub fn machine_paths(file: &SourceFile) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for folder in MACHINE_FOLDERS {
            let path = format!("/{folder}/");
            let stands_alone = line.match_indices(&path).any(|(place, _)| {
                let before = line.get(..place).and_then(|text| text.chars().next_back());
                before.is_none_or(|letter| {
                    !letter.is_ascii_alphanumeric() && !"._-}/*)".contains(letter)
                })
            });
            if stands_alone {
                let text = format!(
                    "`{path}` is a path of one machine: make it relative, or ask the environment"
                );
                found.push(Complaint::at(&file.path, number + 1, text));
            }
        }
    }
    found
}

/// The README names the two commands everything begins with.
pub fn readme(text: &str) -> Vec<Complaint> {
    ["cargo bed", "cargo verify"]
        .into_iter()
        .filter(|command| !text.contains(command))
        .map(|command| Complaint::about("README.md", format!("say what `{command}` is for")))
        .collect()
}
