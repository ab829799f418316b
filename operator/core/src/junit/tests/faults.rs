//! Every way in which a file is no report, and the sentence for it.

use std::io::{self, BufReader, Read};

use super::{Limits, outcome, read, refusal};

#[test]
fn empty_file_is_told() {
    let sentence = "the report is empty: it holds no element at all";
    for text in ["", "  \n", "<?xml version=\"1.0\"?>\n", "<!-- later -->", "\u{feff}"] {
        assert_eq!(refusal(text), sentence, "{text:?}");
    }
}

#[test]
fn report_that_was_cut_off_names_what_is_open() {
    let sentence = |element: &str, line: u64| {
        format!("the report was cut off: it ends inside {element}, which begins in line {line}")
    };
    let text = "<testsuites>\n<testsuite>\n  <testcase name='a'><failure><![CDATA[\n]]></failure>";
    assert_eq!(refusal("<testsuites>\n<testsuite>\n"), sentence("<testsuite>", 2));
    assert_eq!(refusal(text), sentence("<testcase>", 3));
    assert_eq!(refusal("<testsuites>\n<testsuite>\n<testca"), sentence("<testsuite>", 2));
    assert_eq!(refusal("<testsuites><testsuite>\n<testcase name=\"a>"), sentence("<testsuite>", 1));
    assert_eq!(refusal("<testsuite>\n<system-out><![CDATA[ab\n]]"), sentence("<system-out>", 2));
    assert_eq!(refusal("<testsuite><!-- ab -"), sentence("<testsuite>", 1));
    assert_eq!(refusal("<testsuite><?ab "), sentence("<testsuite>", 1));
    assert_eq!(refusal("<testsuite>ab"), sentence("<testsuite>", 1));
    assert_eq!(refusal("<testsuite>\n</testsuite"), sentence("<testsuite>", 1));
    assert_eq!(refusal("\n<testsui"), sentence("a tag", 2));
    let long = format!("<testsuite><system-out><![CDATA[{}", "x".repeat(100_000));
    assert_eq!(refusal(long), sentence("<system-out>", 1));
}

#[test]
fn what_is_no_xml_is_told_with_its_line() {
    let broken = |line: u64, text: &str| {
        let refusal = refusal(text);
        let start = format!("the report is no XML: line {line}: ");
        let problem = refusal.strip_prefix(&start);
        problem.unwrap_or_else(|| panic!("{refusal}")).to_owned()
    };
    let outside = "text stands outside of the root element";
    assert_eq!(broken(1, "{\"tests\": 3}"), outside);
    assert_eq!(broken(1, "all passed"), outside);
    assert_eq!(broken(1, "\u{feff}\u{feff}<testsuite/>"), outside);
    assert_eq!(broken(1, "&lt;testsuite>"), outside);
    assert_eq!(broken(1, "<testsuite/>\nDone."), outside);
    assert_eq!(broken(1, "<![CDATA[ab]]><testsuite/>"), outside);
    let second = "a second root begins where the report should end";
    assert_eq!(broken(2, "<testsuite/>\n<testsuite/>"), second);
    let twice = "the attribute `name` stands twice in one tag";
    assert_eq!(broken(2, "<testsuite>\n<testcase name='a' name='b'/></testsuite>"), twice);
    let bang = "`<!` begins neither a comment nor character data";
    assert_eq!(broken(2, "<testsuite>\n<!ENTITY a 'b'></testsuite>"), bang);
    assert_eq!(broken(1, "<testsuite><![cdata[]]></testsuite>"), bang);
    let alone = "`&` stands alone: it is written `&amp;`";
    assert_eq!(broken(1, "<testsuite name='this & that'/>"), alone);
    let entity = "the entity `&nbsp;` is not defined";
    assert_eq!(broken(1, "<testsuite name='a&nbsp;b'/>"), entity);
    assert_eq!(broken(2, "<testsuite>\n<system-out>&nbsp;</system-out></testsuite>"), entity);
    let letter = "the entity `&#xd800;` is not defined";
    assert_eq!(broken(1, "<testsuite><testcase name='&#xd800;'/></testsuite>"), letter);
    broken(2, "<testsuite>\n</testcase>");
    broken(1, "</testsuite>");
    broken(1, "<testsuite name=ab/>");
    broken(1, "<testsuite><testcase><failure>a & b</failure></testcase></testsuite>");
}

#[test]
fn sentence_does_not_grow_with_what_is_wrong() {
    let name = "x".repeat(200);
    let sentence = refusal(format!("<testsuite><a{name}></b{name}></testsuite>"));
    assert!(sentence.len() < 250, "{sentence}");
    assert!(refusal(format!("<testsuite name='&{name};'/>")).len() < 150);
}

