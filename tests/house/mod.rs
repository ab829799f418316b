//! The house rules that can be checked, as plain functions over the text of files.
//!
//! Each rule says what is wrong and what to do. `tests/tidy.rs` holds them against the checkout, and
//! against planted faults, since a rule that never speaks proves nothing.

pub mod documents;
pub mod packages;
pub mod source;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// `path:line`, or a path, or a package.
    pub place: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl Complaint {
    /// At a line of a file.
    pub fn at(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), text: text.into() }
    }

    /// About a file or a package as a whole.
    pub fn about(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

/// A file that git tracks, or would.
#[derive(Debug)]
pub struct SourceFile {
    /// Relative to the root of the checkout.
    pub path: String,
    /// Its text; files that are not UTF-8 are left out.
    pub text: String,
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Every file of the checkout that git tracks or does not ignore.
///
/// # Panics
/// Without git, or outside a checkout.
pub fn files() -> Vec<SourceFile> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs, since the sources came by it");
    assert!(output.status.success(), "git ls-files failed: run this inside a checkout");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|path| {
            let text = fs::read_to_string(root().join(path)).ok()?;
            Some(SourceFile { path: path.to_owned(), text })
        })
        .collect()
}
