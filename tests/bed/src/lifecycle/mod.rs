//! Bringing beds up and down, and saying how they are.
//!
//! `up` is level-triggered: whatever a killed run left behind, the next one looks at what is really
//! there (a supervisor that lives, a cache entry that is whole) and goes on from it or starts over.

mod down;
mod follow;
mod parts;
mod present;
mod status;
mod up;

pub use down::{Remains, down, remains};
pub use status::{Health, Report, report, reports};
pub use up::{Request, up};

use crate::error::{Error, Result};

/// The longest name: it becomes part of cgroup and host names.
const LONGEST_NAME: usize = 32;

/// Refuses names that could not be a folder, a cgroup and a context at once.
pub fn check_name(name: &str) -> Result<()> {
    let valid = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if valid {
        return Ok(());
    }
    Err(Error::Refuse(format!(
        "`{name}` is no name for a bed: at most {LONGEST_NAME} lower case letters, digits and dashes, \
         no dash at either end"
    )))
}
