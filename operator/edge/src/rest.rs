//! Whether a request may pass to a preview that may sleep. Pure: times come in, wishes go out.
//!
//! The operator puts nobody to sleep within three minutes of the last note of ours, and says so in the status
//! before it takes the pods away, on condition that the preview is as it was when it decided. So a request
//! is safe
//!
//! * while a note of ours is young: the operator cannot have decided;
//! * after a new note whose answer shows the preview awake: the operator's word would come after it, and is
//!   refused since the preview changed.
//!
//! A request in any other case waits for such an answer. Most never do: notes are renewed in the background
//! while anybody is there.

use std::time::Duration;

/// Between two notes of one preview, while it is used (the contract: at most once a minute).
pub const INTERVAL: Duration = Duration::from_mins(1);

/// For how long after a failed note requests pass unnoted: an API server that is away stops no preview.
const BLIND: Duration = Duration::from_secs(5);

/// What a request is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Pass.
    Pass,
    /// Pass, while whoever asked writes a note.
    PassAndNote,
    /// Wait, while whoever asked writes a note.
    Note,
    /// Wait, while whoever asked writes that a wake is wanted.
    Wake,
    /// Wait for what somebody else is writing, or for pods.
    Wait,
}

/// A sleep, as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sleep {
    /// Since when: what tells one sleep from the next.
    pub since: u64,
    /// Whether somebody asked for its end.
    pub woken: bool,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// It is durable; how its answer shows the preview.
    Durable(Option<Sleep>),
    /// A wake was not written, since the preview is no longer as it was; how it is now.
    Outdated(Option<Sleep>),
    /// Nobody knows.
    Failed,
}

/// What one edge knows of one preview's rest. Times are since any fixed moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rest {
    /// When the last durable note was sent.
    noted: Option<Duration>,
    /// Until when requests pass although no note could be made.
    blind: Option<Duration>,
    /// A write is under way, and whether it asks for a wake.
    writing: Option<bool>,
    /// Its sleep by the newest sight of it.
    asleep: Option<Sleep>,
    /// The version of the newest sight.
    version: u64,
}

impl Rest {
    /// Somebody who counts asks for something.
    pub fn ask(&mut self, now: Duration, interval: Duration) -> Wish {
        let age = self.age(now);
        if let Some(Sleep { woken, .. }) = self.asleep {
            let failed = self.blind.is_some_and(|until| now < until);
            if self.writing.is_some() || failed || (woken && age < interval) {
                return Wish::Wait;
            }
            // Woken long ago, or by another edge: a young note of ours is needed all the same.
            self.writing = Some(!woken);
            return if woken { Wish::Note } else { Wish::Wake };
        }
        if age < interval || self.blind.is_some_and(|until| now < until) {
            return Wish::Pass;
        }
        let young = age < interval * 2;
        match (young, self.writing.is_some()) {
            (true, true) => Wish::Pass,
            (true, false) => {
                self.writing = Some(false);
                Wish::PassAndNote
            }
            (false, true) => Wish::Wait,
            (false, false) => {
                self.writing = Some(false);
                Wish::Note
            }
        }
    }

    /// Whether somebody who waits for a sleeper may enter as soon as there are pods that came after it fell asleep.
    pub fn enters(&self, now: Duration, interval: Duration) -> bool {
        self.asleep.is_some_and(|sleep| sleep.woken) && self.age(now) < interval * 2
    }

    fn age(&self, now: Duration) -> Duration {
        self.noted.map_or(Duration::MAX, |noted| now.saturating_sub(noted))
    }

    /// A write that was sent then came to an end, with the preview at that version.
    pub fn wrote(&mut self, sent: Duration, now: Duration, wrote: Wrote, version: u64) {
        let wake = self.writing.take().unwrap_or(false);
        match wrote {
            Wrote::Failed => self.blind = Some(now + BLIND),
            Wrote::Outdated(asleep) => self.see(asleep, version),
            Wrote::Durable(asleep) => {
                self.blind = None;
                self.noted = self.noted.max(Some(sent));
                self.see(asleep, version);
                // Whatever the clocks say of which came first.
                if let (Some(known), Some(seen)) = (&mut self.asleep, asleep)
                    && known.since == seen.since
                {
                    known.woken |= wake;
                }
            }
        }
    }

    /// The preview was seen at that version. What is older than what is known says nothing.
    pub fn see(&mut self, asleep: Option<Sleep>, version: u64) {
        if version < self.version {
            return;
        }
        self.version = version;
        let known = self.asleep;
        self.asleep = asleep.map(|seen| {
            let same = known.filter(|known| known.since == seen.since);
            Sleep { woken: seen.woken || same.is_some_and(|known| known.woken), ..seen }
        });
    }

    /// The version of the newest sight.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether a note is due although nobody asks for anything: somebody is still there.
    pub fn renew(&mut self, now: Duration, interval: Duration) -> bool {
        let age = self.age(now);
        // Also if it seems to sleep: a watch that lags may not have told of its waking.
        let due = self.writing.is_none() && age >= interval;
        let blind = self.blind.is_some_and(|until| now < until);
        if due && !blind {
            self.writing = Some(false);
        }
        due && !blind
    }

