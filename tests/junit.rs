//! Reports of a dozen real tools are read as those tools themselves counted.
//!
//! `tests/junit/make` ran the tools; what stands beside each report is what they printed, not what the report
//! says.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use serde_json::Value;
use understudy_core::junit::{Counts, Fault, Limits, Report, read};

/// A report and what its tool printed.
struct Fixture {
    /// `pytest/fail`.
    name: String,
    report: Report,
    facts: Value,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("junit/fixtures")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn fixtures() -> Vec<Fixture> {
    let reports = entries(&folder()).into_iter().flat_map(|tool| entries(&tool));
    let reports = reports.filter(|path| path.extension().is_some_and(|suffix| suffix == "xml"));
    reports.map(|path| fixture(&path)).collect()
}

fn fixture(path: &Path) -> Fixture {
    let name = path.strip_prefix(folder()).expect("a fixture").with_extension("");
    let name = name.display().to_string();
    let input = BufReader::new(File::open(path).expect("a report"));
    let report = read(input, &Limits::default()).map_err(|fault| format!("{name}: {fault}"));
    let report = report.expect("a report");
    let facts = fs::read_to_string(path.with_extension("json")).expect("what was printed");
    Fixture { name, report, facts: serde_json::from_str(&facts).expect("JSON") }
}

#[test]
fn every_report_is_counted_as_its_tool_counts() {
    let fixtures = fixtures();
    let tools: BTreeSet<&str> =
        fixtures.iter().filter_map(|one| one.name.split('/').next()).collect();
    assert!(tools.len() >= 10 && fixtures.len() >= 40, "{} of {tools:?}", fixtures.len());
    for Fixture { name, report, facts } in fixtures {
        // Where a tool counts otherwise on the console, the note beside it says why.
        let other = facts.get("report").filter(|_| facts.get("note").is_some());
        let counts = other.unwrap_or(&facts).clone();
        let counts: Counts = serde_json::from_value(counts).expect("counts");
        assert_eq!(report.counts, counts, "{name}");
        if let Some(flaky) = facts.get("flaky") {
            assert_eq!(flaky, report.flaky, "{name}");
        }
    }
}

#[test]
fn every_failure_is_named_and_says_something() {
    for Fixture { name, report, .. } in fixtures() {
        let failures = u64::try_from(report.failures.len()).expect("a few");
        assert_eq!(failures, report.counts.failed, "{name}");
        for failure in report.failures {
            assert!(!failure.name.is_empty(), "{name}: {failure:?}");
            assert!(!failure.message.is_empty(), "{name}: {failure:?}");
        }
    }
}

#[test]
fn no_report_hides_failures() {
    for Fixture { name, report, .. } in fixtures() {
        assert!(!report.hides_failures(), "{name}: {:?} of {:?}", report.counts, report.claimed);
    }
}

/// How many bytes the long reports below have.
const LONG: u64 = 12 << 20;

/// A report that begins so and then says the same without end, as far as it goes.
fn endless(begin: &str, part: &str) -> impl Read {
    let part: Vec<u8> = part.bytes().cycle().take(part.len() * 1000).collect();
    io::Cursor::new(begin.to_owned()).chain(Endless { part, next: 0 }).take(LONG)
}

struct Endless {
    part: Vec<u8>,
    next: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.part.get(self.next..).unwrap_or_default().read(buffer)?;
        self.next = (self.next + length) % self.part.len();
        Ok(length)
    }
}

/// The most memory that this process ever held, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn no_report_takes_memory_with_its_length() {
    let limits = Limits { bytes: u64::MAX, ..Limits::default() };
    let failures = "<testcase name='a'><failure message='b'>c</failure></testcase>";
    let reports = [
        ("one value", "<testsuite><testcase name='", "name&amp;"),
        ("one tag", "<testsuite><testcase ", "a='b' "),
        ("one name", "<testsuite><", "name"),
        ("one text", "<testsuite><testcase><failure>", "text \u{17c}&lt;\n"),
        ("one section", "<testsuite><testcase><failure><![CDATA[", "]] >x"),
        ("one comment", "<testsuite><!--", "- ->"),
        ("one instruction", "<testsuite><?a", "? >"),
        ("one reference", "<testsuite>&", "amp"),
        ("elements in elements", "<testsuite>", "<a>"),
        ("suites in suites", "<testsuite name='a'>", "<testsuite name='b'>"),
        ("failures", "<testsuite>", failures),
        ("elements", "<testsuite>", "<system-out message='a'>b</system-out>"),
    ];
    // The first look at the input is no part of what is measured.
    let _ = read(BufReader::new(endless("<testsuite>", " ")), &limits);
    for (name, begin, part) in reports {
        let before = peak();
        let fault = read(BufReader::new(endless(begin, part)), &limits).expect_err(name);
        let grown = peak() - before;
        println!("{name}: {grown} KiB more, {fault}");
        assert!(!matches!(fault, Fault::ReadInput { .. } | Fault::BeginWith { .. }), "{name}");
        assert!(grown < 4 << 10, "{name}: {grown} KiB");
    }
}
