//! What is seen of a pod: which template it was made from, which images run, and what troubles it.

use jiff::Timestamp;
use serde_json::Value;
use understudy_crds::label;

use crate::object::{items, text};

/// A pod of a preview.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The workload it belongs to, as `Deployment/web`.
    pub workload: String,
    /// The digest of the template it was made from.
    pub template: String,
    /// The UID of the Job that made it; empty if none did.
    pub job: String,
    /// Why it came to its end, in a word: `DeadlineExceeded`, `Evicted`; mostly empty.
    pub reason: String,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// `Pending`, `Running`, `Succeeded` or `Failed`.
    pub phase: String,
    /// Since when it is Ready.
    pub ready_since: Option<Timestamp>,
    /// Why it cannot be scheduled.
    pub unschedulable: Option<String>,
    /// Its containers, init containers first.
    pub containers: Vec<Container>,
}

/// A container of a pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The image of the pod's spec.
    pub image: String,
    /// The image that runs, as the runtime names it; may be empty.
    pub image_id: String,
    /// How often it was restarted.
    pub restarts: i64,
    /// Why it does not run.
    pub waiting: Option<(String, String)>,
    /// How it ended the last time.
    pub ended: Option<Ended>,
    /// Since when it runs; `None` while it does not.
    pub running: Option<Timestamp>,
    /// Whether it is ready.
    pub ready: bool,
}

/// The end of a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ended {
    /// Its exit code.
    pub code: i64,
    /// `Error`, `OOMKilled`, …
    pub reason: String,
    /// Its termination message.
    pub message: String,
    /// When that run began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

impl Pod {
    /// Reads a pod as the API server gives it.
    pub fn read(object: &Value) -> Self {
        let annotation = |name: &str| {
            let words = object.pointer("/metadata/annotations");
            words.and_then(|words| words.get(name)).and_then(Value::as_str).unwrap_or_default()
        };
        let condition = |kind: &str| {
            items(object, "/status/conditions")
                .map(|(_, one)| one)
                .find(|one| text(one, "/type") == kind)
        };
        let ready = condition("Ready").filter(|one| text(one, "/status") == "True");
        let unschedulable =
            condition("PodScheduled").filter(|one| text(one, "/reason") == "Unschedulable");
        let mut containers = Vec::new();
        for (specs, statuses) in [
            ("/spec/initContainers", "/status/initContainerStatuses"),
            ("/spec/containers", "/status/containerStatuses"),
        ] {
            containers.extend(items(object, specs).map(|(_, spec)| {
                let name = text(spec, "/name");
                let mut seen = items(object, statuses).map(|(_, one)| one);
                container(spec, seen.find(|one| text(one, "/name") == name))
            }));
        }
        Self {
            name: text(object, "/metadata/name").to_owned(),
            uid: text(object, "/metadata/uid").to_owned(),
            workload: annotation(label::WORKLOAD).to_owned(),
            template: annotation(label::TEMPLATE).to_owned(),
            job: items(object, "/metadata/ownerReferences")
                .map(|(_, owner)| owner)
                .find(|owner| text(owner, "/kind") == "Job")
                .map_or_else(String::new, |owner| text(owner, "/uid").to_owned()),
            reason: text(object, "/status/reason").to_owned(),
            deleting: object.pointer("/metadata/deletionTimestamp").is_some(),
            phase: text(object, "/status/phase").to_owned(),
            ready_since: ready.and_then(|one| time(one, "/lastTransitionTime")),
            unschedulable: unschedulable.map(|one| text(one, "/message").to_owned()),
            containers,
        }
    }

    /// Whether it belongs to a Job of ours, and not to the stack.
    pub fn is_task(&self) -> bool {
        ["Job/prepare-", "Job/check-"].iter().any(|start| self.workload.starts_with(start))
    }

    /// Whether it has come to its end.
    pub fn is_over(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

fn container(spec: &Value, status: Option<&Value>) -> Container {
    let status = status.unwrap_or(&Value::Null);
    let reason = |place: &str| {
        status
            .pointer(place)
            .map(|state| (text(state, "/reason").to_owned(), text(state, "/message").to_owned()))
    };
    let ended = ["/state/terminated", "/lastState/terminated"]
        .iter()
        .find_map(|place| status.pointer(place))
        .map(|end| Ended {
            code: end.get("exitCode").and_then(Value::as_i64).unwrap_or(0),
            reason: text(end, "/reason").to_owned(),
            message: text(end, "/message").trim().to_owned(),
            started: time(end, "/startedAt"),
            finished: time(end, "/finishedAt"),
        });
    Container {
        name: text(spec, "/name").to_owned(),
        image: text(spec, "/image").to_owned(),
        image_id: text(status, "/imageID").to_owned(),
        restarts: status.get("restartCount").and_then(Value::as_i64).unwrap_or(0),
        waiting: reason("/state/waiting"),
        ended,
        // Running since nobody knows when is since long ago.
        running: status
            .pointer("/state/running")
            .map(|running| time(running, "/startedAt").unwrap_or(Timestamp::MIN)),
        ready: status.get("ready") == Some(&Value::Bool(true)),
    }
}

fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer).parse().ok()
}
