//! Every rule refuses with its sentence, and lets the same object pass without its fault.

mod doors;

use serde_json::{Value, json};
use understudy_crds::isolation::{GroupKind, PodSecurity};

use super::{Allowance, refusals};

/// A Deployment that keeps every rule.
fn deployment(change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = json!({"containers": [{"name": "web", "image": "shop/web:1"}]});
    change(&mut pod);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
        },
    })
}

fn service(change: impl FnOnce(&mut Value)) -> Value {
    let mut spec = json!({"selector": {"app": "web"}, "ports": [{"port": 80}]});
    change(&mut spec);
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the metadata in place")]
fn config_map(metadata: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

fn said(stack: &[Value]) -> Vec<String> {
    refusals(stack, &allowance()).iter().map(ToString::to_string).collect()
}

fn allowance() -> Allowance {
    Allowance {
        secrets: ["db".to_owned()].into(),
        pull_secrets: ["regcred".to_owned()].into(),
        ..Allowance::default()
    }
}

/// Expects exactly this refusal.
fn refused(object: Value, sentence: &str) {
    assert_eq!(said(&[object]), [sentence]);
}

#[test]
fn stack_that_keeps_the_rules_may_stand_up() {
    let pod = |pod: &mut Value| {
        pod["imagePullSecrets"] = json!([{"name": "regcred"}]);
        pod["volumes"] = json!([{"name": "tmp", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "own"}}]);
        pod["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "db"}}]);
        pod["containers"][0]["securityContext"] =
            json!({"capabilities": {"add": ["NET_BIND_SERVICE"]}});
    };
    let own = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}});
    let stack = [deployment(pod), service(|_| ()), config_map(json!({"name": "n"})), own];
    assert_eq!(said(&stack), Vec::<String>::new());
}

#[test]
fn kinds_outside_the_list_are_refused_with_what_to_do() {
    let kind = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
    refused(
        kind("networking.k8s.io/v1", "Ingress"),
        "Ingress x: previews are reached through their URL: list the Service under `expose`",
    );
    refused(
        kind("rbac.authorization.k8s.io/v1", "ClusterRole"),
        "ClusterRole x: a `ClusterRole` is shared by the whole cluster, and a preview may not change it: remove it",
    );
    refused(
        kind("v1", "deployments"),
        "deployments x: no such kind is known: did you mean `kind: Deployment` with `apiVersion: apps/v1`?",
    );
    refused(
        kind("example.com/v1", "Widget"),
        "Widget x: `Widget` of `example.com/v1` is not among the kinds a preview may contain: \
         ask for it under `isolation.extraKinds`",
    );
    // The same word in another group is another kind.
    assert_eq!(said(&[kind("serving.knative.dev/v1", "Service")]).len(), 1);
    refused(
        json!({"kind": "ConfigMap"}),
        "ConfigMap (manifest 1): is no Kubernetes object: it needs `apiVersion` and `kind`",
    );
    let extra = GroupKind { group: "serving.knative.dev".to_owned(), kind: "Route".to_owned() };
    let allowance = Allowance { extra_kinds: vec![extra], ..Allowance::default() };
    assert_eq!(refusals(&[kind("serving.knative.dev/v1", "Route")], &allowance), []);
    let node = GroupKind { group: String::new(), kind: "Node".to_owned() };
    let allowance = Allowance { extra_kinds: vec![node], ..Allowance::default() };
    assert_eq!(refusals(&[kind("v1", "Node")], &allowance).len(), 1, "nobody lets it in");
}

#[test]
fn metadata_that_holds_on_or_lies_is_refused() {
    refused(
        config_map(json!({})),
        "ConfigMap (manifest 1): metadata.name: is missing: give the object a name",
    );
    refused(
        config_map(json!({"name": "a", "namespace": "kube-system"})),
        "ConfigMap a: metadata.namespace: a preview has a namespace of its own: remove the field",
    );
    refused(
        config_map(json!({"name": "a", "finalizers": ["x/y"]})),
        "ConfigMap a: metadata.finalizers: would keep the preview from going away: remove the field",
    );
    let label = understudy_crds::label::FINALIZER;
    refused(
        config_map(json!({"name": "a", "labels": {label: "x"}})),
        &format!("ConfigMap a: metadata.labels: `{label}` is reserved: remove it"),
    );
    let twice = config_map(json!({"name": "a"}));
    assert_eq!(
        said(&[twice.clone(), twice]),
        ["ConfigMap a: stands twice in the stack: remove one"]
    );
}

