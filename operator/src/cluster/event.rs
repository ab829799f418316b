//! Events about a preview. Each has a name made from what it says, so the same is never said twice.

use jiff::Timestamp;
use serde_json::{Value, json};
use understudy_core::{decide::Notice, desired::digest, facts::Preview};
use understudy_crds::label::{FIELD_MANAGER, GROUP};

use super::api::{Api, Error};

/// The longest note (`events.k8s.io/v1`).
const LONGEST: usize = 1000;

/// Publishes a notice; one that is there already is as good as published, and a namespace on its way out
/// takes none.
pub(crate) async fn publish(api: &Api, preview: &Preview, notice: &Notice) -> Result<(), Error> {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", preview.namespace);
    match api.create(&path, &event(preview, notice)).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_taken() || matches!(error.code(), 403 | 404) => {
            tracing::debug!("event {} was not made: {error}", notice.reason);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn event(preview: &Preview, notice: &Notice) -> Value {
    // A name has 253 characters; a preview's may be as long.
    let stem: String = preview.name.chars().take(200).collect();
    let stem = stem.trim_end_matches(['-', '.']);
    let name = format!("{stem}.{}", digest(&json!(notice.key)));
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": name, "namespace": preview.namespace},
        "eventTime": format!("{:.6}", Timestamp::now()),
        "reportingController": GROUP, "reportingInstance": FIELD_MANAGER,
        "action": "Reconcile", "reason": notice.reason,
        "type": if notice.warning { "Warning" } else { "Normal" },
        "note": notice.note.chars().take(LONGEST).collect::<String>(),
        "regarding": {
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "PreviewEnvironment",
            "namespace": preview.namespace, "name": preview.name, "uid": preview.uid,
        },
    })
}
