//! Rules about what packages may depend on.

use std::{path::Path, process::Command};

use crate::{Complaint, root};

/// Packages that hold words and decisions: nothing in them may speak to anything.
pub const PURE: [(&str, &str); 2] =
    [("understudy-crds", "crds/Cargo.toml"), ("understudy-core", "operator/core/Cargo.toml")];

/// The package with an own rule: a bed should be coming up within a minute of the clone.
pub const QUICK: &str = "understudy-bed";

/// Crates that do input and output, read the clock of the machine, or bring a runtime.
const ACTING: [&str; 14] = [
    "async-std",
    "axum",
    "hyper",
    "kube-client",
    "kube-runtime",
    "mio",
    "octocrab",
    "rand",
    "reqwest",
    "rustix",
    "rustls",
    "socket2",
    "tokio",
    "ureq",
];

/// What [`QUICK`] must do without.
const HEAVY: [&str; 4] = ["aws-lc-sys", "axum", "kube", "kube-client"];

/// The crates of that package's tree that act.
pub fn acting(package: &str) -> Vec<Complaint> {
    forbidden(
        package,
        &ACTING,
        "words and decisions hold no crate that acts: pass what it gives as data",
    )
}

/// The crates of that package's tree that take long to compile.
pub fn heavy(package: &str) -> Vec<Complaint> {
    forbidden(package, &HEAVY, "a bed compiles in a minute: leave this to the packages that use it")
}

/// Whether the package is there yet.
pub fn exists(manifest: &str) -> bool {
    Path::new(&root()).join(manifest).is_file()
}

fn forbidden(package: &str, names: &[&str], advice: &str) -> Vec<Complaint> {
    tree(package)
        .iter()
        .filter(|name| names.contains(&name.as_str()))
        .map(|name| Complaint::about(format!("{package} -> {name}"), advice))
        .collect()
}

/// Names of the crates that the package is built from, itself included.
///
/// # Panics
/// If cargo does not know the package.
pub fn tree(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges=normal,build", "--prefix=none", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs, since it runs this");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .filter(|name| !name.is_empty())
        .collect()
}
