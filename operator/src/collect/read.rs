//! One file, read as a whole: its digest and, if it is a report, what it says, both of exactly the same bytes. A file
//! that changes meanwhile is not taken for what it was.

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use understudy_core::{
    evidence::{Artifact, Digest, Outcome},
    junit,
};

use super::{
    folder::{Folder, Stamp},
    look::{Found, Kind},
};

/// How often a file is read that changes while it is read, and how long it is left alone in between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) stamp: Stamp,
    pub(super) file: Artifact,
    /// What it says, if it is a report.
    pub(super) outcome: Option<Outcome>,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// Removed since it was seen.
    #[error("it is gone")]
    Lose,
    /// It was never the same twice.
    #[error("it changed each of the {TRIES} times that it was read")]
    Settle,
    /// Opening or reading it failed.
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    /// Reading ended in a fault of ours.
    #[error("reading it was given up")]
    Finish,
}

/// Reads a file, again if it changes meanwhile.
pub(super) async fn read(
    folder: &Arc<Folder>,
    found: &Found,
    limits: &junit::Limits,
) -> Result<Known, Unread> {
    for attempt in 1..=TRIES {
        let (folder, found, limits) = (Arc::clone(folder), found.clone(), limits.clone());
        let once = tokio::task::spawn_blocking(move || once(&folder, &found, &limits));
        if let Some(known) = once.await.map_err(|_| Unread::Finish)?? {
            return Ok(known);
        }
        if attempt < TRIES {
            tokio::time::sleep(PAUSE * attempt).await;
        }
    }
    Err(Unread::Settle)
}

/// Reads it once; nothing if it changed meanwhile.
fn once(folder: &Folder, found: &Found, limits: &junit::Limits) -> Result<Option<Known>, Unread> {
    let path = Path::new(found.path.as_str());
    let mut file = folder.file(path).map_err(unread)?;
    let before = Stamp::of(&file.metadata().map_err(unread)?);
    // Whatever is appended meanwhile cannot keep us here.
    let mut bytes = Hashed { from: (&mut file).take(before.size), state: Sha256::new(), count: 0 };
    let outcome = (found.kind == Kind::Report).then(|| {
        match junit::read(BufReader::with_capacity(PIECE, &mut bytes), limits) {
            Ok(report) => Outcome::Read(report.counts),
            Err(fault) => Outcome::fault(&fault.to_string()),
        }
    });
    // A report is read to its first fault only; its digest is that of all of it.
    let mut rest = vec![0; PIECE];
    while bytes.read(&mut rest).map_err(unread)? > 0 {}
    let Hashed { state, count, .. } = bytes;
    let now = folder.metadata(path).map_err(unread)?;
    let after = Stamp::of(&file.metadata().map_err(unread)?);
    if (before, before.size) != (after, count) || before != Stamp::of(&now) {
        return Ok(None);
    }
    let file = Artifact {
        path: found.path.clone(),
        digest: Digest::from(state),
        size: count,
        modified: before.modified(),
    };
    Ok(Some(Known { stamp: before, file, outcome }))
}

fn unread(error: io::Error) -> Unread {
    if error.kind() == ErrorKind::NotFound { Unread::Lose } else { Unread::Read(error) }
}

/// Bytes that are hashed as they pass.
struct Hashed<'file> {
    from: io::Take<&'file mut File>,
    state: Sha256,
    count: u64,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.state.update(buffer.get(..read).unwrap_or_default());
        self.count += u64::try_from(read).unwrap_or_default();
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Write,
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use understudy_core::{
        evidence::{Digest, Outcome},
        junit,
    };

    use super::{Unread, read};
    use crate::collect::{
        folder::{Folder, Stamp},
        look::{Found, Kind},
    };

    fn found(place: &Path, kind: Kind, name: &str) -> (Arc<Folder>, Found) {
        let folder = Folder::open(place).unwrap();
        let stamp = Stamp::of(&folder.metadata(Path::new(name)).unwrap());
        (Arc::new(folder), Found { kind, path: name.parse().unwrap(), stamp })
    }

    #[tokio::test]
    async fn report_is_counted_and_hashed_whole() {
        let place = tempfile::tempdir().unwrap();
        let text = "<testsuite><testcase name=\"a\"/><testcase name=\"b\"><failure/></testcase></testsuite>";
        for (name, text) in [("a.xml", text.to_owned()), ("b.xml", format!("<html>\n{text}"))] {
            fs::write(place.path().join(name), &text).unwrap();
            let (folder, found) = found(place.path(), Kind::Report, name);
            let known = read(&folder, &found, &junit::Limits::default()).await.unwrap();
            assert_eq!(known.file.digest, Digest::of(text.as_bytes()));
            match known.outcome.unwrap() {
                Outcome::Read(counts) => assert_eq!((counts.total, counts.failed), (2, 1)),
                Outcome::Fault(why) => assert!(name == "b.xml" && why.contains("<html>"), "{why}"),
            }
        }
    }

    #[tokio::test]
    async fn file_that_never_rests_is_told_as_such() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log.txt");
        fs::write(&path, vec![0; 8 << 20]).unwrap();
        let (folder, found) = found(place.path(), Kind::Artifact, "log.txt");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let writer = std::thread::spawn(move || {
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
            }
        });
        let unread = read(&folder, &found, &junit::Limits::default()).await.unwrap_err();
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        assert!(matches!(unread, Unread::Settle), "{unread}");
        assert!(read(&folder, &found, &junit::Limits::default()).await.is_ok());
    }

    #[tokio::test]
    async fn file_that_is_gone_or_not_ours_is_told_as_such() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.txt");
        fs::write(&path, "a").unwrap();
        let (folder, found) = found(place.path(), Kind::Artifact, "a.txt");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
        fs::set_permissions(&path, mode).unwrap();
        let read_now = async || read(&folder, &found, &junit::Limits::default()).await;
        // Root reads what it likes, in a container as well.
        if fs::File::open(&path).is_err() {
            assert!(matches!(read_now().await, Err(Unread::Read(_))));
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(read_now().await, Err(Unread::Lose)));
    }
}
