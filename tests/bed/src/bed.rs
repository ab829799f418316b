//! A bed that is up, as tests and commands hold it: its files, its API server, its namespaces.

use std::{
    ffi::OsString,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    thread::JoinHandle,
};

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::{
    audit::Audit,
    command,
    error::{Error, Result},
    home::Home,
    net::{self, Answer, Forward},
    process,
    profile::Profile,
    state::State,
};

/// What `up` notes down for everybody who comes later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The bed's name.
    pub name: String,
    /// Its profile; a cluster that was brought along counts as `control`.
    pub profile: Profile,
    /// Where kubectl is.
    pub kubectl: PathBuf,
    /// The kubeconfig file for this machine.
    pub kubeconfig: PathBuf,
    /// The API server's port at this machine's loopback; 0 for a cluster that was brought along.
    #[serde(default)]
    pub port: u16,
    /// The SHA-256 of the program that made it.
    #[serde(default)]
    pub made_by: String,
    /// The context of somebody's own cluster; such a bed has no processes of ours.
    pub context: Option<String>,
}

/// A bed that is up.
#[derive(Debug, Clone)]
pub struct Bed {
    folder: PathBuf,
    record: Record,
}

impl Bed {
    /// Finds the bed of that name, which must be up.
    pub fn attach(name: &str) -> Result<Self> {
        Self::attach_in(&Home::find()?, name)
    }

    /// Finds the bed of that name below that folder; it must be up.
    pub fn attach_in(home: &Home, name: &str) -> Result<Self> {
        let folder = home.beds().join(name);
        let Some(record) = Self::record_of(&folder)? else {
            return Err(Error::Refuse(format!(
                "no bed `{name}` is up: `cargo bed up --profile control|fleet|node --name {name}` makes one"
            )));
        };
        let bed = Self { folder, record };
        if bed.record.context.is_none() {
            let state = State::read(&bed.folder)?.unwrap_or_default();
            let whole = state.ready && state.dead_parts().is_empty();
            if bed.supervisor()?.is_none() || !whole {
                return Err(Error::Refuse(format!(
                    "bed `{name}` is not up: `cargo bed status` says why, `cargo bed up` mends it"
                )));
            }
        }
        Ok(bed)
    }

    /// What `up` noted about the bed in that folder, if it came that far.
    pub fn record_of(folder: &Path) -> Result<Option<Record>> {
        let path = folder.join("bed.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| Error::Parse { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::touch("read", path)(error)),
        }
    }

    /// What `up` noted about it.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The kubeconfig file that works from this machine.
    pub fn kubeconfig(&self) -> &Path {
        &self.record.kubeconfig
    }

    /// The PID of its first process.
    pub fn supervisor(&self) -> Result<Option<Pid>> {
        process::supervisor(&self.folder)
    }

    fn holder(&self) -> Result<i32> {
        let pid = self.supervisor()?.ok_or_else(|| {
            let name = &self.record.name;
            Error::Refuse(match &self.record.context {
                Some(context) => format!(
                    "bed `{name}` is your own cluster (context `{context}`): we have no way into it but kubectl"
                ),
                None => format!("bed `{name}` is not up"),
            })
        })?;
        Ok(pid.as_raw_nonzero().get())
    }

    /// kubectl as administrator, from outside.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.record.kubectl);
        command.arg(format!("--kubeconfig={}", self.record.kubeconfig.display()));
        // Every bed has the same address inside: what kubectl remembers of one is wrong for another.
        command.env("KUBECACHEDIR", self.folder.join("kubectl-cache"));
        command
    }

    /// Runs kubectl and returns what it printed.
    pub fn kubectl_run(&self, words: &[&str]) -> Result<String> {
        command::run(self.kubectl().args(words))
    }

    /// Applies objects (a JSON value of one, or of a List).
    pub fn apply(&self, objects: &serde_json::Value) -> Result<()> {
        let mut command = self.kubectl();
        command.args(["apply", "--server-side", "--filename=-"]);
        command::run_with_input(&mut command, objects.to_string().as_bytes()).map(drop)
    }

    /// A command that runs inside the bed's network, mounts and PID namespace.
    pub fn inside(&self, program: &str) -> Result<Command> {
        // A terminal's interrupt is for the command. Were its parent to end of it, the command would be killed
        // before it could end in order.
        let mut command = Command::new("env");
        command.args(["--ignore-signal=INT", "nsenter"]);
        command.arg(format!("--target={}", self.holder()?));
        command.args(["--mount", "--net", "--pid"]);
        if let Ok(here) = std::env::current_dir() {
            let mut folder = OsString::from("--wd=");
            folder.push(here);
            command.arg(folder);
        }
        // The command ends with us: its parent in the bed is the process that nsenter leaves outside.
        command.args(["--", "setpriv", "--pdeathsig", "KILL", "--"]);
        command.args(["env", "--default-signal=INT"]).arg(program);
        // A proxy of the host cannot be reached from there.
        for proxy in
            ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
        {
            command.env_remove(proxy);
        }
        command.env("KUBECONFIG", self.folder.join("kube/admin"));
        command.env("KUBECACHEDIR", self.folder.join("kubectl-cache"));
        if let Some(programs) = self.record.kubectl.parent() {
            let mut path = programs.as_os_str().to_owned();
            path.push(":");
            path.push(std::env::var_os("PATH").unwrap_or_default());
            command.env("PATH", path);
        }
        Ok(command)
    }

    /// A port of this machine's loopback that leads to an address inside the bed, until it is dropped.
    pub fn forward(&self, to: &str) -> Result<Forward> {
        Forward::into_bed(self.holder()?, "127.0.0.1:0", to)
    }

    /// The same with a port that the caller chose.
    pub fn forward_from(&self, host: &str, to: &str) -> Result<Forward> {
        Forward::into_bed(self.holder()?, host, to)
    }

    /// An address inside the bed that leads to a port of this machine, until it is dropped: for an
    /// operator, a forge or an edge that runs outside.
    pub fn expose(&self, inside: &str, host: &str) -> Result<Forward> {
        Forward::out_of_bed(self.holder()?, inside, host)
    }

    /// A TCP connection to an address inside the bed.
    pub fn dial(&self, address: &str) -> Result<TcpStream> {
        net::dial(self.holder()?, address)
    }

    /// Runs the closure on a thread of its own inside the bed's network.
    pub fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        net::in_network_of(self.holder()?, work)
    }

    /// GETs `path` from an address inside the bed.
    pub fn get(&self, address: &str, path: &str) -> Result<Answer> {
        let mut answers = self.get_each(vec![address.to_owned()], path)?;
        answers.pop().unwrap_or_else(|| Err(Error::Bed("no answer".to_owned())))
    }

    /// GETs `path` from many addresses inside the bed, 64 at a time; answers come in their order.
    pub fn get_each(&self, addresses: Vec<String>, path: &str) -> Result<Vec<Result<Answer>>> {
        net::get_each(self.holder()?, addresses, path)
    }

    /// The requests that the API server noted down.
    pub fn audit(&self) -> Audit {
        Audit::new(self.folder.join("logs/audit.jsonl"))
    }
}
