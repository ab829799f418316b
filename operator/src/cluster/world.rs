//! Everything a reconcile has at hand: the API server, what is known of the cluster, and the answers of
//! the world outside.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use kube::{
    api::DynamicObject,
    core::ApiResource,
    runtime::reflector::{ObjectRef, Store, store::Writer},
};
use serde_json::Value;
use understudy_core::{
    facts::{ImageFound, LogEnd, Probe, Probed},
    settings::Settings,
};
use understudy_crds::label::GROUP;

use super::{api::Api, inventory::Inventory, kinds::Kind};
use crate::evidence::keeper::Keeper;
use crate::{
    metrics::Metrics,
    outside::{answers::Answers, registry::Registries},
};

/// A namespace and a name.
pub(crate) type Name = (String, String);

/// An image by name and tag, and the namespace and name of the Secret it is looked up with.
pub(crate) type ImageKey = (String, String, Option<Name>);

/// Everything a reconcile has at hand.
pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) settings: Settings,
    pub(crate) inventory: Inventory,
    pub(crate) metrics: Metrics,
    pub(crate) registries: Registries,
    /// Where the edge is asked for previews; without one, the API server's Service proxy.
    pub(crate) edge: Option<String>,
    /// What registries said about images.
    pub(crate) images: Answers<ImageKey, (Timestamp, ImageFound)>,
    /// How previews answered.
    pub(crate) probes: Answers<Probe, Probed>,
    /// The runs of checks.
    pub(crate) keeper: Keeper,
    /// Ends of logs.
    pub(crate) logs: Answers<LogEnd, Option<String>>,
    previews: Mutex<Writer<DynamicObject>>,
    refs: Mutex<HashMap<String, ObjectRef<DynamicObject>>>,
    templates: Mutex<HashMap<Name, Arc<Value>>>,
    repositories: Mutex<HashMap<Name, Arc<Value>>>,
    /// For which inputs the Secrets of a preview were read the last time, by the preview's UID.
    read_for: Mutex<HashMap<String, String>>,
    /// Previews that were asked for by name since we started, by UID.
    confirmed: Mutex<HashSet<String>>,
    synced: Mutex<BTreeMap<String, bool>>,
    wake: UnboundedSender<ObjectRef<DynamicObject>>,
}

/// The kind of previews, for a client that knows it by name.
pub(crate) fn preview_kind() -> ApiResource {
    our_kind("PreviewEnvironment", "previewenvironments")
}

/// The path of a preview.
pub(crate) fn preview_path(namespace: &str, name: &str) -> String {
    let kind = preview_kind();
    Kind::of(&kind.api_version, &kind.plural).path(namespace, name)
}

