//! Paths of results: they lead down and nowhere else.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Malformed;

/// The longest path, in bytes.
pub const LONGEST_PATH: usize = 1024;

/// Where a file was, below the folder of results: parts with `/` between, none of them empty, `.` or `..`, without
/// control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResultPath(String);

impl ResultPath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResultPath {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let leads_down = |part: &str| !matches!(part, "" | "." | "..");
        let fits = text.len() <= LONGEST_PATH
            && text.split('/').all(leads_down)
            && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(Malformed::Path) }
    }
}

impl TryFrom<String> for ResultPath {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<ResultPath> for String {
    fn from(path: ResultPath) -> Self {
        path.0
    }
}

impl fmt::Display for ResultPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
