//! Filling in what a real manifest leaves out: requests, limits, security contexts, our account.
//!
//! Most manifests were written for a cluster that asks for none of it. Only what is missing is filled in;
//! what contradicts a preview is left as it is, for [`crate::policy`] to refuse. Everything that is done is
//! said.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use understudy_crds::isolation::{Isolation, PodSecurity, Quantity};

use crate::object::{pod_template, text};

/// The account of every pod of a preview: ours, without a token.
pub const ACCOUNT: &str = "understudy-preview";

/// Something that was filled in or replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// `Deployment web`.
    pub object: String,
    /// What was done, in a sentence.
    pub sentence: String,
}

/// The stack as it will be applied, and what was done to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mended {
    /// The objects.
    pub stack: Vec<Value>,
    /// In the order of the objects; at most one of a kind per object.
    pub notes: Vec<Note>,
}

/// Mends every object of the stack as the template's isolation says; a stack that keeps the rules by
/// itself comes out as it went in.
pub fn mend(stack: &[Value], isolation: &Isolation) -> Mended {
    let mut mended = Mended::default();
    for object in stack {
        let name = format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"));
        let mut note =
            |sentence: String| mended.notes.push(Note { object: name.clone(), sentence });
        if text(object, "/kind") == "ServiceAccount" && text(object, "/apiVersion") == "v1" {
            note(format!(
                "left out: every pod of a preview uses the account `{ACCOUNT}`, which has no rights"
            ));
            continue;
        }
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
            && let Some(namespace) = metadata.remove("namespace")
        {
            let namespace = namespace.as_str().unwrap_or_default();
            note(format!("put into the preview's namespace instead of `{namespace}`"));
        }
        if let Some((pointer, _)) = pod_template(text(&object, "/kind"))
            && let Some(pod) = object.pointer_mut(pointer).and_then(Value::as_object_mut)
        {
            account(pod).into_iter().for_each(&mut note);
            security(pod, isolation.pod_security).into_iter().for_each(&mut note);
            resources(pod, isolation).into_iter().for_each(&mut note);
        }
        mended.stack.push(object);
    }
    mended
}

/// Our account in place of any other; no token either way.
fn account(pod: &mut Map<String, Value>) -> Option<String> {
    pod.remove("serviceAccount");
    let was = pod.insert("serviceAccountName".to_owned(), json!(ACCOUNT));
    pod.entry("automountServiceAccountToken").or_insert(json!(false));
    let was =
        was.as_ref().and_then(Value::as_str).filter(|was| *was != ACCOUNT && *was != "default")?;
    Some(format!("uses the account `{ACCOUNT}` instead of `{was}`"))
}

/// What the restricted standard wants said; the baseline standard wants nothing said.
fn security(pod: &mut Map<String, Value>, standard: PodSecurity) -> Option<String> {
    if standard == PodSecurity::Baseline {
        return None;
    }
    let mut filled = false;
    if let Some(context) = object_in(pod, "securityContext") {
        filled |= absent(context, "runAsNonRoot", json!(true));
        filled |= absent(context, "seccompProfile", json!({"type": "RuntimeDefault"}));
    }
    for container in containers(pod) {
        if let Some(context) = object_in(container, "securityContext") {
            filled |= absent(context, "allowPrivilegeEscalation", json!(false));
            if let Some(capabilities) = object_in(context, "capabilities") {
                filled |= absent(capabilities, "drop", json!(["ALL"]));
            }
        }
    }
    filled.then(|| {
        "security contexts were filled in as pod security Restricted wants them".to_owned()
    })
}

/// The template's defaults for what containers do not say. A limit is never below a request.
fn resources(pod: &mut Map<String, Value>, isolation: &Isolation) -> Option<String> {
    let defaults = &isolation.defaults;
    let mut filled = Vec::new();
    for container in containers(pod) {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(resources) = object_in(container, "resources") else { continue };
        let mut some = fill(resources, "limits", "requests", &defaults.limits, |limit, request| {
            limit >= request
        });
        some |= fill(resources, "requests", "limits", &defaults.requests, |request, limit| {
            request <= limit
        });
        if some {
            filled.push(format!("`{name}`"));
        }
    }
    (!filled.is_empty())
        .then(|| format!("requests and limits were filled in for {}", filled.join(", ")))
}

/// Fills in each default that is absent from `list`. One that would not fit what the container says under
/// `other` takes that value instead.
fn fill(
    resources: &mut Map<String, Value>,
    list: &str,
    other: &str,
    defaults: &BTreeMap<String, Quantity>,
    fits: impl Fn(i128, i128) -> bool,
) -> bool {
    let said = resources.get(other).and_then(Value::as_object).cloned().unwrap_or_default();
    let Some(named) = object_in(resources, list) else { return false };
    let mut filled = false;
    for (resource, default) in defaults {
        let said = said.get(resource).and_then(amount);
        let default_fits = match (&said, default.thousandths()) {
            (Some((_, said)), Some(default)) => fits(default, *said),
            _ => true,
        };
        let value = match said {
            Some((text, _)) if !default_fits => text,
            _ => default.0.clone(),
        };
        filled |= absent(named, resource, json!(value));
    }
    filled
}

/// An amount as it stands in a manifest: a text, or a plain number.
fn amount(value: &Value) -> Option<(String, i128)> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let thousandths = Quantity(text.clone()).thousandths()?;
    Some((text, thousandths))
}

fn containers(pod: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    pod.iter_mut()
        .filter(|(name, _)| matches!(name.as_str(), "containers" | "initContainers"))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
        .filter_map(Value::as_object_mut)
}

/// The object under that name, made if it is absent or null; `None` if something else stands there.
fn object_in<'fields>(
    fields: &'fields mut Map<String, Value>,
    name: &str,
) -> Option<&'fields mut Map<String, Value>> {
    let value = fields.entry(name).or_insert_with(|| json!({}));
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

/// Sets the field if it is absent; says whether it was.
fn absent(fields: &mut Map<String, Value>, name: &str, value: Value) -> bool {
    if fields.get(name).is_some_and(|value| !value.is_null()) {
        return false;
    }
    fields.insert(name.to_owned(), value);
    true
}

#[cfg(test)]
mod tests;
