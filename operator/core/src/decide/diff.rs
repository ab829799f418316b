//! What has to be written so that the namespace becomes what is desired: nothing for what is untouched.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use understudy_crds::label;

use crate::{
    child::{Child, ObjectId},
    desired::{Desired, word},
    ownership,
};

/// A field that another manager changed back so often is left to it.
pub(super) const FIGHTS: u32 = 3;

/// One write to the namespace of a preview.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Server-side apply of the object; with the UID of the object it is meant for, if there is one.
    Apply {
        /// Which.
        id: ObjectId,
        /// The whole of it.
        object: Value,
        /// The object it is meant for.
        uid: Option<String>,
    },
    /// Creation: if one of its name is there already, it stays.
    Create {
        /// Which.
        id: ObjectId,
        /// The whole of it.
        object: Value,
    },
    /// A Secret with random values; one that is there already stays.
    Generate {
        /// The Secret without its values.
        object: Value,
        /// The keys that get one.
        keys: Vec<String>,
    },
    /// Removal, if it is still this very object.
    Delete {
        /// Which.
        id: ObjectId,
        /// The object.
        uid: String,
    },
}

/// A field that another manager keeps changing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fight {
    /// The object.
    pub id: ObjectId,
    /// The manager.
    pub with: String,
}

/// What is done about a manager that keeps changing a field back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFight {
    /// After [`FIGHTS`] times the field is left to it.
    GiveIn,
    /// It is put back whatever happens: a fence that is left open protects nobody.
    GoOn,
}

/// The writes for these objects, and the fights that were given up.
pub(super) fn differences<'desired>(
    desired: impl IntoIterator<Item = &'desired Desired>,
    children: &BTreeMap<ObjectId, Child>,
    on_fight: OnFight,
) -> (Vec<Write>, Vec<Fight>) {
    let mut writes = Vec::new();
    let mut fights = Vec::new();
    for one in desired {
        let apply = |object: Value, uid: Option<&Child>| Write::Apply {
            id: one.id.clone(),
            object,
            uid: uid.map(|child| child.uid.clone()),
        };
        match children.get(&one.id) {
            // What is on its way out is made again when it is gone.
            Some(child) if child.deleting => {}
            Some(child) if child.applied() == one.digest() => {
                let mut lost = ownership::lost(&one.object, child);
                lost.retain(|path| !child.never_ours.contains(path));
                if lost.is_empty() {
                    continue;
                }
                let Some(taker) = ownership::taker(child, &lost) else {
                    writes.push(apply(one.object.clone(), Some(child)));
                    continue;
                };
                let (fought, words) = fought(child, &taker);
                if fought >= FIGHTS {
                    fights.push(Fight { id: one.id.clone(), with: taker });
                }
                if fought < FIGHTS || on_fight == OnFight::GoOn {
                    let mut object = one.object.clone();
                    word(&mut object, "annotations", label::OVERRULED, &words);
                    writes.push(apply(object, Some(child)));
                }
            }
            other => writes.push(apply(one.object.clone(), other)),
        }
    }
    (writes, fights)
}

/// How often this manager was overruled already, and the note for one time more.
fn fought(child: &Child, taker: &str) -> (u32, String) {
    let noted = child.annotations.get(label::OVERRULED).map_or("", String::as_str);
    let mut counts: BTreeMap<&str, u32> = noted
        .split(',')
        .filter_map(|one| {
            let (name, times) = one.rsplit_once('=')?;
            Some((name, times.parse().ok()?))
        })
        .collect();
    let before = counts.get(taker).copied().unwrap_or(0);
    counts.insert(taker, before + 1);
    let words: Vec<String> = counts.iter().map(|(name, times)| format!("{name}={times}")).collect();
    (before, words.join(","))
}

/// What is ours in the namespace and planned no longer, in the order of removal: what runs goes first.
pub(super) fn surplus<'facts>(
    children: &'facts BTreeMap<ObjectId, Child>,
    keep: impl Fn(&ObjectId) -> bool + 'facts,
) -> impl Iterator<Item = Write> + 'facts {
    children
        .iter()
        .rev()
        .filter(move |(id, child)| !child.deleting && !child.controlled && !keep(id))
        .map(|(id, child)| Write::Delete { id: id.clone(), uid: child.uid.clone() })
}

/// The same object with the UID of the object it is meant for.
pub fn addressed(mut object: Value, namespace: &str, uid: Option<&str>) -> Value {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.insert("namespace".to_owned(), json!(namespace));
        if let Some(uid) = uid {
            metadata.insert("uid".to_owned(), json!(uid));
        }
    }
    object
}
