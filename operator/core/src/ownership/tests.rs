//! What somebody else changed is seen, and who it was; what nobody touched is left alone.

use serde_json::{Value, json};

use super::{lost, taker};
use crate::child::Child;

fn desired() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"a": "b"}},
        "spec": {
            "replicas": 1,
            "template": {"spec": {"containers": [{
                "name": "web", "image": "web:1", "args": ["-v"],
                "ports": [{"containerPort": 80}],
            }]}},
        },
    })
}

fn child(ours: &Value, theirs: &Value) -> Child {
    Child::read(&json!({"metadata": {"managedFields": [
        {"manager": "understudy", "operation": "Apply", "fieldsV1": ours},
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": theirs},
    ]}}))
}

fn owned() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:a": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            }}}},
        },
    })
}

#[test]
fn untouched_object_has_lost_nothing() {
    assert_eq!(lost(&desired(), &child(&owned(), &json!({}))), Vec::<Vec<String>>::new());
}

#[test]
fn changed_value_is_lost_and_its_taker_is_named() {
    let mut ours = owned();
    ours["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"]
        .as_object_mut()
        .expect("an object")
        .remove("f:image");
    let theirs = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
        "k:{\"name\":\"web\"}": {"f:image": {}},
    }}}}});
    let child = child(&ours, &theirs);
    let lost = lost(&desired(), &child);
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(taker(&child, &lost).as_deref(), Some("kubectl-edit"));
}

#[test]
fn removed_item_of_a_list_is_lost() {
    let mut ours = owned();
    ours["f:spec"]["f:template"]["f:spec"]["f:containers"] = json!({"k:{\"name\":\"other\"}": {}});
    assert_eq!(lost(&desired(), &child(&ours, &json!({}))).len(), 1);
}

#[test]
fn object_that_somebody_else_made_is_lost_whole() {
    let foreign = Child::read(&json!({"metadata": {}}));
    assert_eq!(lost(&desired(), &foreign).len(), 2, "metadata and spec");
}
