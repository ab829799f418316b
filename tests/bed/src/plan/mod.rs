//! What a bed's supervisor does, written down before it starts: an ordered list of steps, as data.
//!
//! The plan knows nothing of time or of what happened; see [`crate::supervisor`] for that.

pub mod address;
mod control;
mod fleet;
mod node;
pub mod pki;

pub use node::MOUNT_POINTS;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Key,
    error::{Error, Result},
    home,
    profile::Profile,
};

/// The ordered steps that bring a bed up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// One after another; a step that starts a part does not wait for it.
    pub steps: Vec<Step>,
}

/// One thing the supervisor does.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Starts a process that runs as long as the bed.
    Start {
        /// Its name in `status` and of its log.
        part: String,
        /// Program and arguments.
        argv: Vec<String>,
        /// Whether it inherits our standard input, which is the listener at the host's loopback.
        inherits_listener: bool,
    },
    /// Runs a program to its end, again until it succeeds or the time is over.
    Run {
        /// What people see.
        name: String,
        /// Program and arguments.
        argv: Vec<String>,
        /// How long it may be tried, in seconds; 0 means once.
        seconds: u64,
    },
    /// Waits until an address accepts connections.
    Dial {
        /// What people see.
        name: String,
        /// Address and port inside the bed.
        address: String,
        /// How long to wait, in seconds.
        seconds: u64,
    },
}

impl Plan {
    /// The content key: an equal key means that a running bed is the one that was asked for.
    pub fn key(&self) -> Result<String> {
        let text = serde_json::to_vec(self)
            .map_err(|source| Error::Parse { path: "plan.json".into(), source })?;
        Ok(Key::default().with("plan", text).short())
    }

    fn start<S: Into<String>>(&mut self, part: &str, argv: impl IntoIterator<Item = S>) {
        let argv = argv.into_iter().map(Into::into).collect();
        self.steps.push(Step::Start { part: part.to_owned(), argv, inherits_listener: false });
    }

    fn run<S: Into<String>>(
        &mut self,
        name: &str,
        seconds: u64,
        argv: impl IntoIterator<Item = S>,
    ) {
        let argv = argv.into_iter().map(Into::into).collect();
        self.steps.push(Step::Run { name: name.to_owned(), argv, seconds });
    }

    fn dial(&mut self, name: &str, address: &str, seconds: u64) {
        let (name, address) = (name.to_owned(), address.to_owned());
        self.steps.push(Step::Dial { name, address, seconds });
    }
}

/// What a plan is made for: the bed's folder, and where the programs of its parts are.
#[derive(Debug)]
pub struct Site {
    /// The bed's name.
    pub name: String,
    /// Its profile.
    pub profile: Profile,
    /// Its folder: everything it writes is below.
    pub folder: PathBuf,
    /// Where the bed's own program was put.
    pub bed_program: PathBuf,
    /// Programs by the name they are called by.
    pub programs: BTreeMap<String, PathBuf>,
    /// A controller manager is among the programs (not with `KUBEBUILDER_ASSETS`).
    pub has_controller_manager: bool,
}

impl Site {
    /// A path below the bed's folder, as text.
    pub fn path(&self, relative: &str) -> String {
        self.folder.join(relative).display().to_string()
    }

    /// The program of that name, or the name itself, to be looked up in `PATH`.
    pub fn program(&self, name: &str) -> String {
        self.programs.get(name).map_or_else(|| name.to_owned(), |path| path.display().to_string())
    }

    /// The bed's own program in one of its inner roles.
    fn role(&self, words: &[&str]) -> Vec<String> {
        let mut argv = vec![self.bed_program.display().to_string()];
        argv.extend(words.iter().map(|&word| word.to_owned()));
        argv
    }

    /// Runs kubectl as the administrator, inside the bed.
    fn kubectl(&self, words: &[&str]) -> Vec<String> {
        let mut argv =
            vec![self.program("kubectl"), format!("--kubeconfig={}", self.path("kube/admin"))];
        argv.extend(words.iter().map(|&word| word.to_owned()));
        argv
    }

    /// Writes a file below the bed's folder, making folders on the way; returns its path as text.
    fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> Result<String> {
        let path = self.folder.join(relative);
        if let Some(parent) = path.parent() {
            home::make_folder(parent)?;
        }
        home::write_atomically(&path, content)?;
        Ok(path.display().to_string())
    }

    /// Writes JSON (which is YAML too, so every part reads it).
    fn write_json(&self, relative: &str, value: &serde_json::Value) -> Result<String> {
        self.write(relative, value.to_string())
    }
}

/// Writes every file the bed needs and returns the plan that uses them.
pub fn prepare(site: &Site, seed: Option<&Path>) -> Result<Plan> {
    home::make_folder(&site.folder.join("logs"))?;
    pki::write(site)?;
    let mut plan = Plan::default();
    control::network(&mut plan);
    match site.profile {
        Profile::Control => {
            control::plan(site, &mut plan)?;
            control::ready(site, &mut plan);
        }
        Profile::Fleet => {
            control::plan(site, &mut plan)?;
            fleet::plan(site, &mut plan)?;
            control::ready(site, &mut plan);
        }
        Profile::Node => {
            node::before(site, &mut plan, seed)?;
            control::plan(site, &mut plan)?;
            node::after(site, &mut plan)?;
            control::ready(site, &mut plan);
        }
    }
    Ok(plan)
}
