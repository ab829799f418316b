//! What a collector may say, and what is refused.

use proptest::{prelude::any, proptest};
use serde_json::{Value, json};

use super::{
    Digest, EXAMPLES, LARGEST_MANIFEST, LONGEST_WORDS, LastWords, Malformed, Manifest, Named,
    Omitted, ResultPath, Run, Summary, UNREADABLE,
};

const NOTHING: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest() -> Value {
    json!({
        "version": 1,
        "check": "end-to-end",
        "commit": "a".repeat(40),
        "attempt": 1,
        "collector": "0.1.0",
        "began": "2026-01-02T03:04:05Z",
        "ended": "2026-01-02T03:05:05Z",
        "reports": [
            {
                "path": "junit.xml", "digest": NOTHING, "size": 0, "modified": "2026-01-02T03:05:00Z",
                "outcome": {"read": {"total": 3, "failed": 1, "skipped": 1}},
            },
            {
                "path": "more/junit.xml", "digest": NOTHING, "size": 0, "modified": "2026-01-02T03:05:00Z",
                "outcome": {"fault": "the file is empty"},
            },
        ],
        "artifacts": [
            {"path": "a.png", "digest": NOTHING, "size": 0, "modified": "2026-01-02T03:05:00Z"},
        ],
        "omitted": {"count": 1, "bytes": 7, "examples": [{"path": "b.mkv", "why": "over 5 bytes"}]},
        "unreadable": [{"path": "c.xml", "why": "permission denied"}],
        "lostReports": 1,
        "total": {"total": 3, "failed": 1, "skipped": 1},
    })
}

fn parsed(manifest: &Value) -> Result<Manifest, Malformed> {
    Manifest::parse(manifest.to_string().as_bytes())
}

#[test]
fn manifest_is_written_as_it_is_read() {
    let read = parsed(&manifest()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), manifest());
    let paths: Vec<&str> = read.files().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["junit.xml", "more/junit.xml", "a.png"]);
}

#[test]
fn what_is_not_known_yet_is_passed_over() {
    let mut text = manifest();
    text["later"] = json!({"a": [1]});
    assert_eq!(parsed(&text), parsed(&manifest()));
}

#[test]
fn manifest_that_lies_or_grows_is_refused() {
    let refused = |place: &str, value: Value| {
        let mut text = manifest();
        *text.pointer_mut(place).unwrap() = value;
        parsed(&text).unwrap_err()
    };
    assert_eq!(refused("/version", json!(2)), Malformed::Version(2));
    assert_eq!(refused("/total/failed", json!(0)), Malformed::Miscount);
    assert_eq!(
        refused("/artifacts/0/path", json!("junit.xml")),
        Malformed::Repeat("junit.xml".to_owned())
    );
    assert_eq!(refused("/check", json!("x".repeat(254))), Malformed::Overflow("a name"));
    let named = json!({"path": "x", "why": "y"});
    let many = |count: usize| json!(vec![named.clone(); count]);
    assert_eq!(refused("/omitted/examples", many(EXAMPLES + 1)), Malformed::Overflow("omitted"));
    assert_eq!(refused("/unreadable", many(UNREADABLE + 1)), Malformed::Overflow("unreadable"));
    let long = json!("x".repeat(1025));
    assert_eq!(refused("/unreadable/0/why", long.clone()), Malformed::Overflow("unreadable"));
    assert_eq!(refused("/reports/1/outcome/fault", long), Malformed::Overflow("fault"));
    for (place, value) in [
        ("/commit", json!("main")),
        ("/attempt", json!(-1)),
        ("/reports/0/path", json!("../x")),
        ("/reports/0/digest", json!("sha256:00")),
        ("/reports/0/outcome", json!({"passed": true})),
    ] {
        assert!(matches!(refused(place, value), Malformed::Parse(_)), "{place}");
    }
    let large = vec![b' '; LARGEST_MANIFEST + 1];
    assert!(matches!(Manifest::parse(&large), Err(Malformed::Exceed(..))));
}

#[test]
fn paths_lead_down_only() {
    for good in ["a", "a/b.xml", "…/ü", "a\\b", "..a/b..", "a b", &"x".repeat(1024)] {
        assert_eq!(good.parse::<ResultPath>().unwrap().as_str(), good);
    }
    let long = "x".repeat(1025);
    for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\nb", "a\u{85}", &long]
    {
        assert_eq!(bad.parse::<ResultPath>(), Err(Malformed::Path), "{bad:?}");
    }
}

#[test]
fn digests_are_exact() {
    assert_eq!(Digest::of(b"").to_string(), NOTHING);
    assert_eq!(NOTHING.parse::<Digest>().unwrap(), Digest::of(b""));
    let bare = NOTHING.replace("sha256:", "");
    let short = format!("sha256:{}", "0".repeat(63));
    for bad in [&bare, &short, &NOTHING.to_uppercase(), "sha256:", ""] {
        assert_eq!(bad.parse::<Digest>(), Err(Malformed::Digest), "{bad}");
    }
    assert_eq!(Digest::from_hex(&"+1".repeat(32)), Err(Malformed::Digest));
}

#[test]
fn last_words_fit_and_come_back() {
    let read = parsed(&manifest()).unwrap();
    let words = LastWords::Stored(Summary::of(&read, b""));
    let text = serde_json::to_string(&words).unwrap();
    let said = format!(
        r#"{{"manifest":"{NOTHING}","total":3,"failed":1,"skipped":1,"reports":2,"artifacts":1}}"#
    );
    assert_eq!(text, said);
    assert_eq!(LastWords::parse(&format!("{text}\n")), Ok(words));
    let worst = LastWords::failed(&"\"".repeat(10_000));
    let text = serde_json::to_string(&worst).unwrap();
    assert!(text.len() <= LONGEST_WORDS, "{}", text.len());
    assert_eq!(LastWords::parse(&text), Ok(worst));
    assert!(LastWords::parse("").is_err());
    assert!(LastWords::parse(&" ".repeat(LONGEST_WORDS + 1)).is_err());
}

#[test]
fn only_the_first_are_named() {
    let mut omitted = Omitted::default();
    for number in 0..30 {
        omitted.add(Named::new(&format!("a\n{number}"), &"é".repeat(1000)), 10);
    }
    assert_eq!((omitted.count, omitted.bytes, omitted.examples.len()), (30, 300, EXAMPLES));
    assert_eq!(omitted.examples[0].path, "a\u{fffd}0");
    assert_eq!(omitted.examples[0].why.len(), 1024);
}

#[test]
fn run_is_read_as_the_operator_says_it() {
    let said = json!({"check": "e2e", "commit": "b".repeat(40), "attempt": 2, "final": true});
    let run: Run = serde_json::from_value(said.clone()).unwrap();
    assert!(run.is_final);
    assert_eq!(serde_json::to_value(run).unwrap(), said);
}

proptest! {
    #[test]
    fn no_bytes_make_it_stumble(bytes in proptest::collection::vec(any::<u8>(), 0..2000), text in ".*") {
        let _ = Manifest::parse(&bytes);
        let _ = LastWords::parse(&text);
        if let Ok(path) = text.parse::<ResultPath>() {
            assert!(!path.as_str().starts_with('/'));
        }
    }
}