#[test]
fn services_that_reach_outside_are_refused() {
    let url = "previews are reached through their URL: use ClusterIP or remove `type`";
    refused(
        service(|spec| spec["type"] = json!("LoadBalancer")),
        &format!("Service web: spec.type: asks for a LoadBalancer; {url}"),
    );
    refused(
        service(|spec| spec["type"] = json!("ExternalName")),
        "Service web: spec.type: `ExternalName` leads out of the preview: use a Service with a selector",
    );
    refused(
        service(|spec| spec["externalIPs"] = json!(["203.0.113.1"])),
        "Service web: spec.externalIPs: would take over addresses of the cluster: remove the field",
    );
    refused(
        service(|spec| spec["selector"] = json!({})),
        "Service web: spec.selector: without a selector a Service could lead anywhere: select pods of the stack",
    );
    refused(
        service(|spec| spec["ports"] = json!([{"port": 80, "nodePort": 30000}])),
        "Service web: spec.ports[0].nodePort: opens a port on every node: remove the field",
    );
}

#[test]
fn pods_that_reach_the_node_or_the_cluster_are_refused() {
    let place = "Deployment web: spec.template.spec";
    let with = |field: &str, value: Value| deployment(|pod| pod[field] = value);
    for (field, value, sentence) in [
        (
            "hostNetwork",
            json!(true),
            "hostNetwork: shares the node with the preview: remove the field",
        ),
        ("nodeName", json!("n1"), "nodeName: goes past the scheduler: remove the field"),
        (
            "priorityClassName",
            json!("high"),
            "priorityClassName: would push other workloads aside: remove the field",
        ),
        (
            "tolerations",
            json!([{"key": "node-role.kubernetes.io/control-plane"}]),
            "tolerations[0]: would run on the control plane: remove the toleration",
        ),
        (
            "automountServiceAccountToken",
            json!(true),
            "automountServiceAccountToken: a preview has no rights in the cluster: remove the field",
        ),
        (
            "volumes",
            json!([{"name": "v", "hostPath": {"path": "/"}}]),
            "volumes[0].hostPath: previews have volumes of their own only: use a PersistentVolumeClaim or an emptyDir",
        ),
        (
            "volumes",
            json!([{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]),
            "volumes[0].projected.sources[0]: is a credential of the cluster: remove it",
        ),
        (
            "imagePullSecrets",
            json!([{"name": "other"}]),
            "imagePullSecrets[0]: Secret `other` is not listed: name it as `pullSecretRef` under `images`",
        ),
    ] {
        refused(with(field, value), &format!("{place}.{sentence}"));
    }
}

#[test]
fn secrets_are_named_only_if_declared_wherever_they_stand() {
    let sentence = "Secret `other` is neither in the stack nor listed under `secrets` of the template: list it there, or take it out";
    let place = "Deployment web: spec.template.spec";
    refused(
        deployment(|pod| {
            pod["volumes"] = json!([{"name": "v", "secret": {"secretName": "other"}}]);
        }),
        &format!("{place}.volumes[0].secret: {sentence}"),
    );
    for list in ["containers", "initContainers"] {
        let object = deployment(|pod| {
            pod[list] = json!([{"name": "a", "image": "a", "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "other"}}}]}]);
        });
        refused(object, &format!("{place}.{list}[0].env[0]: {sentence}"));
    }
    // A pull secret is for pulling and for nothing else.
    let object = deployment(|pod| {
        pod["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "regcred"}}]);
    });
    assert_eq!(said(&[object]).len(), 1);
}

#[test]
fn secret_of_the_stack_cannot_take_the_place_of_one_that_is_given() {
    let secret =
        |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    for name in ["db", "regcred"] {
        let sentence = "metadata.name: the template makes a Secret of this name: use another";
        refused(secret(name), &format!("Secret {name}: {sentence}"));
    }
    assert_eq!(said(&[secret("own")]), Vec::<String>::new());
}

#[test]
fn privileges_are_refused_in_every_container_of_every_kind() {
    let privileged = json!({"name": "a", "image": "a", "securityContext": {"privileged": true}});
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let object = deployment(|pod| pod[list] = json!([privileged]));
        refused(
            object,
            &format!(
                "Deployment web: spec.template.spec.{list}[0].securityContext.privileged: is as good as root on the node: remove the field"
            ),
        );
    }
    let job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [privileged], "restartPolicy": "Never"}}}}},
    });
    assert_eq!(said(&[job]).len(), 1);
    let add = |capability: &str| {
        deployment(|pod| {
            pod["containers"][0]["securityContext"] =
                json!({"capabilities": {"add": [capability]}});
        })
    };
    assert_eq!(said(&[add("CHOWN")]).len(), 1);
    let baseline = Allowance { pod_security: PodSecurity::Baseline, ..Allowance::default() };
    assert_eq!(refusals(&[add("CHOWN")], &baseline), []);
    assert_eq!(refusals(&[add("SYS_ADMIN")], &baseline).len(), 1);
}

