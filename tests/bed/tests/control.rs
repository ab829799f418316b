//! A control bed does what a control plane does: schemas, ownership of fields, rights, garbage
//! collection, namespaces, and an audit log in which requests are counted exactly.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use understudy_bed::{
    Bed, Profile, audit, command,
    testing::{LONG, Namespace, Outcome, shared, until},
};

fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// Applies one object as that field manager.
fn apply_as(
    namespace: &Namespace,
    manager: &str,
    object: &Value,
) -> Result<String, understudy_bed::Error> {
    let mut apply = namespace.bed().kubectl();
    apply.args([
        "apply",
        "--server-side",
        "--field-manager",
        manager,
        "--namespace",
        namespace.name(),
    ]);
    command::run_with_input(apply.arg("--filename=-"), object.to_string().as_bytes())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn schema_and_cel_accept_and_reject() -> Outcome {
    let bed = shared(Profile::Control)?;
    let namespace = Namespace::create(&bed, "schema")?;
    let group = format!("{}.bed.test", namespace.name());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                    "type": "object",
                    "properties": {"low": {"type": "integer"}, "high": {"type": "integer"}},
                    "x-kubernetes-validations": [
                        {"rule": "self.low <= self.high", "message": "low must not exceed high"},
                    ],
                }}}},
            }],
        },
    });
    bed.apply(&definition)?;
    let widget = |low: Value| {
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "Widget",
            "metadata": {"name": "one"}, "spec": {"low": low, "high": 5},
        })
    };
    until("the new kind to be served", LONG, String::new, || {
        Ok(namespace.accepts(&widget(json!(1))).ok())
    })?;
    let refusal = |low: Value| namespace.accepts(&widget(low)).err().map(|error| error.to_string());
    let by_rule = refusal(json!(9)).unwrap_or_default();
    assert!(by_rule.contains("low must not exceed high"), "{by_rule}");
    let by_schema = refusal(json!("many")).unwrap_or_default();
    assert!(by_schema.contains("must be of type integer"), "{by_schema}");
    bed.kubectl_run(&["delete", "crd", &format!("widgets.{group}"), "--wait=false"])?;
    Ok(())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn field_of_another_manager_is_a_conflict() -> Outcome {
    let namespace = Namespace::create(&shared(Profile::Control)?, "owner")?;
    apply_as(&namespace, "first", &config_map("shared", &json!({"a": "1"})))?;
    apply_as(&namespace, "second", &config_map("shared", &json!({"b": "2"})))?;
    let conflict =
        apply_as(&namespace, "second", &config_map("shared", &json!({"a": "3", "b": "2"})));
    let conflict = conflict.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(conflict.contains("conflict with \"first\""), "{conflict}");
    let kept = namespace.get("configmap/shared")?;
    assert_eq!(kept["data"], json!({"a": "1", "b": "2"}));
    Ok(())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn right_is_refused_until_it_is_granted() -> Outcome {
    let namespace = Namespace::create(&shared(Profile::Control)?, "right")?;
    let list = ["get", "configmaps", "--as=ada"];
    let refusal = namespace.kubectl(&list).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refusal.contains("User \"ada\" cannot list resource \"configmaps\""), "{refusal}");
    namespace.apply(&[json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "ada"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada"}],
    })])?;
    namespace.until("the new right", || Ok(namespace.kubectl(&list).ok()))?;
    Ok(())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn dependents_go_with_their_owner() -> Outcome {
    let namespace = Namespace::create(&shared(Profile::Control)?, "garbage")?;
    namespace.apply(&[config_map("owner", &json!({}))])?;
    let owner = namespace.get("configmap/owner")?;
    let mut child = config_map("child", &json!({}));
    child["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"],
    }]);
    namespace.apply(&[child, config_map("stranger", &json!({}))])?;
    namespace.kubectl(&["delete", "configmap", "owner"])?;
    namespace.until("the end of the child", || {
        Ok(namespace.find("configmap/child")?.is_none().then_some(()))
    })?;
    assert!(namespace.find("configmap/stranger")?.is_some());
    Ok(())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn deleted_namespace_takes_everything_along() -> Outcome {
    let bed = shared(Profile::Control)?;
    let namespace = Namespace::create(&bed, "end")?;
    namespace.apply(&[config_map("inside", &json!({}))])?;
    let name = namespace.name().to_owned();
    drop(namespace);
    let look = ["get", "namespace", &name, "--ignore-not-found", "--output=name"];
    until("the end of the namespace", LONG, String::new, || {
        Ok(bed.kubectl_run(&look)?.is_empty().then_some(()))
    })?;
    Ok(())
}

/// Sends one request and nothing else: `--raw` asks for no discovery.
fn raw(bed: &Bed, words: &[&str], body: &str) -> Result<String, understudy_bed::Error> {
    command::run_with_input(bed.kubectl().args(words), body.as_bytes())
}

#[test]
#[ignore = "needs a control bed: cargo verify --only control"]
fn audit_log_counts_requests_exactly() -> Outcome {
    let bed = shared(Profile::Control)?;
    let namespace = Namespace::create(&bed, "audit")?;
    let path = format!("/api/v1/namespaces/{}/configmaps", namespace.name());
    let log = bed.audit();
    let mark = log.mark(&bed)?;
    assert!(ours(&log.since(&bed, mark)?, namespace.name()).is_empty());
    for _ in 0..3 {
        raw(&bed, &["get", "--raw", &path], "")?;
    }
    for name in ["one", "two"] {
        let object = config_map(name, &json!({})).to_string();
        raw(&bed, &["create", "--raw", &path, "--filename=-"], &object)?;
    }
    raw(&bed, &["delete", "--raw", &format!("{path}/one")], "")?;
    let refused = raw(&bed, &["delete", "--raw", &format!("{path}/one")], "");
    assert!(refused.is_err());
    let requests = log.since(&bed, mark)?;
    let expected = [("create configmaps", 2), ("delete configmaps", 2), ("list configmaps", 3)];
    let expected: BTreeMap<String, usize> =
        expected.into_iter().map(|(act, count)| (act.to_owned(), count)).collect();
    assert_eq!(ours(&requests, namespace.name()), expected);
    let writes = requests.iter().filter(|request| {
        request.is_write()
            && request.user.username == "admin"
            && in_namespace(request, namespace.name())
    });
    assert_eq!(writes.count(), 4);
    assert!(audit::by_user_agent(&requests).get("kubectl").is_some_and(|count| *count >= 7));
    Ok(())
}

fn in_namespace(request: &audit::Request, namespace: &str) -> bool {
    request.object_ref.as_ref().is_some_and(|object| object.namespace == namespace)
}

/// What kubectl did in that namespace; the controllers do things of their own there.
fn ours(requests: &[audit::Request], namespace: &str) -> BTreeMap<String, usize> {
    audit::count(requests, |request| {
        in_namespace(request, namespace) && request.user_agent.starts_with("kubectl/")
    })
}
