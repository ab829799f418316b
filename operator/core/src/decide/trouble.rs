//! What keeps a pod from running, told to a person: the object, the reason, and the log line that matters.

use jiff::{SignedDuration, Timestamp};
use understudy_crds::condition::Reason;

use super::lifetime::later;
use crate::{
    child::ObjectId,
    facts::{Facts, LogEnd},
    pod::{Container, Ended, Pod},
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
    /// When it may be over although nothing happens.
    pub next: Option<Timestamp>,
}

impl Trouble {
    /// Trouble that no log explains.
    pub(super) const fn new(reason: Reason, sentence: String) -> Self {
        Self { reason, sentence, unread: None, next: None }
    }
}

/// Waiting reasons of containers that go away by themselves, or are about to be tried for the first time.
const PATIENCE: [&str; 5] =
    ["ContainerCreating", "PodInitializing", "CrashLoopBackOff", "ErrImagePull", ""];

/// A container that crashed twice counts as mended once it ran for so long: one without a readiness probe is
/// ready whenever it runs.
const STEADY: SignedDuration = SignedDuration::from_secs(60);

impl Pod {
    /// The container that crashed twice, and until when at least it counts as crashing.
    pub(super) fn crash(&self, now: Timestamp) -> Option<(&Container, Option<Timestamp>)> {
        self.containers.iter().find_map(|one| {
            let failed = one.ended.as_ref().is_some_and(|end| end.code != 0 || one.restarts > 1);
            let twice = one.restarts > 1 || (one.restarts == 1 && one.running.is_none());
            let steady = one.running.map(|since| later(since, STEADY));
            let mended = one.ready && steady.is_some_and(|steady| steady <= now);
            (failed && twice && !mended).then_some((one, steady.filter(|_| one.ready)))
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
    if let (Some((container, steady)), Some(ready)) = (pod.crash(facts.now), ready) {
        let started = container.ended.as_ref().and_then(|end| end.started);
        // Kubernetes counts in seconds.
        if started.is_none_or(|started| started.as_second() >= ready.as_second()) {
            return Some(Trouble { next: steady, ..crash(whose, pod, container, facts) });
        }
    }
    pod.containers.iter().find_map(|container| {
        let (reason, message) = container.waiting.as_ref()?;
        // Between two tries the node says what it says during one; whatever was told holds on.
        let pulls = matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff");
        let told = facts.preview.status.reason == Some(Reason::ContainerNotStarting)
            && facts.preview.status.observed_generation == Some(facts.preview.generation);
        let waits = PATIENCE.contains(&reason.as_str()) && !(pulls && told);
        let cause =
            message.split_once("ErrImagePull: ").map_or(message.as_str(), |(_, cause)| cause);
        let said =
            if pulls { ("ImagePullBackOff", cause) } else { (reason.as_str(), message.as_str()) };
        (!waits).then(|| not_starting(whose, pod, container, said, facts))
    })
}

/// What the node says of it may hold what a hook printed, or arguments with secrets in them: it is told as a log is.
fn not_starting(
    whose: &ObjectId,
    pod: &Pod,
    container: &Container,
    (reason, message): (&str, &str),
    facts: &Facts,
) -> Trouble {
    let log = log_end(pod, container, message.to_owned(), facts);
    let read = facts.logs.get(&log);
    let mut sentence =
        format!("{}: container {} does not start ({reason})", whose.words(), container.name);
    if let Some(line) = read.and_then(|read| telling_line(read.as_deref()?)) {
        sentence.push_str(": ");
        sentence.push_str(line.trim());
    }
    let unread = (read.is_none() && !message.is_empty()).then_some(log);
    Trouble { unread, ..Trouble::new(Reason::ContainerNotStarting, sentence) }
}

pub(super) fn log_end(pod: &Pod, container: &Container, words: String, facts: &Facts) -> LogEnd {
    LogEnd {
        namespace: super::namespace_name(facts),
        pod: pod.name.clone(),
        uid: pod.uid.clone(),
        container: container.name.clone(),
        run: container.restarts,
        words,
    }
}

fn crash(whose: &ObjectId, pod: &Pod, container: &Container, facts: &Facts) -> Trouble {
    let end = container.ended.clone().unwrap_or_default();
    let log = log_end(pod, container, end.message.clone(), facts);
    let read = facts.logs.get(&log);
    let line = read.and_then(|read| telling_line(read.as_deref()?)).map(str::to_owned);
    let why = exit(&end);
    let mut sentence =
        format!("{}: container {} keeps crashing ({why})", whose.words(), container.name);
    if let Some(line) = line {
        sentence.push_str(": ");
        sentence.push_str(line.trim());
    }
    let unread = read.is_none().then_some(log);
    Trouble { unread, ..Trouble::new(Reason::CrashLooping, sentence) }
}

/// How a container ended, in a few words.
pub(super) fn exit(end: &Ended) -> String {
    match end.reason.as_str() {
        "" | "Error" => format!("exit code {}", end.code),
        reason => format!("{reason}, exit code {}", end.code),
    }
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
