//! What the watches show becomes routes. Nothing is polled, and no request asks the API server for its way.

use std::{
    collections::{HashSet, hash_map::Entry},
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{Stream, StreamExt};
use k8s_openapi::api::{
    core::v1::{Namespace, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use understudy_crds::label;

use crate::{
    Edge,
    rest::Rest,
    sight::{self, PreviewSight, Sights},
};

/// A watch that was silent for so long is begun again: a connection may be dead without a word.
const PATIENCE: u32 = 290;

/// What is watched.
const WATCHES: usize = 4;

/// Everything seen, and which watches have shown everything once.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sights: Sights,
    complete: HashSet<&'static str>,
}

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watches that have not shown everything yet.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let state = self.state();
        let all = ["previews", "namespaces", "services", "endpointslices"];
        all.into_iter().filter(|name| !state.complete.contains(name)).collect()
    }
}

/// Watches until it is dropped.
pub(crate) fn follow(edge: &Edge) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let client = || edge.client.clone();
    let ours = || watcher::Config::default().labels(label::PREVIEW_UID).timeout(PATIENCE);
    let resource = ApiResource {
        group: label::GROUP.to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: format!("{}/v1alpha1", label::GROUP),
        kind: "PreviewEnvironment".to_owned(),
        plural: "previewenvironments".to_owned(),
    };
    let previews = Api::<DynamicObject>::all_with(client(), &resource);
    let previews = watcher(previews, watcher::Config::default().timeout(PATIENCE));
    tasks.spawn(run(edge.clone(), "previews", previews, see_preview, forget_preview));
    let namespaces = watcher(Api::<PartialObjectMeta<Namespace>>::all(client()), ours());
    tasks.spawn(run(edge.clone(), "namespaces", namespaces, see_namespace, forget_namespace));
    let services = watcher(Api::<Service>::all(client()), ours());
    tasks.spawn(run(edge.clone(), "services", services, see_service, forget_service));
    let slices = watcher(Api::<EndpointSlice>::all(client()), ours());
    tasks.spawn(run(edge.clone(), "endpointslices", slices, see_slice, forget_slice));
    tasks
}

/// The UIDs of previews whose routes an event may change.
pub(crate) type Touched = Vec<String>;

/// One watch: each object is taken in as it comes, and what a fresh list did not show is forgotten only when the
/// list was read to its end.
pub(crate) async fn run<K>(
    edge: Edge,
    name: &'static str,
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    see: fn(&Edge, &mut Sights, &K) -> Touched,
    forget: fn(&Edge, &mut Sights, &(String, String)) -> Touched,
) where
    K: Resource + DeserializeOwned + Clone + Debug + Send + 'static,
{
    let mut stream = std::pin::pin!(stream.default_backoff());
    let mut known: HashSet<(String, String)> = HashSet::new();
    let mut listed: HashSet<(String, String)> = HashSet::new();
    let key = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
    while let Some(event) = stream.next().await {
        let mut state = edge.feed.state();
        let sights = &mut state.sights;
        let touched = match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed.insert(key(&object));
                known.insert(key(&object));
                see(&edge, sights, &object)
            }
            Ok(Event::Apply(object)) => {
                known.insert(key(&object));
                see(&edge, sights, &object)
            }
            Ok(Event::Delete(object)) => {
                known.remove(&key(&object));
                forget(&edge, sights, &key(&object))
            }
            Ok(Event::InitDone) => {
                let gone: Vec<_> = known.difference(&listed).cloned().collect();
                let touched = gone.iter().flat_map(|key| forget(&edge, sights, key)).collect();
                known = std::mem::take(&mut listed);
                let first = state.complete.insert(name);
                if first && state.complete.len() == WATCHES {
                    refresh(&edge, &state, state.sights.previews.keys());
                    edge.open();
                }
                touched
            }
            Err(error) => {
                tracing::warn!(watch.name = name, "the watch of {name} is begun again: {error}");
                continue;
            }
        };
        // Before everything was seen once nobody can tell what a route leads to.
        if state.complete.len() == WATCHES {
            refresh(&edge, &state, touched.iter());
        }
    }
}

