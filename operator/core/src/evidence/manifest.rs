//! The manifest: which files a run left behind, what its reports say, and what is not among them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use understudy_crds::scalar::CommitSha;

use super::{Digest, LONGEST_PATH, Malformed, ResultPath};
use crate::junit::Counts;

/// The largest manifest, in bytes of JSON.
pub const LARGEST_MANIFEST: usize = 4 << 20;

/// The one version there is.
pub const VERSION: u32 = 1;

/// The longest sentence about one file, in bytes.
const LONGEST_SENTENCE: usize = 1024;

/// The longest sentence about a report, in bytes, that we say ourselves: there may be one for each file.
pub const LONGEST_FAULT: usize = 300;

/// How many files that were left out are named.
pub const EXAMPLES: usize = 20;

/// How many files that could not be read are named.
pub const UNREADABLE: usize = 100;

/// The longest name of a check or of a collector's version, in bytes.
const LONGEST_NAME: usize = 253;

/// What a run left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 1.
    pub version: u32,
    /// The check's name.
    pub check: String,
    /// The commit that was judged.
    pub commit: CommitSha,
    /// Which try it was, from 1.
    pub attempt: u32,
    /// The collector's own version.
    pub collector: String,
    /// When the collector began, before the test did.
    pub began: Timestamp,
    /// When everything was collected, after the test had ended.
    pub ended: Timestamp,
    /// Test reports, by path.
    pub reports: Vec<CollectedReport>,
    /// Everything else, by path.
    pub artifacts: Vec<Artifact>,
    /// What was left out.
    #[serde(default)]
    pub omitted: Omitted,
    /// What could not be read; at most [`UNREADABLE`], and the rest counts as omitted.
    #[serde(default)]
    pub unreadable: Vec<Named>,
    /// How many reports there were or may have been that are not in `reports`, whatever the reason. A verdict must not
    /// pass over them: a missing report could be the one with the failures.
    #[serde(default)]
    pub lost_reports: u64,
    /// The sum over the reports that could be read.
    pub total: Counts,
}

/// A test report that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectedReport {
    /// The file.
    #[serde(flatten)]
    pub file: Artifact,
    /// What is in it.
    pub outcome: Outcome,
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// So many tests.
    Read(Counts),
    /// It is no report, in a sentence.
    Fault(String),
}

/// A file that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Where it was.
    pub path: ResultPath,
    /// Of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// When it was last written to.
    pub modified: Timestamp,
}

/// Files that were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Omitted {
    /// How many.
    pub count: u64,
    /// How many bytes they have together, as far as that is known.
    pub bytes: u64,
    /// The first [`EXAMPLES`] of them.
    pub examples: Vec<Named>,
}

impl Omitted {
    /// One more.
    pub fn add(&mut self, named: Named, bytes: u64) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.examples.len() < EXAMPLES {
            self.examples.push(named);
        }
    }
}

/// A file that is not there, and why. The path is for people: it may be shortened, and what cannot be printed is
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Where it was.
    pub path: String,
    /// One sentence.
    pub why: String,
}

impl Named {
    /// Made fit to be told.
    pub fn new(path: &str, why: &str) -> Self {
        Self { path: printable(path, LONGEST_PATH), why: printable(why, LONGEST_SENTENCE) }
    }
}

/// Without control characters, and with at most so many bytes.
pub fn printable(text: &str, longest: usize) -> String {
    let mut kept = String::new();
    for letter in text.chars() {
        let letter = if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
        if kept.len() + letter.len_utf8() > longest {
            break;
        }
        kept.push(letter);
    }
    kept
}

impl Manifest {
    /// Reads one; whatever it says, it is bounded and agrees with itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > LARGEST_MANIFEST {
            return Err(Malformed::Exceed(bytes.len(), LARGEST_MANIFEST));
        }
        let read: Self =
            serde_json::from_slice(bytes).map_err(|error| Malformed::Parse(error.to_string()))?;
        read.checked()
    }

    /// Every file that it refers to, reports first.
    pub fn files(&self) -> impl Iterator<Item = &Artifact> {
        self.reports.iter().map(|report| &report.file).chain(&self.artifacts)
    }

    /// The sum over reports.
    pub fn sum(reports: &[CollectedReport]) -> Counts {
        let mut sum = Counts { total: 0, failed: 0, skipped: 0 };
        for report in reports {
            if let Outcome::Read(counts) = &report.outcome {
                sum.total = sum.total.saturating_add(counts.total);
                sum.failed = sum.failed.saturating_add(counts.failed);
                sum.skipped = sum.skipped.saturating_add(counts.skipped);
            }
        }
        sum
    }

    fn checked(self) -> Result<Self, Malformed> {
        if self.version != VERSION {
            return Err(Malformed::Version(self.version));
        }
        if self.check.len() > LONGEST_NAME || self.collector.len() > LONGEST_NAME {
            return Err(Malformed::Overflow("a name"));
        }
        let long =
            |named: &Named| named.path.len() > LONGEST_PATH || named.why.len() > LONGEST_SENTENCE;
        if self.omitted.examples.len() > EXAMPLES || self.omitted.examples.iter().any(long) {
            return Err(Malformed::Overflow("omitted"));
        }
        if self.unreadable.len() > UNREADABLE || self.unreadable.iter().any(long) {
            return Err(Malformed::Overflow("unreadable"));
        }
        let long = |report: &CollectedReport| report.outcome.is_longer_than(LONGEST_SENTENCE);
        if self.reports.iter().any(long) {
            return Err(Malformed::Overflow("fault"));
        }
        let mut paths = BTreeSet::new();
        if let Some(twice) = self.files().find(|file| !paths.insert(&file.path)) {
            return Err(Malformed::Repeat(twice.path.to_string()));
        }
        let (sum, said) = (Self::sum(&self.reports), &self.total);
        if (sum.total, sum.failed, sum.skipped) != (said.total, said.failed, said.skipped) {
            return Err(Malformed::Miscount);
        }
        Ok(self)
    }
}

impl Outcome {
    fn is_longer_than(&self, longest: usize) -> bool {
        matches!(self, Self::Fault(why) if why.len() > longest)
    }

    /// A fault, made fit to be told.
    pub fn fault(why: &str) -> Self {
        Self::Fault(printable(why, LONGEST_FAULT))
    }
}
