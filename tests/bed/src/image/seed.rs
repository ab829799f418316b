//! The base images of a node bed, kept in the cache as the storage folder of a registry: a new bed
//! copies the folder instead of pushing images.
//!
//! They are made of Debian's packages and of our own parts; nothing is pulled from anywhere.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{buildah, push};
use crate::{
    command,
    digest::Key,
    error::{Error, Result},
    home::{self, Home},
    part::{COREDNS, Entry, PAUSE, entry},
    progress::{Progress, Step},
};

/// The Debian release of the base image, as the machine's own mirror has it.
const RELEASE: &str = "bookworm";

/// What the Debian image holds beyond the smallest set: tools for tests of networks.
const MORE_PACKAGES: &str = "busybox,ca-certificates";

/// Files that a dynamically linked busybox needs, beside the program; relative to the root.
const BUSYBOX_FILES: [&str; 7] = [
    "usr/bin/busybox",
    "usr/lib/x86_64-linux-gnu/libc.so.6",
    "usr/lib/x86_64-linux-gnu/libresolv.so.2",
    "usr/lib/x86_64-linux-gnu/libnss_files.so.2",
    "usr/lib/x86_64-linux-gnu/libnss_dns.so.2",
    "usr/lib64/ld-linux-x86-64.so.2",
    "etc/nsswitch.conf",
];

/// The cache entry that holds the storage folder; made once from those two parts.
pub fn seed(home: &Home, coredns: &Entry, pause: &Entry, progress: &Progress) -> Result<PathBuf> {
    let key = Key::default()
        .with("layout", "2")
        .with("release", RELEASE)
        .with("packages", MORE_PACKAGES)
        .with("coredns", coredns.name())
        .with("pause", pause.name())
        .short();
    let programs = [COREDNS.program(coredns), PAUSE.program(pause)];
    let name = format!("images-{key}");
    let found = entry::ensure(home, &name, progress, |folder, step| {
        // Only the registry's folder stays in the entry.
        let work = entry::fresh_staging(home, &format!("{name}-work"))?;
        let outcome = make(&work, folder, &programs, step);
        home::remove_folder(&work)?;
        outcome
    })?;
    Ok(found.folder().join("registry"))
}

fn make(work: &Path, folder: &Path, programs: &[PathBuf], step: &Step) -> Result<()> {
    let images = contexts(work, programs, step)?;
    let registry = Registry::start(work, &folder.join("registry"))?;
    let storage = work.join("buildah");
    for (name, context) in images {
        step.at(&format!("image {name}"));
        let mut bud = buildah(&storage)?;
        bud.args(["bud", "--quiet", "--isolation=chroot", "--tag", &name]).arg(context);
        command::run(&mut bud)?;
        push(&storage, &name, &format!("{}/{name}", registry.address))?;
    }
    Ok(())
}

/// Makes a build context for each image; returns names and folders.
fn contexts(work: &Path, programs: &[PathBuf], step: &Step) -> Result<Vec<(String, PathBuf)>> {
    let mut images = Vec::new();
    for (program, name) in programs.iter().zip(["coredns", "pause"]) {
        let context = work.join(name);
        home::make_folder(&context)?;
        fs::copy(program, context.join(name)).map_err(Error::touch("copy", program))?;
        dockerfile(
            &context,
            &format!("FROM scratch\nCOPY {name} /{name}\nENTRYPOINT [\"/{name}\"]\n"),
        )?;
        images.push((format!("{name}:1"), context));
    }
    let debian = work.join("debian");
    debootstrap(&debian.join("root"), step)?;
    let busybox = work.join("busybox");
    busybox_root(&debian.join("root"), &busybox.join("root"))?;
    let whole = "FROM scratch\nCOPY root /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";
    for (context, name) in [(debian, "debian:12"), (busybox, "busybox:1")] {
        dockerfile(&context, whole)?;
        images.push((name.to_owned(), context));
    }
    Ok(images)
}

