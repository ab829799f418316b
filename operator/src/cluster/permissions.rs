//! What we may do, declared once: the installation grants exactly this, and tests run with it.

use serde_json::{Value, json};
use understudy_core::desired::PREVIEW_ROLE;
use understudy_crds::label::GROUP;

/// The role that reaches the whole cluster.
const CLUSTER_ROLE: &str = "understudy";

struct Rule(&'static [&'static str], &'static [&'static str], &'static [&'static str]);

const FOLLOW: &[&str] = &["list", "watch"];

/// Everywhere: our own kinds, namespaces, the binding by which we are given more inside previews, and
/// sight of the kinds that previews are made of. No Secret, no log, no write inside a preview.
const CLUSTER: [Rule; 12] = [
    Rule(&[GROUP], &["previewenvironments"], &["get", "list", "watch", "patch"]),
    Rule(&[GROUP], &["previewenvironments/status"], &["patch"]),
    Rule(&[GROUP], &["previewrepositories"], FOLLOW),
    // Watched by their metadata, and read one by one.
    Rule(&[GROUP], &["previewtemplates"], &["get", "list", "watch"]),
    Rule(&[""], &["namespaces"], &["get", "list", "watch", "create", "patch", "delete"]),
    Rule(&["rbac.authorization.k8s.io"], &["rolebindings"], &["list", "watch", "create", "patch"]),
    Rule(&["events.k8s.io"], &["events"], &["create"]),
    Rule(
        &[""],
        &[
            "pods",
            "configmaps",
            "services",
            "persistentvolumeclaims",
            "serviceaccounts",
            "resourcequotas",
            "limitranges",
        ],
        FOLLOW,
    ),
    Rule(&["apps", "batch"], &["deployments", "statefulsets", "jobs", "cronjobs"], FOLLOW),
    Rule(&["networking.k8s.io", "policy"], &["networkpolicies", "poddisruptionbudgets"], FOLLOW),
    Rule(&[""], &["nodes"], &["list"]),
    // Who brings the results of a check.
    Rule(&["authentication.k8s.io"], &["tokenreviews"], &["create"]),
];

const CHANGE: &[&str] = &["create", "patch", "delete"];

/// Inside a preview, by a binding that comes and goes with its namespace.
const PREVIEW: [Rule; 9] = [
    Rule(
        &[""],
        &[
            "configmaps",
            "services",
            "persistentvolumeclaims",
            "serviceaccounts",
            "resourcequotas",
            "limitranges",
        ],
        CHANGE,
    ),
    Rule(&[""], &["secrets"], &["list", "create", "patch", "delete"]),
    Rule(&[""], &["pods"], &["deletecollection"]),
    Rule(&[""], &["pods/log", "services/proxy"], &["get"]),
    Rule(&["apps"], &["deployments", "statefulsets"], CHANGE),
    Rule(&["batch"], &["jobs", "cronjobs"], CHANGE),
    // Whether one that a watch does not show is really gone.
    Rule(&["batch"], &["jobs"], &["get"]),
    Rule(&["networking.k8s.io"], &["networkpolicies"], CHANGE),
    Rule(&["policy"], &["poddisruptionbudgets"], CHANGE),
];

/// The edge: it looks, and writes two annotations of a preview.
const EDGE: [Rule; 3] = [
    Rule(&[GROUP], &["previewenvironments"], &["get", "list", "watch", "patch"]),
    Rule(&[""], &["namespaces", "services"], FOLLOW),
    Rule(&["discovery.k8s.io"], &["endpointslices"], FOLLOW),
];

/// The edge's cluster role.
const EDGE_ROLE: &str = "understudy-edge";

/// The cluster roles, as they are installed.
pub(crate) fn roles() -> Vec<Value> {
    let mut cluster: Vec<Value> = CLUSTER.iter().map(rule).collect();
    // The one role that we may give, and nothing else.
    cluster.push(json!({
        "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"],
        "resourceNames": [PREVIEW_ROLE], "verbs": ["bind"],
    }));
    vec![
        role(CLUSTER_ROLE, &cluster),
        role(PREVIEW_ROLE, &PREVIEW.iter().map(rule).collect::<Vec<_>>()),
        role(EDGE_ROLE, &EDGE.iter().map(rule).collect::<Vec<_>>()),
    ]
}

fn rule(Rule(groups, resources, verbs): &Rule) -> Value {
    json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
}

fn role(name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": rules,
    })
}