fn refresh<'uid>(edge: &Edge, state: &State, touched: impl Iterator<Item = &'uid String>) {
    for uid in touched {
        let Some(preview) = state.sights.previews.get(uid) else { continue };
        // Whatever its status still says: nobody is led there any more.
        if preview.is_closing() {
            edge.table.retain(uid, &[], true);
            continue;
        }
        let routes = state.sights.routes(preview);
        let hosts: Vec<String> = routes.iter().map(|(host, _)| host.clone()).collect();
        let pods: Vec<Arc<str>> = routes
            .iter()
            .flat_map(|(_, view)| view.targets.iter().map(|target| Arc::clone(&target.pod)))
            .collect();
        edge.table.update(preview, routes);
        edge.table.retain(uid, &hosts, false);
        if let Some(known) = edge.table.preview(uid) {
            known.know(&pods);
            let see = |rest: &mut Rest| rest.see(preview.asleep(), preview.version);
            known.change(edge.limits.interval, see);
            known.tell();
        }
    }
}

pub(crate) fn see_preview(edge: &Edge, sights: &mut Sights, object: &DynamicObject) -> Touched {
    let preview = match PreviewSight::read(object) {
        Ok(preview) => preview,
        // One that cannot be read keeps the routes it had.
        Err(error) => {
            tracing::warn!(preview.name = object.name_any(), "its status cannot be read: {error}");
            return Vec::new();
        }
    };
    let uid = preview.uid.clone();
    // One that was made anew under its name: nobody may have told that the one before went.
    let name = (preview.namespace.clone(), preview.name.clone());
    if let Some(before) = sights.names.insert(name, uid.clone()).filter(|before| *before != uid) {
        sights.previews.remove(&before);
        edge.table.retain(&before, &[], true);
    }
    sights.previews.insert(uid.clone(), preview);
    vec![uid]
}

pub(crate) fn forget_preview(edge: &Edge, sights: &mut Sights, key: &(String, String)) -> Touched {
    if let Some(uid) = sights.names.remove(key) {
        sights.previews.remove(&uid);
        edge.table.retain(&uid, &[], true);
    }
    Vec::new()
}

pub(crate) fn see_namespace(
    _: &Edge,
    sights: &mut Sights,
    object: &PartialObjectMeta<Namespace>,
) -> Touched {
    let name = object.name_any();
    let before = sights.namespaces.remove(&name);
    let owner = sight::owner(&object.metadata);
    let touched = before.iter().chain(owner.iter()).map(|(uid, _)| uid.clone()).collect();
    if let Some(owner) = owner {
        sights.namespaces.insert(name, owner);
    }
    touched
}

pub(crate) fn forget_namespace(
    _: &Edge,
    sights: &mut Sights,
    (_, name): &(String, String),
) -> Touched {
    sights.namespaces.remove(name).into_iter().map(|(uid, _)| uid).collect()
}

pub(crate) fn see_service(_: &Edge, sights: &mut Sights, service: &Service) -> Touched {
    let namespace = service.namespace().unwrap_or_default();
    let touched = owner_of(sights, &namespace);
    sights.services.insert((namespace, service.name_any()), sight::ports(service));
    touched
}

pub(crate) fn forget_service(_: &Edge, sights: &mut Sights, key: &(String, String)) -> Touched {
    sights.services.remove(key);
    owner_of(sights, &key.0)
}

pub(crate) fn see_slice(edge: &Edge, sights: &mut Sights, object: &EndpointSlice) -> Touched {
    let own = (object.namespace().unwrap_or_default(), object.name_any());
    // It may have been another Service's until now.
    let touched = forget_slice(edge, sights, &own);
    if let Some((key, name, slice)) = sight::slice(object) {
        sights.services_of_slices.insert(own, key.1.clone());
        sights.slices.entry(key).or_default().insert(name, slice);
    }
    touched
}

pub(crate) fn forget_slice(_: &Edge, sights: &mut Sights, key: &(String, String)) -> Touched {
    let (namespace, name) = key;
    if let Some(service) = sights.services_of_slices.remove(key)
        && let Entry::Occupied(mut slices) = sights.slices.entry((namespace.clone(), service))
    {
        slices.get_mut().remove(name);
        if slices.get().is_empty() {
            slices.remove();
        }
    }
    owner_of(sights, namespace)
}

fn owner_of(sights: &Sights, namespace: &str) -> Touched {
    sights.namespaces.get(namespace).map(|(uid, _)| uid.clone()).into_iter().collect()
}
