//! Long inputs are read in pieces, any bytes are read without a panic, and pieces make no difference.

use proptest::prelude::*;

use super::{Limits, counts, outcome, report};

/// A report with that failure, after that output, and a passed test behind both.
fn long(output: &str, failure: &str) -> String {
    format!(
        "<testsuite><testcase name='a'><system-out>{output}</system-out>{failure}</testcase>\
        <system-err>{output}</system-err><testcase name='b'/></testsuite>"
    )
}

#[test]
fn long_output_is_passed_over() {
    let texts = [
        "x".repeat(200_000),
        "&amp;".repeat(50_000),
        "ż".repeat(100_000),
        format!("<![CDATA[{}]]>", "]".repeat(100_001)),
        format!("<![CDATA[{}]]>", "<failure/>]>]] >".repeat(20_000)),
        format!("<!-- {} -->", "->- ->".repeat(40_000)),
        format!("<!--{}-->", "-x".repeat(100_000)),
        format!("<?ab {}?>", "?<failure/>".repeat(20_000)),
        format!(
            "<a b='{}' c=\"{}\"/>",
            "'\">".replace('\'', "").repeat(50_000),
            "'>".repeat(50_000)
        ),
    ];
    for text in texts {
        let report = report(&long(&text, "<failure>ab</failure>"));
        assert_eq!(report.counts, counts(2, 1, 0), "{text:.20}");
        assert_eq!(report.failures[0].message, "ab");
    }
}

#[test]
fn long_messages_are_cut_and_the_rest_is_read() {
    let failures = [
        format!("<failure>{}</failure>", "ż&amp;".repeat(100_000)),
        format!("<failure><![CDATA[{}]]></failure>", "ż&".repeat(100_000)),
        format!("<failure message='{}'/>", "ż&amp;".repeat(100_000)),
    ];
    for failure in failures {
        let report = report(&long("", &failure));
        assert_eq!(report.counts, counts(2, 1, 0));
        let message = &report.failures[0].message;
        assert!(message.starts_with("ż&ż&ż&") && message.ends_with('…'), "{message}");
        assert!((4000..=4100).contains(&message.len()), "{}", message.len());
    }
}

/// Pieces of documents, good and bad.
fn document() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "<testsuites>",
        "</testsuites>",
        "<testsuite name='a' tests='1'>",
        "</testsuite>",
        "<testcase name='b'>",
        "</testcase>",
        "<testcase/>",
        "<failure message='c'>",
        "</failure>",
        "<error/>",
        "<skipped/>",
        "<![CDATA[",
        "]]>",
        "]",
        "<!--",
        "-->",
        "-",
        "<?ab",
        "?>",
        "&amp;",
        "&#1;",
        "&a;",
        "&",
        "<",
        ">",
        "'",
        "\"",
        "\n",
        "ż",
        "\u{feff}",
        "<?xml version='1.0' encoding='UTF-8'?>",
        "<!DOCTYPE",
        "xxxxxxxxxxxxxxxx",
        "/",
        "=",
        " a='",
        "\u{0}",
    ]);
    let words = prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes());
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), words]
}

/// A test and how it ends: 0 failed, 1 skipped, otherwise passed.
fn case(ending: u32) -> &'static str {
    match ending {
        0 => "<testcase name='a'><failure>b</failure></testcase>",
        1 => "<testcase name='a'><skipped/></testcase>",
        _ => "<testcase name='a'/>",
    }
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_report_or_a_sentence(bytes in document()) {
        let limits = Limits { depth: 4, cases: 3, text: 5, kept: 1, bytes: 300 };
        match outcome(&bytes, &limits) {
            Ok(report) => {
                prop_assert!(report.counts.failed + report.counts.skipped <= report.counts.total);
                prop_assert!(report.counts.total <= 3 && report.failures.len() <= 1);
            }
            Err(sentence) => prop_assert!(sentence.len() < 400, "{}", sentence),
        }
    }

    #[test]
    fn any_bytes_in_a_report_end_the_same(bytes in document()) {
        let text = [b"<testsuite><testcase>", bytes.as_slice(), b"</testcase></testsuite>"].concat();
        let _ = outcome(&text, &Limits::default());
    }

    #[test]
    fn what_is_written_is_counted(endings in prop::collection::vec(0_u32..4, 0..50), output in ".*") {
        let output = output.replace(['<', '&', ']'], " ");
        let cases: String = endings.iter().map(|ending| case(*ending)).collect();
        let report = report(&format!("<testsuite>{cases}<system-out>{output}</system-out></testsuite>"));
        let number = |some: usize| u64::try_from(some).expect("a few");
        let of = |ending: u32| number(endings.iter().filter(|one| **one == ending).count());
        prop_assert_eq!(report.counts, counts(number(endings.len()), of(0), of(1)));
    }
}
