//! A Kubernetes object as somebody wrote it: kept whole, whatever fields it has.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A Kubernetes object. Its fields are not known to us and never dropped; what it may be is decided
/// when the stack is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest(pub Map<String, Value>);

impl JsonSchema for Manifest {
    fn schema_name() -> Cow<'static, str> {
        "Manifest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A Kubernetes object.",
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}
