//! What counts as a test, as failed, skipped and repeated, and what is told of it.

use super::{
    super::{Failure, Stamp},
    Limits, counts, outcome, report,
};

/// Counts of a suite with those tests.
fn of(cases: &str) -> super::Counts {
    report(&format!("<testsuite>{cases}</testsuite>")).counts
}

#[test]
fn outcome_of_a_test_is_in_its_elements() {
    assert_eq!(of("<testcase/>"), counts(1, 0, 0));
    assert_eq!(of("<testcase></testcase>"), counts(1, 0, 0));
    assert_eq!(of("<testcase><failure/></testcase>"), counts(1, 1, 0));
    assert_eq!(of("<testcase><error/></testcase>"), counts(1, 1, 0));
    assert_eq!(of("<testcase><failure/><failure/><error/></testcase>"), counts(1, 1, 0));
    assert_eq!(of("<testcase><skipped/></testcase>"), counts(1, 0, 1));
    assert_eq!(of("<testcase><skipped/><failure/></testcase>"), counts(1, 1, 0));
    assert_eq!(of("<testcase><system-out>ab</system-out></testcase>"), counts(1, 0, 0));
}

#[test]
fn outcome_of_a_test_may_be_in_its_attributes() {
    assert_eq!(of("<testcase status='skipped'/>"), counts(1, 0, 1));
    assert_eq!(of("<testcase status='disabled'/>"), counts(1, 0, 1));
    assert_eq!(of("<testcase status='notrun' result='suppressed'/>"), counts(1, 0, 1));
    assert_eq!(of("<testcase result='suppressed'/>"), counts(1, 0, 1));
    assert_eq!(of("<testcase status='run' result='completed'/>"), counts(1, 0, 0));
    assert_eq!(of("<testcase status='failed'/>"), counts(1, 1, 0));
    assert_eq!(of("<testcase status='skipped'><failure/></testcase>"), counts(1, 1, 0));
}

#[test]
fn only_what_stands_directly_in_a_test_fails_it() {
    assert_eq!(of("<testcase><system-out><failure/></system-out></testcase>"), counts(1, 0, 0));
    assert_eq!(of("<properties><skipped/><error/></properties><testcase/>"), counts(1, 0, 0));
}

#[test]
fn pass_on_retry_is_a_pass_that_is_told() {
    let text = "<testsuite><testcase><flakyFailure/><flakyError/></testcase>\
        <testcase><failure/><rerunFailure/></testcase><testcase/></testsuite>";
    let report = report(text);
    assert_eq!((report.counts, report.flaky), (counts(3, 1, 0), 1));
}

#[test]
fn tests_count_however_suites_nest() {
    let text = "<testsuites><testsuite name='a'><testsuite name='b'><testcase/><testsuite><testcase/>\
        </testsuite></testsuite><testcase/></testsuite><testcase/></testsuites>";
    assert_eq!(report(text).counts, counts(4, 0, 0));
    assert_eq!(report("<testsuites/>").counts, counts(0, 0, 0));
}

#[test]
fn prefixes_and_marks_make_no_difference() {
    let text = "\u{feff}<?xml version='1.0' encoding='utf-8'?><!-- ab --><j:testsuite xmlns:j='urn:j' j:tests='7'>\
        <j:testcase name='a'><j:failure>b</j:failure></j:testcase></j:testsuite><?ab?>\n";
    let report = report(text);
    assert_eq!((report.counts, report.claimed), (counts(1, 1, 0), None));
}

#[test]
fn suite_that_breaks_by_itself_is_one_failed_test() {
    let text = "<testsuites><testsuite name='cart' tests='0' errors='1' file='cart.py'>\
        <error message='no database'/><failure>late</failure></testsuite></testsuites>";
    let report = report(text);
    assert_eq!(report.counts, counts(1, 1, 0));
    let failure = Failure {
        suite: "cart".to_owned(),
        class: None,
        name: "cart".to_owned(),
        message: "no database\nlate".to_owned(),
        file: Some("cart.py".to_owned()),
    };
    assert_eq!(report.failures, [failure]);
    assert_eq!(report.claimed, Some(counts(0, 1, 0)));
}

#[test]
fn claimed_failures_without_a_test_are_seen() {
    let text = "<testsuites><testsuite tests='0' errors='1'><system-err>broken</system-err></testsuite>\
        <testsuite tests='1'><testcase/></testsuite></testsuites>";
    let report = report(text);
    assert_eq!((report.counts, report.claimed), (counts(1, 0, 0), Some(counts(1, 1, 0))));
    assert!(report.hides_failures());
}

#[test]
fn failure_says_who_what_and_where() {
    let text = "<testsuites name='all tests'><testsuite name='cart' file='cart.js'><testsuite name='prices'>\
        <testcase classname='cart.Prices' name='rounds &lt;up&gt;'>\
        <failure message='1 &amp;lt; 2' type='Assertion'>at line 3 &#x26;\n<![CDATA[<b>&amp;]]> &#49;</failure>\
        </testcase></testsuite></testsuite></testsuites>";
    let failure = Failure {
        suite: "cart › prices".to_owned(),
        class: Some("cart.Prices".to_owned()),
        name: "rounds <up>".to_owned(),
        message: "1 &lt; 2\nat line 3 &\n<b>&amp; 1".to_owned(),
        file: Some("cart.js".to_owned()),
    };
    assert_eq!(report(text).failures, [failure]);
}

