//! Templates and previews that the API server takes and the operator refuses: parameters, references and
//! what their manifests ask for.

use serde_json::{Value, json};
use understudy_fakes::scene::{COMMITS, small};

/// A template and the preview that uses it.
pub(crate) struct Case {
    /// The name of both.
    pub(crate) name: &'static str,
    /// The template; none for a preview that names one which is not there.
    pub(crate) template: Option<Value>,
    /// What the preview says beside the least.
    pub(crate) preview: Value,
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = parameters();
    cases.extend(references());
    cases.extend(manifests());
    cases.extend(crate::workloads::cases());
    cases
}

/// A template that is good but for one thing.
pub(crate) fn template(name: &'static str, change: impl FnOnce(&mut Value)) -> Case {
    let mut spec = small();
    change(&mut spec);
    Case { name, template: Some(spec), preview: json!({}) }
}

/// A good template with one more manifest.
fn with(name: &'static str, manifest: Value) -> Case {
    template(name, |spec| {
        let list = spec["source"]["inline"].as_array_mut().expect("a list of manifests");
        list.push(manifest);
    })
}

/// A good template with a `ConfigMap` of that data.
#[expect(clippy::needless_pass_by_value, reason = "callers write the data in place")]
fn config(name: &'static str, data: Value) -> Case {
    let metadata = json!({"name": "settings"});
    with(name, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}))
}

fn parameters() -> Vec<Case> {
    let given = |name: &'static str, parameters: Value| {
        let mut case = config(name, json!({"value": "{{ params.A }}"}));
        if let Some(spec) = &mut case.template {
            spec["parameters"] = parameters;
        }
        case
    };
    let long = format!("{{{{ params.A }}}}{}", "{{ params.A }}".repeat(20));
    let mut grows = config("text-that-grows-too-long", json!({"value": long}));
    if let Some(spec) = &mut grows.template {
        spec["parameters"] = json!({"A": "x".repeat(4096)});
    }
    let nested = "{% for a in pr.title %}".repeat(4) + "x" + &"{% endfor %}".repeat(4);
    let mut endless = config("text-that-takes-too-long", json!({"value": nested}));
    endless.preview = json!({"pullRequest": {"number": 42, "title": "x".repeat(1000)}});
    let mut tag = template("tag-with-a-slash", |spec| {
        let image = json!({"name": "registry.example.com/shop/api", "tag": "{{ pr.headRef }}"});
        spec["images"] = json!([image]);
    });
    tag.preview = json!({"pullRequest": {"number": 42, "headRef": "feature/größe"}});
    vec![
        config("misspelt-parameter", json!({"value": "{{ commit.sah }}"})),
        config("parameter-nobody-defined", json!({"value": "{{ environment }}"})),
        config("value-of-helm", json!({"value": "{{ .Values.image }}"})),
        config("braces-that-never-close", json!({"value": "{{ commit.sha"})),
        config("filter-that-does-not-exist", json!({"value": "{{ commit.sha | upper }}"})),
        given("parameter-that-means-itself", json!({"A": "{{ params.A }}"})),
        given("parameters-in-a-circle", json!({"A": "{{ params.B }}", "B": "{{ params.A }}"})),
        template("misspelt-parameter-in-a-path", |spec| {
            spec["checks"][0]["http"]["path"] = json!("/{{ params.VERSION }}");
        }),
        grows,
        endless,
        tag,
    ]
}

fn references() -> Vec<Case> {
    let mut repository = template("repository-that-is-not-there", |_| ());
    repository.preview = json!({"repositoryRef": {"name": "shop"}});
    let expose = |name: &'static str, service: &str, port: u16| {
        let exposure = json!({"name": "web", "service": service, "port": port});
        template(name, |spec| spec["expose"] = json!([exposure]))
    };
    vec![
        Case { name: "template-that-is-not-there", template: None, preview: json!({}) },
        repository,
        expose("exposed-service-that-is-not-there", "shop", 80),
        expose("exposed-port-that-is-not-there", "web", 8080),
    ]
}

fn manifests() -> Vec<Case> {
    let kind = |name: &'static str, version: &str, kind: &str| {
        with(name, json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}))
    };
    let metadata = |name: &'static str, metadata: Value| {
        with(name, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))
    };
    vec![
        with("empty-manifest", json!({})),
        kind("bare-pod", "v1", "Pod"),
        kind("ingress", "networking.k8s.io/v1", "Ingress"),
        kind("right-in-the-whole-cluster", "rbac.authorization.k8s.io/v1", "ClusterRole"),
        kind("kind-in-lower-case", "apps/v1", "deployment"),
        kind("misspelt-api-version", "app/v1", "StatefulSet"),
        kind("kind-with-unseen-letters", "example.com/v1", "Wid\u{202e}get"),
        kind("workload-without-pods", "batch/v1", "Job"),
        kind("object-that-stands-twice", "v1", "ConfigMap").twice(),
        metadata("object-without-a-name", json!({})),
        metadata("name-that-is-generated", json!({"generateName": "x-"})),
        metadata("name-with-underscores", json!({"name": "Shop_Settings"})),
        metadata("name-that-only-looks-latin", json!({"name": "w\u{435}b"})),
        metadata("finalizer", json!({"name": "x", "finalizers": ["example.com/hold"]})),
        metadata("label-that-is-a-number", json!({"name": "x", "labels": {"version": 1.2}})),
        config("setting-that-says-on", json!({"DEBUG": true})),
        config("setting-that-is-a-port", json!({"PORT": 8080})),
        config("stack-of-more-than-a-megabyte", json!({"dump": "x".repeat(1_200_000)})),
    ]
}

impl Case {
    /// The same with its last manifest once more.
    fn twice(mut self) -> Self {
        let list = self.template.as_mut().and_then(|spec| spec["source"]["inline"].as_array_mut());
        if let Some(list) = list {
            list.extend(list.last().cloned());
        }
        self
    }

    /// The preview's spec.
    pub(crate) fn spec(&self) -> Value {
        let mut spec = json!({
            "templateRef": {"name": self.name}, "pullRequest": {"number": 42}, "commit": COMMITS[0],
        });
        for (field, value) in self.preview.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        spec
    }
}
