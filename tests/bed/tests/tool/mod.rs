//! Running the bed program as people do.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use understudy_bed::Home;

/// The program under test.
pub(crate) fn bed() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bed"));
    command.env_remove("KUBEBUILDER_ASSETS").env_remove("UNDERSTUDY_BED");
    command
}

/// Standard output and error, as one text.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// Runs it and expects success.
pub(crate) fn done(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?} failed ({}):\n{}", output.status, said(&output));
    said(&output)
}

/// Ends a bed when a test ends, however it ends.
pub(crate) struct Ended {
    name: String,
    cache: Option<PathBuf>,
}

impl Ended {
    /// A bed of the usual cache, or of that one.
    pub(crate) fn at_last(name: &str, cache: Option<&Path>) -> Self {
        Self { name: name.to_owned(), cache: cache.map(Path::to_path_buf) }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut down = bed();
        if let Some(cache) = &self.cache {
            down.env(Home::VARIABLE, cache);
        }
        let _ = down.args(["down", "--name", &self.name]).output();
    }
}

/// Fills the folder with what `KUBEBUILDER_ASSETS` holds, as links to parts of the usual cache.
pub(crate) fn assets(folder: &Path) {
    for (part, names) in [("kubernetes", vec!["kube-apiserver", "kubectl"]), ("etcd", vec!["etcd"])]
    {
        let text = done(bed().args(["part", part]));
        let program = text.lines().find(|line| line.starts_with('/')).expect("a path");
        for name in names {
            let target = Path::new(program).with_file_name(name);
            std::os::unix::fs::symlink(target, folder.join(name)).expect("linked");
        }
    }
}
