//! `build` and `load`: one's own images into the registry of a bed.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use super::{buildah, push};
use crate::{
    bed::Bed,
    command,
    error::{Error, Result},
    home::{self, Home},
    plan::address,
    profile::Profile,
};

/// Names a Dockerfile may use for the base images, and the image in the bed's registry.
const BASES: [(&str, &str); 7] = [
    ("debian", "debian:12"),
    ("debian:12", "debian:12"),
    ("debian:12-slim", "debian:12"),
    ("debian:bookworm", "debian:12"),
    ("debian:bookworm-slim", "debian:12"),
    ("busybox", "busybox:1"),
    ("busybox:1", "busybox:1"),
];

/// Builds the Dockerfile of that folder and pushes it as `tag`; returns the name pods use.
///
/// Base images are handed over by `--build-context`, so a Dockerfile that says `FROM debian:12` is the
/// same here and where there is an engine. `more` is passed to buildah as it is.
pub fn build(home: &Home, bed: &Bed, folder: &Path, tag: &str, more: &[String]) -> Result<String> {
    check_registry(bed)?;
    let tag = own_name(tag)?;
    let named = |word: &String| word == "-f" || word.starts_with("--file");
    if !folder.join("Dockerfile").is_file() && !more.iter().any(named) {
        return Err(Error::Refuse(format!("there is no Dockerfile in {}", folder.display())));
    }
    let registry = bed.forward(address::REGISTRY_ADDRESS)?;
    let storage = home.images();
    let _lock = home.lock("buildah", || eprintln!("waiting for another build"))?;
    forget_failed_builds(&storage)?;
    let mut command = buildah(&storage)?;
    command.args(["bud", "--isolation=chroot", "--layers", "--tls-verify=false", "--tag", &tag]);
    for (name, image) in BASES {
        command.arg(format!("--build-context={name}=docker-image://{}/{image}", registry.local()));
    }
    let program = "buildah bud".to_owned();
    let status = command
        .args(more)
        .arg(folder)
        .stdin(Stdio::null())
        // Our own standard output carries the name alone.
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|source| Error::Spawn { program: program.clone(), source })?;
    if !status.success() {
        let output = "a bed holds the base images debian:12 and busybox:1, and reaches no other registry; \
                      hand others over with `-- --build-context=NAME=FOLDER`";
        return Err(Error::Run { program, status: status.to_string(), output: output.to_owned() });
    }
    push(&storage, &tag, &format!("{}/{tag}", registry.local()))?;
    Ok(format!("{}/{tag}", address::REGISTRY))
}

/// Pushes an OCI archive or a `docker save` archive; returns the name pods use.
pub fn load(home: &Home, bed: &Bed, archive: &Path, tag: Option<&str>) -> Result<String> {
    check_registry(bed)?;
    if !archive.is_file() {
        return Err(Error::Refuse(format!("{} is no file", archive.display())));
    }
    // skopeo takes what stands behind a colon for a tag, so it is given a name without one.
    let work = home.staging().join(format!("load.{}", std::process::id()));
    home::make_folder(&work)?;
    let outcome = copied(bed, archive, &work.join("archive.tar"), tag);
    home::remove_folder(&work)?;
    outcome
}

fn copied(bed: &Bed, given: &Path, archive: &Path, tag: Option<&str>) -> Result<String> {
    let target = std::path::absolute(given).map_err(Error::touch("find", given))?;
    symlink(target, archive).map_err(Error::touch("link", archive))?;
    let registry = bed.forward(address::REGISTRY_ADDRESS)?;
    let listing = command::run(Command::new("tar").arg("--list").arg("--file").arg(archive))
        .map_err(|_| Error::Refuse(format!("{} is not a tar archive", given.display())))?;
    let kind = if listing.lines().any(|name| name.trim_start_matches("./") == "oci-layout") {
        "oci-archive"
    } else if listing.lines().any(|name| name == "manifest.json") {
        "docker-archive"
    } else {
        return Err(Error::Refuse(format!(
            "{} is neither an OCI archive nor a `docker save` archive",
            given.display()
        )));
    };
    let stem =
        given.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let tag = own_name(tag.unwrap_or(&stem))?;
    let mut copy = Command::new("skopeo");
    copy.args(["copy", "--quiet", "--dest-tls-verify=false"])
        .arg(format!("{kind}:{}", archive.display()))
        .arg(format!("docker://{}/{tag}", registry.local()));
    command::run(&mut copy)?;
    Ok(format!("{}/{tag}", address::REGISTRY))
}

/// Only a node has a registry.
fn check_registry(bed: &Bed) -> Result<()> {
    let record = bed.record();
    if record.profile == Profile::Node && record.context.is_none() {
        return Ok(());
    }
    Err(Error::Refuse(format!(
        "bed `{}` has no registry: `cargo bed up --profile node` makes one that has",
        record.name
    )))
}

/// A build that fails or is killed leaves a whole copy of its image behind. The caller holds the lock
/// of the storage, so no other build is under way.
fn forget_failed_builds(storage: &Path) -> Result<()> {
    command::run(buildah(storage)?.args(["rm", "--all"]))?;
    for item in fs::read_dir(storage).map_err(Error::touch("list", storage))?.flatten() {
        if item.file_name().to_string_lossy().starts_with("buildah") {
            home::remove_folder(&item.path())?;
        }
    }
    Ok(())
}

/// `shop/api:1`, whether or not the bed's registry is named before it; a missing tag becomes `latest`.
fn own_name(tag: &str) -> Result<String> {
    let own = tag.strip_prefix(&format!("{}/", address::REGISTRY)).unwrap_or(tag);
    let valid = !own.is_empty()
        && own.chars().all(|letter| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || "/:._-".contains(letter)
        });
    if !valid {
        return Err(Error::Refuse(format!(
            "`{tag}` is no image name: lower case letters, digits and `/ : . _ -`, such as shop/api:1"
        )));
    }
    Ok(if own.contains(':') { own.to_owned() } else { format!("{own}:latest") })
}
