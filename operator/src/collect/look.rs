//! One look through the results: which files are wanted, and which of those cannot be had. It opens nothing.

use std::{
    collections::VecDeque,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use globset::{Glob, GlobSet, GlobSetBuilder};
use rustix::fs::FileType;
use understudy_core::evidence::ResultPath;

use super::folder::{Folder, Stamp};

/// How deep folders are looked into.
const DEPTH: usize = 32;

/// How many names are looked at.
const ENTRIES: usize = 100_000;

/// What a file is wanted as; reports go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Report,
    Artifact,
}

/// Which files are wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    reports: GlobSet,
    artifacts: GlobSet,
}

impl Wanted {
    /// From globs; a file that both name is a report.
    pub(super) fn new(reports: &[Glob], artifacts: &[Glob]) -> Result<Self, globset::Error> {
        let set = |globs: &[Glob]| {
            let mut set = GlobSetBuilder::new();
            for glob in globs {
                set.add(glob.clone());
            }
            set.build()
        };
        Ok(Self { reports: set(reports)?, artifacts: set(artifacts)? })
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let artifact = || self.artifacts.is_match(path).then_some(Kind::Artifact);
        self.reports.is_match(path).then_some(Kind::Report).or_else(artifact)
    }
}

/// A wanted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) path: ResultPath,
    pub(super) stamp: Stamp,
}

/// Something that is wanted, or may hold what is wanted, and cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Barred {
    pub(super) path: String,
    /// One sentence.
    pub(super) why: String,
    /// Whether a report is lost with it, as far as one can tell.
    pub(super) report: bool,
    /// Whether it is there for us and cannot be read; otherwise we leave it out.
    pub(super) unreadable: bool,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) found: Vec<Found>,
    pub(super) barred: Vec<Barred>,
}

/// Looks through the whole folder, its upper parts first.
pub(super) fn look(folder: &Folder, wanted: &Wanted) -> Look {
    look_within(folder, wanted, ENTRIES)
}

fn look_within(folder: &Folder, wanted: &Wanted, entries: usize) -> Look {
    let mut look = Look::default();
    let mut rest = entries;
    let mut folders = VecDeque::from([(PathBuf::new(), 0)]);
    while let Some((path, depth)) = folders.pop_front() {
        let names = match folder.names(&path, rest.saturating_add(1)) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                look.bar(&path, &format!("the folder cannot be read: {error}"), (true, true));
                continue;
            }
        };
        for (name, seems) in names {
            if rest == 0 {
                let why = format!("not looked at: there are more than {entries} files and folders");
                look.bar(&path, &why, (true, false));
                return look;
            }
            rest -= 1;
            let path = path.join(name);
            if look.add(folder, wanted, (&path, seems)) {
                if depth == DEPTH {
                    let why = format!("not looked into: it is more than {DEPTH} folders deep");
                    look.bar(&path, &why, (true, false));
                } else {
                    folders.push_back((path, depth + 1));
                }
            }
        }
    }
    look
}

impl Look {
    /// Adds what stands at a path if it is wanted; whether it is a folder.
    fn add(&mut self, folder: &Folder, wanted: &Wanted, (path, seems): (&Path, FileType)) -> bool {
        let kind = wanted.kind(path);
        if kind.is_none() && !matches!(seems, FileType::Directory | FileType::Unknown) {
            return false;
        }
        let report = kind == Some(Kind::Report);
        let metadata = match folder.metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => {
                // What is gone again was not there; what cannot even be seen may be a folder.
                if error.kind() != ErrorKind::NotFound {
                    self.bar(path, &error.to_string(), (true, true));
                }
                return false;
            }
        };
        if metadata.is_dir() {
            return true;
        }
        let Some(kind) = kind else { return false };
        if metadata.is_symlink() {
            self.bar(path, "it is a link, and links are not followed", (report, false));
        } else if !metadata.is_file() {
            self.bar(path, "it is not a regular file", (report, false));
        } else {
            let Some(text) = path.to_str() else {
                self.bar(path, "its name is not UTF-8", (report, true));
                return false;
            };
            let Ok(text) = text.parse() else {
                let why = "its name has control characters, or more than 1,024 bytes";
                self.bar(path, why, (report, true));
                return false;
            };
            self.found.push(Found { kind, path: text, stamp: Stamp::of(&metadata) });
        }
        false
    }

    fn bar(&mut self, path: &Path, why: &str, (report, unreadable): (bool, bool)) {
        let shown = path.to_string_lossy();
        let shown = if shown.is_empty() { ".".into() } else { shown };
        let path = shown.into_owned();
        self.barred.push(Barred { path, why: why.to_owned(), report, unreadable });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        fs,
        os::unix::{ffi::OsStrExt, fs::symlink},
        path::Path,
    };

    use globset::GlobBuilder;

    use super::{Kind, Look, Wanted, look, look_within};
    use crate::collect::folder::Folder;

    fn seen(place: &Path) -> Look {
        look(&Folder::open(place).unwrap(), &wanted())
    }

    fn wanted() -> Wanted {
        let glob = |text: &str| GlobBuilder::new(text).literal_separator(true).build().unwrap();
        Wanted::new(&[glob("**/*.xml")], &[glob("**/*.png")]).unwrap()
    }

    fn barred(look: &Look) -> Vec<(&str, &str, bool)> {
        let mut barred: Vec<_> = look
            .barred
            .iter()
            .map(|one| (one.path.as_str(), one.why.as_str(), one.report))
            .collect();
        barred.sort_unstable();
        barred
    }

    #[test]
    fn only_what_is_wanted_and_regular_is_found() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("more")).unwrap();
        fs::create_dir(at("folder.png")).unwrap();
        for name in ["a.xml", "more/b.png", "more/notes.txt", "folder.png/c.xml"] {
            fs::write(at(name), name).unwrap();
        }
        symlink("/etc/passwd", at("link.xml")).unwrap();
        symlink("/etc", at("etc")).unwrap();
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe.png"), pipe, 0o644.into(), 0).unwrap();
        fs::write(place.path().join(OsStr::from_bytes(b"\xff.xml")), "").unwrap();
        fs::write(at("new\nline.png"), "").unwrap();
        let look = seen(place.path());
        let mut found: Vec<_> =
            look.found.iter().map(|one| (one.kind, one.path.as_str())).collect();
        found.sort_unstable();
        let (report, artifact) = (Kind::Report, Kind::Artifact);
        assert_eq!(
            found,
            [(report, "a.xml"), (report, "folder.png/c.xml"), (artifact, "more/b.png")]
        );
        let expected = [
            ("link.xml", "it is a link, and links are not followed", true),
            ("new\nline.png", "its name has control characters, or more than 1,024 bytes", false),
            ("pipe.png", "it is not a regular file", false),
            ("\u{fffd}.xml", "its name is not UTF-8", true),
        ];
        assert_eq!(barred(&look), expected);
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_said() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("d/".repeat(40));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("a.xml"), "").unwrap();
        let path = ["d"; 33].join("/");
        let why = "not looked into: it is more than 32 folders deep";
        assert_eq!(barred(&seen(place.path())), [(path.as_str(), why, true)]);
        for number in 0..10 {
            fs::write(place.path().join(format!("{number}.png")), "").unwrap();
        }
        let look = look_within(&Folder::open(place.path()).unwrap(), &wanted(), 5);
        let why = "not looked at: there are more than 5 files and folders";
        assert_eq!(barred(&look), [(".", why, true)]);
    }
}
