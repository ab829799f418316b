//! Which kinds a stack may contain.

use serde_json::Value;

use super::{Allowance, ObjectFindings};
use crate::object::text;

/// The built-in list: API group and kind. All are namespaced, and none reaches outside its namespace.
const ALLOWED: [(&str, &str); 9] = [
    ("", "ConfigMap"),
    ("", "PersistentVolumeClaim"),
    ("", "Secret"),
    ("", "Service"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("policy", "PodDisruptionBudget"),
];

/// Kinds that people do bring along, and what to do instead.
const INSTEAD: [(&str, &str, &str); 13] = [
    ("", "Namespace", "a preview has a namespace of its own: remove it"),
    (
        "",
        "ServiceAccount",
        "every pod of a preview uses the account `understudy-preview`, which has no rights: remove it",
    ),
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

/// Kinds without a namespace: not even `isolation.extraKinds` lets them in.
const CLUSTER_WIDE: [(&str, &str); 14] = [
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("networking.k8s.io", "IngressClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "StorageClass"),
];

/// Kinds that no list lets in: their pods would go past every rule, or they would open or fight a fence.
const NEVER: [&str; 13] = [
    "DaemonSet",
    "EndpointSlice",
    "Endpoints",
    "LimitRange",
    "Namespace",
    "NetworkPolicy",
    "Pod",
    "ReplicaSet",
    "ReplicationController",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "ServiceAccount",
];

/// Types of Secrets that hold what somebody put into them. Of the others one would be filled by the cluster with a
/// token of its own (`kubernetes.io/service-account-token`).
const SECRET_TYPES: [&str; 7] = [
    "",
    "Opaque",
    "kubernetes.io/basic-auth",
    "kubernetes.io/dockercfg",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/tls",
];

/// `v1`, `apps/v1`: everything else would be another path of the API server.
fn is_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').map_or((None, text), |(group, v)| (Some(group), v));
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner)
    };
    group.is_none_or(|group| group.split('.').all(label))
        && version.starts_with('v')
        && version.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether the kind may stand in a stack at all; what cannot be named is refused here.
pub(super) fn look(object: &Value, allowance: &Allowance, found: &mut ObjectFindings<'_>) -> bool {
    let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    if version.is_empty() || kind.is_empty() {
        found.refuse("", "is no Kubernetes object: it needs `apiVersion` and `kind`");
        return false;
    }
    if !is_version(version) {
        let sentence = format!(
            "`{version}` is no version: write `v1`, or a group and a version such as `apps/v1`"
        );
        found.refuse("apiVersion", sentence);
        return false;
    }
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let extra = !CLUSTER_WIDE.contains(&(group, kind))
        && !NEVER.contains(&kind)
        && allowance.extra_kinds.iter().any(|extra| extra.group == group && extra.kind == kind);
    if ALLOWED.contains(&(group, kind)) || extra {
        let name = text(object, "/metadata/name");
        let ours = allowance.secrets.contains(name) || allowance.pull_secrets.contains(name);
        if (group, kind) == ("", "Secret") && ours {
            found.refuse("metadata.name", "the template makes a Secret of this name: use another");
        }
        let type_ = text(object, "/type");
        if (group, kind) == ("", "Secret") && !SECRET_TYPES.contains(&type_) {
            let sentence =
                format!("Secrets of type `{type_}` may be filled by the cluster: use Opaque");
            found.refuse("type", sentence);
        }
        return true;
    }
    let instead = INSTEAD.iter().find(|(other, name, _)| (*other, *name) == (group, kind));
    let sentence = match instead {
        Some((_, _, instead)) => (*instead).to_owned(),
        None if CLUSTER_WIDE.contains(&(group, kind)) => format!(
            "a `{kind}` is shared by the whole cluster, and a preview may not change it: remove it"
        ),
        None => match nearest(group, kind) {
            Some((group, kind)) => format!(
                "no such kind is known: did you mean `kind: {kind}` with `apiVersion: {}`?",
                if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") }
            ),
            None => format!(
                "`{kind}` of `{version}` is not among the kinds a preview may contain: \
                 ask for it under `isolation.extraKinds`"
            ),
        },
    };
    found.refuse("", sentence);
    false
}

/// The kind of the list that was meant, if a slip led elsewhere.
fn nearest(group: &str, kind: &str) -> Option<(&'static str, &'static str)> {
    // A group with a dot is somebody's own, and so may its kinds be.
    if group.contains('.') {
        return None;
    }
    let slips =
        |known: &str| strsim::damerau_levenshtein(&known.to_lowercase(), &kind.to_lowercase());
    ALLOWED.into_iter().find(|(_, known)| slips(known) <= 1)
}
