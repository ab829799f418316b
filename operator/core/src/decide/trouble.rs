//! What keeps a pod from running, told to a person: the object, the reason, and the log line that matters.

use jiff::Timestamp;
use understudy_crds::condition::Reason;

use crate::{
    child::ObjectId,
    facts::{Facts, LogEnd},
    pod::{Container, Pod},
};

/// Something that waiting cannot mend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trouble {
    /// Why.
    pub reason: Reason,
    /// What happened to whom.
    pub sentence: String,
    /// The log to read before it is told.
    pub unread: Option<LogEnd>,
}

impl Trouble {
    /// Trouble that no log explains.
    pub(super) const fn new(reason: Reason, sentence: String) -> Self {
        Self { reason, sentence, unread: None }
    }
}

/// Waiting reasons of containers that go away by themselves, or are about to be tried for the first time.
const PATIENCE: [&str; 5] =
    ["ContainerCreating", "PodInitializing", "CrashLoopBackOff", "ErrImagePull", ""];

impl Pod {
    /// The container that crashed twice. From then on it counts as crashing until it is ready, also in the
    /// short while in which it runs again.
    pub(super) fn crash(&self) -> Option<&Container> {
        self.containers.iter().find(|one| {
            let failed = one.ended.as_ref().is_some_and(|end| end.code != 0 || one.restarts > 1);
            let twice = one.restarts > 1 || (one.restarts == 1 && !one.running);
            failed && twice && !one.ready
        })
    }
}

/// What troubles this pod. `ready` is since when everything it can wait for is ready; without it no crash
/// counts.
pub(super) fn of_pod(
    whose: &ObjectId,
    pod: &Pod,
    ready: Option<Timestamp>,
    facts: &Facts,
) -> Option<Trouble> {
    if let (Some(container), Some(ready)) = (pod.crash(), ready) {
        let started = container.ended.as_ref().and_then(|end| end.started);
        // Kubernetes counts in seconds.
        if started.is_none_or(|started| started.as_second() >= ready.as_second()) {
            return Some(crash(whose, pod, container, facts));
        }
    }
    pod.containers.iter().find_map(|container| {
        let (reason, message) = container.waiting.as_ref()?;
        (!PATIENCE.contains(&reason.as_str())).then(|| {
            let sentence = format!(
                "{}: container {} does not start ({reason}): {message}",
                whose.words(),
                container.name
            );
            Trouble::new(Reason::ContainerNotStarting, sentence)
        })
    })
}

fn crash(whose: &ObjectId, pod: &Pod, container: &Container, facts: &Facts) -> Trouble {
    let end = container.ended.clone().unwrap_or_default();
    let log = LogEnd {
        namespace: super::namespace_name(facts),
        pod: pod.name.clone(),
        uid: pod.uid.clone(),
        container: container.name.clone(),
        run: container.restarts,
        words: end.message.clone(),
    };
    let read = facts.logs.get(&log);
    let line = read.and_then(|read| telling_line(read.as_deref()?)).map(str::to_owned);
    let why = match end.reason.as_str() {
        "" | "Error" => format!("exit code {}", end.code),
        reason => format!("{reason}, exit code {}", end.code),
    };
    let mut sentence =
        format!("{}: container {} crashed after a restart ({why})", whose.words(), container.name);
    if let Some(line) = line {
        sentence.push_str(": ");
        sentence.push_str(line.trim());
    }
    let unread = read.is_none().then_some(log);
    Trouble { reason: Reason::CrashLooping, sentence, unread }
}

/// The line of a log's end that says most: the last that speaks of an error, else the last that says
/// anything.
pub fn telling_line(log: &str) -> Option<&str> {
    const WORDS: [&str; 6] = ["error", "fatal", "panic", "exception", "failed", "cannot"];
    let lines = || log.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let telling = lines().find(|line| {
        let lower = line.to_lowercase();
        WORDS.iter().any(|word| lower.contains(word))
    });
    telling.or_else(|| lines().next())
}
