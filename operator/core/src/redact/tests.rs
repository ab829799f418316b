//! Forms of secrets, shapes of others, and what must stay.

use proptest::prelude::*;

use super::{Known, Redactor, plain};

const SECRET: &str = "s3cr3t/Pa+ss &\"word\"";

fn redactor(value: &str) -> Redactor {
    Redactor::new(&[Known { name: "db/password".to_owned(), value: value.as_bytes().to_vec() }])
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[usize::try_from(number >> (18 - 6 * place) & 63).unwrap()];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[test]
fn secret_does_not_show_in_any_form() {
    let percent = SECRET.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02x}"));
    let reserved = SECRET
        .replace('%', "%25")
        .replace('/', "%2F")
        .replace('+', "%2B")
        .replace(' ', "+")
        .replace('&', "%26")
        .replace('"', "%22");
    let json = serde_json::to_string(SECRET).unwrap();
    let html = SECRET.replace('&', "&amp;").replace('"', "&quot;");
    let hex = SECRET.bytes().fold(String::new(), |text, byte| format!("{text}{byte:02X}"));
    let middle = SECRET.len() / 2;
    let (left, right) = SECRET.split_at(middle);
    let wrapped = format!("{left}\r\n  {right}");
    let shell = format!("{left}\\\n{right}");
    for (name, form) in [
        ("plain", SECRET.to_owned()),
        ("percent", percent),
        ("form", reserved),
        ("json", json),
        ("html", html),
        ("hex", hex),
        ("wrapped", wrapped),
        ("shell", shell),
        ("base64", base64(SECRET.as_bytes())),
    ] {
        let text = format!("before {form} after");
        let shown = redactor(SECRET).text(&text);
        assert!(shown.contains("[secret db/password]"), "{name}: {shown}");
        assert!(shown.starts_with("before ") && shown.ends_with(" after"), "{name}: {shown}");
    }
}

#[test]
fn secret_does_not_show_inside_a_longer_code() {
    for user in ["a", "ab", "abc"] {
        let code = base64(format!("{user}:{SECRET}:x").as_bytes());
        let lines = code.as_bytes().chunks(8).map(String::from_utf8_lossy);
        let wrapped = lines.collect::<Vec<_>>().join(
            "
",
        );
        for text in [code, wrapped] {
            let shown = redactor(SECRET).text(&text);
            assert!(shown.contains("[secret db/password]"), "{shown}");
        }
    }
}

#[test]
fn longest_secret_wins_and_each_line_of_one_is_found() {
    let known = [("one", "abcdefgh"), ("both", "abcdefgh-ijklmnop")];
    let known: Vec<Known> = known
        .iter()
        .map(|(name, value)| Known { name: (*name).to_owned(), value: value.as_bytes().to_vec() })
        .collect();
    let both = Redactor::new(&known);
    assert_eq!(both.text("abcdefgh-ijklmnop abcdefgh"), "[secret both] [secret one]");
    let lines = redactor("first line of it all\nsecond line of it all\n");
    assert_eq!(lines.text("x second line of it all y"), "x [secret db/password] y");
}

#[test]
fn credentials_of_others_are_known_by_their_shapes() {
    let digits = "0123456789abcdefABCDEF0123456789abcd";
    for (text, shown) in [
        (format!("token gh{}_{digits}.", "p"), "[a GitHub token]"),
        (format!("AK{}{}", "IA", "ABCDEFGHIJKLMNOP"), "[an AWS key]"),
        (format!("ey{}.ey{}.c2lnbmF0dXJl", "JhbGciOiJIUzI1NiJ9", "JzdWIiOiJhIn0"), "[a JWT]"),
        ("postgres://app:hunter2@db:5432/shop".to_owned(), "[a password in a URL]"),
        (
            format!(
                "-----BEGIN {}-----\nMIIE\n-----END {}-----",
                "RSA PRIVATE KEY", "RSA PRIVATE KEY"
            ),
            "[a private key]",
        ),
        ("Authorization: Bearer abc.def-123456".to_owned(), "[a bearer token]"),
    ] {
        let found = Redactor::default().text(&text);
        assert!(found.contains(shown), "{text}: {found}");
        assert!(
            !found.contains(digits) && !found.contains("hunter2") && !found.contains("MIIE"),
            "{found}"
        );
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "a1a1a1a1d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4",
        "registry.example.com/shop@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "11111111-2222-3333-4444-555555555555 at http://pr-1.preview.test:8000/a?b=c@d",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    ] {
        assert_eq!(redactor(SECRET).text(text), text);
    }
}

#[test]
fn terminal_sequences_do_not_show() {
    let text = "\u{1b}[31merror\u{1b}[0m \u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{7} 10%\r50%\r\n\u{202e}x\u{7}";
    assert_eq!(plain(text), "error link 10%\n50%\nx");
}

proptest! {
    #[test]
    fn whatever_stands_around_it_a_secret_does_not_show(
        secret in "[!-~]{9,40}", before in "\\PC{0,40}", after in "\\PC{0,40}",
    ) {
        let shown = redactor(&secret).text(&format!("{before} {secret} {after}"));
        prop_assert!(!shown.contains(&secret), "{}", shown);
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,200}", secret in "\\PC{0,40}") {
        let _ = redactor(&secret).text(&plain(&text));
    }
}
