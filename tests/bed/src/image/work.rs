//! `build` and `load`: one's own images into the registry of a bed.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{buildah, push};
use crate::{
    bed::Bed,
    command,
    error::{Error, Result},
    home::Home,
    plan::address,
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
    let tag = own_name(tag)?;
    if !folder.join("Dockerfile").is_file() && !more.iter().any(|word| word.starts_with("--file")) {
        return Err(Error::Refuse(format!("there is no Dockerfile in {}", folder.display())));
    }
    let registry = bed.forward(address::REGISTRY_ADDRESS)?;
    let storage = home.images();
    let _lock = home.lock("buildah", || eprintln!("waiting for another build"))?;
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
pub fn load(bed: &Bed, archive: &Path, tag: Option<&str>) -> Result<String> {
    if !archive.is_file() {
        return Err(Error::Refuse(format!("{} is no file", archive.display())));
    }
    let registry = bed.forward(address::REGISTRY_ADDRESS)?;
    let listing = command::run(Command::new("tar").arg("--list").arg("--file").arg(archive))
        .map_err(|_| Error::Refuse(format!("{} is not a tar archive", archive.display())))?;
    let kind = if listing.lines().any(|name| name.trim_start_matches("./") == "oci-layout") {
        "oci-archive"
    } else if listing.lines().any(|name| name == "manifest.json") {
        "docker-archive"
    } else {
        return Err(Error::Refuse(format!(
            "{} is neither an OCI archive nor a `docker save` archive",
            archive.display()
        )));
    };
    let stem =
        archive.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let tag = own_name(tag.unwrap_or(&stem))?;
    let mut copy = Command::new("skopeo");
    copy.args(["copy", "--quiet", "--dest-tls-verify=false"])
        .arg(format!("{kind}:{}", archive.display()))
        .arg(format!("docker://{}/{tag}", registry.local()));
    command::run(&mut copy)?;
    Ok(format!("{}/{tag}", address::REGISTRY))
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
