//! What happened in a namespace, for the message of a failed wait: events, pods, conditions, logs.

use serde_json::Value;

use crate::Bed;

/// How many lines of each container's log are told.
const LOG_LINES: &str = "--tail=15";

/// Tells it; what cannot be read is told as such.
pub fn story(bed: &Bed, namespace: &str) -> String {
    let mut text = format!("--- namespace {namespace}\n");
    let wide = ["get", "all,pvc,networkpolicy", "--output=wide", "--namespace", namespace];
    text.push_str(&told(bed, &wide));
    text.push_str("--- events\n");
    let columns = "--output=custom-columns=KIND:.involvedObject.kind,NAME:.involvedObject.name,\
                   REASON:.reason,COUNT:.count,MESSAGE:.message";
    text.push_str(&told(
        bed,
        &["get", "events", "--sort-by=.lastTimestamp", columns, "--namespace", namespace],
    ));
    let pods = told(bed, &["get", "pods", "--output=json", "--namespace", namespace]);
    let pods: Value = serde_json::from_str(&pods).unwrap_or_default();
    for pod in pods.pointer("/items").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&pod_story(bed, namespace, pod));
    }
    text
}

fn pod_story(bed: &Bed, namespace: &str, pod: &Value) -> String {
    let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("--- pod {name}\n");
    for condition in
        pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
    {
        if condition.pointer("/status").and_then(Value::as_str) != Some("True") {
            text.push_str(&format!("{condition}\n"));
        }
    }
    for list in ["/status/initContainerStatuses", "/status/containerStatuses"] {
        for container in pod.pointer(list).and_then(Value::as_array).into_iter().flatten() {
            let word = |key: &str| container.pointer(key).cloned().unwrap_or_default();
            text.push_str(&format!(
                "{}: {} last {}\n",
                word("/name"),
                word("/state"),
                word("/lastState")
            ));
        }
    }
    text.push_str("log:\n");
    text.push_str(&told(
        bed,
        &["logs", name, "--all-containers", LOG_LINES, "--namespace", namespace],
    ));
    text
}

fn told(bed: &Bed, words: &[&str]) -> String {
    bed.kubectl_run(words).unwrap_or_else(|error| format!("({error})\n"))
}
