//! Whether what was applied has come to run, and if not, what is in its way.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use understudy_crds::{condition::Reason, label};

use super::{
    preparation::condition as holds,
    trouble::{Trouble, of_pod},
};
use crate::{
    child::{Child, ObjectId},
    desired::Desired,
    facts::Facts,
    object::{items, pod_template, text},
    pod::Pod,
};

/// How far the rollout is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rollout {
    /// Everything runs as it is desired, and nothing else does.
    Complete,
    /// Time will tell.
    Progressing(String),
    /// Waiting cannot mend it.
    Broken(Trouble),
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of the stack: nothing else of it may run.
    Whole,
    /// What the rest waits for.
    Part,
}

/// Looks at the workloads of the stack.
pub(super) fn rollout<'desired>(
    desired: impl Iterator<Item = &'desired Desired>,
    extent: Extent,
    facts: &Facts,
) -> Rollout {
    let desired: Vec<&Desired> = desired.collect();
    let desired = desired.as_slice();
    let states: BTreeMap<&ObjectId, State> = desired
        .iter()
        .copied()
        .filter(|one| pod_template(&one.id.kind).is_some() && one.id.kind != "CronJob")
        .map(|one| (&one.id, state(one, facts)))
        .collect();
    let open: Vec<&ObjectId> =
        states.iter().filter(|(_, state)| **state != State::Done).map(|(id, _)| *id).collect();
    let names: Vec<String> = states.keys().map(|id| id.words()).collect();
    let under_way = Rollout::Progressing(format!("rolling out {}", names.join(", ")));
    // What runs may be about to end again.
    let shaky = desired
        .iter()
        .copied()
        .filter(|one| states.get(&one.id) == Some(&State::Done))
        .find_map(|one| trouble(one, &open, facts));
    if let Some(trouble) = shaky {
        return Rollout::Broken(trouble);
    }
    if open.is_empty() {
        return if leftovers(desired, extent, facts) { under_way } else { Rollout::Complete };
    }
    for one in desired {
        let Some(state) = states.get(&one.id) else { continue };
        if let State::Failed(trouble) = state {
            return Rollout::Broken(trouble.clone());
        }
        if *state != State::Done
            && let Some(trouble) = trouble(one, &open, facts)
        {
            return Rollout::Broken(trouble);
        }
    }
    let stuck = |pod: &&Pod| pod.unschedulable.is_some() && !pod.deleting && !pod.is_task();
    if let Some(pod) = facts.pods.iter().find(stuck) {
        let why = pod.unschedulable.clone().unwrap_or_default();
        return Rollout::Progressing(format!("pod {} cannot be scheduled yet: {why}", pod.name));
    }
    under_way
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Done,
    Open,
    Failed(Trouble),
}

fn state(one: &Desired, facts: &Facts) -> State {
    let Some(child) = facts.children.get(&one.id) else { return State::Open };
    let number = |name: &str| child.status.get(name).and_then(Value::as_i64).unwrap_or(0);
    if child.deleting || child.applied() != one.digest() {
        return State::Open;
    }
    if one.id.kind == "Job" {
        return job(one, child);
    }
    let observed = number("observedGeneration") >= child.generation;
    if observed && let Some(trouble) = condition(one, child) {
        return State::Failed(trouble);
    }
    let wanted = replicas(&one.object);
    let rolled = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
        .iter()
        .all(|name| number(name) == wanted);
    if observed && rolled { State::Done } else { State::Open }
}

