//! Workloads and Services that ask for what a preview does not get, or that could never run.

use serde_json::{Value, json};

use crate::stacks::{Case, template};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = pods();
    cases.extend(containers());
    cases.extend(services());
    cases
}

fn deployment(name: &'static str, change: impl FnOnce(&mut Value)) -> Case {
    template(name, |spec| change(&mut spec["source"]["inline"][0]["spec"]))
}

fn pods() -> Vec<Case> {
    let pod = |name: &'static str, field: &str, value: Value| {
        deployment(name, |spec| spec["template"]["spec"][field] = value)
    };
    vec![
        pod("network-of-the-node", "hostNetwork", json!(true)),
        pod(
            "volume-of-the-node",
            "volumes",
            json!([{"name": "v", "hostPath": {"path": "/var/run/docker.sock"}}]),
        ),
        pod("secret-of-somebody-else", "imagePullSecrets", json!([{"name": "admin"}])),
        pod("no-containers", "containers", json!([])),
        pod("containers-that-are-no-list", "containers", json!({"name": "web", "image": "web:1"})),
        deployment("selector-that-finds-nothing", |spec| {
            spec["selector"] = json!({"matchLabels": {"app": "api"}});
        }),
        template("job-that-never-ends", |spec| {
            let pod = json!({"spec": {"containers": [{"name": "a", "image": "a:1"}]}});
            let job = json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
                "spec": {"template": pod},
            });
            let list = spec["source"]["inline"].as_array_mut().expect("a list of manifests");
            list.push(job);
        }),
        deployment("many-faults-at-once", |spec| {
            let container = |number: usize| {
                json!({
                    "name": format!("web-{number}"), "image": "web:1",
                    "securityContext": {"privileged": true},
                    "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "admin", "key": "token"}}}],
                })
            };
            spec["template"]["spec"]["containers"] = (0..20).map(container).collect();
        }),
    ]
}

fn containers() -> Vec<Case> {
    let container = |name: &'static str, field: &str, value: Value| {
        deployment(name, |spec| spec["template"]["spec"]["containers"][0][field] = value)
    };
    let amount = |name: &'static str, amount: &str| {
        container(name, "resources", json!({"requests": {"memory": amount}}))
    };
    vec![
        container("privileged-container", "securityContext", json!({"privileged": true})),
        container("root", "securityContext", json!({"runAsUser": 0})),
        container("container-without-an-image", "image", Value::Null),
        container("variable-that-says-n", "env", json!([{"name": "CACHE", "value": false}])),
        container("argument-that-is-a-number", "args", json!(["--port", 8080])),
        amount("amount-in-words", "plenty"),
        amount("amount-with-a-space", "512 MB"),
        container(
            "request-above-its-limit",
            "resources",
            json!({"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}),
        ),
    ]
}

fn services() -> Vec<Case> {
    let service = |name: &'static str, field: &str, value: Value| {
        template(name, |spec| spec["source"]["inline"][1]["spec"][field] = value)
    };
    vec![
        service("service-with-an-address-outside", "type", json!("LoadBalancer")),
        service("service-that-leads-outside", "type", json!("ExternalName")),
        service("service-without-a-selector", "selector", json!({})),
    ]
}
