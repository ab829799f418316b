//! Reading everything one decision may go by, and writing nothing.

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::Value;
use understudy_core::{
    child::Child,
    decide::{copied, origin},
    facts::{Facts, Looked, Named, NamespaceSight, Preview, Sealed, Source},
    names,
    run::Runs,
};
use understudy_crds::{PreviewEnvironment, PreviewTemplate, PreviewTemplateSpec, label};

use super::{
    api::Error,
    inventory::Origin,
    kinds::Kind,
    world::{World, preview_path},
};

/// Reads a preview as it is known.
pub(crate) fn preview(object: &DynamicObject) -> Result<Preview, String> {
    let value = serde_json::to_value(object).map_err(|error| error.to_string())?;
    let typed: PreviewEnvironment = match read(value.clone()) {
        // What goes, goes: no more is needed than what its namespace is named after.
        Err(why) if object.metadata.deletion_timestamp.is_some() => {
            read(bare(value)).map_err(|_| why)?
        }
        // A status that another version wrote is said anew.
        Err(why) => read(without_status(value)).map_err(|_| why)?,
        Ok(typed) => typed,
    };
    let metadata = typed.metadata;
    let noted = |name: &str| {
        let words = metadata.annotations.as_ref();
        words.and_then(|words| words.get(name)).and_then(|time| time.parse().ok())
    };
    let (last_request, wake_wanted) = (noted(label::LAST_REQUEST), noted(label::WAKE_WANTED));
    let created = metadata.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    Ok(Preview {
        name: metadata.name.unwrap_or_default(),
        namespace: metadata.namespace.unwrap_or_default(),
        uid: metadata.uid.unwrap_or_default(),
        version: metadata.resource_version.unwrap_or_default(),
        generation: metadata.generation.unwrap_or(0),
        created,
        last_request,
        wake_wanted,
        deleting: metadata.deletion_timestamp.is_some(),
        finalizer: metadata.finalizers.iter().flatten().any(|one| one == label::FINALIZER),
        spec: typed.spec,
        status: typed.status.unwrap_or_default(),
    })
}

/// Reads a kind of ours; the error begins with the field.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = error.path().to_string();
        format!("{field}: {}", error.into_inner())
    })
}

fn without_status(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    value
}

/// The preview without whatever is not needed to remove it.
fn bare(value: Value) -> Value {
    let mut value = without_status(value);
    if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|field, _| {
            matches!(field.as_str(), "repositoryRef" | "templateRef" | "pullRequest" | "commit")
        });
        if let Some(request) = spec.get_mut("pullRequest").and_then(Value::as_object_mut) {
            request.retain(|field, _| field == "number");
        }
    }
    value
}

