//! The parts a bed is made of that we build ourselves: which there are, and how one is had.
//!
//! A part is a small Go module of ours, compiled into this program as text, that names a published
//! program in an exact version. It is built once per machine and content; see [`entry`].

pub mod entry;
mod go;
mod table;

use std::path::PathBuf;

pub use entry::Entry;
pub use table::{ALL, COREDNS, ETCD, H2SPEC, KUBE_ROUTER, KUBERNETES, KWOK, PAUSE};

use crate::{digest::Key, error::Result, home::Home, progress::Progress};

/// A program built from a Go module of ours.
#[derive(Debug)]
pub struct Part {
    /// What people call it: `etcd`.
    pub name: &'static str,
    /// The published version it is built from.
    pub version: &'static str,
    /// The files of our module: name and content.
    pub module: &'static [(&'static str, &'static str)],
    /// The main package, as `go build` takes it.
    pub package: &'static str,
    /// More words for the linker, beside `-s -w`.
    pub link: &'static str,
    /// Other names the program is called by; each becomes a link beside it.
    pub called: &'static [&'static str],
}

impl Part {
    /// The content key: the module's text, what builds it, and how.
    fn key(&self, go_version: &str) -> String {
        let mut key = Key::default()
            .with("layout", "1")
            .with("go", go_version)
            .with("package", self.package)
            .with("link", self.link)
            .with("called", self.called.join(" "));
        for (name, content) in self.module {
            key = key.with(name, content);
        }
        key.short()
    }

    /// Finds the part in the cache, or builds it. A cached one is hashed before it is trusted.
    pub fn ensure(&self, home: &Home, progress: &Progress) -> Result<Entry> {
        let key = self.key(go::MINIMUM);
        entry::ensure(home, &format!("{}-{key}", self.name), progress, |folder, step| {
            go::build(self, folder, step)
        })
    }

    /// Whether the cache has it.
    pub fn is_cached(&self, home: &Home) -> bool {
        home.parts().join(format!("{}-{}", self.name, self.key(go::MINIMUM))).is_dir()
    }

    /// Where the part's program stands inside its entry.
    pub fn program(&self, entry: &Entry) -> PathBuf {
        entry.folder().join("bin").join(self.name)
    }
}

/// Refuses a Go that is missing or too old, in one line.
pub fn check_go() -> Result<String> {
    go::check()
}
