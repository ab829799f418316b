//! What a collector tells of one run of a check: the manifest, and the last words of its container. Both sides speak
//! these types; what is read is bounded, and what cannot be is refused.

mod digest;
mod manifest;
mod path;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use understudy_crds::scalar::CommitSha;

pub use digest::Digest;
pub use manifest::{
    Artifact, CollectedReport, EXAMPLES, LARGEST_MANIFEST, LONGEST_FAULT, Manifest, Named, Omitted,
    Outcome, UNREADABLE, VERSION, printable,
};
pub use path::{LONGEST_PATH, ResultPath};

/// The most that a container may say last, in bytes: the kubelet reads no more.
pub const LONGEST_WORDS: usize = 4096;

/// Why something is not what a collector may say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More bytes than it may have.
    #[error("it has {0} bytes, {1} are the most")]
    Exceed(usize, usize),
    /// It cannot be read as what it should be.
    #[error("cannot be read: {0}")]
    Parse(String),
    /// A version from another time.
    #[error("its version is {0}, 1 is the only one")]
    Version(u32),
    /// A part is longer than it may be, or holds more.
    #[error("`{0}` is too long")]
    Overflow(&'static str),
    /// Two files with one path.
    #[error("the path `{0}` is there twice")]
    Repeat(String),
    /// Its total is not the sum of its reports.
    #[error("its total is not the sum of its reports")]
    Miscount,
    /// A path that could lead elsewhere, or that nobody could print.
    #[error(
        "it is no path: relative, at most {LONGEST_PATH} bytes, without `..` and control characters"
    )]
    Path,
    /// Not `sha256:` and 64 lower case hexadecimal digits.
    #[error("it is no digest: `sha256:` and 64 lower case hexadecimal digits")]
    Digest,
}

/// The run that a collector collects for, as the operator knows it: the answer to `GET /v1/run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The check's name.
    pub check: String,
    /// The commit that is judged.
    pub commit: CommitSha,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// Whether its manifest is there already, so that nothing more is taken.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// The answer to a manifest that names files which did not arrive (422).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What is to be sent again.
    pub missing: Vec<Digest>,
}

/// What a collector says last: the termination message of its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LastWords {
    /// The manifest is stored.
    Stored(Summary),
    /// Nothing can be proved by this run.
    Failed {
        /// One sentence.
        error: String,
    },
}

/// What a manifest comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Of the manifest's exact bytes.
    pub manifest: Digest,
    /// Tests in all.
    pub total: u64,
    /// Of those, failures and errors.
    pub failed: u64,
    /// Of those, skipped ones.
    pub skipped: u64,
    /// How many reports were stored.
    pub reports: u64,
    /// How many other files were stored.
    pub artifacts: u64,
}

impl Summary {
    /// Of a manifest that was sent as these bytes.
    pub fn of(manifest: &Manifest, bytes: &[u8]) -> Self {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            manifest: Digest::of(bytes),
            total: manifest.total.total,
            failed: manifest.total.failed,
            skipped: manifest.total.skipped,
            reports: number(manifest.reports.len()),
            artifacts: number(manifest.artifacts.len()),
        }
    }
}

impl LastWords {
    /// It went wrong; the sentence is made to fit.
    pub fn failed(why: &str) -> Self {
        // As JSON a letter has at most six bytes for each of its own.
        Self::Failed { error: printable(why, LONGEST_WORDS / 8) }
    }

    /// Reads what a container said.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > LONGEST_WORDS {
            return Err(Malformed::Exceed(text.len(), LONGEST_WORDS));
        }
        serde_json::from_str(text.trim()).map_err(|error| Malformed::Parse(error.to_string()))
    }
}
