//! What an `http` check wants of an answer besides its status.

use serde_json::Value;

/// What must hold of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wanted {
    /// A text that the body contains.
    pub contains: Option<String>,
    /// A place in the body's JSON (RFC 6901), and what stands there: a text as it is, anything else as JSON.
    pub json: Option<(String, String)>,
    /// A header's name, and a text that it contains.
    pub header: Option<(String, String)>,
    /// How many milliseconds the answer may take.
    pub within: Option<u32>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What does not hold of it, in words that follow its status.
    pub unmet: Option<String>,
}

impl Answer {
    /// One of which nothing else is wanted.
    pub const fn plain(status: u16) -> Self {
        Self { status, unmet: None }
    }
}

impl Wanted {
    /// What does not hold, of the values of the header that is asked for, of the body's beginning, and of its time.
    pub fn unmet(&self, headers: &[String], body: &[u8], millis: u128) -> Option<String> {
        let text = String::from_utf8_lossy(body);
        if let Some(wanted) =
            self.contains.as_ref().filter(|wanted| !text.contains(wanted.as_str()))
        {
            return Some(format!("without `{wanted}` in it"));
        }
        if let Some((name, wanted)) = &self.header {
            if headers.is_empty() {
                return Some(format!("without the header {name}"));
            }
            if !headers.iter().any(|value| value.contains(wanted.as_str())) {
                let seen = headers.join(", ");
                return Some(format!(
                    "with the header {name}: {seen}, which does not contain `{wanted}`"
                ));
            }
        }
        if let Some((pointer, wanted)) = &self.json {
            let Ok(json) = serde_json::from_slice::<Value>(body) else {
                return Some("with a body that is no JSON".to_owned());
            };
            let found = json.pointer(pointer);
            let seen =
                found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned));
            match seen {
                None => return Some(format!("with nothing at {pointer}")),
                Some(seen) if seen != *wanted => {
                    return Some(format!("with `{seen}` at {pointer} instead of `{wanted}`"));
                }
                Some(_) => {}
            }
        }
        let slow = self.within.filter(|within| millis > u128::from(*within));
        slow.map(|within| format!("after {millis} ms, {within} are the most"))
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    fn unmet(wanted: &Wanted) -> String {
        let body = br#"{"status": "ok", "stock": {"a/b": [1, 2]}}"#;
        wanted.unmet(&["no-store, private".to_owned()], body, 120).unwrap_or_default()
    }

    #[test]
    fn everything_that_is_wanted_must_hold() {
        let pair = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
        let good = Wanted {
            contains: Some("stock".to_owned()),
            json: pair("/status", "ok"),
            header: pair("cache-control", "no-store"),
            within: Some(120),
        };
        assert_eq!(unmet(&good), "");
        for (wanted, says) in [
            (
                Wanted { contains: Some("price".to_owned()), ..good.clone() },
                "without `price` in it",
            ),
            (
                Wanted { json: pair("/stock/a~1b/1", "3"), ..good.clone() },
                "with `2` at /stock/a~1b/1 instead of `3`",
            ),
            (Wanted { json: pair("/none", "3"), ..good.clone() }, "with nothing at /none"),
            (
                Wanted { header: pair("cache-control", "public"), ..good.clone() },
                "with the header cache-control: no-store, private, which does not contain `public`",
            ),
            (Wanted { within: Some(100), ..good.clone() }, "after 120 ms, 100 are the most"),
        ] {
            assert_eq!(unmet(&wanted), says);
        }
        assert_eq!(
            good.unmet(&[], b"stock", 0).as_deref(),
            Some("without the header cache-control")
        );
        assert_eq!(
            good.unmet(&["no-store".to_owned()], b"stock", 0).as_deref(),
            Some("with a body that is no JSON")
        );
    }
}
