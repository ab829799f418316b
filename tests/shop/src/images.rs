//! The images of the shop, built on this machine and pushed to the registry of a bed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use understudy_bed::{Bed, Error, Home, Result, command, image, net::Forward, plan::address};

/// The image of web front and API in a bed's registry, without its tag: the commit.
pub const IMAGE: &str = "shop/shop";

/// The image of the database in a bed's registry. It is the same for every commit.
pub const DATABASE: &str = "shop/database:15";

/// The image of a browser in a bed's registry, by the version of what drives it. It is the same for every commit.
pub const BROWSER: &str = "shop/browser:1.60";

/// Whom Debian trusts.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What a static program is compiled for; it must be named, or flags would reach build scripts too.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What the API of a broken build says before it ends.
const DEFECT: &str =
    "column \"price\" of table \"products\" was renamed, and this build asks for it";

/// Builds web front and API at that commit and pushes them; returns the name pods use. The API of a
/// `broken` build ends with code 1 whenever it is started.
pub fn build(home: &Home, bed: &Bed, commit: &str, broken: bool) -> Result<String> {
    stamped(home, bed, commit, broken.then(|| format!("BREAK={DEFECT}")))
}

/// The same, but everything runs and the page's button does nothing.
pub fn dumb(home: &Home, bed: &Bed, commit: &str) -> Result<String> {
    stamped(home, bed, commit, Some("DUMB=its click is not sent".to_owned()))
}

fn stamped(home: &Home, bed: &Bed, commit: &str, fault: Option<String>) -> Result<String> {
    let program = program()?;
    let context = program.parent().unwrap_or(Path::new("."));
    let mut more = vec![
        "--quiet".to_owned(),
        format!("--build-context=build={}", context.display()),
        format!("--build-arg=COMMIT={commit}"),
    ];
    more.extend(fault.map(|fault| format!("--build-arg={fault}")));
    image::build(home, bed, &folder(), &format!("{IMAGE}:{commit}"), &more)
}

/// Builds the database and pushes it; returns the name pods use. A second call finds everything done.
pub fn database(home: &Home, bed: &Bed) -> Result<String> {
    let (_sources, volume) = sources()?;
    let more = ["--quiet".to_owned(), volume];
    image::build(home, bed, &folder().join("database"), DATABASE, &more)
}

/// Builds a browser with what drives it and pushes it; returns the name pods use. A second call finds everything done.
pub fn browser(home: &Home, bed: &Bed) -> Result<String> {
    let (_sources, volume) = sources()?;
    let mut more = vec!["--quiet".to_owned(), volume];
    // What npm is told on this machine, and whom it trusts. Like the sources, it leaves no trace.
    let settings = std::env::home_dir().unwrap_or_default().join(".npmrc");
    for (id, file) in [("npmrc", settings), ("bundle", PathBuf::from(BUNDLE))] {
        if file.is_file() {
            more.push(format!("--secret=id={id},src={}", file.display()));
        }
    }
    image::build(home, bed, &folder().join("browser"), BROWSER, &more)
}

/// Where packages come from: the bed's `debian:12` names no mirror, so they come from where this machine gets its own.
/// It is a copy, since packages write there; what is mounted leaves no trace in the image.
fn sources() -> Result<(TempDir, String)> {
    let sources = tempfile::tempdir().map_err(Error::touch("make", std::env::temp_dir()))?;
    let copy = sources.path().join("apt");
    command::run(Command::new("cp").args(["--archive", "/etc/apt"]).arg(&copy))?;
    let volume = format!("--volume={}:/etc/apt", copy.display());
    Ok((sources, volume))
}

/// The flags with which an operator outside the bed finds the bed's registry, as long as the forward lasts.
pub fn registry(bed: &Bed) -> Result<(Forward, [String; 2])> {
    let registry = bed.forward(address::REGISTRY_ADDRESS)?;
    let at = registry.local();
    let mirror = format!("--registry-mirror={}={at}", address::REGISTRY);
    Ok((registry, [mirror, format!("--plain-http-registry={at}")]))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The program, linked statically since its image holds nothing else.
fn program() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut compile = Command::new(cargo);
    compile
        .args(["build", "--quiet", "--locked", "--package=understudy-shop-program"])
        .args(["--profile=shop", "--target", TARGET])
        .current_dir(folder())
        // It would win over the flags below.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    command::built(&mut compile)
}
