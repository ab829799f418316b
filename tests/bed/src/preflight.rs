//! What must be true of the machine before anything is made, each with the one line that says so.

use std::{fs, process::Command};

use crate::{
    command,
    error::{Error, Result},
    home::Home,
    progress::Progress,
};

/// What building needs: parts, images, Go's caches and compiled code; measured at 8 GiB.
pub const TO_BUILD: u64 = 10 << 30;

/// What a bed needs whose parts are there; measured at 0.4 GiB when it is new.
pub const TO_RUN: u64 = 1 << 30;

/// A program or file a bed needs, and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Debian's name for it.
    pub name: &'static str,
    /// What shows that it is there: a program's name, or an absolute path.
    pub shown_by: &'static str,
}

const fn package(name: &'static str, shown_by: &'static str) -> Package {
    Package { name, shown_by }
}

/// What every profile needs.
pub const BASIC: [Package; 3] =
    [package("openssl", "openssl"), package("util-linux", "nsenter"), package("iproute2", "ip")];

/// What profile `fleet` needs besides.
pub const FLEET: [Package; 1] = [package("nftables", "nft")];

/// What profile `node` needs besides.
pub const NODE: [Package; 11] = [
    package("containerd", "containerd"),
    package("runc", "runc"),
    package("containernetworking-plugins", "/usr/lib/cni/bridge"),
    package("iptables", "iptables"),
    package("nftables", "nft"),
    package("ipset", "ipset"),
    package("conntrack", "conntrack"),
    package("buildah", "buildah"),
    package("skopeo", "skopeo"),
    package("docker-registry", "docker-registry"),
    package("debootstrap", "debootstrap"),
];

/// Refuses anybody but root: namespaces, mounts and cgroups are made.
pub fn root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::Refuse(
        "a bed makes namespaces, mounts and cgroups: run it as root (or use `--context NAME` with a cluster you have)"
            .to_owned(),
    ))
}

/// Refuses a disk with too little room for what is about to be made.
pub fn free_space(home: &Home, needed: u64) -> Result<u64> {
    let stat = rustix::fs::statvfs(home.root())
        .map_err(Error::kernel("read the free space of the cache"))?;
    let free = stat.f_bavail * stat.f_frsize;
    if free >= needed {
        return Ok(free);
    }
    Err(Error::Refuse(format!(
        "{:.1} GiB are free below {}, {} GiB are needed: make room, or set {} to a larger disk",
        in_gib(free),
        home.root().display(),
        needed >> 30,
        Home::VARIABLE
    )))
}

/// Bytes as GiB, for people.
#[expect(clippy::cast_precision_loss, reason = "one decimal is printed")]
pub fn in_gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// Refuses a Rust older than the workspace's; returns its version.
pub fn rust() -> Result<String> {
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    let text = command::run(Command::new("rustc").arg("--version")).map_err(|_| {
        Error::Refuse(format!("`rustc` is not in PATH: install Rust {minimum} or newer"))
    })?;
    let version = text.split_whitespace().nth(1).unwrap_or_default().to_owned();
    if older(&version, minimum) {
        return Err(Error::Refuse(format!(
            "Rust {version} is too old: install {minimum} or newer"
        )));
    }
    Ok(version)
}

/// Whether a dotted version is older than another; what is no number counts as 0.
pub fn older(version: &str, minimum: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split(['.', '-', '+']).map(|piece| piece.parse().unwrap_or(0)).collect()
    };
    let (mut found, mut wanted) = (numbers(version), numbers(minimum));
    let length = found.len().max(wanted.len());
    found.resize(length, 0);
    wanted.resize(length, 0);
    found < wanted
}

/// The packages of the list that are not on this machine.
pub fn missing(wanted: &[Package]) -> Vec<Package> {
    wanted
        .iter()
        .filter(|package| {
            if package.shown_by.starts_with('/') {
                !std::path::Path::new(package.shown_by).exists()
            } else {
                !command::exists(package.shown_by)
            }
        })
        .copied()
        .collect()
}

/// Installs what is missing when we are root on Debian; elsewhere refuses with the command.
pub fn packages(wanted: &[Package], progress: &Progress) -> Result<()> {
    let names = |packages: &[Package]| packages.iter().map(|one| one.name).collect::<Vec<_>>();
    let absent = missing(wanted);
    if absent.is_empty() {
        return Ok(());
    }
    let list = names(&absent).join(" ");
    let by_hand = format!("apt-get install --no-install-recommends {list}");
    let may = std::env::var("UNDERSTUDY_INSTALL").map_or(true, |value| value != "no");
    if !(may && fs::exists("/etc/debian_version").unwrap_or(false) && command::exists("apt-get")) {
        return Err(Error::Refuse(format!(
            "missing on this machine: {list}. On Debian: {by_hand}"
        )));
    }
    let step = progress.step(format!("Debian packages: {list}"));
    let apt = |words: &[&str]| {
        let mut apt = Command::new("apt-get");
        // Another run, or a child of a killed one, may be at it.
        apt.args(["-o", "DPkg::Lock::Timeout=300"]).args(words);
        command::run(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    step.at("reading the package lists");
    let outcome = apt(&["update", "-q"]).and_then(|_| {
        let mut words = vec!["install", "-y", "-q", "--no-install-recommends"];
        words.extend(names(&absent));
        step.at("installing");
        apt(&words)
    });
    if let Err(error) = outcome {
        step.failed("");
        return Err(Error::Refuse(format!(
            "missing on this machine: {list}, and installing failed ({}); try `{by_hand}` by hand",
            command::last_lines(&error.to_string(), 1)
        )));
    }
    step.done("installed");
    let still = missing(&absent);
    if still.is_empty() {
        return Ok(());
    }
    Err(Error::Refuse(format!("{by_hand} ran, but still missing: {}", names(&still).join(" "))))
}

#[cfg(test)]
mod tests {
    use super::older;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(older("1.9", "1.26"));
        assert!(older("1.25.11", "1.26"));
        assert!(!older("1.26", "1.26"));
        assert!(!older("1.26.8", "1.26"));
        assert!(!older("1.100.0", "1.95"));
        assert!(older("nonsense", "1.26"));
    }
}
