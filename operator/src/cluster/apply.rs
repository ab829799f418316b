//! The one writer: carries acts out in their order, and ends at the first that fails.

mod weigh;

use std::time::Duration;

use kube::api::DynamicObject;
use rand::distr::{Alphanumeric, SampleString};
use serde_json::{Value, json};
use understudy_core::{
    child::{Child, ObjectId},
    decide::{Act, Write, addressed, namespace_name},
    desired::Desired,
    facts::{Facts, NamespaceSight},
    ownership,
    redact::{Redactor, plain},
    run::{Begun, Judged},
};
use understudy_crds::{
    PreviewStatus,
    label::{self, FIELD_MANAGER, FINALIZER},
};

use self::weigh::{SOON, weighed};
use super::{
    api::Error,
    inventory::Origin,
    kinds::Kind,
    world::{World, preview_kind, preview_path},
};
use crate::outside::log::secrets;

/// The length of a generated value: 32 letters and digits are 190 bits.
const GENERATED: usize = 32;

/// How acting ended.
#[derive(Debug)]
pub(crate) enum Applied {
    /// Everything was done.
    Done,
    /// The API server wants time, or the world changed under us.
    Wait(Duration),
    /// The API server refused what the user wrote.
    Rejected(String),
}

/// Carries the acts out.
pub(crate) async fn carry_out(
    world: &World,
    facts: &Facts,
    acts: &[Act],
) -> Result<Applied, Error> {
    for act in acts {
        let applied = match one(world, facts, act).await {
            Ok(applied) => applied,
            Err(error) => weighed(world, facts, act, error).await?,
        };
        if !matches!(applied, Applied::Done) {
            return Ok(applied);
        }
    }
    Ok(Applied::Done)
}

async fn one(world: &World, facts: &Facts, act: &Act) -> Result<Applied, Error> {
    let namespace = namespace_name(facts);
    let namespaces = Kind::of("v1", "namespaces");
    match act {
        Act::Hold => hold(world, facts, true).await?,
        Act::Release => {
            hold(world, facts, false).await?;
            world.let_go(&facts.preview.uid);
        }
        Act::MakeNamespace(object) => return make_namespace(world, facts, object).await,
        Act::RepairNamespace(object) => {
            let mut object = object.clone();
            if let (NamespaceSight::There(child), Some(metadata)) =
                (&facts.namespace, object.get_mut("metadata").and_then(Value::as_object_mut))
            {
                metadata.insert("uid".to_owned(), json!(child.uid));
            }
            let answer = world.api.apply(&namespaces.path("", &namespace), &object).await?;
            world.inventory.note(&answer, Origin::Answer);
        }
        Act::Write(write) => inside(world, facts, &namespace, write).await?,
        Act::DeleteNamespace { uid } => {
            let options = json!({"preconditions": {"uid": uid}, "propagationPolicy": "Background"});
            let answer = world.api.delete(&namespaces.path("", &namespace), &options).await?;
            world.inventory.note(&answer, Origin::Answer);
        }
        Act::DeletePods => {
            let pods = Kind::of("v1", "pods").path(&namespace, "");
            // Nothing of a preview that goes is worth waiting for.
            world.api.delete(&pods, &json!({"gracePeriodSeconds": 1})).await?;
            world.inventory.note_pods_go(&facts.preview.uid);
        }
        Act::Begin { begun, job } => begin(world, facts, begun, job).await?,
        Act::Judge { begun, judged, gone } => {
            return judge(world, facts, (begun, judged), gone.as_deref()).await;
        }
    }
    Ok(Applied::Done)
}

/// Puts the finalizer on, or takes it away. The version sees to it that nobody's change is lost.
async fn hold(world: &World, facts: &Facts, held: bool) -> Result<(), Error> {
    let preview = &facts.preview;
    let path = preview_path(&preview.namespace, &preview.name);
    let Some(fresh) = world.api.get(&path).await? else { return Ok(()) };
    let text = |place: &str| fresh.pointer(place).and_then(Value::as_str).unwrap_or_default();
    if text("/metadata/uid") != preview.uid {
        return Ok(());
    }
    let list = fresh.pointer("/metadata/finalizers").and_then(Value::as_array);
    let mut list: Vec<Value> =
        list.into_iter().flatten().filter(|one| *one != FINALIZER).cloned().collect();
    if held {
        list.push(json!(FINALIZER));
    }
    let change = json!({"metadata": {
        "uid": preview.uid, "resourceVersion": text("/metadata/resourceVersion"), "finalizers": list,
    }});
    let answer = world.api.merge(&path, &change).await?;
    note_preview(world, &answer);
    Ok(())
}

