//! Whether everything we set in an object is still as we set it, from its metadata alone.
//!
//! A foreign write that changes a value takes the field away from our manager (Kubernetes, "Server-Side
//! Apply", conflicts), so what we no longer own was changed by somebody.

use serde_json::Value;
use understudy_crds::label::FIELD_MANAGER;

use crate::child::{Child, Manager};

/// The fields of `desired` that our manager does not own, as paths; empty means untouched. What names an
/// object (`apiVersion`, `kind`, its name and namespace) belongs to nobody.
pub fn lost(desired: &Value, child: &Child) -> Vec<Vec<String>> {
    let ours = child.managers.iter().find(|one| one.applies && one.name == FIELD_MANAGER);
    let fields = ours.map_or(&Value::Null, |one| &one.fields);
    let mut lost = Vec::new();
    walk(desired, fields, &mut Vec::new(), &mut lost);
    lost
}

/// Who holds one of the lost fields now.
pub fn taker(child: &Child, lost: &[Vec<String>]) -> Option<String> {
    let others = child.managers.iter().filter(|one| one.name != FIELD_MANAGER || !one.applies);
    let holds = |one: &&Manager| lost.iter().any(|path| holds(&one.fields, path));
    others.filter(holds).map(|one| one.name.clone()).next()
}

fn holds(fields: &Value, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    fields.get(first).is_some_and(|below| holds(below, rest))
}

const NAMES: [&str; 2] = ["apiVersion", "kind"];
const METADATA: [&str; 3] = ["name", "namespace", "uid"];

fn walk(desired: &Value, fields: &Value, path: &mut Vec<String>, lost: &mut Vec<Vec<String>>) {
    match desired {
        Value::Object(members) => {
            // Nothing below it: the whole of it is one value.
            if !members.is_empty() && fields.as_object().is_some_and(serde_json::Map::is_empty) {
                return;
            }
            for (name, value) in members {
                let unowned = match path.len() {
                    0 => NAMES.contains(&name.as_str()),
                    1 => {
                        path.first().is_some_and(|first| first == "f:metadata")
                            && METADATA.contains(&name.as_str())
                    }
                    _ => false,
                };
                if !unowned {
                    step(value, fields, format!("f:{name}"), path, lost);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let key = fields.as_object().into_iter().flatten().find_map(|(key, _)| {
                    let same = match (key.strip_prefix("k:"), key.strip_prefix("v:")) {
                        (Some(names), _) => is_keyed(item, names),
                        (_, Some(value)) => serde_json::from_str(value).ok().as_ref() == Some(item),
                        _ => false,
                    };
                    same.then(|| key.clone())
                });
                match key {
                    Some(key) => step(item, fields, key, path, lost),
                    // A list without keys is one value, and whoever owns it owns it whole.
                    None if fields.as_object().is_some_and(|keys| !keys.is_empty()) => {
                        lost.push(path.clone());
                    }
                    None => {}
                }
            }
        }
        _ => {}
    }
}

fn step(
    value: &Value,
    fields: &Value,
    key: String,
    path: &mut Vec<String>,
    lost: &mut Vec<Vec<String>>,
) {
    let below = fields.get(&key);
    path.push(key);
    match below {
        Some(below) => walk(value, below, path, lost),
        None => lost.push(path.clone()),
    }
    path.pop();
}

/// Whether an item has those keys; a key that we do not set has its default.
fn is_keyed(item: &Value, keys: &str) -> bool {
    let Ok(Value::Object(keys)) = serde_json::from_str(keys) else { return false };
    keys.iter().all(|(name, value)| item.get(name).is_none_or(|said| said == value))
}

#[cfg(test)]
mod tests;
