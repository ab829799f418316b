//! How long to wait after failures: longer each time, never the same for two, and from the start again when
//! what is wanted changed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// After the first failure.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait for faults outside.
const LONGEST: Duration = Duration::from_mins(1);

/// Failures in a row, by preview.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, Failures>>,
}

#[derive(Debug)]
struct Failures {
    /// What was wanted when it failed.
    inputs: String,
    count: u32,
    until: Instant,
}

impl Backoff {
    /// Another failure with those inputs, to be tried again not before `least`: how many there were in a row,
    /// and how long to wait.
    pub(crate) fn failed(&self, uid: &str, inputs: &str, least: Duration) -> (u32, Duration) {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = 1 + all.get(uid).filter(|one| one.inputs == inputs).map_or(0, |one| one.count);
        let wait = wait(count, rand::random_range(0.5..1.0)).max(least);
        let failures = Failures { inputs: inputs.to_owned(), count, until: Instant::now() + wait };
        all.insert(uid.to_owned(), failures);
        (count, wait)
    }

    /// How long it is still to be waited after failures with those inputs: whatever woke us meanwhile, our own
    /// word about the failure among it, is no reason to try again sooner.
    pub(crate) fn rest(&self, uid: &str, inputs: &str) -> Option<Duration> {
        let all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.get(uid).filter(|one| one.inputs == inputs)?;
        failures.until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    /// How many failures in a row there were with those inputs.
    pub(crate) fn count(&self, uid: &str, inputs: &str) -> u32 {
        let all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(uid).filter(|one| one.inputs == inputs).map_or(0, |one| one.count)
    }

    /// It went well, or there is nothing left that could go wrong.
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
    fn other_inputs_begin_anew_and_are_not_waited_for() {
        let (backoff, none) = (Backoff::default(), Duration::ZERO);
        assert_eq!(backoff.failed("a", "1", none).0, 1);
        assert_eq!(backoff.failed("a", "1", none).0, 2);
        assert!(backoff.rest("a", "1").is_some());
        assert!(backoff.rest("a", "2").is_none());
        assert_eq!(backoff.failed("a", "2", Duration::from_secs(90)), (1, Duration::from_secs(90)));
        backoff.succeeded("a");
        assert!(backoff.rest("a", "2").is_none());
        assert_eq!(backoff.failed("a", "2", none).0, 1);
    }
}
