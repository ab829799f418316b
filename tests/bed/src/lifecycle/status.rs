//! How beds are: from their state files and from what the kernel says is alive.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::check_name;
use crate::{
    bed::{Bed, Record},
    error::{Error, Result},
    home::Home,
    process,
    state::{PartState, State},
};

/// The state of a bed in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Every part runs.
    Up,
    /// Its supervisor is at work on that step.
    ComingUp(String),
    /// Those parts ended: name and how.
    Crashed(Vec<(String, String)>),
    /// A step failed: why.
    Failed(String),
    /// There is only a folder: a run was killed early, or the machine was restarted.
    Dead,
    /// Somebody's own cluster: none of our business.
    Foreign,
}

/// What `status` says of one bed.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// What `up` noted, if it came that far.
    pub record: Option<Record>,
    /// How it is.
    pub health: Health,
    /// Its parts.
    pub parts: BTreeMap<String, PartState>,
}

/// Every bed of this machine: those with a folder, and those that live although theirs was removed.
pub fn reports(home: &Home) -> Result<Vec<Report>> {
    let folder = home.beds();
    let folders = fs::read_dir(&folder)
        .map_err(Error::touch("list", &folder))?
        .flatten()
        .filter(|item| item.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|item| item.file_name().into_string().ok());
    let alive = process::supervised_folders()?;
    let alive = alive
        .iter()
        .filter_map(|path| path.strip_prefix(&folder).ok()?.to_str().map(str::to_owned));
    let names: BTreeSet<String> = folders.chain(alive).collect();
    // What has no name that we give is none of ours.
    names.iter().filter(|name| check_name(name).is_ok()).map(|name| report(home, name)).collect()
}

/// The bed of that name.
pub fn report(home: &Home, name: &str) -> Result<Report> {
    let folder = home.beds().join(name);
    // A record that cannot be read, or that another version wrote, is as good as none.
    let record = Bed::record_of(&folder).unwrap_or_default();
    let state = match State::read(&folder) {
        Ok(state) => state.unwrap_or_default(),
        Err(error) => State {
            failed: Some(format!("{error}; `cargo bed up` starts over")),
            ..State::default()
        },
    };
    let foreign = record.as_ref().is_some_and(|record| record.context.is_some());
    let health = if foreign {
        Health::Foreign
    } else if let Some(failure) = &state.failed {
        Health::Failed(failure.clone())
    } else if process::supervisor(&folder)?.is_none() {
        Health::Dead
    } else if !state.dead_parts().is_empty() {
        Health::Crashed(state.dead_parts())
    } else if state.ready {
        Health::Up
    } else {
        Health::ComingUp(state.current.clone().unwrap_or_else(|| "its first step".to_owned()))
    };
    Ok(Report { name: name.to_owned(), record, health, parts: state.parts })
}
