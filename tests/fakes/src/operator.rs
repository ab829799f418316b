//! The operator as a process of its own, the way it runs: killed, restarted, with a log to read.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};
use understudy_bed::{Bed, Error, Home, Result, command, image};

use crate::cluster::HOME;

/// The program's image in a bed's registry.
const IMAGE: &str = "understudy/understudy";

static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Operator {
    /// Compiles the program as it is released, and tells where it is.
    pub fn release() -> Result<PathBuf> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut compile = std::process::Command::new(cargo);
        compile.args(["build", "--quiet", "--locked", "--release"]);
        compile.arg("--package=understudy-operator").current_dir(env!("CARGO_MANIFEST_DIR"));
        command::built(&mut compile)
    }

    /// Builds the image of the program on this machine and pushes it to a bed's registry; returns the name pods use.
    pub fn image(home: &Home, bed: &Bed) -> Result<String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut compile = std::process::Command::new(cargo);
        compile
            .args(["build", "--quiet", "--locked", "--package=understudy-operator"])
            .args(["--profile=bed", "--target=x86_64-unknown-linux-gnu"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // It would win over the flags below.
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", "-C target-feature=+crt-static");
        let program = command::built(&mut compile)?;
        let context = program.parent().unwrap_or(Path::new("."));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let more = ["--quiet".to_owned(), format!("--build-context=build={}", context.display())];
        // A node that has an image of that name already does not look again.
        let bytes = std::fs::read(&program).map_err(|error| Error::Bed(error.to_string()))?;
        let digest = Sha256::digest(&bytes);
        let tag = digest.iter().take(6).fold(String::new(), |tag, byte| format!("{tag}{byte:02x}"));
        image::build(home, bed, &folder, &format!("{IMAGE}:{tag}"), &more)
    }

    /// From now on everything in this process runs that program instead of the one that was built beside it.
    pub fn choose(program: PathBuf) {
        let _ = CHOSEN.set(program);
    }

    /// The program, as it was built beside the running test.
    pub fn program() -> Result<PathBuf> {
        let test = std::env::current_exe().map_err(|error| Error::Bed(error.to_string()))?;
        let folder = test.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let named = || std::env::var_os("UNDERSTUDY_TEST_PROGRAM").map(PathBuf::from);
        let program =
            CHOSEN.get().cloned().or_else(named).unwrap_or_else(|| folder.join("understudy"));
        if program.is_file() {
            return Ok(program);
        }
        Err(Error::Refuse(format!(
            "{} is not there: cargo build --package=understudy-operator",
            program.display()
        )))
    }

    /// The roles that the program declares.
    pub fn roles() -> Result<Vec<Value>> {
        let output = std::process::Command::new(Self::program()?)
            .args(["roles", "--output=json"])
            .output()
            .map_err(|error| Error::Bed(error.to_string()))?;
        serde_json::from_slice(&output.stdout)
            .map_err(|source| Error::Parse { path: "understudy roles".into(), source })
    }

    /// Starts it; `more` are flags besides those it cannot do without. `folder` takes its log.
    pub fn start(folder: &Path, kubeconfig: &Path, more: &[&str]) -> Result<Self> {
        let mut arguments = vec![
            "operator".to_owned(),
            "--base-domain=preview.test".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
        ];
        if !more.iter().any(|word| word.starts_with("--admin-listen")) {
            arguments.push("--admin-listen=127.0.0.1:0".to_owned());
        }
        for port in ["--evidence-listen", "--pages-listen"] {
            if !more.iter().any(|word| word.starts_with(port)) {
                arguments.push(format!("{port}=127.0.0.1:0"));
            }
        }
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        let log = folder.join("operator.log");
        let mut operator = Self { program: Self::program()?, arguments, log, child: None };
        operator.restart()?;
        Ok(operator)
    }

    /// Starts it anew after it was killed.
    pub fn restart(&mut self) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|error| Error::Bed(error.to_string()))?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::Bed(error.to_string()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Kills it and waits until it is dead.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that died by itself is dead too.
            let _ = child.kill().await;
        }
    }

    /// Asks it to end; returns whether it ended well.
    pub async fn terminate(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return false };
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        asked && child.wait().await.is_ok_and(|status| status.success())
    }

    /// Whether it runs.
    pub fn lives(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A kubeconfig for an account in the namespace of its name, straight to the bed's API server as that `kubectl`
/// reaches it.
pub fn kubeconfig(
    bed: &Bed,
    mut kubectl: std::process::Command,
    account: &str,
    folder: &Path,
) -> Result<PathBuf> {
    let token =
        bed.kubectl_run(&["create", "token", account, "--namespace", account, "--duration=8h"])?;
    let text = command::run(kubectl.args(["config", "view", "--raw", "--output=json"]))?;
    let mut config: Value = serde_json::from_str(&text)
        .map_err(|source| Error::Parse { path: "kubectl config view".into(), source })?;
    let cluster = config.pointer("/clusters/0/name").cloned().unwrap_or_default();
    let fields = config.as_object_mut().ok_or_else(|| Error::Bed("no kubeconfig".to_owned()))?;
    let user = json!([{"name": account, "user": {"token": token.trim()}}]);
    fields.insert("users".to_owned(), user);
    fields.insert(
        "contexts".to_owned(),
        json!([{
            "name": account, "context": {"cluster": cluster, "user": account, "namespace": account},
        }]),
    );
    fields.insert("current-context".to_owned(), json!(account));
    let path = folder.join(format!("{account}-kubeconfig"));
    std::fs::write(&path, config.to_string()).map_err(|error| Error::Bed(error.to_string()))?;
    Ok(path)
}

/// A kubeconfig for a plain address, such as a proxy's.
pub fn plain_kubeconfig(address: &str, folder: &Path) -> Result<PathBuf> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": HOME,
        "clusters": [{"name": HOME, "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": HOME, "user": {}}],
        "contexts": [{"name": HOME, "context": {"cluster": HOME, "user": HOME, "namespace": HOME}}],
    });
    let path = folder.join("plain-kubeconfig");
    std::fs::write(&path, config.to_string()).map_err(|error| Error::Bed(error.to_string()))?;
    Ok(path)
}
