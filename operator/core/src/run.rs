//! A run of a check, as the evidence store keeps it: what it was begun as, what came of it, and what was decided. The
//! store is the truth; a status repeats it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use understudy_crds::{scalar::CommitSha, status::Verdict};

use crate::{evidence::Digest, junit};

/// What a run was begun as. Kept before its Job is made, so that no Job counts that we did not mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// The check.
    pub check: String,
    /// The commit it speaks of.
    pub commit: CommitSha,
    /// Which attempt at this commit, from 1.
    pub attempt: u32,
    /// A digest of the check and of the stack it judges.
    pub judged: String,
    /// A digest of the pods it judges.
    pub ground: String,
    /// The name of its Job.
    pub job: String,
    /// The UID of its Job, once that was made.
    pub uid: Option<String>,
    /// Whether it leaves reports.
    pub reports: bool,
    /// When it was begun.
    pub at: Timestamp,
}

/// What arrived of a run, counted by us.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Arrived {
    /// The digest of its manifest; `None` before it came.
    pub manifest: Option<Digest>,
    /// What the reports hold.
    pub reports: Vec<ReportSeen>,
    /// How many other files there are.
    pub artifacts: u64,
    /// Reports that were there and could not be read, with the reason.
    pub unreadable: Vec<String>,
    /// What we could not read again although it was stored.
    pub fault: Option<String>,
}

/// A report, as we read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportSeen {
    /// Its path below the results.
    pub path: String,
    /// When it was last changed.
    pub modified: Timestamp,
    /// What it holds, or why that cannot be told.
    pub read: Result<Counted, String>,
}

/// What a report holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// By its cases.
    pub counts: junit::Counts,
    /// By what its attributes claim.
    pub claimed: Option<junit::Counts>,
    /// Passes that the tool itself tried again.
    pub flaky: u64,
    /// The first time it names, and the last.
    pub named: Option<(Moment, Moment)>,
    /// The first test that failed, and what it said.
    pub failure: Option<(String, String)>,
}

/// A time that a report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// The time; of a local one as if it were UTC.
    pub at: Timestamp,
    /// Whether no zone was named.
    pub local: bool,
}

/// What was decided of a run, once and for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// What it proves.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub sentence: String,
    /// What its reports counted.
    pub counts: Option<junit::Counts>,
    /// The manifest that it goes by.
    pub manifest: Option<Digest>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When it was decided.
    pub at: Timestamp,
}

impl Judged {
    /// Nothing is known by it, for that reason.
    pub fn unproven(sentence: impl Into<String>, at: Timestamp) -> Self {
        let (verdict, sentence) = (Verdict::NotProven, sentence.into());
        Self { verdict, sentence, counts: None, manifest: None, seconds: 0.0, at }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What it was begun as.
    pub begun: Begun,
    /// What arrived, as far as it is complete.
    pub arrived: Option<Arrived>,
    /// What was decided.
    pub judged: Option<Judged>,
}

/// The runs of a preview.
#[derive(Debug, Clone, PartialEq)]
pub enum Runs {
    /// By the names of their Jobs.
    Known(BTreeMap<String, Run>),
    /// The store does not say, for that reason.
    Unknown(String),
}

impl Default for Runs {
    fn default() -> Self {
        Self::Known(BTreeMap::new())
    }
}