#[test]
fn failure_without_a_name_is_named_after_its_class_or_suite() {
    let name = |attributes: &str| {
        let text = format!(
            "<testsuite name='cart'><testcase {attributes}><error/></testcase></testsuite>"
        );
        report(&text).failures.remove(0).name
    };
    assert_eq!(name("name='' classname='cart.Prices'"), "cart.Prices");
    assert_eq!(name(""), "cart");
    assert_eq!(report("<testsuites><error/></testsuites>").failures.remove(0).name, "testsuite");
}

#[test]
fn message_is_said_once_and_clean() {
    let message = |failure: &str| {
        let text = format!("<testsuite><testcase name='a'>{failure}</testcase></testsuite>");
        report(&text).failures.remove(0).message
    };
    assert_eq!(message("<failure message='ab'>ab at line 3</failure>"), "ab at line 3");
    assert_eq!(message("<failure type='Timeout'/>"), "Timeout");
    assert_eq!(message("<failure/>"), "");
    assert_eq!(message("<failure>  \n</failure>"), "");
    assert_eq!(message("<failure>\u{1b}[31mred\u{7}\r\n\tb&#27;[0m</failure>"), "[31mred\n\tb[0m");
    assert_eq!(message("<failure>one</failure><error message='two'/>"), "one\ntwo");
    assert_eq!(message("<failure>a<b>c</b>d</failure>"), "ad");
}

#[test]
fn only_so_many_failures_are_kept_each_cut_to_a_length() {
    let limits = Limits { text: 10, kept: 2, ..Limits::default() };
    let case = "<testcase name='a'><failure>żżżżżżżżżż</failure></testcase>";
    let text = format!("<testsuite>{}</testsuite>", case.repeat(5));
    let report = outcome(text, &limits).expect("a report");
    assert_eq!(report.counts, counts(5, 5, 0));
    let messages: Vec<&str> = report.failures.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages, ["żżżżż…", "żżżżż…"]);
}

#[test]
fn repeated_names_are_counted_once_each() {
    let repeated = |cases: &str| report(&format!("<testsuites>{cases}</testsuites>")).repeated;
    let a = "<testcase classname='c' name='a'/>";
    assert_eq!(repeated(&a.repeat(3)), 1);
    assert_eq!(repeated(&format!("{a}<testcase classname='c' name='b'/>")), 0);
    assert_eq!(repeated(&format!("{a}<testcase classname='d' name='a'/>")), 0);
    let suite = |name: &str| format!("<testsuite name='{name}'>{a}</testsuite>");
    assert_eq!(repeated(&[suite("x"), suite("y")].concat()), 0);
    assert_eq!(repeated(&[suite("x"), suite("x")].concat()), 1);
    assert_eq!(repeated("<testcase/><testcase/><testcase name='b'/><testcase name='b'/>"), 2);
}

#[test]
fn claims_are_those_of_outermost_suites() {
    let claimed = |text: &str| report(text).claimed;
    let suites = "<testsuites tests='9' failures='9'><testsuite tests='3' failures='1' errors='1' skipped='1'>\
        <testsuite tests='2'><testcase/></testsuite></testsuite><testsuite tests='4' disabled='1'/></testsuites>";
    assert_eq!(claimed(suites), Some(counts(7, 2, 2)));
    let root = "<testsuites tests='9' failures='2'><testsuite><testcase/></testsuite></testsuites>";
    assert_eq!(claimed(root), Some(counts(9, 2, 0)));
    let partly = "<testsuites><testsuite tests='1'><testcase/></testsuite><testcase/></testsuites>";
    assert_eq!(claimed(partly), None);
    assert_eq!(claimed("<testsuite tests='2'/>"), Some(counts(2, 0, 0)));
    assert_eq!(claimed("<testsuite tests='many'/>"), None);
    assert_eq!(claimed("<testsuite><testcase/></testsuite>"), None);
    let most = u64::MAX;
    let text = format!("<testsuite tests='{most}' failures='{most}' errors='{most}'/>");
    assert_eq!(claimed(&text), Some(counts(most, most, 0)));
}

#[test]
fn times_of_suites_are_told_with_and_without_an_offset() {
    let text = "<testsuites><testsuite timestamp='2026-11-21T10:00:00'/>\
        <testsuite timestamp='2026-11-21T10:30:00.5+02:00'/><testsuite timestamp='2026-11-21T11:00:00Z'/>\
        <testsuite timestamp='yesterday'/><testsuite timestamp=''/>\
        <testsuite timestamp='0001-01-01T00:00:00Z'/></testsuites>";
    let report = report(text);
    let first = "2026-11-21T08:30:00.5Z".parse().map(Stamp::Instant).expect("a time");
    let last = "2026-11-21T11:00:00Z".parse().map(Stamp::Instant).expect("a time");
    assert_eq!((report.earliest, report.latest), (Some(first), Some(last)));
    let local = super::report("<testsuite timestamp='2026-11-21 10:00:00'/>");
    let at = "2026-11-21T10:00:00".parse().map(Stamp::Local).expect("a time");
    assert_eq!((local.earliest, local.latest), (Some(at), Some(at)));
}

#[test]
fn counts_travel_as_plain_names() {
    let text = serde_json::to_string(&counts(3, 2, 1)).expect("JSON");
    assert_eq!(text, r#"{"total":3,"failed":2,"skipped":1}"#);
}