    /// Whether it sleeps, as far as is known.
    pub const fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    /// Until when requests pass without a look at anything else.
    pub fn passes_until(&self, interval: Duration) -> Option<Duration> {
        if self.asleep.is_some() { None } else { self.noted.map(|noted| noted + interval) }
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{INTERVAL, Rest, Sleep, Wish, Wrote};

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const AWAKE: Wrote = Wrote::Durable(None);

    const ASLEEP: Sleep = Sleep { since: 1, woken: false };
    const AGAIN: Sleep = Sleep { since: 2, woken: false };

    #[test]
    fn first_request_waits_for_its_note_and_later_ones_do_not() {
        let mut rest = Rest::default();
        assert_eq!(rest.ask(at(0), INTERVAL), Wish::Note);
        assert_eq!(rest.ask(at(0), INTERVAL), Wish::Wait);
        rest.wrote(at(0), at(1), AWAKE, 5);
        assert_eq!(rest.ask(at(59), INTERVAL), Wish::Pass);
        assert_eq!(rest.ask(at(60), INTERVAL), Wish::PassAndNote);
        assert_eq!(rest.ask(at(61), INTERVAL), Wish::Pass);
        rest.wrote(at(60), at(61), AWAKE, 6);
        assert_eq!(rest.ask(at(300), INTERVAL), Wish::Note);
    }

    #[test]
    fn sleeper_is_woken_by_one_write_however_many_ask() {
        let mut rest = Rest::default();
        rest.see(Some(ASLEEP), 7);
        assert_eq!(rest.ask(at(0), INTERVAL), Wish::Wake);
        assert_eq!(rest.ask(at(0), INTERVAL), Wish::Wait);
        rest.wrote(at(0), at(1), Wrote::Durable(Some(ASLEEP)), 8);
        assert_eq!(rest.ask(at(2), INTERVAL), Wish::Wait);
        rest.see(Some(ASLEEP), 6);
        assert_eq!(rest.ask(at(2), INTERVAL), Wish::Wait);
        rest.see(None, 9);
        assert_eq!(rest.ask(at(3), INTERVAL), Wish::Pass);
        // The next sleep is another one, even if nobody saw what lay between.
        rest.see(Some(ASLEEP), 12);
        assert_eq!(rest.ask(at(4), INTERVAL), Wish::Wake);
        rest.wrote(at(4), at(4), Wrote::Durable(Some(ASLEEP)), 13);
        assert_eq!(rest.ask(at(5), INTERVAL), Wish::Wait);
        rest.see(Some(AGAIN), 20);
        assert_eq!(rest.ask(at(6), INTERVAL), Wish::Wake);
    }

    #[test]
    fn sleeper_that_another_edge_wakes_is_not_woken_again() {
        let mut rest = Rest::default();
        rest.see(Some(ASLEEP), 7);
        assert_eq!(rest.ask(at(0), INTERVAL), Wish::Wake);
        let woken = Some(Sleep { since: 1, woken: true });
        rest.wrote(at(0), at(1), Wrote::Outdated(woken), 8);
        assert!(!rest.enters(at(1), INTERVAL), "nothing of ours keeps it awake yet");
        assert_eq!(rest.ask(at(1), INTERVAL), Wish::Note);
        rest.wrote(at(1), at(1), Wrote::Durable(woken), 9);
        assert!(rest.enters(at(1), INTERVAL));
        rest.see(Some(AGAIN), 12);
        assert_eq!(rest.ask(at(2), INTERVAL), Wish::Wake);
        rest.wrote(at(2), at(2), Wrote::Outdated(Some(AGAIN)), 13);
        assert_eq!(rest.ask(at(2), INTERVAL), Wish::Wake, "something else had changed");
    }

    #[test]
    fn sleep_that_came_before_the_note_is_seen_in_its_answer() {
        let mut rest = Rest::default();
        assert_eq!(rest.ask(at(0), INTERVAL), Wish::Note);
        rest.wrote(at(0), at(1), Wrote::Durable(Some(ASLEEP)), 9);
        // A watch that lags changes nothing.
        rest.see(None, 8);
        assert_eq!(rest.ask(at(1), INTERVAL), Wish::Wake);
    }

    #[test]
    fn api_server_that_is_away_stops_nobody_and_wakes_nobody() {
        let mut rest = Rest::default();
        assert_eq!(rest.ask(at(0), INTERVAL), Wish::Note);
        rest.wrote(at(0), at(1), Wrote::Failed, 0);
        assert_eq!(rest.ask(at(2), INTERVAL), Wish::Pass);
        assert!(!rest.renew(at(3), INTERVAL));
        assert_eq!(rest.ask(at(7), INTERVAL), Wish::Note);
        rest.wrote(at(7), at(8), AWAKE, 3);
        rest.see(Some(ASLEEP), 4);
        assert_eq!(rest.ask(at(9), INTERVAL), Wish::Wake);
        rest.wrote(at(9), at(10), Wrote::Failed, 0);
        assert_eq!(rest.ask(at(10), INTERVAL), Wish::Wait, "whoever is ill is not shouted at");
        assert_eq!(rest.ask(at(15), INTERVAL), Wish::Wake);
    }

    #[test]
    fn open_connection_keeps_its_note_young() {
        let mut rest = Rest::default();
        assert!(rest.renew(at(0), INTERVAL));
        assert!(!rest.renew(at(0), INTERVAL));
        rest.wrote(at(0), at(0), AWAKE, 1);
        assert!(!rest.renew(at(59), INTERVAL));
        assert!(rest.renew(at(60), INTERVAL));
        rest.wrote(at(60), at(60), Wrote::Durable(Some(ASLEEP)), 2);
        assert!(rest.renew(at(120), INTERVAL), "somebody is there, whatever a watch says");
    }
}
