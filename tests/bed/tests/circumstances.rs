//! Bad circumstances: one clear line each, exit code 2, nothing half-made.

mod tool;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use tool::{Ended, assets, bed, done, said};
use understudy_bed::{Bed, Home};

/// A cache of its own, in which nothing is built.
struct Cache(TempDir);

impl Cache {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn bed(&self) -> Command {
        let mut command = bed();
        command.env(Home::VARIABLE, self.0.path());
        command
    }

    /// Runs it, expects exit code 2 and one line, and that nothing was made.
    fn refused(&self, command: &mut Command) -> String {
        let output = command.output().expect("the program starts");
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let errors: Vec<&str> =
            text.lines().skip_while(|line| !line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "one line and nothing behind it: {text}");
        for folder in ["beds", "parts", "staging"] {
            let left = fs::read_dir(self.0.path().join(folder)).map(Iterator::count);
            assert_eq!(left.unwrap_or(0), 0, "{folder} is not empty after: {text}");
        }
        errors.concat()
    }
}

/// A folder of programs to stand first, or alone, in PATH.
fn programs(folder: &Path, scripts: &[(&str, &str)]) -> PathBuf {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("made");
    for (name, script) in scripts {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
    }
    bin
}

fn before_path(bin: &Path) -> String {
    format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH is set"))
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn who_is_not_root_is_told() {
    let cache = Cache::new();
    fs::set_permissions(cache.0.path(), fs::Permissions::from_mode(0o777)).expect("opened up");
    let program = cache.0.path().join("bed-program");
    fs::copy(env!("CARGO_BIN_EXE_bed"), &program).expect("copied");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--clear-groups"]).arg(&program).args(["up"]);
    let line = cache.refused(command.env(Home::VARIABLE, cache.0.path()));
    assert!(line.contains("run it as root"), "{line}");
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn missing_package_is_named_with_its_command() {
    let cache = Cache::new();
    let bin = programs(cache.0.path(), &[("go", "echo go1.26.8")]);
    for name in ["nsenter", "ip"] {
        symlink("/bin/true", bin.join(name)).expect("linked");
    }
    let line =
        cache.refused(cache.bed().arg("up").env("PATH", &bin).env("UNDERSTUDY_INSTALL", "no"));
    assert!(line.contains("apt-get install --no-install-recommends openssl"), "{line}");
    // Root on Debian: it is installed, here by an apt-get of ours; what fails then is something else.
    programs(
        cache.0.path(),
        &[(
            "apt-get",
            &format!(
                "case \"$*\" in *install*openssl*) /bin/ln -s /bin/true {}/openssl;; esac",
                bin.display()
            ),
        )],
    );
    let text = said(&cache.bed().arg("up").env("PATH", &bin).output().expect("it starts"));
    assert!(text.contains("Debian packages: openssl") && text.contains("installed"), "{text}");
    assert!(!text.contains("missing on this machine"), "{text}");
    // Out of reach: the command, and what apt said.
    fs::remove_file(bin.join("openssl")).expect("removed");
    programs(cache.0.path(), &[("apt-get", "echo 'Temporary failure resolving' >&2; exit 100")]);
    let line = cache.refused(cache.bed().arg("up").env("PATH", &bin));
    assert!(line.contains("installing failed (Temporary failure resolving)"), "{line}");
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn old_go_and_old_rust_are_refused() {
    let cache = Cache::new();
    let bin = programs(
        cache.0.path(),
        &[("go", "echo go1.20.4"), ("rustc", "echo 'rustc 1.70.0 (abc 2023)'")],
    );
    let line = cache.refused(cache.bed().arg("up").env("PATH", before_path(&bin)));
    assert!(line.contains("Go 1.20.4 is too old") && line.contains("1.26"), "{line}");
    let doctor =
        cache.bed().arg("doctor").env("PATH", before_path(&bin)).output().expect("it starts");
    assert_eq!(doctor.status.code(), Some(1));
    assert!(said(&doctor).contains("Rust 1.70.0 is too old"), "{}", said(&doctor));
    let mut verify = Command::new(env!("CARGO_BIN_EXE_verify"));
    verify
        .args(["--only", "format"])
        .env("PATH", before_path(&bin))
        .env(Home::VARIABLE, cache.0.path());
    let line = cache.refused(&mut verify);
    assert!(line.contains("Rust 1.70.0 is too old"), "{line}");
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn full_disk_is_refused_before_anything_is_built() {
    let cache = Cache::new();
    let script = format!(
        "mount -t tmpfs -o size=1g tmpfs {folder} && {{ {program} up; code=$?; \
         find {folder}/beds {folder}/parts {folder}/staging -mindepth 1 | sed s/^/left:/; exit $code; }}",
        folder = cache.0.path().display(),
        program = env!("CARGO_BIN_EXE_bed"),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation=private", "sh", "-c", &script]);
    let line = cache.refused(command.env(Home::VARIABLE, cache.0.path()));
    assert!(!line.contains("left:"), "{line}");
    assert!(line.contains("1.0 GiB are free") && line.contains("10 GiB are needed"), "{line}");
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn taken_port_is_refused() {
    let cache = Cache::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let line = cache.refused(cache.bed().args(["up", "--port", &port]));
    assert!(line.contains(&format!("port {port} of 127.0.0.1 is taken")), "{line}");
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn module_proxy_out_of_reach_is_said_in_a_line() {
    let cache = Cache::new();
    let modules = tempfile::tempdir().expect("a temporary folder");
    let mut up = cache.bed();
    up.arg("up").env("GOPROXY", "http://127.0.0.1:1").env("GOMODCACHE", modules.path());
    let line = cache.refused(&mut up);
    assert!(line.contains("the Go module proxy is out of reach"), "{line}");
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn corrupt_cache_entry_is_made_again() {
    let cache = Cache::new();
    let program = |text: &str| {
        PathBuf::from(text.lines().find(|line| line.starts_with('/')).expect("a path"))
    };
    let pause = program(&done(cache.bed().args(["part", "pause"])));
    assert!(done(cache.bed().args(["part", "pause"])).contains("cached"));
    let good = fs::read(&pause).expect("read");
    // One changed byte, same size; a missing file; a manifest cut short.
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&pause, bad).expect("written");
    let text = done(cache.bed().args(["part", "pause"]));
    assert!(
        text.contains("is corrupt (the SHA-256 of bin/pause differs): making it again"),
        "{text}"
    );
    assert_eq!(fs::read(&pause).expect("read"), good);
    fs::remove_file(&pause).expect("removed");
    let text = done(cache.bed().args(["part", "pause"]));
    assert!(text.contains("is corrupt (bin/pause is missing): making it again"), "{text}");
    let manifest = pause.parent().and_then(Path::parent).expect("a folder").join("entry.json");
    fs::write(&manifest, "{").expect("written");
    let text = done(cache.bed().args(["part", "pause"]));
    assert!(text.contains("is corrupt (entry.json cannot be read): making it again"), "{text}");
    assert!(done(cache.bed().args(["part", "pause"])).contains("cached"));
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn name_that_is_up_with_another_profile_is_refused() {
    let ended = Ended::at_last("verify-one-name", None);
    done(bed().args(["up", "--name", "verify-one-name"]));
    let holder = Bed::attach("verify-one-name").expect("it is up").supervisor().expect("seen");
    let output = bed()
        .args(["up", "--name", "verify-one-name", "--profile", "fleet"])
        .output()
        .expect("it starts");
    let text = said(&output);
    assert_eq!(
        (output.status.code(), text.lines().filter(|line| line.starts_with("error")).count()),
        (Some(2), 1)
    );
    assert!(text.contains("is up with profile control: take it down first"), "{text}");
    let still = Bed::attach("verify-one-name").expect("it is still up").supervisor();
    assert_eq!(still.expect("seen"), holder);
    drop(ended);
}

#[test]
#[ignore = "needs root: cargo verify --only circumstances"]
fn assets_and_contexts_of_others_are_used() {
    let ended = [Ended::at_last("verify-assets", None), Ended::at_last("verify-adopted", None)];
    let folder = tempfile::tempdir().expect("a temporary folder");
    assets(folder.path());
    let text = done(
        bed().args(["up", "--name", "verify-assets"]).env("KUBEBUILDER_ASSETS", folder.path()),
    );
    assert!(
        text.contains("without a controller manager") && !text.contains("part kubernetes"),
        "{text}"
    );
    let kubeconfig = Bed::attach("verify-assets").expect("it is up").kubeconfig().to_path_buf();
    let adopt = |context: &str| {
        let mut up = bed();
        up.args(["up", "--name", "verify-adopted", "--context", context]);
        up.env("KUBECONFIG", &kubeconfig).env("PATH", before_path(folder.path()));
        up
    };
    let refused = adopt("no-such").output().expect("it starts");
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    done(&mut adopt("bed-verify-assets"));
    assert!(done(bed().args(["status", "--name", "verify-adopted"])).contains("not ours"));
    done(bed().args(["down", "--name", "verify-adopted"]));
    Bed::attach("verify-assets").expect("letting go of a cluster does not end it");
    let empty = tempfile::tempdir().expect("a temporary folder");
    let refused =
        bed().args(["up", "--name", "none"]).env("KUBEBUILDER_ASSETS", empty.path()).output();
    let refused = refused.expect("it starts");
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("there is no etcd in it"), "{}", said(&refused));
    drop(ended);
}

#[test]
fn wrong_words_are_one_clear_line() {
    let cache = Cache::new();
    for (words, expected) in [
        (vec!["up", "--profile", "huge"], "choose control, fleet or node"),
        (vec!["up", "--name", "Not A Name"], "is no name for a bed"),
        (vec!["up", "--name", "../escape"], "is no name for a bed"),
        (vec!["kubeconfig"], "no bed is up"),
        (vec!["kubeconfig", "--name", "none"], "no bed `none` is up"),
        (vec!["part", "none"], "there is no part `none`"),
        (vec!["logs", "--name", "none"], "there are no logs"),
        (vec!["up", "--port", "99999"], "invalid value '99999'"),
        (vec!["no-such-command"], "unrecognized subcommand"),
    ] {
        let line = cache.refused(cache.bed().args(&words));
        assert!(line.contains(expected), "{words:?}: {line}");
    }
}