fn dockerfile(context: &Path, text: &str) -> Result<()> {
    let path = context.join("Dockerfile");
    fs::write(&path, text).map_err(Error::touch("write", path))
}

/// The smallest Debian, from the mirror this machine already uses, without its address afterwards.
fn debootstrap(root: &Path, step: &Step) -> Result<()> {
    step.at("debootstrap");
    home::make_folder(root)?;
    let mirror = mirror()?;
    let mut command = command::tied("debootstrap");
    command
        .args(["--variant=minbase", &format!("--include={MORE_PACKAGES}"), RELEASE])
        .arg(root)
        .arg(&mirror)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command::run(&mut command)?;
    for emptied in [
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "var/log",
    ] {
        let path = root.join(emptied);
        home::remove_folder(&path)?;
        home::make_folder(&path)?;
    }
    let sources = root.join("etc/apt/sources.list");
    fs::write(&sources, "").map_err(Error::touch("write", sources))
}

/// The first mirror of this machine's apt that carries the release.
pub fn mirror() -> Result<String> {
    let format = "--format=$(SITE) $(CODENAME) $(COMPONENT)";
    let text = command::run(Command::new("apt-get").args([
        "indextargets",
        format,
        "Created-By: Packages",
    ]))?;
    text.lines()
        .find_map(|line| line.strip_suffix(&format!(" {RELEASE} main")))
        .map(str::to_owned)
        .ok_or_else(|| {
            Error::Refuse(format!(
                "apt on this machine knows no mirror of Debian {RELEASE}: run `apt-get update`, or add one to its sources"
            ))
        })
}

/// busybox from the Debian root, with the applets as links.
fn busybox_root(debian: &Path, root: &Path) -> Result<()> {
    for folder in [
        "usr/bin",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib64",
        "etc",
        "proc",
        "dev",
        "sys",
        "run",
        "var",
    ] {
        home::make_folder(&root.join(folder))?;
    }
    for (link, to) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("usr/sbin", "bin"),
    ] {
        symlink(to, &root.join(link))?;
    }
    for file in BUSYBOX_FILES {
        let (from, to) = (debian.join(file), root.join(file));
        if from.exists() {
            fs::copy(&from, &to).map_err(Error::touch("copy", from))?;
        }
    }
    for (file, text) in [
        ("etc/nsswitch.conf", "hosts: files dns\n"),
        ("etc/passwd", "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n"),
        ("etc/group", "root:x:0:\nuser:x:1000:\n"),
    ] {
        let path = root.join(file);
        fs::write(&path, text).map_err(Error::touch("write", path))?;
    }
    let applets =
        command::run(Command::new("chroot").arg(root).args(["/usr/bin/busybox", "--list"]))?;
    for applet in applets.lines().filter(|name| *name != "busybox") {
        symlink("busybox", &root.join("usr/bin").join(applet))?;
    }
    let tmp = root.join("tmp");
    home::make_folder(&tmp)?;
    fs::set_permissions(&tmp, std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        .map_err(Error::touch("open up", tmp))
}

fn symlink(to: &str, link: &Path) -> Result<()> {
    std::os::unix::fs::symlink(to, link).map_err(Error::touch("link", link))
}

/// A registry on a free port of loopback, ended when it is dropped.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(work: &Path, storage: &Path) -> Result<Self> {
        home::make_folder(storage)?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(Error::kernel("find a free port"))?.to_string();
        let config = work.join("registry.yml");
        let text = serde_json::json!({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": storage.display().to_string()}},
            "http": {"addr": address},
        });
        fs::write(&config, text.to_string()).map_err(Error::touch("write", &config))?;
        let child = command::tied("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| Error::Spawn { program: "docker-registry".to_owned(), source })?;
        let registry = Self { child, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(&registry.address).is_err() {
            if Instant::now() > deadline {
                return Err(Error::Bed("the registry for base images did not start".to_owned()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
