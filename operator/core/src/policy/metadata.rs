//! What may stand in the metadata of an object of a stack.

use serde_json::Value;
use understudy_crds::label;

use super::ObjectFindings;
use crate::object::{items, text};

/// The longest name that fits every kind of the list: a Service's is a DNS label.
const LONGEST_NAME: usize = 253;

pub(super) fn look(object: &Value, found: &mut ObjectFindings<'_>) {
    let name = text(object, "/metadata/name");
    if name.is_empty() {
        let instead = if object.pointer("/metadata/generateName").is_some() {
            "`generateName` would make another object each time: give it a `name`"
        } else {
            "is missing: give the object a name"
        };
        found.refuse("metadata.name", instead);
    } else if name.len() > LONGEST_NAME {
        found.refuse(
            "metadata.name",
            format!("is longer than {LONGEST_NAME} characters: shorten it"),
        );
    } else if let Some(sentence) = misspelt(name) {
        found.refuse("metadata.name", sentence);
    }
    if !text(object, "/metadata/namespace").is_empty() {
        found
            .refuse("metadata.namespace", "a preview has a namespace of its own: remove the field");
    }
    below(object, "/metadata", "metadata", found);
    for (pointer, place) in TEMPLATES {
        below(object, pointer, place, found);
    }
    for (index, _) in items(object, "/spec/volumeClaimTemplates") {
        let pointer = format!("/spec/volumeClaimTemplates/{index}/metadata");
        let place = format!("spec.volumeClaimTemplates[{index}].metadata");
        below(object, &pointer, &place, found);
    }
}

/// Metadata of what is made from an object; Kubernetes copies it as it stands.
const TEMPLATES: [(&str, &str); 3] = [
    ("/spec/template/metadata", "spec.template.metadata"),
    ("/spec/jobTemplate/metadata", "spec.jobTemplate.metadata"),
    ("/spec/jobTemplate/spec/template/metadata", "spec.jobTemplate.spec.template.metadata"),
];

/// What no metadata may hold, wherever it stands.
fn below(object: &Value, pointer: &str, place: &str, found: &mut ObjectFindings<'_>) {
    for field in ["finalizers", "ownerReferences"] {
        let list = object.pointer(&format!("{pointer}/{field}"));
        if list.is_some_and(|list| {
            !list.is_null() && list.as_array().is_none_or(|list| !list.is_empty())
        }) {
            found.refuse(
                &format!("{place}.{field}"),
                "would keep the preview from going away: remove the field",
            );
        }
    }
    own_words(object, pointer, place, found);
}

/// Why a name is none (RFC 1123, as nearly every kind wants it). A letter that only looks Latin is named.
fn misspelt(name: &str) -> Option<String> {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let ends = name.starts_with(inner) && name.ends_with(inner);
    let wrong = name.chars().find(|letter| !inner(*letter) && !matches!(letter, '-' | '.'));
    let which = match wrong {
        None if ends => return None,
        Some(letter) if !letter.is_ascii() || letter.is_control() => {
            format!(", and here stands U+{:04X}", u32::from(letter))
        }
        _ => String::new(),
    };
    Some(format!(
        "`{name}` is no name: use lower case letters a to z, digits, dashes and dots, \
         a letter or digit at both ends{which}"
    ))
}

/// Labels and annotations of ours are written by us alone: they say what belongs to which preview.
fn own_words(object: &Value, pointer: &str, place: &str, found: &mut ObjectFindings<'_>) {
    for list in ["labels", "annotations"] {
        let words = object.pointer(&format!("{pointer}/{list}")).and_then(Value::as_object);
        for name in words.into_iter().flat_map(|words| words.keys()) {
            if name.starts_with(label::PREFIX) || name.contains(&format!(".{}", label::PREFIX)) {
                found
                    .refuse(&format!("{place}.{list}"), format!("`{name}` is reserved: remove it"));
            }
        }
    }
}
