//! What an open element of a report is, and what it holds until it closes.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{
    Counts,
    attributes::{Attributes, LONGEST_NAME},
    text::Text,
};

/// An element that is open.
#[derive(Debug)]
pub(super) enum Element {
    /// `<testsuites>`: holds suites, and has no name worth telling.
    Suites(Suite),
    /// `<testsuite>`.
    Suite(Suite),
    /// `<testcase>`.
    Case(Case),
    /// `<failure>` or `<error>`, of a test or of a suite.
    Verdict(Verdict),
    /// Anything else: properties, output, what a retry said.
    Other,
}

impl Element {
    /// The suite or group of suites that it is.
    pub(super) fn suite(&self) -> Option<&Suite> {
        match self {
            Self::Suites(suite) | Self::Suite(suite) => Some(suite),
            Self::Case(_) | Self::Verdict(_) | Self::Other => None,
        }
    }

    /// Where what failed in it is noted, if it is something that fails.
    pub(super) fn broken(&mut self) -> Option<&mut Option<Text>> {
        match self {
            Self::Suites(suite) | Self::Suite(suite) => Some(&mut suite.broken),
            Self::Case(case) => Some(&mut case.broken),
            Self::Verdict(_) | Self::Other => None,
        }
    }
}

/// A suite.
#[derive(Debug, Default)]
pub(super) struct Suite {
    /// Its name and those of the suites around it.
    pub(super) path: String,
    pub(super) name: String,
    pub(super) file: Option<String>,
    /// What it claims, or the outermost suite around it.
    pub(super) claimed: Option<Counts>,
    /// What failed in it outside of its tests.
    pub(super) broken: Option<Text>,
    /// Of the names in its path, which are cut later there than in the path itself.
    hash: u64,
}

impl Suite {
    /// A group of suites in that one: it adds no name.
    pub(super) fn group(around: &Self) -> Self {
        let Self { path, name, file, claimed, broken: _, hash } = around;
        let (path, name, file) = (path.clone(), name.clone(), file.clone());
        Self { path, name, file, claimed: *claimed, broken: None, hash: *hash }
    }

    /// A suite in that one.
    pub(super) fn within(around: Option<&Self>, attributes: &Attributes) -> Self {
        let name = attributes.name("name").unwrap_or_default();
        let outer = around.map(|suite| suite.path.as_str()).unwrap_or_default();
        let between = if outer.is_empty() || name.is_empty() { "" } else { " › " };
        let mut path = Text::new(LONGEST_NAME);
        for part in [outer, between, &name] {
            path.push(part);
        }
        let file = attributes.name("file").or_else(|| attributes.name("filepath"));
        Self {
            path: path.done(),
            name,
            file: file.or_else(|| around?.file.clone()),
            claimed: around.and_then(|suite| suite.claimed),
            broken: None,
            hash: hash(&(around.map(|suite| suite.hash), attributes.get("name"))),
        }
    }
}

/// A test.
#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) class: Option<String>,
    pub(super) file: Option<String>,
    /// Of its names and those of the suites around it.
    pub(super) hash: u64,
    pub(super) skipped: bool,
    pub(super) flaky: bool,
    /// What failed in it.
    pub(super) broken: Option<Text>,
}

impl Case {
    /// A test in that suite.
    pub(super) fn within(suite: Option<&Suite>, attributes: &Attributes) -> Self {
        let is = |name: &str, values: &[&str]| {
            attributes
                .get(name)
                .is_some_and(|value| values.iter().any(|one| one.eq_ignore_ascii_case(value)))
        };
        let names =
            (suite.map(|suite| suite.hash), attributes.get("classname"), attributes.get("name"));
        Self {
            name: attributes.name("name").unwrap_or_default(),
            class: attributes.name("classname"),
            file: attributes.name("file").or_else(|| suite?.file.clone()),
            hash: hash(&names),
            skipped: is("status", &["skipped", "disabled", "notrun"])
                || is("result", &["skipped", "suppressed"]),
            flaky: false,
            // Some say that a test failed and add no element for it.
            broken: is("status", &["failed", "error"]).then(|| Text::new(0)),
        }
    }
}

/// A failure or an error.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Its attribute `message`, or else `type`.
    said: String,
    /// What stands in it.
    pub(super) body: Text,
}

impl Verdict {
    pub(super) fn new(attributes: &Attributes, longest: usize) -> Self {
        let said = attributes.get("message").or_else(|| attributes.get("type"));
        let mut text = Text::new(longest);
        text.push(said.unwrap_or_default());
        Self { said: text.done(), body: Text::new(longest) }
    }

    /// Adds what it says to what was said before: the message, unless the text repeats it, and the text.
    pub(super) fn tell(&self, broken: &mut Option<Text>, longest: usize) {
        let body = self.body.done();
        let said = if body.contains(&self.said) { "" } else { &self.said };
        let text = broken.get_or_insert_default();
        text.allow(longest);
        for part in [said, &body].into_iter().filter(|part| !part.is_empty()) {
            text.line(part);
        }
    }
}

/// The same in every run: the standard library's hash with its keys left at zero.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
