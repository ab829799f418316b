//! Waiting for a condition with a deadline, instead of sleeping.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::error::{Error, Result};

/// Long enough for anything on a loaded machine; a test that needs it all has failed.
pub const LONG: Duration = Duration::from_secs(90);

const INTERVAL: Duration = Duration::from_millis(100);

/// Looks until there is something. At the deadline it fails with `story`, which is only then told; an
/// error of `look` itself counts as nothing yet, and its text ends the story.
pub fn until<T>(
    what: &str,
    limit: Duration,
    story: impl Fn() -> String,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let last = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => String::new(),
            Err(error) => format!("\nthe last look failed: {error}"),
        };
        if Instant::now() >= deadline {
            return Err(Error::Deadline { what: what.to_owned(), limit, story: story() + &last });
        }
        thread::sleep(INTERVAL);
    }
}
