//! Ways to fake a green that a check's own container can try: what it runs, what it is found to be, and why.

/// A way: its name, what the container runs, the verdict, and words of the sentence that a reader gets.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) script: &'static str,
    pub(crate) verdict: &'static str,
    pub(crate) says: &'static str,
}

const fn way(
    name: &'static str,
    script: &'static str,
    verdict: &'static str,
    says: &'static str,
) -> Way {
    Way { name, script, verdict, says }
}

/// What is honest: the same things, and it passes.
pub(crate) const HONEST: &str = "echo '<testsuites><testsuite name=\"a\" tests=\"1\" failures=\"0\"><testcase name=\"works\"/></testsuite></testsuites>' > /results/r.xml";

/// The ways.
pub(crate) const WAYS: [Way; 22] = [
    way("no-report", "true", "NotProven", "it left no report (exit code 0)"),
    way("zero-tests", "echo '<testsuites/>' > /results/r.xml", "NotProven", "no test ran"),
    way(
        "all-skipped",
        "echo '<testsuite><testcase name=\"a\"><skipped/></testcase></testsuite>' > /results/r.xml",
        "NotProven",
        "every test was skipped",
    ),
    way(
        "truncated",
        "echo '<testsuite><testcase name=\"a\"/><testcase name' > /results/r.xml",
        "NotProven",
        "report r.xml: ",
    ),
    way(
        "wrong-root",
        "echo '<html><testcase name=\"a\"/></html>' > /results/r.xml",
        "NotProven",
        "html",
    ),
    way(
        "bomb",
        "echo '<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;\">]><testsuite><testcase name=\"&c;\"/></testsuite>' > /results/r.xml",
        "NotProven",
        "document type",
    ),
    way(
        "hundred-megabytes",
        "(echo '<testsuite><testcase name=\"a\"/><system-out>'; head -c 100000000 /dev/zero | tr '\\0' x; echo '</system-out></testsuite>') > /results/r.xml",
        "NotProven",
        "report",
    ),
    way(
        "hundred-thousand",
        "(echo '<testsuite>'; yes '<testcase name=\"a\"/>' | head -n 100000; echo '</testsuite>') > /results/r.xml",
        "NotProven",
        "50",
    ),
    way(
        "totals-lie",
        "echo '<testsuite tests=\"10\" failures=\"0\"><testcase name=\"a\"/></testsuite>' > /results/r.xml",
        "NotProven",
        "it claims 10 tests and shows 1",
    ),
    way(
        "failures-hidden",
        "echo '<testsuite tests=\"1\" failures=\"3\"><testcase name=\"a\"/></testsuite>' > /results/r.xml",
        "NotProven",
        "it claims 3 failures and shows 0",
    ),
    way(
        "twice-by-name",
        "echo '<testsuite><testcase name=\"a\"><failure message=\"expected 1\"/></testcase><testcase name=\"a\"/></testsuite>' > /results/r.xml",
        "Failed",
        "1 of 2 tests failed: a: expected 1",
    ),
    way(
        "nested-failure",
        "echo '<testsuites failures=\"0\"><testsuite failures=\"0\"><testsuite><testcase name=\"deep\"><error/></testcase></testsuite></testsuite></testsuites>' > /results/r.xml",
        "Failed",
        "1 of 1 test failed: deep",
    ),
    way(
        "old-file",
        "echo '<testsuite><testcase name=\"a\"/></testsuite>' > /results/r.xml; touch -d '2020-01-01 00:00:00' /results/r.xml",
        "NotProven",
        "it was written before the run began",
    ),
    way(
        "old-timestamp",
        "echo '<testsuite timestamp=\"2020-01-01T00:00:00Z\"><testcase name=\"a\"/></testsuite>' > /results/r.xml",
        "NotProven",
        "before the run began",
    ),
    way(
        "wrong-clock",
        "echo '<testsuite timestamp=\"2040-01-01T00:00:00Z\"><testcase name=\"a\"/></testsuite>' > /results/r.xml",
        "NotProven",
        "after the run ended",
    ),
    way("link", "ln -s /etc/passwd /results/r.xml", "NotProven", "could not be read"),
    way(
        "unreadable",
        "echo '<testsuite><testcase name=\"a\"/></testsuite>' > /results/r.xml; chmod 000 /results/r.xml",
        "NotProven",
        "could not be read",
    ),
    way("no-file", "mkfifo /results/r.xml", "NotProven", "could not be read"),
    way(
        "exit-0-with-failure",
        "echo '<testsuite><testcase name=\"a\"><failure/></testcase><testcase name=\"b\"/></testsuite>' > /results/r.xml; exit 0",
        "Failed",
        "1 of 2 tests failed: a",
    ),
    way(
        "exit-1-with-passes",
        "echo '<testsuite><testcase name=\"a\"/></testsuite>' > /results/r.xml; exit 1",
        "Failed",
        "exit code 1, although none of its 1 test failed",
    ),
    way(
        "killed-after-report",
        "echo '<testsuite><testcase name=\"a\"/></testsuite>' > /results/r.xml; exit 137",
        "NotProven",
        "it was ended from outside",
    ),
    way(
        "too-slow-after-report",
        "echo '<testsuite><testcase name=\"a\"/></testsuite>' > /results/r.xml; sleep 600",
        "NotProven",
        "longer than its `timeout`",
    ),
];
