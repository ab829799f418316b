//! What is seen of an object in a preview: identity, ownership, and the status it reports.

use std::collections::BTreeMap;

use serde_json::Value;
use understudy_crds::label;

use crate::object::{items, text};

/// Which object of a namespace: `apps/v1 Deployment web`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// `apps/v1`, or `v1` for the core group.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl ObjectId {
    /// Reads it from an object that names all three.
    pub fn of(object: &Value) -> Self {
        Self {
            api_version: text(object, "/apiVersion").to_owned(),
            kind: text(object, "/kind").to_owned(),
            name: text(object, "/metadata/name").to_owned(),
        }
    }

    /// `Deployment web`, as people say it.
    pub fn words(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

/// An object in a preview's namespace, or the namespace itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Child {
    /// Its UID.
    pub uid: String,
    /// The version of this sight of it; greater is newer.
    pub version: u64,
    /// The generation of its spec.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether a controller other than us made it and keeps it.
    pub controlled: bool,
    /// Finalizers that hold it.
    pub finalizers: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether a watch showed it, and not only the answer to a write of ours.
    pub watched: bool,
    /// Who owns which of its fields.
    pub managers: Vec<Manager>,
    /// Fields we set that were not ours even right after we applied them: the API server keeps nothing in them.
    pub never_ours: Vec<Vec<String>>,
    /// What it says of itself; null if only its metadata was read.
    pub status: Value,
}

/// Somebody who owns fields of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Manager {
    /// `kubectl-edit`.
    pub name: String,
    /// Whether the fields were set by server-side apply.
    pub applies: bool,
    /// The fields, in the form of `FieldsV1` (Kubernetes, "Server-Side Apply").
    pub fields: Value,
}

impl Child {
    /// Reads an object as the API server gives it.
    pub fn read(object: &Value) -> Self {
        let words = |place: &str| {
            let fields = object.pointer(place).and_then(Value::as_object);
            fields
                .into_iter()
                .flatten()
                .filter_map(|(name, word)| Some((name.clone(), word.as_str()?.to_owned())))
                .collect()
        };
        Self {
            uid: text(object, "/metadata/uid").to_owned(),
            version: text(object, "/metadata/resourceVersion").parse().unwrap_or(0),
            generation: object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0),
            deleting: object.pointer("/metadata/deletionTimestamp").is_some(),
            controlled: items(object, "/metadata/ownerReferences")
                .any(|(_, owner)| owner.get("controller") == Some(&Value::Bool(true))),
            finalizers: items(object, "/metadata/finalizers")
                .filter_map(|(_, name)| name.as_str().map(str::to_owned))
                .collect(),
            labels: words("/metadata/labels"),
            annotations: words("/metadata/annotations"),
            watched: false,
            managers: items(object, "/metadata/managedFields")
                .filter(|(_, entry)| text(entry, "/subresource").is_empty())
                .map(|(_, entry)| Manager {
                    name: text(entry, "/manager").to_owned(),
                    applies: text(entry, "/operation") == "Apply",
                    fields: entry.get("fieldsV1").cloned().unwrap_or_default(),
                })
                .collect(),
            never_ours: Vec::new(),
            status: object.get("status").cloned().unwrap_or_default(),
        }
    }

    /// What was applied, as a digest; empty if we did not apply it.
    pub fn applied(&self) -> &str {
        self.labels.get(label::APPLIED).map_or("", String::as_str)
    }
}
