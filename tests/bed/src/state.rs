//! What a bed's supervisor has done so far: written by it alone, read by everybody.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    home,
};

/// The state of a bed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// The key of the plan that is carried out.
    pub plan: String,
    /// Finished steps in their order, with their times.
    pub steps: Vec<StepTime>,
    /// The step under way.
    pub current: Option<String>,
    /// The long-running processes by name.
    pub parts: BTreeMap<String, PartState>,
    /// Every step succeeded.
    pub ready: bool,
    /// Why a step failed, with the end of the log that tells.
    pub failed: Option<String>,
}

/// A finished step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepTime {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

/// A long-running process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartState {
    /// Its PID inside the bed's PID namespace.
    pub pid: i32,
    /// How it ended, if it did: `exit code 1`, `signal 9`.
    pub exit: Option<String>,
}

impl State {
    /// Reads the state of the bed in that folder; `None` if its supervisor has not written any.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = file(folder);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| Error::Parse { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::touch("read", path)(error)),
        }
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        home::write_json(&file(folder), self)
    }

    /// Notes a finished step; several in a row of one name are shown as one.
    pub(crate) fn took(&mut self, step: StepTime) {
        match self.steps.last_mut() {
            Some(last) if last.name == step.name => last.seconds += step.seconds,
            _ => self.steps.push(step),
        }
    }

    /// The parts that ended, and how; while a bed is up there are none.
    pub fn dead_parts(&self) -> Vec<(String, String)> {
        self.parts
            .iter()
            .filter_map(|(name, part)| part.exit.clone().map(|exit| (name.clone(), exit)))
            .collect()
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("state.json")
}
