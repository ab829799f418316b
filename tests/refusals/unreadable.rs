//! Objects that were stored under another schema and no longer parse: whoever depends on them is told, and
//! everybody else goes on.

use serde_json::{Value, json};
use understudy_bed::Result;
use understudy_crds::label::GROUP;
use understudy_fakes::{
    Cluster, Scene,
    cluster::{LONG, path},
    scene::{COMMITS, small},
};

use crate::{object, refused, stacks::Case, write};

/// Puts a field of any type into a kind, writes with it, and puts the schema back.
async fn stored(
    cluster: &Cluster,
    plural: &str,
    field: &str,
    object: &str,
    bad: &Value,
) -> Result<()> {
    let crd = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}");
    let schema = "/spec/versions/0/schema/openAPIV3Schema";
    let strict = cluster.find(&crd).await?.unwrap_or_default();
    let place = format!("{schema}/properties/spec/properties/{field}");
    let mut loose = json!({"spec": {"versions": strict["spec"]["versions"]}});
    if let Some(field) = loose.pointer_mut(&place) {
        *field = json!({"x-kubernetes-preserve-unknown-fields": true});
    }
    cluster.patch(&crd, &loose).await?;
    // The API server takes a moment to go by the new schema.
    let deadline = std::time::Instant::now() + LONG;
    let written = loop {
        let written = cluster.patch(object, bad).await.map(drop);
        if written.is_ok() || std::time::Instant::now() > deadline {
            break written;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    cluster.patch(&crd, &json!({"spec": {"versions": strict["spec"]["versions"]}})).await?;
    written
}

/// What is said of each unreadable object, after everything beside them went its way.
pub(crate) async fn story(scene: &Scene) -> Result<String> {
    let template = path(&scene.namespace, "previewtemplates", "broken");
    write(scene, &Case { name: "broken", template: Some(small()), preview: json!({}) }).await?;
    for name in ["early", "unreadable"] {
        scene.open(name, COMMITS[0]).await?;
    }
    for name in ["early", "unreadable", "broken"] {
        scene.reach(name, "Ready", COMMITS[0]).await?;
    }
    let bad = json!({"spec": {"isolation": {"mend": "maybe"}}});
    let field = "isolation/properties/mend";
    stored(&scene.cluster, "previewtemplates", field, &template, &bad).await?;
    let bad = json!({"spec": {"pullRequest": {"draft": "perhaps"}}});
    let (field, preview) = ("pullRequest/properties/draft", scene.preview("unreadable"));
    stored(&scene.cluster, "previewenvironments", field, &preview, &bad).await?;
    deep(scene).await?;
    let user = format!("template: {}", refused(scene, "broken").await?);
    let deep = format!("deep: {}", refused(scene, "deep").await?);
    let own = format!("preview: {}", refused(scene, "unreadable").await?);
    // An operator that starts with them there serves the others as well.
    scene.operator.lock().await.kill().await;
    scene.operator.lock().await.restart()?;
    scene.open("late", COMMITS[0]).await?;
    scene.change("early", &json!({"commit": COMMITS[1]})).await?;
    scene.reach("late", "Ready", COMMITS[0]).await?;
    scene.reach("early", "Ready", COMMITS[1]).await?;
    // What cannot be read can still be taken away, and mending a template is enough for its users.
    for name in ["unreadable", "late"] {
        scene.cluster.delete(&scene.preview(name)).await?;
        scene.cluster.until(&scene.preview(name), LONG, Value::is_null).await?;
    }
    scene.cluster.patch(&template, &json!({"spec": {"isolation": {"mend": true}}})).await?;
    scene.reach("broken", "Ready", COMMITS[0]).await?;
    // One that cannot even be parsed is told so again by the operator that began with it.
    assert_eq!(format!("deep: {}", refused(scene, "deep").await?), deep);
    Ok([user, own, deep].join("\n"))
}

/// A template nested deeper than most programs read: the API server takes ten thousand levels
/// (`sigs.k8s.io/json`), `serde_json` 128.
async fn deep(scene: &Scene) -> Result<()> {
    let mut spec = small();
    spec["source"]["inline"][0]["x"] = json!("DEEP");
    let template = object("PreviewTemplate", "deep", &spec).to_string();
    let nested = "[".repeat(200) + &"]".repeat(200);
    let template = template.replace("\"DEEP\"", &nested);
    let all = path(&scene.namespace, "previewtemplates", "");
    // Not even its answer can be parsed.
    let _ = scene.cluster.create_yaml(&all, template).await;
    write(scene, &Case { name: "deep", template: None, preview: json!({}) }).await
}
