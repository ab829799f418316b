//! Credentials of somebody else, by their shapes.

use super::Find;

/// What begins like this, is followed by so many letters at least, and is told as that.
const PREFIXES: [(&str, usize, &str); 13] = [
    // GitHub, "Behind GitHub's new authentication token formats".
    ("ghp_", 30, "[a GitHub token]"),
    ("gho_", 30, "[a GitHub token]"),
    ("ghu_", 30, "[a GitHub token]"),
    ("ghs_", 30, "[a GitHub token]"),
    ("ghr_", 30, "[a GitHub token]"),
    ("github_pat_", 30, "[a GitHub token]"),
    ("glpat-", 16, "[a GitLab token]"),
    ("npm_", 30, "[an npm token]"),
    ("xoxb-", 16, "[a Slack token]"),
    ("xoxp-", 16, "[a Slack token]"),
    ("AKIA", 16, "[an AWS key]"),
    ("ASIA", 16, "[an AWS key]"),
    // Two parts of JSON begin with `{"` in base64url (RFC 7519).
    ("eyJ", 20, "[a JWT]"),
];

/// Every such find.
pub(super) fn find(text: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    for (prefix, least, words) in PREFIXES {
        for (from, _) in text.match_indices(prefix) {
            let rest = text.get(from..).unwrap_or_default();
            let jwt = prefix == "eyJ";
            let part = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
            let ends = |letter: char| !(part(letter) || (jwt && letter == '.'));
            let length = rest.find(ends).unwrap_or(rest.len());
            let own = rest.get(..length).unwrap_or_default();
            let begins = text.get(..from).and_then(|before| before.chars().next_back());
            let inside = begins.is_some_and(|letter| letter.is_ascii_alphanumeric());
            let fits = !jwt || own.matches('.').count() == 2;
            if length >= prefix.len() + least && fits && !inside {
                finds.push(Find { from, to: from + length, words: words.to_owned() });
            }
        }
    }
    finds.extend(keys(text));
    finds.extend(passwords(text));
    finds.extend(named(text));
    finds
}

/// Private keys, from their first line to their last (RFC 7468), or to the end of what there is.
fn keys(text: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    let mut at = 0;
    while let Some(from) =
        text.get(at..).and_then(|rest| rest.find("-----BEGIN ")).map(|one| at + one)
    {
        let rest = text.get(from..).unwrap_or_default();
        let head = rest.get(11..).unwrap_or_default();
        let title = head.find("-----").and_then(|end| head.get(..end)).unwrap_or_default();
        if !title.ends_with("PRIVATE KEY") {
            at = from + 11;
            continue;
        }
        let tail = format!("-----END {title}-----");
        let length = rest.find(&tail).map_or(rest.len(), |end| end + tail.len());
        finds.push(Find { from, to: from + length, words: "[a private key]".to_owned() });
        at = from + length;
    }
    finds
}

/// Passwords in URLs: `scheme://user:password@host`.
fn passwords(text: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    for (place, _) in text.match_indices("://") {
        let start = place + 3;
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find(|letter: char| letter.is_whitespace() || "/?#\"'<>".contains(letter));
        let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some(colon) = user.find(':') else { continue };
        if colon + 1 < user.len() {
            let (from, to) = (start + colon + 1, start + user.len());
            finds.push(Find { from, to, words: "[a password in a URL]".to_owned() });
        }
    }
    finds
}

/// Values that are named for what they are: `Authorization: Bearer …`, `aws_secret_access_key = …`.
fn named(text: &str) -> Vec<Find> {
    let lower = text.to_ascii_lowercase();
    let mut finds = Vec::new();
    for (name, words) in [
        ("authorization: bearer ", "[a bearer token]"),
        ("authorization: basic ", "[a password]"),
        ("aws_secret_access_key", "[an AWS key]"),
        ("secretaccesskey", "[an AWS key]"),
    ] {
        for (place, _) in lower.match_indices(name) {
            let start = place + name.len();
            let rest = text.get(start..).unwrap_or_default();
            let skipped =
                rest.find(|letter: char| !" \t\"':=".contains(letter)).unwrap_or(rest.len());
            let value = rest.get(skipped..).unwrap_or_default();
            let end = value.find(|letter: char| letter.is_whitespace() || "\"',".contains(letter));
            let length = end.unwrap_or(value.len());
            if length >= 8 {
                let from = start + skipped;
                finds.push(Find { from, to: from + length, words: words.to_owned() });
            }
        }
    }
    finds
}
