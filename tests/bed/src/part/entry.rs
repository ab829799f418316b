//! Cache entries: a folder made once, complete or absent, and hashed before each use.
//!
//! An entry is made in a staging folder and renamed to its place while a lock on its name is held, so
//! that concurrent runs share one build and a kill leaves nothing half-made. Its `entry.json` lists
//! the SHA-256 of every file; one that differs is thrown away and made again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
};

use serde::{Deserialize, Serialize};

use crate::{
    digest,
    error::{Error, Result},
    home::{self, Home},
    progress::{Progress, Step},
};

const MANIFEST: &str = "entry.json";

/// A complete folder in the cache.
#[derive(Debug, Clone)]
pub struct Entry {
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    seconds: f64,
    files: BTreeMap<PathBuf, String>,
}

impl Entry {
    /// The folder; nobody writes into it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its name, which ends in its content key.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Finds the entry of that name, or has `make` fill a new folder that becomes the entry.
pub fn ensure(
    home: &Home,
    name: &str,
    progress: &Progress,
    make: impl FnOnce(&Path, &Step) -> Result<()>,
) -> Result<Entry> {
    let folder = home.parts().join(name);
    let step = progress.step(format!("part {name}"));
    let _lock = home.lock(name, || step.at("waiting for another run that makes it"))?;
    let mut note = "built";
    if folder.exists() {
        match fault(&folder)? {
            None => {
                step.done("cached");
                return Ok(Entry { folder });
            }
            Some(fault) => {
                progress.line(&format!(
                    "  !    cache entry {name} is corrupt ({fault}): making it again"
                ));
                home::remove_folder(&folder)?;
                note = "made again";
            }
        }
    }
    match made(home, name, &folder, &step, make) {
        Ok(()) => {
            step.done(note);
            Ok(Entry { folder })
        }
        Err(error) => {
            step.failed("");
            Err(error)
        }
    }
}

/// Makes the entry in a staging folder of its own and moves it to its place.
fn made(
    home: &Home,
    name: &str,
    folder: &Path,
    step: &Step,
    make: impl FnOnce(&Path, &Step) -> Result<()>,
) -> Result<()> {
    let started = std::time::Instant::now();
    let staging = fresh_staging(home, name)?;
    let outcome = make(&staging, step).and_then(|()| {
        let manifest =
            Manifest { seconds: started.elapsed().as_secs_f64(), files: hashes(&staging)? };
        home::write_json(&staging.join(MANIFEST), &manifest)?;
        fs::rename(&staging, folder).map_err(Error::touch("rename to", folder))
    });
    if outcome.is_err() {
        home::remove_folder(&staging)?;
    }
    outcome
}

/// An empty staging folder whose name ends in our PID. Folders of runs that are dead go; under the
/// entry's lock that is everything else of this name too, whatever a child of that run still writes.
pub(crate) fn fresh_staging(home: &Home, name: &str) -> Result<PathBuf> {
    let parent = home.staging();
    for item in fs::read_dir(&parent).map_err(Error::touch("list", &parent))?.flatten() {
        let found = item.file_name().to_string_lossy().into_owned();
        let Some((of, pid)) = found.rsplit_once('.') else { continue };
        if of == name || (pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            home::remove_folder(&item.path())?;
        }
    }
    let staging = parent.join(format!("{name}.{}", std::process::id()));
    home::make_folder(&staging)?;
    Ok(staging)
}

/// What is wrong with the entry, if anything. Trouble with reading is trouble of the machine: it must not
/// throw away what running beds use.
fn fault(folder: &Path) -> Result<Option<String>> {
    let path = folder.join(MANIFEST);
    let manifest: Option<Manifest> =
        fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(manifest) = manifest else { return Ok(Some(format!("{MANIFEST} cannot be read"))) };
    let found = hashes(folder)?;
    for (name, hash) in &manifest.files {
        match found.get(name) {
            None => return Ok(Some(format!("{} is missing", name.display()))),
            Some(other) if other != hash => {
                return Ok(Some(format!("the SHA-256 of {} differs", name.display())));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

/// What is below the folder by relative path: the SHA-256 of every regular file, the target of every link.
fn hashes(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = Vec::new();
    collect(folder, folder, &mut files)?;
    files.sort();
    let (one, two) = files.split_at(files.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| hash_each(folder, two));
        let mut hashed = hash_each(folder, one)?;
        let other = other.join().map_err(|_| Error::Bed("hashing was interrupted".to_owned()))?;
        hashed.extend(other?);
        Ok(hashed)
    })
}

fn hash_each(folder: &Path, names: &[PathBuf]) -> Result<BTreeMap<PathBuf, String>> {
    names
        .iter()
        .map(|name| {
            let path = folder.join(name);
            let content = match fs::read_link(&path) {
                Ok(target) => format!("link to {}", target.display()),
                Err(_) => digest::of_file(&path)?,
            };
            Ok((name.clone(), content))
        })
        .collect()
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for item in fs::read_dir(folder).map_err(Error::touch("list", folder))? {
        let item = item.map_err(Error::touch("list", folder))?;
        let path = item.path();
        let kind = item.file_type().map_err(Error::touch("read", &path))?;
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else if item.file_name() != MANIFEST {
            files.push(path.strip_prefix(root).map_or_else(|_| path.clone(), Path::to_path_buf));
        }
    }
    Ok(())
}
