//! A template and a preview become a stack, or every refusal at once.

use serde_json::{Value, json};
use understudy_crds::{PreviewEnvironmentSpec, PreviewTemplateSpec};

use super::stack;
use crate::hosts::Hosts;

fn template(change: impl FnOnce(&mut Value)) -> PreviewTemplateSpec {
    let mut spec = json!({"source": {"inline": [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
         "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
    ]}});
    change(&mut spec);
    serde_json::from_value(spec).expect("a template")
}

fn preview() -> PreviewEnvironmentSpec {
    let commit = "3f2c1ab9d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4";
    let spec =
        json!({"templateRef": {"name": "web"}, "pullRequest": {"number": 42}, "commit": commit});
    serde_json::from_value(spec).expect("a preview")
}

fn sentences(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let refusals = stack(&template(change), &preview(), &Hosts::default());
    refusals.err().map(|refusals| refusals.sentences).unwrap_or_default()
}

#[test]
fn exposed_service_must_be_in_the_stack_with_that_port() {
    assert_eq!(
        sentences(|spec| spec["expose"] = json!([{"name": "a", "service": "web", "port": 80}])),
        [""; 0]
    );
    assert_eq!(
        sentences(|spec| spec["expose"] = json!([
            {"name": "a", "service": "api", "port": 80}, {"name": "b", "service": "web", "port": 81},
        ])),
        [
            "expose a: the stack has no Service `api`: add it to the manifests, or name one of: web",
            "expose b: Service `web` has no port 81: write one of: 80"
        ]
    );
}

#[test]
fn tag_is_rendered_and_must_be_one() {
    let image = |tag: &str| json!([{"name": "r.example/web", "tag": tag}]);
    assert_eq!(sentences(|spec| spec["images"] = image("{{ commit.sha }}")), [""; 0]);
    assert_eq!(
        sentences(|spec| spec["images"] = image("a/{{ pr.number }}")),
        [
            "image r.example/web: tag: becomes `a/42`, which is no tag: use letters, digits, dots, dashes and underscores, at most 128; `{{ commit.sha }}` always fits"
        ]
    );
}

#[test]
fn what_the_api_server_fills_in_is_not_ours_to_say() {
    let spec = template(|spec| {
        spec["source"]["inline"][0]["status"] = json!({});
        spec["source"]["inline"][0]["metadata"]["creationTimestamp"] = json!(null);
        spec["source"]["inline"][0]["metadata"]["uid"] = json!("x");
        spec["source"]["inline"][0]["spec"]["clusterIP"] = json!(null);
    });
    let stack = stack(&spec, &preview(), &Hosts::default()).expect("a stack");
    let kept = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    assert_eq!(stack.objects, [kept]);
}
