//! Following the cluster: one watch of each kind by our label, whatever the number of previews, and one
//! of each of our own kinds.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use kube::{
    Api, Resource,
    api::{DynamicObject, PartialObjectMeta},
    core::{ApiResource, DynamicResourceScope},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use serde_json::Value;
use tokio::task::JoinSet;
use understudy_crds::label;

use super::{
    gather::UNPARSED,
    inventory::Origin,
    kinds::{FOLLOWED, Kind, Sight},
    world::{World, our_kind, preview_kind},
};

/// How long the API server keeps a watch open, in seconds: a connection that died in silence is noticed a
/// little later than that.
const PATIENCE: u32 = 60;

/// Begins to follow everything; `namespaces` empty means all.
pub(crate) fn follow(world: &Arc<World>, namespaces: &[String]) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let selector = match namespaces {
        [] => label::PREVIEW_UID.to_owned(),
        // Both, or an object that loses the one would stay in sight and belong to nobody.
        some => {
            format!("{},{} in ({})", label::PREVIEW_UID, label::PREVIEW_NAMESPACE, some.join(","))
        }
    };
    for (api_version, kind, plural, sight) in FOLLOWED {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        world.sync(kind, sight == Sight::Named);
        let config = watcher::Config::default().labels(&selector).timeout(PATIENCE);
        let world = Arc::clone(world);
        match sight {
            Sight::Named => {}
            Sight::Metadata => {
                let client = world.api.client();
                let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client, &resource);
                tasks.spawn(children(world, resource, watcher(api, config)));
            }
            Sight::Whole => {
                let api: Api<DynamicObject> = Api::all_with(world.api.client(), &resource);
                tasks.spawn(children(world, resource, watcher(api, config)));
            }
        }
    }
    let everywhere = [String::new()];
    for namespace in if namespaces.is_empty() { &everywhere } else { namespaces } {
        for (kind, plural) in
            [("PreviewTemplate", "previewtemplates"), ("PreviewRepository", "previewrepositories")]
        {
            let resource = our_kind(kind, plural);
            let api = api::<PartialObjectMeta<DynamicObject>>(world, namespace, &resource);
            let stream = watcher(api, config());
            world.sync(&watch_name(kind, namespace), false);
            tasks.spawn(named(Arc::clone(world), resource, namespace.clone(), stream));
        }
        let resource = preview_kind();
        let api = api::<DynamicObject>(world, namespace, &resource);
        let stream = watcher(api, config());
        world.sync(&watch_name(&resource.kind, namespace), false);
        tasks.spawn(previews(Arc::clone(world), namespace.clone(), stream));
    }
    tasks
}

fn config() -> watcher::Config {
    watcher::Config::default().timeout(PATIENCE)
}

fn watch_name(kind: &str, namespace: &str) -> String {
    if namespace.is_empty() { kind.to_owned() } else { format!("{kind} in {namespace}") }
}

fn api<K>(world: &World, namespace: &str, resource: &ApiResource) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    let client = world.api.client();
    if namespace.is_empty() {
        Api::all_with(client, resource)
    } else {
        Api::namespaced_with(client, namespace, resource)
    }
}

/// The object as JSON, with the words that lists leave out.
fn whole<K: serde::Serialize>(object: &K, resource: &ApiResource) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        fields.insert("kind".to_owned(), resource.kind.clone().into());
    }
    value
}

async fn children<K>(
    world: Arc<World>,
    resource: ApiResource,
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
) where
    K: Resource + Clone + serde::Serialize,
{
    let mut stream = std::pin::pin!(stream.default_backoff());
    let mut began = 0;
    while let Some(event) = stream.next().await {
        let owners = match event {
            Ok(Event::Init) => {
                began = world.inventory.touch();
                Vec::new()
            }
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                world.inventory.note(&whole(&object, &resource), Origin::Watch)
            }
            Ok(Event::Delete(object)) => {
                world.inventory.note_gone(&whole(&object, &resource)).into_iter().collect()
            }
            Ok(Event::InitDone) => {
                let swept = world.inventory.sweep(&resource.api_version, &resource.kind, began);
                for owner in &swept {
                    world.wake(owner);
                }
                world.sync(&resource.kind, true);
                Vec::new()
            }
            Err(error) => {
                complain(&resource.kind, &error);
                Vec::new()
            }
        };
        for owner in &owners {
            world.wake(owner);
        }
    }
}

