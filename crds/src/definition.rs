//! The kinds as the API server takes them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{PreviewEnvironment, PreviewRepository, PreviewTemplate};

/// Every kind, as JSON, in the order of the words: repository, template, environment.
pub fn definitions() -> Vec<Value> {
    [PreviewRepository::crd(), PreviewTemplate::crd(), PreviewEnvironment::crd()]
        .iter()
        .map(tidied)
        .collect()
}

/// What the derive writes but the API server does not know, or understands otherwise than we mean it.
fn tidied(definition: &CustomResourceDefinition) -> Value {
    let mut value = serde_json::to_value(definition).unwrap_or_default();
    tidy(&mut value);
    value
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // An optional field that is null is as good as absent: without this the API server drops it.
            fields.remove("nullable");
            // The API server warns of formats it does not know; the bounds stand beside them.
            let unknown = |format: &Value| {
                format
                    .as_str()
                    .is_some_and(|format| format.starts_with("uint") || format == "double")
            };
            if fields.get("format").is_some_and(unknown) {
                fields.remove("format");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::definitions;
    use crate::label::GROUP;

    #[test]
    fn every_kind_is_of_our_group() {
        for definition in definitions() {
            assert_eq!(definition["spec"]["group"], GROUP);
        }
    }

    #[test]
    fn every_definition_is_small_enough_for_a_client_side_apply() {
        // kubectl keeps the object in an annotation of at most 262,144 bytes.
        for definition in definitions() {
            let size = definition.to_string().len();
            assert!(size < 200_000, "{} bytes: {}", size, definition["metadata"]["name"]);
        }
    }
}
