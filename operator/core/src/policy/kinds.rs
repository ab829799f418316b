//! Which kinds a stack may contain.

use serde_json::Value;

use super::{Allowance, ObjectFindings};
use crate::object::text;

/// The built-in list: API group and kind. All are namespaced, and none reaches outside its namespace.
const ALLOWED: [(&str, &str); 10] = [
    ("", "ConfigMap"),
    ("", "PersistentVolumeClaim"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("policy", "PodDisruptionBudget"),
];

/// Kinds that people do bring along, and what to do instead.
const INSTEAD: [(&str, &str, &str); 12] = [
    ("", "Namespace", "a preview has a namespace of its own: remove it"),
    ("", "Pod", "a bare pod is not replaced when it ends: use a Deployment or a Job"),
    ("", "Endpoints", "endpoints could lead anywhere: give the Service a selector"),
    (
        "discovery.k8s.io",
        "EndpointSlice",
        "endpoints could lead anywhere: give the Service a selector",
    ),
    (
        "networking.k8s.io",
        "Ingress",
        "previews are reached through their URL: list the Service under `expose`",
    ),
    (
        "gateway.networking.k8s.io",
        "HTTPRoute",
        "previews are reached through their URL: list the Service under `expose`",
    ),
    (
        "networking.k8s.io",
        "NetworkPolicy",
        "a policy could open the preview's fence: use `isolation.egress`",
    ),
    ("rbac.authorization.k8s.io", "Role", "a preview has no rights in the cluster: remove it"),
    (
        "rbac.authorization.k8s.io",
        "RoleBinding",
        "a preview has no rights in the cluster: remove it",
    ),
    ("", "ResourceQuota", "the preview's quota is set by `isolation.quota`: remove it"),
    ("", "LimitRange", "defaults are set by `isolation.defaults`: remove it"),
    ("apps", "DaemonSet", "previews do not run on every node: use a Deployment"),
];

/// Whether the kind may stand in a stack at all; what cannot be named is refused here.
pub(super) fn look(object: &Value, allowance: &Allowance, found: &mut ObjectFindings<'_>) -> bool {
    let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    if version.is_empty() || kind.is_empty() {
        found.refuse("", "is no Kubernetes object: it needs `apiVersion` and `kind`");
        return false;
    }
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let extra =
        allowance.extra_kinds.iter().any(|extra| extra.group == group && extra.kind == kind);
    if ALLOWED.contains(&(group, kind)) || extra {
        let name = text(object, "/metadata/name");
        let ours = allowance.secrets.contains(name) || allowance.pull_secrets.contains(name);
        if (group, kind) == ("", "Secret") && ours {
            found.refuse("metadata.name", "the template makes a Secret of this name: use another");
        }
        return true;
    }
    let instead = INSTEAD.iter().find(|(other, name, _)| (*other, *name) == (group, kind));
    found.refuse(
        "",
        instead.map_or_else(
            || format!("`{kind}` of `{version}` is not among the kinds a preview may contain: ask for it under `isolation.extraKinds`"),
            |(_, _, instead)| (*instead).to_owned(),
        ),
    );
    false
}
