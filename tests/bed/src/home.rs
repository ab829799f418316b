//! Where a machine keeps what beds and verification leave behind: one folder outside every checkout.
//!
//! Nothing in it is precious: deleting it costs a rebuild. Nothing of it is ever in the source tree,
//! so that a second clone finds everything the first one made.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// The cache folder of this machine, by default `~/.cache/understudy`.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// The variable that moves the folder elsewhere.
    pub const VARIABLE: &str = "UNDERSTUDY_CACHE_DIR";

    /// Finds the folder from the environment and makes it.
    pub fn find() -> Result<Self> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let root = if let Some(set) = set(Self::VARIABLE) {
            PathBuf::from(set)
        } else if let Some(cache) = set("XDG_CACHE_HOME") {
            PathBuf::from(cache).join("understudy")
        } else if let Some(home) = set("HOME") {
            PathBuf::from(home).join(".cache/understudy")
        } else {
            return Err(Error::Refuse(format!(
                "neither HOME nor {} is set: say where the cache may live",
                Self::VARIABLE
            )));
        };
        if root.is_relative() {
            return Err(Error::Refuse(format!(
                "the cache folder must be an absolute path, not `{}`: mend {} (or XDG_CACHE_HOME, HOME)",
                root.display(),
                Self::VARIABLE
            )));
        }
        Self::at(&root)
    }

    /// The folder at that path, made if it is not there.
    pub fn at(root: &Path) -> Result<Self> {
        make_folder(root)?;
        // One folder has one name: beds are found by it.
        let home = Self(fs::canonicalize(root).map_err(Error::touch("find", root))?);
        if home.0.to_str().is_none_or(|path| path.contains(':')) {
            return Err(Error::Refuse(format!(
                "the cache folder's path must be UTF-8 without a colon, since it becomes part of PATH: {}",
                home.0.display()
            )));
        }
        for folder in [home.parts(), home.beds(), home.locks(), home.staging()] {
            make_folder(&folder)?;
        }
        Ok(home)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Built parts, one folder per content key.
    pub fn parts(&self) -> PathBuf {
        self.0.join("parts")
    }

    /// One folder per bed, by name.
    pub fn beds(&self) -> PathBuf {
        self.0.join("beds")
    }

    /// Where things are made before they are renamed to their place.
    pub fn staging(&self) -> PathBuf {
        self.0.join("staging")
    }

    /// Buildah's image storage, shared by all beds.
    pub fn images(&self) -> PathBuf {
        self.0.join("buildah")
    }

    fn locks(&self) -> PathBuf {
        self.0.join("locks")
    }

    /// Opens the lock file of that name without taking the lock.
    pub fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.locks().join(format!("{name}.lock"));
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::touch("open", path))
    }

    /// Takes the lock of that name, waiting as long as it takes; `waiting` is called once if somebody
    /// else holds it. The lock ends with the returned file, or with the process.
    pub fn lock(&self, name: &str, waiting: impl FnOnce()) -> Result<File> {
        let file = self.lock_file(name)?;
        if file.try_lock().is_err() {
            waiting();
            file.lock().map_err(Error::touch("lock", self.locks().join(name)))?;
        }
        Ok(file)
    }
}

/// Makes a folder and its parents.
pub fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::touch("make", path))
}

/// Writes a file in one step: a reader, or a kill at any moment, sees the old content or the new.
pub fn write_atomically(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!(".new-{}", std::process::id()));
    let staged = PathBuf::from(staged);
    fs::write(&staged, content).map_err(Error::touch("write", &staged))?;
    fs::rename(&staged, path).map_err(Error::touch("write", path))
}

/// Writes a value as JSON, in one step.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::Parse { path: path.to_path_buf(), source })?;
    write_atomically(path, text)
}

/// Removes a folder with all it holds; one that is not there is fine.
pub fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotADirectory => fs::remove_file(path),
        _ => Err(error),
    }) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::touch("remove", path)(error))
        }
        _ => Ok(()),
    }
}
