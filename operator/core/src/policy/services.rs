//! What a Service of a stack may be: an address inside the preview, for pods of the preview.

use serde_json::Value;

use super::ObjectFindings;
use crate::object::{items, text};

pub(super) fn look(object: &Value, found: &mut ObjectFindings<'_>) {
    if text(object, "/kind") != "Service" {
        return;
    }
    let instead = "previews are reached through their URL: use ClusterIP or remove `type`";
    match text(object, "/spec/type") {
        "" | "ClusterIP" => {}
        "ExternalName" => found.refuse(
            "spec.type",
            "`ExternalName` leads out of the preview: use a Service with a selector",
        ),
        other => found.refuse("spec.type", format!("asks for a {other}; {instead}")),
    }
    if items(object, "/spec/externalIPs").next().is_some() {
        found.refuse(
            "spec.externalIPs",
            "would take over addresses of the cluster: remove the field",
        );
    }
    let selector = object.pointer("/spec/selector").and_then(Value::as_object);
    if selector.is_none_or(serde_json::Map::is_empty)
        && text(object, "/spec/type") != "ExternalName"
    {
        found.refuse(
            "spec.selector",
            "without a selector a Service could lead anywhere: select pods of the stack",
        );
    }
    for field in ["loadBalancerIP", "loadBalancerClass", "externalName"] {
        if object.pointer(&format!("/spec/{field}")).is_some()
            && text(object, "/spec/type") != "ExternalName"
        {
            found.refuse(&format!("spec.{field}"), instead);
        }
    }
    for (index, port) in items(object, "/spec/ports") {
        if port.get("nodePort").is_some() {
            found.refuse(
                &format!("spec.ports[{index}].nodePort"),
                "opens a port on every node: remove the field",
            );
        }
    }
}