#[test]
fn stack_that_is_too_large_is_refused() {
    let mut huge = config_map(json!({"name": "huge"}));
    huge["data"] = json!({"a": "x".repeat(1 << 20)});
    refused(
        huge,
        "the stack: is 1024 KiB, 1024 KiB are the most: leave out what a preview does not need",
    );
}

#[test]
fn values_of_the_wrong_type_are_refused_before_anything_stands() {
    let place = "Deployment web: spec.template.spec.containers[0]";
    let with = |field: &str, value: Value| deployment(|pod| pod["containers"][0][field] = value);
    let truth = "is read as the truth value `true`, but a text is needed: put quotes around it \
                 (YAML takes on, yes and y for true, and off, no and n for false)";
    refused(
        with("env", json!([{"name": "DEBUG", "value": true}])),
        &format!("{place}.env[0].value: {truth}"),
    );
    let mut settings = config_map(json!({"name": "a"}));
    settings["data"] = json!({"PORT": 8080});
    refused(
        settings,
        "ConfigMap a: data.PORT: is read as the number `8080`, but a text is needed: put quotes around it",
    );
    let amount = |text: &str| with("resources", json!({"requests": {"memory": text}}));
    refused(
        amount("512 MB"),
        &format!(
            "{place}.resources.requests.memory: `512 MB` is no amount: write a number and a unit, such as 500m, 2 or 512Mi"
        ),
    );
    for text in ["1", "1.5", ".5", "5.", "100m", "12e6", "1E", "1E-2", "3n", "0.5Gi"] {
        assert_eq!(said(&[amount(text)]), Vec::<String>::new(), "{text}");
    }
    for text in ["", ".", "1.2.3", "-1", "1 Gi", "1gb", "e3", "1e", "1KI", "٣"] {
        assert_eq!(said(&[amount(text)]).len(), 1, "{text}");
    }
    let resources = json!({"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"cpu": "1500m", "memory": "1Gi"}});
    refused(
        with("resources", resources),
        &format!(
            "{place}.resources.requests.cpu: asks for 2, which is more than the limit of 1500m: lower it, or raise the limit"
        ),
    );
}

#[test]
fn workloads_that_could_not_run_are_refused() {
    let place = "Deployment web: spec.template.spec";
    refused(
        deployment(|pod| pod["containers"] = json!([])),
        &format!(
            "{place}.containers: is missing or no list: name at least one container that should run"
        ),
    );
    let mut other = deployment(|_| ());
    other["spec"]["selector"]["matchLabels"] = json!({"app": "api"});
    refused(
        other,
        "Deployment web: spec.selector.matchLabels: looks for `app: api`, which its own pods do not carry: \
         write the same under `spec.template.metadata.labels`",
    );
    refused(
        config_map(json!({"name": "w\u{435}b"})),
        "ConfigMap w\u{435}b: metadata.name: `w\u{435}b` is no name: use lower case letters a to z, digits, dashes \
         and dots, a letter or digit at both ends, and here stands U+0435",
    );
}
