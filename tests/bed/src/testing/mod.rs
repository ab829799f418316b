//! What tests need of a bed: a namespace each, waits that tell a story when they fail, and dials.
//!
//! Everything goes through kubectl and JSON, so it costs no Kubernetes client to compile. It panics
//! nowhere: a test decides by itself what is a failure.

mod dial;
mod namespace;
mod story;
mod wait;

pub use dial::{Dialled, Pod, dial};
pub use namespace::Namespace;
pub use story::story;
pub use wait::{LONG, until};

use crate::{Bed, Error, Profile, Result};

/// The variable by which a runner names the bed that tests share.
pub const VARIABLE: &str = "UNDERSTUDY_TEST_BED";

/// The bed that the tests of that profile share: the one named by [`VARIABLE`], else the one that
/// `cargo bed up --profile P` makes.
pub fn shared(profile: Profile) -> Result<Bed> {
    let name = std::env::var(VARIABLE).unwrap_or_else(|_| profile.to_string());
    Bed::attach(&name).map_err(|error| match error {
        Error::Refuse(why) => {
            Error::Refuse(format!("{why} (a bed of another name is chosen by {VARIABLE}=NAME)"))
        }
        other => other,
    })
}

/// The text at a JSON pointer, or an empty one.
pub fn text<'value>(value: &'value serde_json::Value, pointer: &str) -> &'value str {
    value.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// What a test returns, so that `?` ends it with a text that people can read.
pub type Outcome = std::result::Result<(), Failure>;

/// A failed test: the test harness prints the `Debug` form, so that is the text itself.
pub struct Failure(String);

impl std::fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
