//! Whatever a person writes wrong is answered with a sentence that says what to do, makes nothing, and
//! stops nobody else.
//!
//! The sentences stand in `tests/snapshots`, to be read as prose; `INSTA_UPDATE=always` writes them anew.

#![expect(
    clippy::indexing_slicing,
    reason = "a fixture without the place it changes is a broken test"
)]

#[path = "refusals/schema.rs"]
mod schema;
#[path = "refusals/stacks.rs"]
mod stacks;
#[expect(dead_code, reason = "counting is for another suite")]
mod stage;
#[path = "refusals/unreadable.rs"]
mod unreadable;
#[path = "refusals/workloads.rs"]
mod workloads;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use understudy_bed::{
    Error, Result,
    testing::{Outcome, text},
};
use understudy_crds::label::{GROUP, PREVIEW_NAMESPACE};
use understudy_fakes::{
    Scene,
    cluster::path,
    scene::{COMMITS, small},
};

use stage::{Stage, block_on, stage};

/// A refusal needs no pod, and is there long before this.
const SOON: Duration = Duration::from_mins(1);

/// The longest sentence of a status, in bytes.
const LONGEST: usize = 1024;

static STAGE: OnceCell<Stage> = OnceCell::const_new();

/// A namespace with the good template `web`, and an operator that serves it alone.
async fn scene(topic: &str) -> Result<Scene> {
    let stage = STAGE.get_or_try_init(stage).await?;
    Scene::new(&stage.cluster, &stage.upstream, topic, &small(), &[]).await
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let version = format!("{GROUP}/v1alpha1");
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Puts a template and a preview of it there.
async fn write(scene: &Scene, case: &stacks::Case) -> Result<()> {
    let name = case.name;
    if let Some(spec) = &case.template {
        let all = path(&scene.namespace, "previewtemplates", "");
        scene.cluster.create(&all, &object("PreviewTemplate", name, spec)).await?;
    }
    let all = path(&scene.namespace, "previewenvironments", "");
    scene.cluster.create(&all, &object("PreviewEnvironment", name, &case.spec())).await.map(drop)
}

/// Reason and sentence of a preview, once it is refused.
async fn refused(scene: &Scene, name: &str) -> Result<String> {
    let looked = |one: &Value| {
        text(one, "/status/phase") == "Refused"
            && one.pointer("/status/observedGeneration") == one.pointer("/metadata/generation")
    };
    let preview = scene.cluster.until(&scene.preview(name), SOON, looked).await?;
    let message = text(&preview, "/status/message");
    assert!(message.len() <= LONGEST, "{name}: {} bytes", message.len());
    let message = message.replace(&scene.namespace, "previews").replace('\n', "\n    ");
    Ok(format!("{}: {message}", text(&preview, "/status/reason")))
}

/// The API server's sentence about an object, without the words that every one of them begins with.
async fn rejected(scene: &Scene, (name, plural, yaml): &schema::Case) -> Result<String> {
    let all = path(&scene.namespace, plural, "");
    let Err(said) = scene.cluster.create_yaml(&all, yaml.clone()).await? else {
        return Err(Error::Bed(format!("{name} was accepted")));
    };
    let begins = said.find("is invalid: ").map_or(0, |place| place + "is invalid: ".len());
    let said = said.get(begins..).unwrap_or_default();
    // It says so too when it looked no further.
    let further = ", <nil>: Invalid value: null: some validation rules were not checked because the object \
                   was invalid; correct the existing errors to complete validation]";
    let said = said.strip_suffix(further).map_or(said, |said| said.trim_start_matches('['));
    assert!(said.len() <= LONGEST, "{name}: {} bytes", said.len());
    Ok(said.replace(&format!(".{GROUP}"), "").replace(&scene.namespace, "previews"))
}

/// How many namespaces there are of previews of that scene.
async fn namespaces(scene: &Scene) -> Result<usize> {
    let query = format!("labelSelector={PREVIEW_NAMESPACE}={}", scene.namespace);
    let list =
        scene.cluster.find(&format!("/api/v1/namespaces?{query}")).await?.unwrap_or_default();
    Ok(list.get("items").and_then(Value::as_array).map_or(0, Vec::len))
}

async fn sentences(scene: &Scene) -> Result<String> {
    let (schema, stacks) = (schema::cases(), stacks::cases());
    assert!(schema.len() + stacks.len() >= 60, "{} + {}", schema.len(), stacks.len());
    let mut lines = vec!["# Said by the API server".to_owned(), String::new()];
    for case in &schema {
        lines.push(format!("{}: {}", case.0, rejected(scene, case).await?));
    }
    for case in &stacks {
        write(scene, case).await?;
    }
    lines.extend(["", "# Said by the operator", ""].map(str::to_owned));
    for case in &stacks {
        lines.push(format!("{}: {}", case.name, refused(scene, case.name).await?));
    }
    assert_eq!(namespaces(scene).await?, 0, "a refused preview has no namespace");
    Ok(lines.join("\n"))
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only refusals"]
fn every_bad_object_gets_its_sentence_and_makes_nothing() -> Outcome {
    let said = block_on(async {
        let scene = scene("refusals").await?;
        let said = sentences(&scene).await;
        scene.clear().await?;
        said
    })?;
    insta::assert_snapshot!("sentences", said);
    Ok(())
}

/// The healthy previews, each with what tells whether anything happened to it.
async fn healthy(scene: &Scene) -> Result<Vec<(String, Value)>> {
    let mut seen = Vec::new();
    for number in 1..20 {
        let name = format!("good-{number}");
        let preview = scene.reach(&name, "Ready", COMMITS[0]).await?;
        let status = preview.get("status").cloned().unwrap_or_default();
        seen.push((name, status));
    }
    Ok(seen)
}

async fn twenty(scene: &Scene) -> Result<()> {
    let faults = stacks::cases();
    let bad = |name: &str| {
        let mut found = faults.iter().filter(|case| case.name == name);
        found.next().and_then(|case| case.template.clone()).expect("a case of that name")
    };
    let all = path(&scene.namespace, "previewenvironments", "");
    for number in 1..20 {
        scene.open(&format!("good-{number}"), COMMITS[0]).await?;
    }
    let first = stacks::Case {
        name: "bad",
        template: Some(bad("privileged-container")),
        preview: json!({}),
    };
    write(scene, &first).await?;
    let mut said = refused(scene, "bad").await?;
    let before = healthy(scene).await?;
    // It goes on being bad, each time in another way.
    for fault in ["misspelt-parameter", "stack-of-more-than-a-megabyte", "many-faults-at-once"] {
        let template = path(&scene.namespace, "previewtemplates", "bad");
        scene.cluster.apply(&template, &object("PreviewTemplate", "bad", &bad(fault))).await?;
        let first = |one: &Value| {
            text(one, "/status/message").lines().next().unwrap_or_default().to_owned()
        };
        let other = |one: &Value| !said.contains(&first(one));
        scene.cluster.until(&scene.preview("bad"), SOON, other).await?;
        said = refused(scene, "bad").await?;
    }
    assert_eq!(healthy(scene).await?, before, "nothing happened to the others");
    let list = scene.cluster.find(&all).await?.unwrap_or_default();
    assert_eq!(list["items"].as_array().map_or(0, Vec::len), 20);
    assert_eq!(namespaces(scene).await?, 19);
    Ok(())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only refusals"]
fn bad_preview_leaves_nineteen_others_ready() -> Outcome {
    block_on(async {
        let scene = scene("twenty").await?;
        let outcome = twenty(&scene).await;
        scene.clear().await?;
        outcome
    })?;
    Ok(())
}

#[test]
#[ignore = "needs a fleet bed: cargo verify --only refusals"]
fn object_that_cannot_be_read_stops_nobody() -> Outcome {
    let said = block_on(async {
        let scene = scene("unreadable").await?;
        let outcome = scene.told(unreadable::story(&scene).await).await;
        scene.clear().await?;
        outcome
    })?;
    insta::assert_snapshot!("unreadable", said);
    Ok(())
}
