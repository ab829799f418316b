//! What a report adds up to, test by test.

use std::collections::BTreeMap;

use super::{
    Counts, Failure, Fault, Limits, Report, Stamp,
    attributes::Attributes,
    element::{Case, Suite},
    text::Text,
};

/// The report as far as it was read.
pub(super) struct Tally<'limits> {
    limits: &'limits Limits,
    report: Report,
    /// What the root claims.
    root: Option<Counts>,
    /// What the outermost suites claim, added up.
    suites: Option<Counts>,
    /// Whether a test stands in no suite that claims something.
    unclaimed: bool,
    /// Hashes of the names of tests, and whether each stands for several.
    names: BTreeMap<u64, bool>,
}

impl<'limits> Tally<'limits> {
    pub(super) fn new(limits: &'limits Limits) -> Self {
        Self {
            limits,
            report: Report::default(),
            root: None,
            suites: None,
            unclaimed: false,
            names: BTreeMap::new(),
        }
    }

    /// A root that holds suites begins.
    pub(super) fn root(&mut self, attributes: &Attributes) {
        self.root = claimed(attributes);
        self.stamp(attributes);
    }

    /// A suite begins; `outermost` if no other is around it.
    pub(super) fn suite(&mut self, suite: &mut Suite, attributes: &Attributes, outermost: bool) {
        self.stamp(attributes);
        if outermost && let Some(claimed) = claimed(attributes) {
            suite.claimed = Some(claimed);
            let sum = self.suites.get_or_insert_default();
            sum.total = sum.total.saturating_add(claimed.total);
            sum.failed = sum.failed.saturating_add(claimed.failed);
            sum.skipped = sum.skipped.saturating_add(claimed.skipped);
        }
    }

    /// A test begins.
    pub(super) fn case(&mut self, case: &Case, suite: Option<&Suite>) -> Result<(), Fault> {
        self.count(suite)?;
        let several = self.names.get(&case.hash).copied();
        self.names.insert(case.hash, several.is_some());
        self.report.repeated += u64::from(several == Some(false));
        Ok(())
    }

    /// A test ends.
    pub(super) fn close_case(&mut self, case: Case, suite: Option<&Suite>) {
        let Case { name, class, file, hash: _, skipped, flaky, broken } = case;
        match broken {
            Some(text) => {
                let suite = suite.map(|suite| suite.path.clone()).unwrap_or_default();
                // A class that broke before its first test is a test without a name for Maven.
                let known = Some(name).filter(|name| !name.is_empty());
                let name = known.or_else(|| class.clone()).unwrap_or_else(|| suite.clone());
                self.fail(Failure { suite, class, name, message: text.done(), file });
            }
            None if skipped => self.report.counts.skipped += 1,
            None => self.report.flaky += u64::from(flaky),
        }
    }

    /// A suite ends.
    pub(super) fn close_suite(&mut self, suite: &Suite) -> Result<(), Fault> {
        let Some(message) = suite.broken.as_ref().map(Text::done) else { return Ok(()) };
        self.count(Some(suite))?;
        let (path, file) = (suite.path.clone(), suite.file.clone());
        let known = [&suite.name, &path].into_iter().find(|name| !name.is_empty());
        let name = known.map_or("testsuite", String::as_str).to_owned();
        self.fail(Failure { suite: path, class: None, name, message, file });
        Ok(())
    }

    /// The root ended.
    pub(super) fn end(self) -> Report {
        let claimed = self.suites.filter(|_| !self.unclaimed).or(self.root);
        Report { claimed, ..self.report }
    }

    fn count(&mut self, suite: Option<&Suite>) -> Result<(), Fault> {
        if self.report.counts.total >= self.limits.cases {
            return Err(Fault::PassCases { limit: self.limits.cases });
        }
        self.report.counts.total += 1;
        self.unclaimed |= suite.is_none_or(|suite| suite.claimed.is_none());
        Ok(())
    }

    fn fail(&mut self, failure: Failure) {
        self.report.counts.failed += 1;
        if self.report.failures.len() < self.limits.kept {
            self.report.failures.push(failure);
        }
    }

    fn stamp(&mut self, attributes: &Attributes) {
        let Some(stamp) = attributes.get("timestamp").and_then(Stamp::parse) else { return };
        let Report { earliest, latest, .. } = &mut self.report;
        if earliest.is_none_or(|known| stamp.moment() < known.moment()) {
            *earliest = Some(stamp);
        }
        if latest.is_none_or(|known| stamp.moment() > known.moment()) {
            *latest = Some(stamp);
        }
    }
}

/// What a suite claims; nothing if it does not say how many tests it has.
fn claimed(attributes: &Attributes) -> Option<Counts> {
    let number = |name: &str| attributes.number(name).unwrap_or_default();
    Some(Counts {
        total: attributes.number("tests")?,
        failed: number("failures").saturating_add(number("errors")),
        skipped: number("skipped").saturating_add(number("disabled")),
    })
}
