//! The rivals and the tools that make load: Debian's packages, unpacked into our cache and never installed, so that
//! nothing of them runs but what the comparison starts.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use understudy_bed::{Bed, Error, Home, Result, command};

/// The programs and what they are linked to beyond a minimal Debian.
const PACKAGES: [&str; 12] = [
    "nginx",
    "nginx-common",
    "haproxy",
    "liblua5.3-0",
    "libopentracing-c-wrapper0",
    "libopentracing1",
    "wrk",
    "libluajit-5.1-2",
    "libluajit-5.1-common",
    "nghttp2-client",
    "libjemalloc2",
    "libev4",
];

/// Unpacked programs.
pub(crate) struct Tools {
    root: PathBuf,
}

impl Tools {
    /// Fetches and unpacks them unless they are there.
    pub(crate) fn find(home: &Home) -> Result<Self> {
        let root = home.root().join("tools/peers");
        if !root.exists() {
            let parent = root.parent().unwrap_or(Path::new("."));
            understudy_bed::home::make_folder(parent)?;
            let new = tempfile::tempdir_in(parent).map_err(Error::touch("make", parent))?;
            fetch(new.path())?;
            let made = new.keep();
            std::fs::rename(&made, &root).map_err(Error::touch("rename", &made))?;
        }
        Ok(Self { root })
    }

    /// A program that runs inside the bed on that core alone.
    pub(crate) fn inside(&self, bed: &Bed, core: usize, program: &str) -> Result<Command> {
        let mut command = bed.inside("taskset")?;
        command.args(["--cpu-list", &core.to_string()]).arg(self.root.join(program));
        command.env("LD_LIBRARY_PATH", self.libraries());
        Ok(command)
    }

    fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/x86_64-linux-gnu")
    }

    /// What was fetched, for the report.
    pub(crate) fn versions(&self) -> Result<String> {
        let of = |program: &str, flag: &str| {
            let mut command = Command::new(self.root.join(program));
            let output = command.arg(flag).env("LD_LIBRARY_PATH", self.libraries()).output();
            let output = output.map_err(|error| Error::Bed(format!("{program}: {error}")))?;
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            Ok::<_, Error>(said.lines().next().unwrap_or_default().trim().to_owned())
        };
        let said = [
            of("usr/sbin/nginx", "-v")?,
            of("usr/sbin/haproxy", "-v")?,
            of("usr/bin/wrk", "-v")?,
            of("usr/bin/h2load", "--version")?,
        ];
        Ok(said.join("; "))
    }
}

fn fetch(folder: &Path) -> Result<()> {
    let debs = folder.join("debs");
    understudy_bed::home::make_folder(&debs)?;
    command::run(Command::new("apt-get").arg("download").args(PACKAGES).current_dir(&debs))?;
    for item in std::fs::read_dir(&debs).map_err(Error::touch("list", &debs))?.flatten() {
        command::run(Command::new("dpkg").arg("--extract").arg(item.path()).arg(folder))?;
    }
    Ok(())
}