/// Says the status. It is meant for this very sight of the preview: not for a later one of its name, and not
/// over a word that we have not seen yet.
pub(crate) async fn say(world: &World, facts: &Facts, status: &Value) -> Result<(), Error> {
    let preview = &facts.preview;
    let path = format!("{}/status", preview_path(&preview.namespace, &preview.name));
    let object = json!({
        "apiVersion": preview_kind().api_version, "kind": "PreviewEnvironment",
        "metadata": {
            "name": preview.name, "namespace": preview.namespace, "uid": preview.uid,
            "resourceVersion": preview.version,
        },
        "status": status,
    });
    let mut said = world.api.apply(&path, &object).await;
    // Nothing can be applied to what was stored under another schema; its status can still be changed.
    let stored = |error: &Error| error.to_string().contains("failed to create typed live object");
    if said.as_ref().is_err_and(stored) {
        said = world.api.merge(&path, &object).await;
    }
    match said {
        Ok(answer) => {
            note_preview(world, &answer);
            Ok(())
        }
        // It is gone, and nobody is left to be told.
        Err(error) if error.code() == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts words into the status of a preview that cannot be read, and leaves the rest of it.
pub(crate) async fn say_unreadable(
    world: &World,
    preview: &DynamicObject,
    status: &PreviewStatus,
) -> Result<(), Error> {
    let said = serde_json::to_value(status).unwrap_or_default();
    let known = preview.data.get("status");
    let new =
        |(field, value): (&String, &Value)| known.and_then(|known| known.get(field)) != Some(value);
    if !said.as_object().into_iter().flatten().any(new) {
        return Ok(());
    }
    let metadata = &preview.metadata;
    let path = preview_path(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let change = json!({
        "metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version},
        "status": said,
    });
    let answer = world.api.merge(&format!("{path}/status"), &change).await?;
    note_preview(world, &answer);
    Ok(())
}

fn note_preview(world: &World, answer: &Value) {
    if let Ok(preview) = serde_json::from_value(answer.clone()) {
        world.note_preview(preview);
    }
}

/// Makes the namespace, if the preview is still there and not on its way out: what we know of it may be old.
async fn make_namespace(world: &World, facts: &Facts, object: &Value) -> Result<Applied, Error> {
    let preview = &facts.preview;
    let found = world.api.get(&preview_path(&preview.namespace, &preview.name)).await?;
    let lives = found.as_ref().is_some_and(|found| {
        found.pointer("/metadata/uid").and_then(Value::as_str) == Some(&preview.uid)
            && found.pointer("/metadata/deletionTimestamp").is_none()
    });
    if !lives {
        return Ok(Applied::Wait(Duration::from_secs(5)));
    }
    let answer = world.api.create("/api/v1/namespaces", object).await?;
    world.inventory.note(&answer, Origin::Answer);
    Ok(Applied::Done)
}

/// What is meant is noted, then its Job is made, and then that one's UID is noted: whoever comes after a death in
/// between goes on from there, and a Job that somebody else made under that name never counts.
async fn begin(world: &World, facts: &Facts, begun: &Begun, job: &Desired) -> Result<(), Error> {
    let uid = &facts.preview.uid;
    world.keeper.introduce(&facts.preview).await.map_err(kept)?;
    world.keeper.begin(uid, begun).await.map_err(kept)?;
    let namespace = namespace_name(facts);
    let whole = addressed(job.object.clone(), &namespace, None);
    let answer = match world
        .api
        .create(&path(&ObjectId { name: String::new(), ..job_id() }, &namespace), &whole)
        .await
    {
        // Ours from before, or somebody's: only what we applied ourselves carries what we made of it.
        Err(error) if error.is_taken() => {
            let found = world.api.get(&path(&job.id, &namespace)).await?.ok_or(error)?;
            if !is_ours(&found, job) {
                let judged = Judged::unproven("a Job of its name was there already", facts.now);
                return world.keeper.judge(uid, begun, &judged).await.map_err(kept);
            }
            found
        }
        answer => answer?,
    };
    world.inventory.note(&answer, Origin::Answer);
    let made = answer.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
    world.keeper.begin(uid, &Begun { uid: made, ..begun.clone() }).await.map_err(kept)
}

/// Keeps a verdict, unless it goes by the absence of a Job that a watch only had not shown.
async fn judge(
    world: &World,
    facts: &Facts,
    (begun, judged): (&Begun, &Judged),
    gone: Option<&str>,
) -> Result<Applied, Error> {
    let id = ObjectId { name: begun.job.clone(), ..job_id() };
    if let Some(gone) = gone
        && let Some(found) = world.api.get(&path(&id, &namespace_name(facts))).await?
        && found.pointer("/metadata/uid").and_then(Value::as_str) == Some(gone)
    {
        world.inventory.note(&found, Origin::Answer);
        return Ok(Applied::Wait(SOON));
    }
    // What tests say may hold a secret of the preview.
    let namespace = namespace_name(facts);
    let Some(known) = secrets(&world.api, &namespace).await else {
        return Ok(Applied::Wait(Duration::from_secs(1)));
    };
    let sentence = Redactor::new(&known).text(&plain(&judged.sentence));
    let judged = Judged { sentence, ..judged.clone() };
    world.keeper.judge(&facts.preview.uid, begun, &judged).await.map_err(kept)?;
    Ok(Applied::Done)
}

/// Whether we made this Job: as it is to be, and under our name.
fn is_ours(found: &Value, job: &Desired) -> bool {
    let child = Child::read(found);
    let made = child.managers.iter().any(|one| one.name == FIELD_MANAGER && !one.applies);
    made && child.applied() == job.digest() && child.labels.contains_key(label::CHECK)
}

fn job_id() -> ObjectId {
    ObjectId { api_version: "batch/v1".to_owned(), kind: "Job".to_owned(), name: String::new() }
}

fn kept(error: crate::evidence::keeper::KeepError) -> Error {
    Error::Send { act: "the evidence store".to_owned(), source: error.into() }
}

async fn inside(world: &World, facts: &Facts, namespace: &str, write: &Write) -> Result<(), Error> {
    match write {
        Write::Apply { id, object, uid } => {
            let whole = addressed(object.clone(), namespace, uid.as_deref());
            let answer = world.api.apply(&path(id, namespace), &whole).await?;
            world.inventory.note(&answer, Origin::Answer);
            let unowned = ownership::lost(object, &Child::read(&answer));
            let place = (namespace.to_owned(), id.clone());
            world.inventory.note_unowned(&facts.preview.uid, &place, unowned);
        }
        Write::Create { id, object } => {
            let object = addressed(object.clone(), namespace, None);
            let of_all = ObjectId { name: String::new(), ..id.clone() };
            let answer = world.api.create(&path(&of_all, namespace), &object).await?;
            world.inventory.note(&answer, Origin::Answer);
        }
        Write::Generate { object, keys } => {
            let mut object = addressed(object.clone(), namespace, None);
            let random = |key: &String| {
                (key.clone(), json!(Alphanumeric.sample_string(&mut rand::rng(), GENERATED)))
            };
            let values = Value::Object(keys.iter().map(random).collect());
            if let Some(fields) = object.as_object_mut() {
                fields.insert("stringData".to_owned(), values);
            }
            let path = Kind::of("v1", "secrets").path(namespace, "");
            let answer = world.api.create(&path, &object).await?;
            world.inventory.note(&answer, Origin::Answer);
        }
        Write::Delete { id, uid } => {
            let options = json!({"preconditions": {"uid": uid}, "propagationPolicy": "Background"});
            match world.api.delete(&path(id, namespace), &options).await {
                // Gone already, or another in its place: the watches will tell.
                Err(error) if matches!(error.code(), 404 | 409) => {}
                other => drop(other?),
            }
            world.inventory.forget_object(&facts.preview.uid, namespace, id);
        }
    }
    Ok(())
}

/// Where an object is found. Kinds beyond the built-in ones are named as Kubernetes names them.
fn path(id: &ObjectId, namespace: &str) -> String {
    let kind = Kind::find(&id.api_version, &id.kind).unwrap_or_else(|| {
        let plural = format!("{}s", id.kind.to_lowercase());
        Kind::of(&id.api_version, &plural)
    });
    kind.path(namespace, &id.name)
}