/// The preview as it stands now. A list may be old (a restart that meets a lagging replica), and then what
/// it says could undo what was done since: the first time, the API server is asked for this one. `None` if it
/// is gone.
pub(crate) async fn confirmed(
    world: &World,
    object: &DynamicObject,
) -> Result<Option<DynamicObject>, Error> {
    let metadata = &object.metadata;
    let uid = metadata.uid.as_deref().unwrap_or_default();
    if world.is_confirmed(uid) {
        return Ok(Some(object.clone()));
    }
    let path = preview_path(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let found = world.api.get(&path).await?.and_then(|one| serde_json::from_value(one).ok());
    let Some(found) = found.filter(|one: &DynamicObject| one.metadata.uid.as_deref() == Some(uid))
    else {
        return Ok(None);
    };
    world.confirm(uid);
    world.note_preview(found.clone());
    Ok(Some(found))
}

/// Everything about one preview of which nothing else is known yet.
pub(crate) async fn gather(world: &World, facts: &mut Facts) -> Result<(), Error> {
    let preview = &facts.preview;
    let name = |name: &str| (preview.namespace.clone(), name.to_owned());
    let found = world.named("PreviewTemplate").get(&name(&preview.spec.template_ref.name)).cloned();
    let (template, inputs) = template(found.as_deref());
    let repository = preview.spec.repository_ref.as_ref().is_none_or(|reference| {
        world.named("PreviewRepository").contains_key(&name(&reference.name))
    });
    let own = names::namespace(origin(preview), &preview.uid);
    let (namespace, children, pods) = world.inventory.of(&preview.uid, &own);
    facts.contested = contested(world, preview);
    (facts.template, facts.repository) = (template, repository);
    (facts.children, facts.pods) = (children, pods);
    facts.namespace = sight(world, facts, namespace).await?;
    if let NamespaceSight::There(namespace) = &facts.namespace
        && !namespace.deleting
    {
        let inputs = format!("{inputs}/{}/{}", facts.preview.generation, namespace.uid);
        secrets(world, facts, inputs).await?;
    }
    outside(world, facts);
    if matches!(&facts.template, Named::There(template) if template.checks.iter().any(|one| one.job.is_some()))
    {
        facts.runs = world.keeper.runs(&facts.preview.uid).await;
        if matches!(&facts.runs, Runs::Known(runs) if !runs.is_empty())
            && let Err(error) = world.keeper.introduce(&facts.preview).await
        {
            facts.runs = Runs::Unknown(error.to_string());
        }
        facts.evidence = world.keeper.link(&facts.preview.uid);
    }
    Ok(())
}

/// Under which name it is noted why a template could not be parsed.
pub(crate) const UNPARSED: &str = "unparsed";

/// The template, and a word that changes when it does.
fn template(found: Option<&Value>) -> (Named<PreviewTemplateSpec>, String) {
    let Some(found) = found else { return (Named::Absent, String::new()) };
    let version = found.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    // One whose text could not even be parsed: only what was said of it is there.
    if let Some(why) = found.get(UNPARSED).and_then(Value::as_str) {
        return (Named::Unreadable(why.to_owned()), version.unwrap_or_default().to_owned());
    }
    let template = match read::<PreviewTemplate>(found.clone()) {
        Ok(template) => Named::There(Box::new(template.spec)),
        Err(error) => Named::Unreadable(error),
    };
    (template, version.unwrap_or_default().to_owned())
}

/// The namespace as watches know it; while everything goes, the API server itself is asked before it is
/// believed to be gone.
async fn sight(
    world: &World,
    facts: &Facts,
    known: Option<Child>,
) -> Result<NamespaceSight, Error> {
    if let Some(child) = known {
        return Ok(NamespaceSight::There(Box::new(child)));
    }
    let ends = facts.preview.deleting || understudy_core::decide::is_over(facts);
    // One that we had and that no watch shows may have lost its label, and is ours all the same.
    if !ends && facts.preview.status.namespace.is_none() {
        return Ok(NamespaceSight::Absent { sure: false });
    }
    look(world, &facts.preview).await
}

/// Asks the API server for a preview's namespace. It is ours by its label, or by the UID that we noted when
/// we made it.
pub(crate) async fn look(world: &World, preview: &Preview) -> Result<NamespaceSight, Error> {
    let name = names::namespace(origin(preview), &preview.uid);
    let path = Kind::of("v1", "namespaces").path("", &name);
    let Some(found) = world.api.get(&path).await? else {
        return Ok(NamespaceSight::Absent { sure: true });
    };
    let child = Child::read(&found);
    let noted = preview.status.namespace.as_ref().is_some_and(|noted| noted.uid == child.uid);
    let labelled = child.labels.get(label::PREVIEW_UID) == Some(&preview.uid);
    if !noted && !labelled {
        return Ok(NamespaceSight::Foreign);
    }
    world.inventory.note(&found, Origin::Answer);
    Ok(NamespaceSight::There(Box::new(child)))
}

/// Whether another preview holds the plain host label: one that is there already, or an older one.
fn contested(world: &World, preview: &Preview) -> bool {
    let Some(label) = plain_label(preview) else { return false };
    // Labels are compared, not URLs: the domain and the scheme are settings that may change.
    let held = |status: Option<&str>| status.and_then(label_of).map(|one| one == label);
    if let Some(own) = held(preview.status.url.as_deref()) {
        return !own;
    }
    world.previews().state().iter().any(|other| {
        let url = other.data.pointer("/status/url").and_then(Value::as_str);
        if other.metadata.uid.as_deref() == Some(&preview.uid) {
            return false;
        }
        if let Some(held) = held(url) {
            return held;
        }
        let Ok(other) = self::preview(other) else { return false };
        let older = (other.created, &other.uid) < (preview.created, &preview.uid);
        older && plain_label(&other).as_ref() == Some(&label)
    })
}

/// The host label of a URL.
fn label_of(url: &str) -> Option<String> {
    let (_, host) = url.split_once("://")?;
    host.split('.').next().map(str::to_owned)
}

fn plain_label(preview: &Preview) -> Option<String> {
    Some(names::host_label(origin(preview), None)).filter(|label| !label.is_empty())
}

/// Secrets cannot be watched. They are read once for every change of what they follow from.
async fn secrets(world: &World, facts: &mut Facts, inputs: String) -> Result<(), Error> {
    let uid = facts.preview.uid.clone();
    let bound = facts.children.iter().any(|(id, child)| id.kind == "RoleBinding" && child.watched);
    let Named::There(template) = &facts.template else { return Ok(()) };
    let wanted = copied(template, facts.preview.spec.trust);
    let stands =
        |name: &str| facts.children.keys().any(|id| id.kind == "Secret" && id.name == name);
    let missing = wanted.keys().any(|name| !stands(name));
    if !bound || (world.is_read_for(&uid, &inputs) && !missing) {
        return Ok(());
    }
    let kind = Kind::of("v1", "secrets");
    // Whatever goes needs no sources, but its receipt counts the Secrets too.
    let ends = facts.preview.deleting;
    for name in wanted.into_values().filter(|_| !ends) {
        let found = world.api.get(&kind.path(&facts.preview.namespace, &name)).await?;
        facts.sources.insert(name, found.as_ref().map(source));
    }
    let namespace = names::namespace(origin(&facts.preview), &uid);
    let path = format!("{}?labelSelector={}={uid}", kind.path(&namespace, ""), label::PREVIEW_UID);
    let began = world.inventory.touch();
    let list = world.api.get(&path).await?.unwrap_or_default();
    let items = list.get("items").and_then(Value::as_array);
    for item in items.into_iter().flatten() {
        let mut item = item.clone();
        if let Some(fields) = item.as_object_mut() {
            fields.insert("apiVersion".to_owned(), "v1".into());
            fields.insert("kind".to_owned(), "Secret".into());
        }
        world.inventory.note(&item, Origin::Watch);
    }
    world.inventory.sweep_of(&uid, "v1", "Secret", began);
    facts.children.retain(|id, _| id.kind != "Secret");
    let (_, children, _) = world.inventory.of(&uid, &namespace);
    facts.children.extend(children.into_iter().filter(|(id, _)| id.kind == "Secret"));
    world.read_for(&uid, Some(inputs));
    Ok(())
}

fn source(secret: &Value) -> Source {
    let type_ = secret.get("type").and_then(Value::as_str).unwrap_or("Opaque").to_owned();
    Source {
        type_,
        data: Sealed(
            secret.get("data").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        ),
    }
}

/// What was answered by the world outside.
fn outside(world: &World, facts: &mut Facts) {
    let namespace = facts.preview.namespace.clone();
    if let Named::There(template) = &facts.template {
        for image in &template.images {
            let secret = image.pull_secret_ref.as_ref();
            let secret = secret.map(|secret| (namespace.clone(), secret.name.clone()));
            let known = world.images.all(|(name, _, with)| *name == image.name && *with == secret);
            facts.images.extend(
                known
                    .into_iter()
                    .map(|((name, tag, _), (at, found))| ((name, tag), Looked { at, found })),
            );
        }
    }
    let NamespaceSight::There(child) = &facts.namespace else { return };
    let uid = child.uid.clone();
    facts.probes.extend(world.probes.all(|probe| probe.namespace_uid == uid));
    let pods: Vec<&str> = facts.pods.iter().map(|pod| pod.uid.as_str()).collect();
    facts.logs.extend(world.logs.all(|log| pods.contains(&log.uid.as_str())));
}