/// The whole of an object that is watched by its metadata: a template is read by itself, so that one which
/// cannot be parsed takes no other with it. `None` if it is gone.
async fn body(
    world: &World,
    object: &PartialObjectMeta<DynamicObject>,
    resource: &ApiResource,
) -> Option<Value> {
    let mut known = whole(object, resource);
    if resource.kind != "PreviewTemplate" {
        return Some(known);
    }
    let metadata = &object.metadata;
    let path = Kind::of(&resource.api_version, &resource.plural).path(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let mut pause = Duration::from_millis(250);
    loop {
        match world.api.get(&path).await {
            Ok(body) => return body,
            Err(error) if error.is_illegible() => {
                let fields = known.as_object_mut()?;
                tracing::debug!("a template cannot be parsed: {error}");
                let why = "it is nested deeper than 128 levels, or is no JSON";
                fields.insert(UNPARSED.to_owned(), why.into());
                return Some(known);
            }
            Err(error) => tracing::warn!("a template is not read yet: {error}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(30));
    }
}

async fn named(
    world: Arc<World>,
    resource: ApiResource,
    namespace: String,
    stream: impl Stream<Item = watcher::Result<Event<PartialObjectMeta<DynamicObject>>>>,
) {
    let field = if resource.kind == "PreviewTemplate" { "templateRef" } else { "repositoryRef" };
    let mut stream = std::pin::pin!(stream.default_backoff());
    let mut listed = HashMap::new();
    while let Some(event) = stream.next().await {
        let name = |object: &PartialObjectMeta<DynamicObject>| {
            let metadata = &object.metadata;
            (
                metadata.namespace.clone().unwrap_or_default(),
                metadata.name.clone().unwrap_or_default(),
            )
        };
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                if let Some(body) = body(&world, &object, &resource).await {
                    listed.insert(name(&object), Arc::new(body));
                }
            }
            Ok(Event::InitDone) => {
                let fresh = std::mem::take(&mut listed);
                let mut known = world.named(&resource.kind);
                let here = |name: &(String, String)| namespace.is_empty() || name.0 == namespace;
                let mut changed: Vec<_> = known.keys().filter(|name| here(name)).cloned().collect();
                changed.extend(fresh.keys().cloned());
                known.retain(|name, _| !here(name));
                known.extend(fresh);
                drop(known);
                for name in &changed {
                    world.wake_users(field, name);
                }
                world.sync(&watch_name(&resource.kind, &namespace), true);
            }
            Ok(Event::Apply(object)) => {
                let name = name(&object);
                if let Some(body) = body(&world, &object, &resource).await {
                    world.named(&resource.kind).insert(name.clone(), Arc::new(body));
                    world.wake_users(field, &name);
                }
            }
            Ok(Event::Delete(object)) => {
                let name = name(&object);
                world.named(&resource.kind).remove(&name);
                world.wake_users(field, &name);
            }
            Err(error) => complain(&resource.kind, &error),
        }
    }
}

async fn previews(
    world: Arc<World>,
    namespace: String,
    stream: impl Stream<Item = watcher::Result<Event<DynamicObject>>>,
) {
    let mut stream = std::pin::pin!(stream.default_backoff());
    let mut listed = std::collections::HashSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(preview)) => {
                listed.extend(preview.metadata.uid.clone());
                world.note_preview(preview);
            }
            Ok(Event::Apply(preview)) => world.note_preview(preview),
            Ok(Event::Delete(preview)) => world.forget_preview(&preview),
            Ok(Event::InitDone) => {
                for preview in world.previews().state() {
                    let metadata = &preview.metadata;
                    let here =
                        namespace.is_empty() || metadata.namespace.as_deref() == Some(&namespace);
                    let seen = metadata.uid.as_ref().is_some_and(|uid| listed.contains(uid));
                    if here && !seen {
                        world.forget_preview(&preview);
                    }
                }
                world.sync(&watch_name("PreviewEnvironment", &namespace), true);
            }
            Err(error) => complain("PreviewEnvironment", &error),
        }
    }
}

fn complain(kind: &str, error: &watcher::Error) {
    let text = error.to_string();
    if text.contains("404 page not found") {
        tracing::warn!(
            watch.kind = kind,
            "the cluster does not know {kind} yet: understudy crds | kubectl apply --server-side --filename=-"
        );
        return;
    }
    tracing::warn!(watch.kind = kind, "the watch of {kind} is begun again: {text}");
}
