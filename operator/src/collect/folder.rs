//! The folder of results, as it may be looked at: downwards only, one part of a path after the other, so that no link
//! is ever followed, and nothing but regular files is opened.

use std::{
    ffi::OsString,
    fs::{File, Metadata},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{ffi::OsStringExt, fs::MetadataExt},
    },
    path::{Component, Path},
};

use jiff::Timestamp;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat};

/// What can be opened without reading it: permissions do not matter, and nothing happens to pipes and devices.
const GLANCE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

/// By what it is seen that a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    /// How many bytes it has.
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// When it was last written to; what cannot be is the beginning of time.
    pub(super) fn modified(&self) -> Timestamp {
        let (seconds, rest) = self.modified;
        let rest = i32::try_from(rest).unwrap_or_default();
        Timestamp::new(seconds, rest).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl Folder {
    /// Opens the folder itself, which may be reached through links.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// What stands at a path below it; a link stands for itself.
    pub(super) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        File::from(self.glance(path)?).metadata()
    }

    /// Opens a regular file for reading.
    pub(super) fn file(&self, path: &Path) -> io::Result<File> {
        let found = File::from(self.glance(path)?);
        if !found.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        // The very file that was looked at: a pipe or device that took its place is never opened.
        File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
    }

    /// The names in a folder below it with what they seem to be, in no order, and no more than so many.
    pub(super) fn names(&self, path: &Path, most: usize) -> io::Result<Vec<(OsString, FileType)>> {
        let mut names = Vec::new();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(self.glance(path)?, ".", flags, Mode::empty())?;
        for entry in Dir::new(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() == most {
                break;
            }
            names.push((OsString::from_vec(name.to_vec()), entry.file_type()));
        }
        Ok(names)
    }

    fn glance(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut here = self.0.try_clone()?;
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(name) = part else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not below the results"));
            };
            let flags = if parts.peek().is_some() { GLANCE | OFlags::DIRECTORY } else { GLANCE };
            here = openat(here.as_fd(), name, flags, Mode::empty())?;
        }
        Ok(here)
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, fs, io::Read, os::unix::fs::symlink, path::Path};

    use rustix::fs::FileType;

    use super::{Folder, Stamp};

    #[test]
    fn no_way_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.xml"), "secret").unwrap();
        let inside = tempfile::tempdir().unwrap();
        symlink(outside.path(), inside.path().join("folder")).unwrap();
        symlink(outside.path().join("secret.xml"), inside.path().join("link.xml")).unwrap();
        let folder = Folder::open(inside.path()).unwrap();
        for path in ["link.xml", "folder/secret.xml", "folder", "../x", "/etc/passwd", "./link.xml"]
        {
            assert!(folder.file(Path::new(path)).is_err(), "{path}");
        }
        assert!(folder.metadata(Path::new("link.xml")).unwrap().is_symlink());
        assert!(folder.names(Path::new("folder"), 9).is_err());
    }

    #[test]
    fn files_and_names_are_found_below() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("a/b")).unwrap();
        fs::write(place.path().join("a/b/c.txt"), "text").unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let mut text = String::new();
        let path = Path::new("a/b/c.txt");
        folder.file(path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        let names = folder.names(Path::new("a/b"), 9).unwrap();
        assert_eq!(names, [(OsString::from("c.txt"), FileType::RegularFile)]);
        assert_eq!(folder.names(Path::new("a/b"), 0).unwrap(), []);
        let before = Stamp::of(&folder.metadata(path).unwrap());
        assert_eq!(before, Stamp::of(&folder.metadata(path).unwrap()));
        fs::write(place.path().join(path), "texts").unwrap();
        assert_ne!(before, Stamp::of(&folder.metadata(path).unwrap()));
    }
}
