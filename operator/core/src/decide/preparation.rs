//! Jobs that make a stack ready: one after the other, each once, before what is built on them is let in.

use serde_json::Value;
use understudy_crds::condition::Reason;

use super::{
    trouble::{Trouble, exit, log_end, of_pod, telling_line},
    {Act, Write},
};
use crate::{
    desired::Desired,
    facts::Facts,
    object::{items, text},
    pod::Pod,
    task::MAIN,
};

/// How far the preparation is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Preparation<'desired> {
    /// Everything is done, or there is nothing to do.
    Done,
    /// This one is to be begun.
    Begin(&'desired Desired),
    /// This one runs.
    Runs(&'desired Desired, Option<String>),
    /// This one failed: nothing after it is begun.
    Failed(Trouble),
}

/// Looks at the Jobs in their order. Their names say of which commit they are: one that is there is never begun again.
pub(super) fn preparation<'desired>(
    jobs: &'desired [Desired],
    facts: &Facts,
) -> Preparation<'desired> {
    for job in jobs {
        let Some(child) = facts.children.get(&job.id) else { return Preparation::Begin(job) };
        let holds = |kind: &str| condition(&child.status, kind);
        if holds("Complete").is_some() {
            continue;
        }
        let pods: Vec<&Pod> = facts.pods.iter().filter(|pod| pod.job == child.uid).collect();
        if let Some(failed) = holds("Failed") {
            return Preparation::Failed(failure(job, &pods, failed, facts));
        }
        if child.deleting {
            return Preparation::Runs(job, None);
        }
        let trouble = pods.iter().find_map(|pod| of_pod(&job.id, pod, None, facts));
        if let Some(trouble) = trouble {
            return Preparation::Failed(trouble);
        }
        let waits = pods.iter().find_map(|pod| pod.unschedulable.clone());
        return Preparation::Runs(job, waits);
    }
    Preparation::Done
}

/// A condition of a Job that holds.
pub(super) fn condition<'status>(status: &'status Value, kind: &str) -> Option<&'status Value> {
    items(status, "/conditions")
        .map(|(_, one)| one)
        .find(|one| text(one, "/type") == kind && text(one, "/status") == "True")
}

/// Why a Job failed, by what its pod left.
fn failure(job: &Desired, pods: &[&Pod], failed: &Value, facts: &Facts) -> Trouble {
    let whose = job.id.words();
    let Some((pod, container)) = pods.iter().find_map(|pod| {
        let main = pod.containers.iter().find(|one| one.name == MAIN && one.ended.is_some());
        Some((*pod, main?))
    }) else {
        let why = pods.iter().find_map(|pod| (!pod.reason.is_empty()).then_some(&pod.reason));
        let why = why.map_or_else(|| text(failed, "/message").to_owned(), Clone::clone);
        return Trouble::new(Reason::JobFailed, format!("{whose} failed: {why}"));
    };
    let end = container.ended.clone().unwrap_or_default();
    let log = log_end(pod, container, end.message.clone(), facts);
    let read = facts.logs.get(&log);
    let why = match pod.reason.as_str() {
        "DeadlineExceeded" => "it took longer than its `timeout`".to_owned(),
        "" => exit(&end),
        reason => reason.to_owned(),
    };
    let mut sentence = format!("{whose} failed ({why})");
    if let Some(line) = read.and_then(|read| telling_line(read.as_deref()?)) {
        sentence.push_str(": ");
        sentence.push_str(line.trim());
    }
    let unread = read.is_none().then_some(log);
    Trouble { unread, ..Trouble::new(Reason::JobFailed, sentence) }
}

/// The write that begins it: a creation, so that its name is a lock.
pub(super) fn begin(job: &Desired) -> Act {
    Act::Write(Write::Create { id: job.id.clone(), object: job.object.clone() })
}
