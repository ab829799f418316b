//! Test reports in the format of `JUnit`, as a dozen tools write them: what was tested, what failed, and what
//! the report claims.
//!
//! A report comes from a stranger's tests. It is read as a stream, in memory that its limits bound, and
//! nothing in it is followed or filled in: entities are refused, totals that it states are kept apart from
//! what was counted.

mod attributes;
mod element;
mod fault;
mod lexer;
mod sieve;
mod stamp;
mod tally;
mod text;
mod walk;

use std::io::BufRead;

use serde::{Deserialize, Serialize};

pub use fault::Fault;
pub use stamp::Stamp;

/// How much of a report is read and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest report, in bytes.
    pub bytes: u64,
    /// The most tests.
    pub cases: u64,
    /// How deep elements may nest.
    pub depth: u32,
    /// How much of one failure's message is kept, in bytes.
    pub text: usize,
    /// How many failures are kept; all are counted.
    pub kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, cases: 50_000, depth: 64, text: 4 << 10, kept: 100 }
    }
}

/// How many tests there were, and how they ended. What neither failed nor was skipped passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All of them, the skipped ones too.
    pub total: u64,
    /// Failures and errors.
    pub failed: u64,
    /// Skipped or disabled.
    pub skipped: u64,
}

/// A test that failed, or a suite that failed outside of its tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The names of the suites around it, outermost first: `cart › prices`. Empty if they have none.
    pub suite: String,
    /// The class that it names, if it names one.
    pub class: Option<String>,
    /// Its name; the class or the suite if it has none, the suite if that failed outside of its tests.
    pub name: String,
    /// What its failures say, cut to [`Limits::text`], without control characters. May be empty.
    pub message: String,
    /// The file that it, or the suite around it, names.
    pub file: Option<String>,
}

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What its tests add up to. A suite that failed outside of its tests counts as one failed test.
    pub counts: Counts,
    /// What its outermost suites claim, added up, or else its root; nothing unless every test is claimed.
    pub claimed: Option<Counts>,
    /// Tests that failed first and passed when they were run again; they count as passed.
    pub flaky: u64,
    /// The first failures, in the report's order, at most [`Limits::kept`].
    pub failures: Vec<Failure>,
    /// How many names (of suites, class and test together) stand for more than one test.
    pub repeated: u64,
    /// The earliest time that a suite states; times without an offset are compared as if they were UTC.
    pub earliest: Option<Stamp>,
    /// The latest time that a suite states.
    pub latest: Option<Stamp>,
}

impl Report {
    /// Whether the report claims failures for which it shows no test: a suite that broke before its first
    /// test, for some tools.
    pub fn hides_failures(&self) -> bool {
        self.claimed.is_some_and(|claimed| claimed.failed > self.counts.failed)
    }
}

/// Reads a report. The input is read to its end, or to the first thing that makes it no report.
pub fn read(input: impl BufRead, limits: &Limits) -> Result<Report, Fault> {
    walk::walk(input, limits)
}

#[cfg(test)]
mod tests;
