//! How long to wait after failures: longer each time, never the same for two, and from the start again when
//! what is wanted changed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// After the first failure.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait for faults outside.
const LONGEST: Duration = Duration::from_mins(1);

/// Failures in a row, by preview.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, (i64, u32)>>,
}

impl Backoff {
    /// Another failure of that generation of a preview: how many there were in a row, and how long to wait.
    pub(crate) fn failed(&self, uid: &str, generation: i64) -> (u32, Duration) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = failures.entry(uid.to_owned()).or_insert((generation, 0));
        if entry.0 != generation {
            *entry = (generation, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        (entry.1, wait(entry.1, rand::random_range(0.5..1.0)))
    }

    /// How many failures in a row there were of that generation.
    pub(crate) fn count(&self, uid: &str, generation: i64) -> u32 {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(uid).filter(|entry| entry.0 == generation).map_or(0, |entry| entry.1)
    }

    /// It went well.
    pub(crate) fn succeeded(&self, uid: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// The wait after so many failures; `jitter` is the part of it that is waited.
fn wait(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    doubled.min(LONGEST).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, wait};

    #[test]
    fn waits_grow_to_a_minute_and_no_further() {
        let waits: Vec<u128> = [1, 2, 3, 7, 8, 100].map(|n| wait(n, 1.0).as_millis()).into();
        assert_eq!(waits, [500, 1000, 2000, 32_000, 60_000, 60_000]);
        assert_eq!(wait(1, 0.5), Duration::from_millis(250));
    }

    #[test]
    fn new_generation_begins_anew() {
        let backoff = Backoff::default();
        assert_eq!(backoff.failed("a", 1).0, 1);
        assert_eq!(backoff.failed("a", 1).0, 2);
        assert_eq!(backoff.failed("a", 2).0, 1);
        backoff.succeeded("a");
        assert_eq!(backoff.failed("a", 2).0, 1);
    }
}
