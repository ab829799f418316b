//! What we know of the cluster: what watches showed, overlaid with the answers to our own writes until
//! the watches have caught up.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use understudy_core::{
    child::{Child, ObjectId},
    pod::Pod,
};
use understudy_crds::label;

/// Everything of ours, by the UID of the preview it belongs to.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    previews: Mutex<HashMap<String, Belongings>>,
    /// Whose an object is by its label, by the object's UID: labels can be changed.
    owners: Mutex<HashMap<String, String>>,
    touches: std::sync::atomic::AtomicU64,
}

/// What belongs to one preview.
#[derive(Debug, Default)]
struct Belongings {
    /// By namespace too: anybody may give an object elsewhere our label, and it is not ours for that.
    children: HashMap<Place, Entry>,
    pods: HashMap<String, (u64, String, Pod)>,
}

/// Where an object is: its namespace, and which one there.
type Place = (String, ObjectId);

fn place(object: &Value) -> Place {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
    (namespace.unwrap_or_default().to_owned(), ObjectId::of(object))
}

#[derive(Debug)]
struct Entry {
    child: Option<Child>,
    version: u64,
    touched: u64,
}

/// Whether it is known from a watch, or from an answer to our own request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Watch,
    Answer,
}

impl Belongings {
    /// Removes what of that kind was last touched before a list of it began; says whether there was any.
    fn sweep(&mut self, api_version: &str, kind: &str, began: u64) -> bool {
        let before = self.pods.len() + self.children.len();
        if kind == "Pod" {
            self.pods.retain(|_, (touched, _, _)| *touched >= began);
        }
        self.children.retain(|(_, id), entry| {
            id.api_version != api_version || id.kind != kind || entry.touched >= began
        });
        self.pods.len() + self.children.len() != before
    }
}

impl Inventory {
    /// Takes in an object; what is older than what is known is passed over. Returns whose it is, and whose
    /// it was if somebody gave it to another preview.
    pub(crate) fn note(&self, object: &Value, origin: Origin) -> Vec<String> {
        let child = Child::read(object);
        let Some(owner) = child.labels.get(label::PREVIEW_UID).cloned() else { return Vec::new() };
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let before = owners.insert(child.uid.clone(), owner.clone()).filter(|one| *one != owner);
        drop(owners);
        if let Some(before) = &before {
            let (namespace, id) = place(object);
            self.forget_object(before, &namespace, &id);
        }
        self.note_of(&owner, child, object, origin);
        before.into_iter().chain([owner]).collect()
    }

    fn note_of(&self, owner: &str, child: Child, object: &Value, origin: Origin) {
        let touched = self.touch();
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        let belongings = previews.entry(owner.to_owned()).or_default();
        let place = place(object);
        if place.1.kind == "Pod" {
            let pod = (touched, place.0, Pod::read(object));
            belongings.pods.insert(child.uid.clone(), pod);
            return;
        }
        let known = belongings.children.get(&place);
        if known.is_some_and(|known| known.version > child.version) {
            return;
        }
        let mut child = child;
        let before =
            known.and_then(|known| known.child.as_ref()).filter(|one| one.uid == child.uid);
        child.watched = origin == Origin::Watch || before.is_some_and(|one| one.watched);
        if let Some(before) = before {
            child.never_ours.clone_from(&before.never_ours);
        }
        let version = child.version;
        belongings.children.insert(place, Entry { child: Some(child), version, touched });
    }

    /// Notes that every pod of a preview was told to go, before the watch shows it.
    pub(crate) fn note_pods_go(&self, owner: &str) {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        let pods = previews.get_mut(owner).map(|one| one.pods.values_mut());
        pods.into_iter().flatten().for_each(|(_, _, pod)| pod.deleting = true);
    }

    /// Notes which fields of an object stay unowned right after we applied it.
    pub(crate) fn note_unowned(&self, owner: &str, place: &Place, paths: Vec<Vec<String>>) {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = previews.get_mut(owner).and_then(|one| one.children.get_mut(place));
        if let Some(child) = entry.and_then(|entry| entry.child.as_mut()) {
            child.never_ours = paths;
        }
    }

    /// Takes in that an object is gone, as a watch said.
    pub(crate) fn note_gone(&self, object: &Value) -> Option<String> {
        let child = Child::read(object);
        let owner = child.labels.get(label::PREVIEW_UID)?.clone();
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).remove(&child.uid);
        let touched = self.touch();
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(belongings) = previews.get_mut(&owner) else { return Some(owner) };
        let place = place(object);
        if place.1.kind == "Pod" {
            belongings.pods.remove(&child.uid);
            return Some(owner);
        }
        let newer = belongings
            .children
            .get(&place)
            .and_then(|entry| entry.child.as_ref())
            .is_some_and(|one| one.uid != child.uid && one.version > child.version);
        if !newer {
            // The version stays, so that a late answer does not bring it back.
            let entry = Entry { child: None, version: child.version, touched };
            belongings.children.insert(place, entry);
        }
        Some(owner)
    }

    /// Forgets a single object that an answer said is not there.
    pub(crate) fn forget_object(&self, owner: &str, namespace: &str, id: &ObjectId) {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(belongings) = previews.get_mut(owner) {
            belongings.children.remove(&(namespace.to_owned(), id.clone()));
        }
    }

    /// The number of the next touch: what a list does not show and was last touched before it began is gone.
    pub(crate) fn touch(&self) -> u64 {
        self.touches.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }

    /// Removes what a fresh list of that kind did not show. Returns whose it was.
    pub(crate) fn sweep(&self, api_version: &str, kind: &str, began: u64) -> HashSet<String> {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        previews
            .iter_mut()
            .filter_map(|(owner, one)| one.sweep(api_version, kind, began).then(|| owner.clone()))
            .collect()
    }

    /// The same for the objects of a single preview.
    pub(crate) fn sweep_of(&self, owner: &str, api_version: &str, kind: &str, began: u64) {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(belongings) = previews.get_mut(owner) {
            belongings.sweep(api_version, kind, began);
        }
    }

    /// Everything of a preview: its namespace of that name, what stands in it, its pods.
    pub(crate) fn of(
        &self,
        owner: &str,
        namespace: &str,
    ) -> (Option<Child>, BTreeMap<ObjectId, Child>, Vec<Pod>) {
        let previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(belongings) = previews.get(owner) else { return Default::default() };
        let mut children = BTreeMap::new();
        let mut own = None;
        for ((inside, id), entry) in &belongings.children {
            let Some(child) = entry.child.clone() else { continue };
            if id.kind == "Namespace" && id.name == namespace {
                own = Some(child);
            } else if inside == namespace {
                children.insert(id.clone(), child);
            }
        }
        let pods = belongings.pods.values().filter(|(_, inside, _)| inside == namespace);
        let mut pods: Vec<Pod> = pods.map(|(_, _, pod)| pod.clone()).collect();
        pods.sort_by(|one, other| one.name.cmp(&other.name));
        (own, children, pods)
    }

    /// A pod by its UID: whose it is, its namespace, and what was seen of it.
    pub(crate) fn pod(&self, uid: &str) -> Option<(String, (String, Pod))> {
        let previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        previews.iter().find_map(|(owner, one)| {
            let (_, namespace, pod) = one.pods.get(uid)?;
            Some((owner.clone(), (namespace.clone(), pod.clone())))
        })
    }

    /// Forgets a preview that is gone.
    pub(crate) fn forget(&self, owner: &str) {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        previews.remove(owner);
    }
}
