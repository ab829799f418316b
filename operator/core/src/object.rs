//! Looking into a manifest, which is JSON and nothing more: texts, lists, and where its pods are.

use serde_json::Value;

/// The text at a JSON pointer, or an empty one.
pub(crate) fn text<'value>(value: &'value Value, pointer: &str) -> &'value str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The items of the list at a JSON pointer, with their places.
pub(crate) fn items<'value>(
    value: &'value Value,
    pointer: &str,
) -> impl Iterator<Item = (usize, &'value Value)> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// Where the pod template of a kind stands: as a JSON pointer, and as people write it.
pub(crate) fn pod_template(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "Deployment" | "StatefulSet" | "Job" => Some(("/spec/template/spec", "spec.template.spec")),
        "CronJob" => {
            Some(("/spec/jobTemplate/spec/template/spec", "spec.jobTemplate.spec.template.spec"))
        }
        _ => None,
    }
}