/// How many pods are wanted; Kubernetes makes one if nothing is said.
pub(super) fn replicas(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

fn job(one: &Desired, child: &Child) -> State {
    if holds(&child.status, "Complete").is_some() {
        return State::Done;
    }
    holds(&child.status, "Failed").map_or(State::Open, |failed| {
        let sentence = format!("{} failed: {}", one.id.words(), text(failed, "/message"));
        State::Failed(Trouble::new(Reason::JobFailed, sentence))
    })
}

/// What a controller says of a workload that cannot go on.
fn condition(one: &Desired, child: &Child) -> Option<Trouble> {
    items(&child.status, "/conditions").find_map(|(_, condition)| {
        let message = text(condition, "/message");
        let kind = (text(condition, "/type"), text(condition, "/status"));
        let name = one.id.words();
        match kind {
            ("ReplicaFailure", "True") if message.contains("exceeded quota") => Some(Trouble::new(
                Reason::QuotaExceeded,
                format!("{name}: the preview's quota does not allow its pods: {message}"),
            )),
            // The namespace's quota or account are not known everywhere in the first moment.
            ("ReplicaFailure", "True") if !is_early(message) => Some(Trouble::new(
                Reason::ApplyRejected,
                format!("{name}: its pods are refused: {message}"),
            )),
            ("Progressing", "False") => Some(Trouble::new(
                Reason::RolloutDeadlineExceeded,
                format!("{name} did not become ready in time: {message}"),
            )),
            _ => None,
        }
    })
}

fn is_early(message: &str) -> bool {
    message.contains("status unknown for quota")
        || message.contains("serviceaccount")
        || message.contains("is being terminated")
}

/// The pods of this workload that are of the desired template.
fn pods<'facts>(one: &Desired, facts: &'facts Facts) -> Vec<&'facts Pod> {
    let name = workload(&one.id);
    let template = template(one);
    facts
        .pods
        .iter()
        .filter(|pod| pod.workload == name && pod.template == template && !pod.deleting)
        .collect()
}

fn workload(id: &ObjectId) -> String {
    format!("{}/{}", id.kind, id.name)
}

/// The digest of the desired pod template.
pub(super) fn template(one: &Desired) -> &str {
    let pointer = pod_template(&one.id.kind).map_or("", |(pointer, _)| pointer);
    let holder = one.object.pointer(pointer.trim_end_matches("/spec"));
    let words = holder.and_then(|holder| holder.pointer("/metadata/annotations"));
    words.and_then(|words| words.get(label::TEMPLATE)).and_then(Value::as_str).unwrap_or_default()
}

/// What troubles the pods of a workload that is not done. A crash counts only once everything else that
/// it can wait for is ready: all other workloads, but those that crash themselves.
fn trouble(one: &Desired, open: &[&ObjectId], facts: &Facts) -> Option<Trouble> {
    let crashing: BTreeSet<&str> = facts
        .pods
        .iter()
        .filter(|pod| !pod.deleting && pod.crash(facts.now).is_some())
        .map(|pod| pod.workload.as_str())
        .collect();
    let waits = open.iter().any(|id| **id != one.id && !crashing.contains(workload(id).as_str()));
    let own = workload(&one.id);
    let others_ready = facts
        .pods
        .iter()
        .filter(|pod| pod.workload != own && !crashing.contains(pod.workload.as_str()))
        .filter_map(|pod| pod.ready_since)
        .max()
        .unwrap_or(Timestamp::MIN);
    let ready = (!waits).then_some(others_ready);
    pods(one, facts).into_iter().find_map(|pod| of_pod(&one.id, pod, ready, facts))
}

/// Pods of templates that are no longer desired, or that go: until they are away, two commits answer.
fn leftovers(desired: &[&Desired], extent: Extent, facts: &Facts) -> bool {
    let wanted: BTreeMap<String, &str> = desired
        .iter()
        .filter(|one| pod_template(&one.id.kind).is_some())
        .map(|one| (workload(&one.id), template(one)))
        .collect();
    let old = |pod: &&Pod| {
        let Some(wanted) = wanted.get(&pod.workload) else {
            return extent == Extent::Whole && !(pod.is_over() || pod.is_task());
        };
        let current = *wanted == pod.template;
        !(pod.is_over() || pod.is_task()) && (pod.deleting || !current)
    };
    facts.pods.iter().any(|pod| old(&pod))
}

/// What contradicts the proof that the desired images run: a container of another image than its pod
/// template says.
pub(super) fn contradiction(facts: &Facts) -> Option<String> {
    let pins = &facts.preview.status.images;
    facts.pods.iter().filter(|pod| !pod.deleting && !pod.is_over()).find_map(|pod| {
        pod.containers.iter().find_map(|container| {
            let (_, wanted) = container.image.split_once('@')?;
            let (_, runs) = container.image_id.split_once('@')?;
            let pin = pins.iter().find(|pin| pin.digest == wanted)?;
            let same = runs == wanted || pin.platforms.iter().any(|digest| digest == runs);
            (!same).then(|| {
                format!(
                    "pod {} runs {runs} for container {}, not {wanted}",
                    pod.name, container.name
                )
            })
        })
    })
}