#[test]
fn other_roots_are_named() {
    let sentence = "the report is no JUnit: its root is <html>, not <testsuites> or <testsuite>";
    assert_eq!(refusal("<html><testsuite/></html>"), sentence);
    assert_eq!(refusal("<x:html/>"), sentence);
}

#[test]
fn document_types_are_refused() {
    let sentence = |line| {
        format!(
            "the report declares a document type in line {line}: leave it out, entities are not read"
        )
    };
    let bomb = "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]>\n<testsuite/>";
    assert_eq!(refusal(bomb), sentence(2));
    assert_eq!(refusal("<!doctype html><html/>"), sentence(1));
    assert_eq!(refusal("<testsuite>\n\n<!DOCTYPE a></testsuite>"), sentence(3));
}

#[test]
fn only_utf8_is_read() {
    let bytes = |line| format!("the report is not written in UTF-8: line {line} holds other bytes");
    assert_eq!(refusal(b"<testsuite>\n\xe9t\xe9</testsuite>"), bytes(2));
    assert_eq!(refusal(b"<testsuite name='\xc0\x80'/>"), bytes(1));
    assert_eq!(refusal(b"<testsuite>\xed\xa0\x80</testsuite>"), bytes(1));
    assert_eq!(refusal(b"<testsuite/>\n\xf0\x9f\xa6"), bytes(2));
    // What the parser never sees is looked at too.
    let mut long = b"<testsuite><system-out>".to_vec();
    long.extend_from_slice("\u{17c}\n".repeat(50_000).as_bytes());
    long.extend_from_slice(b"\xff</system-out></testsuite>");
    assert_eq!(refusal(long), bytes(50_001));
    let wide: Vec<u8> = "<testsuite/>".bytes().flat_map(|byte| [byte, 0]).collect();
    let sentence = "the report is written in UTF-16: write it in UTF-8";
    assert_eq!(refusal([&[0xff, 0xfe], wide.as_slice()].concat()), sentence);
    assert_eq!(refusal(&wide), sentence);
    assert_eq!(refusal([&[0xfe, 0xff, 0], wide.as_slice()].concat()), sentence);
    assert_eq!(refusal([&[0], wide.as_slice()].concat()), sentence);
    assert_eq!(
        refusal("<?xml version='1.0' encoding='ISO-8859-1'?><testsuite/>"),
        "the report declares the encoding `ISO-8859-1`: write it in UTF-8"
    );
}

#[test]
fn limits_are_told() {
    let small = Limits { bytes: 2 << 10, cases: 2, depth: 3, ..Limits::default() };
    let told = |text: &str| outcome(text, &small).expect_err("too much");
    let case = "<testcase/>";
    assert_eq!(
        told(&format!("<testsuite>{}</testsuite>", case.repeat(300))),
        "the report holds more than 2 tests"
    );
    let broken = "<testsuite><testcase/><testcase/><error/></testsuite>";
    assert_eq!(told(broken), "the report holds more than 2 tests");
    let space = " ".repeat(3000);
    assert_eq!(told(&format!("<testsuite>{space}</testsuite>")), "the report is longer than 2 KiB");
    assert_eq!(
        told("<testsuite>\n<a>\n<b>\n<c/></b></a></testsuite>"),
        "the report nests elements deeper than 3 in line 4"
    );
    let empty = "<testsuite></testsuite>";
    let exact = format!("{empty}{}", " ".repeat((2 << 10) - empty.len()));
    assert!(outcome(&exact, &small).is_ok());
    assert_eq!(told(&format!("{exact} ")), "the report is longer than 2 KiB");
}

#[test]
fn tags_without_end_are_told() {
    let values = " a='b'".repeat(200_000);
    assert_eq!(
        refusal(format!("<testsuite>\n<testcase{values}/></testsuite>")),
        "the report holds a tag of more than 1 MiB in line 2"
    );
    let name = "x".repeat(300);
    assert_eq!(
        refusal(format!("<testsuite>\n<{name}/></testsuite>")),
        "the report holds a tag of more than 256 bytes in line 2"
    );
}

/// Fails behind its first bytes.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn input_that_fails_is_told_apart() {
    let input = BufReader::new(b"<testsuite>".chain(Failing));
    let fault = read(input, &Limits::default()).expect_err("no report");
    assert_eq!(fault.to_string(), "the report could not be read to its end");
    assert!(std::error::Error::source(&fault).is_some());
}
