//! What every workload needs before it can run: containers with a name and an image, a selector that finds
//! its pods, and for a Job an end.

use serde_json::Value;

use super::ObjectFindings;
use crate::object::{items, pod_template, text};

pub(super) fn look(object: &Value, found: &mut ObjectFindings<'_>) {
    let kind = text(object, "/kind");
    let Some((pointer, place)) = pod_template(kind) else { return };
    let Some(pod) = object.pointer(pointer) else { return };
    let count = items(pod, "/containers").count();
    if count == 0 {
        let field = format!("{place}.containers");
        found.refuse(&field, "is missing or no list: name at least one container that should run");
    }
    for list in ["initContainers", "containers"] {
        for (index, container) in items(pod, &format!("/{list}")) {
            for field in ["name", "image"] {
                if container.get(field).is_none_or(|value| value == "" || value.is_null()) {
                    let place = format!("{place}.{list}[{index}].{field}");
                    found.refuse(&place, format!("is missing: give the container its {field}"));
                }
            }
        }
    }
    match kind {
        "Deployment" | "StatefulSet" => selector(object, found),
        _ => ending(pod, kind, place, found),
    }
}

/// A selector that does not find the pods of its own template.
fn selector(object: &Value, found: &mut ObjectFindings<'_>) {
    if object.pointer("/spec/selector/matchExpressions").is_some() {
        return;
    }
    let wanted = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        let instead = "is missing: repeat a label of `spec.template.metadata.labels`";
        return found.refuse("spec.selector.matchLabels", instead);
    };
    let labels = object.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    for (name, value) in wanted {
        if labels.and_then(|labels| labels.get(name)) != Some(value) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let sentence = format!(
                "looks for `{name}: {value}`, which its own pods do not carry: \
                 write the same under `spec.template.metadata.labels`"
            );
            found.refuse("spec.selector.matchLabels", sentence);
        }
    }
}

/// A Job that would run for ever.
fn ending(pod: &Value, kind: &str, place: &str, found: &mut ObjectFindings<'_>) {
    let policy = text(pod, "/restartPolicy");
    if !matches!(policy, "Never" | "OnFailure") {
        let policy = if policy.is_empty() { "Always" } else { policy };
        let sentence =
            format!("is {policy}, and a {kind} would never end: write Never or OnFailure");
        found.refuse(&format!("{place}.restartPolicy"), sentence);
    }
}