/// A kind of ours.
pub(crate) fn our_kind(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: format!("{GROUP}/v1alpha1"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(
        api: Api,
        settings: Settings,
        (registries, edge): (Registries, Option<String>),
        keeper: Keeper,
        wake: UnboundedSender<ObjectRef<DynamicObject>>,
    ) -> Self {
        let mut previews = Writer::new(preview_kind());
        // What is followed is told by single events; the reconciler starts when all of it was seen once.
        previews.apply_watcher_event(&kube::runtime::watcher::Event::Init);
        previews.apply_watcher_event(&kube::runtime::watcher::Event::InitDone);
        Self {
            api,
            settings,
            inventory: Inventory::default(),
            metrics: Metrics::default(),
            registries,
            edge,
            images: Answers::default(),
            probes: Answers::default(),
            keeper,
            logs: Answers::default(),
            previews: Mutex::new(previews),
            refs: Mutex::default(),
            templates: Mutex::default(),
            repositories: Mutex::default(),
            read_for: Mutex::default(),
            confirmed: Mutex::default(),
            synced: Mutex::default(),
            wake,
        }
    }

    /// The previews that are known.
    pub(crate) fn previews(&self) -> Store<DynamicObject> {
        lock(&self.previews).as_reader()
    }

    /// Takes in a preview, or an answer about one; what is older than what is known is passed over.
    pub(crate) fn note_preview(&self, preview: DynamicObject) {
        let Some(uid) = preview.metadata.uid.clone() else { return };
        let reference = ObjectRef::from_obj_with(&preview, preview_kind());
        let mut previews = lock(&self.previews);
        let version = |one: &DynamicObject| {
            one.metadata.resource_version.as_ref().and_then(|text| text.parse::<u64>().ok())
        };
        let known = previews.as_reader().get(&reference);
        // Whatever its UID: the last answer about one that went must not take the place of the next of its name.
        let newer = known
            .is_some_and(|known| version(&known).is_some() && version(&known) >= version(&preview));
        if !newer {
            previews.apply_watcher_event(&kube::runtime::watcher::Event::Apply(preview));
        }
        drop(previews);
        lock(&self.refs).insert(uid, reference.clone());
        let _ = self.wake.unbounded_send(reference);
    }

    /// A preview that we hold no longer: if others do, the watch shows it again. By its UID: another may have come
    /// under its name already.
    pub(crate) fn let_go(&self, uid: &str) {
        let reference = lock(&self.refs).get(uid).cloned();
        let known = reference.and_then(|reference| self.previews().get(&reference));
        if let Some(preview) = known.filter(|known| known.metadata.uid.as_deref() == Some(uid)) {
            self.forget_preview(&preview);
        }
    }

    /// Takes in that a preview is gone.
    pub(crate) fn forget_preview(&self, preview: &DynamicObject) {
        let Some(uid) = &preview.metadata.uid else { return };
        let reference = ObjectRef::from_obj_with(preview, preview_kind());
        let mut previews = lock(&self.previews);
        let known = previews.as_reader().get(&reference);
        if known.is_some_and(|known| known.metadata.uid == preview.metadata.uid) {
            previews.apply_watcher_event(&kube::runtime::watcher::Event::Delete(preview.clone()));
        }
        drop(previews);
        lock(&self.refs).remove(uid);
        lock(&self.read_for).remove(uid);
        lock(&self.confirmed).remove(uid);
        self.inventory.forget(uid);
        self.keeper.forget(uid);
    }

    /// Whether a preview was asked for by name since we started.
    pub(crate) fn is_confirmed(&self, uid: &str) -> bool {
        lock(&self.confirmed).contains(uid)
    }

    /// Notes that it was.
    pub(crate) fn confirm(&self, uid: &str) {
        lock(&self.confirmed).insert(uid.to_owned());
    }

    /// Looks at a preview again, by its UID.
    pub(crate) fn wake(&self, uid: &str) {
        if let Some(reference) = lock(&self.refs).get(uid) {
            let _ = self.wake.unbounded_send(reference.clone());
        }
    }

    /// Looks at every preview again that names this template or repository.
    pub(crate) fn wake_users(&self, field: &str, (namespace, name): &Name) {
        let place = format!("/spec/{field}/name");
        for preview in self.previews().state() {
            let names = preview.data.pointer(&place).and_then(Value::as_str) == Some(name);
            if names && preview.metadata.namespace.as_deref() == Some(namespace) {
                self.wake(preview.metadata.uid.as_deref().unwrap_or_default());
            }
        }
    }

    /// Templates and repositories, by the kind of object.
    pub(crate) fn named(&self, kind: &str) -> MutexGuard<'_, HashMap<Name, Arc<Value>>> {
        lock(if kind == "PreviewTemplate" { &self.templates } else { &self.repositories })
    }

    /// Whether the Secrets were read for these inputs already.
    pub(crate) fn is_read_for(&self, uid: &str, inputs: &str) -> bool {
        lock(&self.read_for).get(uid).is_some_and(|noted| noted == inputs)
    }

    /// Notes that the Secrets were read for these inputs.
    pub(crate) fn read_for(&self, uid: &str, inputs: Option<String>) {
        let mut all = lock(&self.read_for);
        match inputs {
            Some(inputs) => all.insert(uid.to_owned(), inputs),
            None => all.remove(uid),
        };
    }

    /// Notes whether a watch has shown everything once.
    pub(crate) fn sync(&self, watch: &str, synced: bool) {
        lock(&self.synced).insert(watch.to_owned(), synced);
    }

    /// The watches that have not shown everything yet.
    pub(crate) fn unsynced(&self) -> Vec<String> {
        let synced = lock(&self.synced);
        synced.iter().filter(|(_, done)| !**done).map(|(watch, _)| watch.clone()).collect()
    }
}
