//! The edge, the operator and the API server's one object between them, in every order in which their steps can
//! come: no request meets a pod that was taken away, none is being answered when pods go, and each sleep is asked
//! to end once.
//!
//! Time is counted in intervals of the edge. What is assumed of it: an answer of the API server takes less than an
//! interval, and so does the edge's round over open connections. Watches may lag as long as they like.

use std::{collections::HashSet, time::Duration};

use super::{Rest, Sleep, Wish, Wrote};

/// The length of an interval.
const INTERVAL: Duration = Duration::from_secs(1);

/// After how many intervals without a note the operator puts a preview to sleep: its least is three.
const AFTER: u8 = 3;

/// How long a history is, in intervals, and how many requests come in it.
const LONGEST: u8 = 8;
const REQUESTS: u8 = 3;

/// The preview as the API server holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Object {
    version: u64,
    noted: u8,
    asleep: Option<Sleep>,
}

/// A write of the edge under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Write {
    Sent { wake: bool, at: u8, known: u64 },
    Answered { at: u8, object: Object, written: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    object: Object,
    rest: Rest,
    write: Option<Write>,
    /// What the operator goes by, and whether it is about to take the pods away.
    sight: Object,
    pods: bool,
    asked: u8,
    active: u8,
    waiting: u8,
    /// Wakes written in this sleep.
    wakes: u8,
}

const fn time(intervals: u8) -> Duration {
    Duration::from_secs(intervals as u64)
}

impl State {
    fn begin() -> Self {
        let object = Object { version: 1, noted: 0, asleep: None };
        Self {
            now: 0,
            object,
            rest: Rest::default(),
            write: None,
            sight: object,
            pods: true,
            asked: 0,
            active: 0,
            waiting: 0,
            wakes: 0,
        }
    }

    fn quiet(&self, object: Object) -> bool {
        self.now >= object.noted + AFTER
    }

    fn send(&mut self, wake: bool) {
        self.write = Some(Write::Sent { wake, at: self.now, known: self.rest.version() });
    }

    /// Somebody asks, for the first time or again.
    fn ask(mut self) -> Self {
        let wish = self.rest.ask(time(self.now), INTERVAL);
        if matches!(wish, Wish::PassAndNote | Wish::Note | Wish::Wake) {
            assert!(self.write.is_none(), "one write at a time: {self:?}");
            self.send(wish == Wish::Wake);
        }
        if matches!(wish, Wish::Pass | Wish::PassAndNote) {
            assert!(self.pods, "a request is lost: {self:?}");
            self.active += 1;
        } else {
            self.waiting += 1;
        }
        self
    }

    /// Every state that one step leads to.
    fn next(self) -> Vec<Self> {
        let mut all = Vec::new();
        if self.asked < REQUESTS {
            all.push(Self { asked: self.asked + 1, ..self }.ask());
        }
        if self.waiting > 0 {
            all.push(Self { waiting: self.waiting - 1, ..self }.ask());
            // Once a wake was asked for, pods that were not there before are enough.
            let enters = self.rest.enters(time(self.now), INTERVAL);
            if enters && self.pods && self.object.asleep.is_none() {
                all.push(Self { waiting: self.waiting - 1, active: self.active + 1, ..self });
            }
        }
        if self.active > 0 {
            all.push(Self { active: self.active - 1, ..self });
        }
        all.extend(self.written());
        all.extend(self.elsewhere());
        let mut seen = self;
        seen.rest.see(self.object.asleep, self.object.version);
        all.push(seen);
        all.extend(self.operated());
        all.extend(self.later());
        all
    }

    /// The edge's write reaches the API server, and its answer the edge.
    fn written(self) -> Option<Self> {
        let mut next = self;
        match self.write? {
            // A wake goes by the version it knows: whatever else was written makes it void.
            Write::Sent { wake: true, at, known } if known != self.object.version => {
                let object = self.object;
                next.write = Some(Write::Answered { at, object, written: false });
            }
            Write::Sent { wake, at, .. } => {
                next.object.version += 1;
                next.object.noted = at;
                if wake {
                    next.wake();
                }
                next.write = Some(Write::Answered { at, object: next.object, written: true });
            }
            Write::Answered { at, object, written } => {
                let wrote = if written { Wrote::Durable } else { Wrote::Outdated };
                next.rest.wrote(time(at), time(self.now), wrote(object.asleep), object.version);
                next.write = None;
            }
        }
        Some(next)
    }

    /// Notes that somebody asked for the end of this sleep.
    fn wake(&mut self) {
        if let Some(sleep) = &mut self.object.asleep {
            assert!(!sleep.woken, "woken twice: {self:?}");
            sleep.woken = true;
            self.wakes += 1;
        }
    }

    /// Another edge wakes it, by the newest version.
    fn elsewhere(mut self) -> Option<Self> {
        self.object.asleep.filter(|sleep| !sleep.woken)?;
        self.object.version += 1;
        self.object.noted = self.now;
        self.wake();
        Some(self)
    }

    /// The operator looks, or acts by what it saw.
    fn operated(self) -> Vec<Self> {
        let mut all = vec![Self { sight: self.object, ..self }];
        let (sight, mut next) = (self.sight, self);
        match (sight.asleep, self.quiet(sight)) {
            (None, true) if sight.version == self.object.version => {
                next.object.version += 1;
                next.object.asleep = Some(Sleep { since: next.object.version, woken: false });
                next.wakes = 0;
                next.sight = next.object;
                all.push(next);
            }
            (Some(_), true) if self.pods => {
                assert!(self.active == 0, "pods go while somebody is being answered: {self:?}");
                next.pods = false;
                all.push(next);
            }
            (Some(_), false) if sight.version == self.object.version => {
                next.pods = true;
                next.object.version += 1;
                next.object.asleep = None;
                next.sight = next.object;
                all.push(next);
            }
            _ => {}
        }
        all
    }

    /// An interval passes, in which the edge did what it does in each.
    fn later(self) -> Option<Self> {
        let mut next = self;
        if self.now >= LONGEST || self.write.is_some() {
            return None;
        }
        // Whoever waits counts as well.
        if self.active + self.waiting > 0 && next.rest.renew(time(self.now), INTERVAL) {
            next.send(false);
            return Some(next);
        }
        next.now += 1;
        Some(next)
    }
}

#[test]
fn every_small_history_keeps_every_request_and_wakes_once() {
    let mut seen = HashSet::from([State::begin()]);
    let mut open = vec![State::begin()];
    let (mut slept, mut woke) = (0, 0);
    while let Some(state) = open.pop() {
        slept += usize::from(!state.pods);
        woke += usize::from(state.wakes > 0);
        for next in state.next() {
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    println!("measured: {} states, {slept} without pods, {woke} with a wake", seen.len());
    assert!(slept > 0 && woke > 0, "histories without sleep show nothing");
}
