//! Words that carry a rule: one rule serves parsing, serde and the schema of the CRD.
//!
//! A value of these types cannot be wrong; what is wrong never becomes one.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is not such a word: the text of the error is meant for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $pattern:literal, $longest:literal, $rule:path, $is:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        // By hand: deriving it would follow `try_from` and know nothing of the rule.
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "pattern": $pattern, "minLength": 1, "maxLength": $longest,
                })
            }
        }

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                if text.len() <= $longest && $rule(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(Malformed(format!("`{text}` is not {}", $is)))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Malformed> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

word!(
    /// A DNS label (RFC 1123): lower case letters, digits and dashes, a letter or digit at both ends, at
    /// most 63 characters. Names of lists, Services and Secrets.
    DnsLabel,
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    63,
    is_dns_label,
    "a DNS label: at most 63 lower case letters, digits and dashes, a letter or digit at both ends"
);

word!(
    /// A Git commit: 40 hexadecimal digits (SHA-1) or 64 (SHA-256), lower case.
    CommitSha,
    "^([0-9a-f]{40}|[0-9a-f]{64})$",
    64,
    is_commit,
    "a commit: 40 or 64 lower case hexadecimal digits"
);

word!(
    /// A length of time such as `90s`, `10m`, `1h30m` or `72h`.
    Span,
    "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$",
    20,
    is_span,
    "a length of time such as 90s, 10m or 1h30m"
);

impl CommitSha {
    /// The first seven digits, as people know a commit.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl Span {
    /// As a duration.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(seconds(&self.0).unwrap_or(0))
    }
}

fn is_dns_label(text: &str) -> bool {
    let inner =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text.chars().all(|letter| letter.is_ascii_digit() || ('a'..='f').contains(&letter))
}

fn is_span(text: &str) -> bool {
    seconds(text).is_some()
}

/// The seconds of `1h30m`: units in falling order, each at most once.
fn seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        let Some((digits, behind)) = rest.split_once(unit) else { continue };
        if digits.is_empty()
            || digits.len() > 6
            || !digits.chars().all(|digit| digit.is_ascii_digit())
        {
            return None;
        }
        total += digits.parse::<u64>().ok()? * factor;
        rest = behind;
    }
    (rest.is_empty() && !text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::{CommitSha, DnsLabel, Span, seconds};

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, expected) in
            [("90s", 90), ("10m", 600), ("1h30m", 5400), ("72h", 259_200), ("1h1s", 3601)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["", "h", "10", "1m1h", "1.5h", "-1h", "1d", "1234567s", "1h 30m"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn labels_and_commits_keep_their_rules() {
        assert!("a-1".parse::<DnsLabel>().is_ok() && "a".repeat(63).parse::<DnsLabel>().is_ok());
        for text in ["", "-a", "a-", "A", "a.b", "ä", &"a".repeat(64)] {
            assert!(text.parse::<DnsLabel>().is_err(), "{text}");
        }
        assert!("0123456789abcdef0123456789abcdef01234567".parse::<CommitSha>().is_ok());
        for text in ["", "HEAD", "0123456", &"A".repeat(40), &"a".repeat(41)] {
            assert!(text.parse::<CommitSha>().is_err(), "{text}");
        }
    }
}
