//! Building a part with the machine's own Go, without letting it fetch another one.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use super::Part;
use crate::{
    command,
    error::{Error, Result},
    home, preflight,
    progress::Step,
};

/// The oldest Go that the modules accept (their `go` line).
pub(super) const MINIMUM: &str = "1.26";

/// What Go prints when its module proxy does not answer, rather than answers no.
const UNREACHABLE: [&str; 7] = [
    "dial tcp",
    "no such host",
    "connection refused",
    "i/o timeout",
    "TLS handshake timeout",
    "proxyconnect",
    "unexpected EOF",
];

/// Builds the part's program and its other names into `folder/bin`.
pub(super) fn build(part: &Part, folder: &Path, step: &Step) -> Result<()> {
    check()?;
    let module = folder.join("module");
    home::make_folder(&module)?;
    for (name, content) in part.module {
        let path = module.join(name);
        fs::write(&path, content).map_err(Error::touch("write", path))?;
    }
    step.at("fetching modules");
    go(&module, &["mod", "download"]).map_err(told)?;
    let total = go(&module, &["list", "-deps", part.package])?.lines().count();
    let bin = folder.join("bin");
    home::make_folder(&bin)?;
    compile(part, &module, &bin.join(part.name), |compiled, package| {
        step.at(&format!("{compiled} of at most {total} packages, now {package}"));
    })?;
    home::remove_folder(&module)?;
    for name in part.called {
        std::os::unix::fs::symlink(part.name, bin.join(name))
            .map_err(Error::touch("link", bin.join(name)))?;
    }
    Ok(())
}

/// Refuses a Go that is missing or too old, in one line; returns its version.
pub(super) fn check() -> Result<String> {
    let advice =
        format!("Go {MINIMUM} or newer builds the parts of a bed: install it and put it in PATH");
    if !command::exists("go") {
        return Err(Error::Refuse(format!("`go` is not in PATH. {advice}")));
    }
    let version =
        command::run(Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local"))?;
    let version = version.trim().trim_start_matches("go").to_owned();
    if preflight::older(&version, MINIMUM) {
        return Err(Error::Refuse(format!("Go {version} is too old. {advice}")));
    }
    Ok(version)
}

fn environment(command: &mut Command, module: &Path) {
    command
        .current_dir(module)
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false -mod=readonly")
        .env("GOWORK", "off")
        // For this machine, whatever its user builds for elsewhere.
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .env("GOTMPDIR", module);
}

fn go(module: &Path, words: &[&str]) -> Result<String> {
    let mut command = command::tied("go");
    environment(&mut command, module);
    command::run(command.args(words))
}

/// Turns a registry that is out of reach into one line; leaves every other failure as it is.
fn told(error: Error) -> Error {
    let Error::Run { output, .. } = &error else {
        return error;
    };
    let Some(line) = output.lines().find(|line| UNREACHABLE.iter().any(|sign| line.contains(sign)))
    else {
        return error;
    };
    Error::Refuse(format!(
        "the Go module proxy is out of reach ({}): check the network and `go env GOPROXY`, then try again; \
         nothing was left behind",
        line.trim()
    ))
}

/// Runs `go build -v`, which prints the name of each package it compiles.
fn compile(
    part: &Part,
    module: &Path,
    output: &Path,
    mut seen: impl FnMut(usize, &str),
) -> Result<()> {
    let mut command = command::tied("go");
    environment(&mut command, module);
    let link = format!("-s -w {}", part.link);
    command
        .args(["build", "-v", "-trimpath", "-ldflags", link.trim(), "-o"])
        .arg(output)
        .arg(part.package);
    let started = |source| Error::Spawn { program: "go build".to_owned(), source };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(started)?;
    let mut printed = Vec::new();
    if let Some(pipe) = child.stderr.take() {
        for line in BufReader::new(pipe).lines().map_while(std::result::Result::ok) {
            seen(printed.len() + 1, &line);
            printed.push(line);
        }
    }
    let status = child.wait().map_err(started)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Run {
        program: format!("go build {}", part.package),
        status: status.to_string(),
        output: command::last_lines(&printed.join("\n"), 25),
    })
}
