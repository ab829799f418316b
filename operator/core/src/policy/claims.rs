//! Claims of storage: a volume of the preview's own, never one that is there already.

use serde_json::Value;

use super::ObjectFindings;
use crate::object::{items, pod_template, text};

/// Looks at a claim, and at the claims that a workload makes.
pub(super) fn look(object: &Value, found: &mut ObjectFindings<'_>) {
    if text(object, "/kind") == "PersistentVolumeClaim" {
        claim(object.get("spec"), "spec", found);
    }
    for (index, one) in items(object, "/spec/volumeClaimTemplates") {
        claim(one.get("spec"), &format!("spec.volumeClaimTemplates[{index}].spec"), found);
    }
    let Some((pointer, place)) = pod_template(text(object, "/kind")) else { return };
    for (index, volume) in items(object, &format!("{pointer}/volumes")) {
        let spec = volume.pointer("/ephemeral/volumeClaimTemplate/spec");
        let place = format!("{place}.volumes[{index}].ephemeral.volumeClaimTemplate.spec");
        claim(spec, &place, found);
    }
}

fn claim(spec: Option<&Value>, place: &str, found: &mut ObjectFindings<'_>) {
    let Some(spec) = spec else { return };
    for field in ["volumeName", "selector", "dataSource", "dataSourceRef"] {
        if spec.get(field).is_some_and(|value| !value.is_null()) {
            let sentence = "could reach a volume that is not the preview's own: remove the field";
            found.refuse(&format!("{place}.{field}"), sentence);
        }
    }
    // An empty class asks for a volume that somebody made by hand (Kubernetes, "Persistent Volumes").
    if spec.get("storageClassName").is_some_and(|class| class == "") {
        let sentence = "asks for a volume that is there already: name a class, or remove the field";
        found.refuse(&format!("{place}.storageClassName"), sentence);
    }
}
