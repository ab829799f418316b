//! Everything that can go wrong with a bed, and whose turn it is then.
//!
//! A *refusal* is something the person at the keyboard can put right before we start: one line, exit
//! code 2, nothing half-made. Everything else is a *failure*: exit code 1.

use std::{io, path::PathBuf, time::Duration};

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with its subject; the text is what people read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The set-up or the command is wrong; the text says what to do. Exit code 2.
    #[error("{0}")]
    Refuse(String),

    /// A file or folder could not be read, written or made.
    #[error("cannot {act} {}: {source}", path.display())]
    Touch {
        /// What was tried: `read`, `write`, `make` …
        act: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A program could not be started at all.
    #[error("cannot start `{program}`: {source}")]
    Spawn {
        /// The program's name.
        program: String,
        /// What the system said.
        source: io::Error,
    },

    /// A program ran and failed.
    #[error("`{program}` failed ({status}){}", tail_of(output))]
    Run {
        /// The program and its first words.
        program: String,
        /// Its exit code or signal.
        status: String,
        /// The end of what it printed.
        output: String,
    },

    /// A part of a bed, or a step of bringing it up, failed; the text carries the end of its log.
    #[error("{0}")]
    Bed(String),

    /// Something did not become true in time.
    #[error("{what} did not happen within {} s{}", limit.as_secs_f32(), tail_of(story))]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What was seen instead.
        story: String,
    },

    /// A kernel call on a namespace or a process failed.
    #[error("cannot {act}: {source}")]
    Kernel {
        /// What was tried.
        act: String,
        /// What the kernel said.
        source: io::Error,
    },

    /// A file of ours does not hold what it should.
    #[error("{} is not what it should be: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
}

impl Error {
    /// The exit code: 2 where the caller can put it right before anything was made, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refuse(_) => 2,
            _ => 1,
        }
    }

    /// Shorthand for [`Error::Touch`], to be used with `map_err`.
    pub fn touch(act: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Touch { act, path, source }
    }

    /// Shorthand for [`Error::Kernel`], to be used with `map_err`.
    pub fn kernel<E: Into<io::Error>>(act: impl Into<String>) -> impl FnOnce(E) -> Self {
        let act = act.into();
        move |source| Self::Kernel { act, source: source.into() }
    }
}

fn tail_of(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() { String::new() } else { format!(":\n{text}") }
}
