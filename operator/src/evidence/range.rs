//! What part of a file a request asks for (RFC 9110, 13 and 14): all of it, one range, or nothing new.

use std::ops::Range;

use http::{HeaderMap, Method, header};

/// The answer that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, which are there.
    Part(Range<u64>),
    /// Bytes that are not there.
    Beyond,
    /// Nothing: the client has it.
    Known,
}

/// What a request wants of a file with this entity tag and size in bytes. Several ranges at once count as none.
pub(crate) fn wanted(method: &Method, headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let same = |one: &str| one.trim().trim_start_matches("W/") == tag;
    let known = text(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known == "*" || known.split(',').any(same)) {
        return Wanted::Known;
    }
    // A tag that is weak, or a date, does not prove that the client has the same bytes.
    let unchanged = text(header::IF_RANGE).is_none_or(|known| known == tag);
    match text(header::RANGE) {
        Some(range) if method == Method::GET && unchanged => part(range, size),
        _ => Wanted::Whole,
    }
}

fn part(range: &str, size: u64) -> Wanted {
    let Some((unit, range)) = range.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = range.trim().split_once('-') else { return Wanted::Whole };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    // A number that is too long for us is beyond every file.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let range = match (first, last) {
        ("", last) if digits(last) => size.saturating_sub(number(last))..size,
        (first, "") if digits(first) => number(first)..size,
        (first, last) if digits(first) && digits(last) => {
            let (first, last) = (number(first), number(last));
            if last < first {
                return Wanted::Whole;
            }
            first..last.saturating_add(1).min(size)
        }
        _ => return Wanted::Whole,
    };
    if range.start < range.end { Wanted::Part(range) } else { Wanted::Beyond }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method, header};
    use rstest::rstest;

    use super::{Wanted, wanted};

    fn asked(method: &Method, said: &[(HeaderName, &str)], size: u64) -> Wanted {
        let pairs =
            said.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value")));
        wanted(method, &pairs.collect::<HeaderMap>(), "\"tag\"", size)
    }

    #[rstest]
    #[case("bytes=0-0", Wanted::Part(0..1))]
    #[case("bytes=2-", Wanted::Part(2..10))]
    #[case("bytes=2-99", Wanted::Part(2..10))]
    #[case("BYTES=2-3", Wanted::Part(2..4))]
    #[case("bytes=-3", Wanted::Part(7..10))]
    #[case("bytes=-99", Wanted::Part(0..10))]
    #[case("bytes=-0", Wanted::Beyond)]
    #[case("bytes=10-", Wanted::Beyond)]
    #[case("bytes=99999999999999999999-", Wanted::Beyond)]
    #[case("bytes=0-99999999999999999999", Wanted::Part(0..10))]
    #[case("bytes=3-2", Wanted::Whole)]
    #[case("bytes=0-1,3-4", Wanted::Whole)]
    #[case("bytes=-", Wanted::Whole)]
    #[case("bytes=+1-2", Wanted::Whole)]
    #[case("bytes=a-b", Wanted::Whole)]
    #[case("lines=1-2", Wanted::Whole)]
    #[case("", Wanted::Whole)]
    fn one_range_is_understood(#[case] range: &str, #[case] answer: Wanted) {
        assert_eq!(asked(&Method::GET, &[(header::RANGE, range)], 10), answer);
        assert_eq!(asked(&Method::HEAD, &[(header::RANGE, range)], 10), Wanted::Whole);
    }

    #[rstest]
    #[case("\"tag\"", Wanted::Part(0..1))]
    #[case("\"other\"", Wanted::Whole)]
    #[case("W/\"tag\"", Wanted::Whole)]
    #[case("Sat, 21 Nov 2026 10:00:00 GMT", Wanted::Whole)]
    fn range_of_something_else_is_the_whole(#[case] known: &str, #[case] answer: Wanted) {
        let said = [(header::RANGE, "bytes=0-0"), (header::IF_RANGE, known)];
        assert_eq!(asked(&Method::GET, &said, 10), answer);
    }

    #[rstest]
    #[case("\"tag\"", Wanted::Known)]
    #[case("W/\"tag\"", Wanted::Known)]
    #[case("\"a\", \"tag\"", Wanted::Known)]
    #[case("*", Wanted::Known)]
    #[case("\"a\"", Wanted::Whole)]
    fn what_a_client_has_is_not_sent_again(#[case] known: &str, #[case] answer: Wanted) {
        assert_eq!(asked(&Method::GET, &[(header::IF_NONE_MATCH, known)], 10), answer);
    }

    #[test]
    fn empty_file_has_no_range() {
        assert_eq!(asked(&Method::GET, &[(header::RANGE, "bytes=0-")], 0), Wanted::Beyond);
        assert_eq!(asked(&Method::GET, &[(header::RANGE, "bytes=-1")], 0), Wanted::Beyond);
    }
}
