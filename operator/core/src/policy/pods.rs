//! What a pod of a stack may ask for, wherever its template stands, and the same for every kind of
//! container: init, sidecar and main.

use std::collections::BTreeSet;

use serde_json::Value;
use understudy_crds::isolation::PodSecurity;

use super::{Allowance, ObjectFindings};
use crate::{
    mend::ACCOUNT,
    object::{items, pod_template, text},
};

/// Capabilities that the baseline standard lets a container add (Kubernetes, "Pod Security Standards").
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// What a projected volume may bring together; everything else is a credential of the cluster.
const OWN_SOURCES: [&str; 3] = ["configMap", "downwardAPI", "secret"];

pub(super) fn look(
    object: &Value,
    allowance: &Allowance,
    secrets: &BTreeSet<String>,
    found: &mut ObjectFindings<'_>,
) {
    let Some((pointer, place)) = pod_template(text(object, "/kind")) else { return };
    let Some(pod) = object.pointer(pointer) else {
        return found.refuse(place, "is missing: say there which containers should run");
    };
    host(pod, place, found);
    contradictions(pod, place, allowance.pod_security, found);
    placement(pod, place, found);
    account(pod, place, allowance, secrets, found);
    volumes(pod, place, secrets, found);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in items(pod, &format!("/{list}")) {
            let place = format!("{place}.{list}[{index}]");
            security(container, &place, allowance.pod_security, found);
            contradictions(container, &place, allowance.pod_security, found);
            environment(container, &place, secrets, found);
        }
    }
}

/// Nothing of the node's own.
fn host(pod: &Value, place: &str, found: &mut ObjectFindings<'_>) {
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod.get(field) == Some(&Value::Bool(true)) {
            found.refuse(
                &format!("{place}.{field}"),
                "shares the node with the preview: remove the field",
            );
        }
    }
    if pod.get("hostUsers") == Some(&Value::Bool(true)) {
        found.refuse(
            &format!("{place}.hostUsers"),
            "shares the node's users with the preview: remove the field",
        );
    }
}

/// What says the opposite of the restricted standard, for a pod or for a container: it cannot be filled in.
fn contradictions(
    holder: &Value,
    place: &str,
    standard: PodSecurity,
    found: &mut ObjectFindings<'_>,
) {
    if standard == PodSecurity::Baseline {
        return;
    }
    for (field, wrong, sentence) in [
        (
            "runAsNonRoot",
            Value::Bool(false),
            "pod security Restricted wants no root: remove it, or use Baseline",
        ),
        (
            "runAsUser",
            Value::from(0),
            "pod security Restricted wants no root: use another user, or Baseline",
        ),
        (
            "allowPrivilegeEscalation",
            Value::Bool(true),
            "pod security Restricted allows none: remove it, or use Baseline",
        ),
    ] {
        if holder.pointer(&format!("/securityContext/{field}")) == Some(&wrong) {
            found.refuse(&format!("{place}.securityContext.{field}"), sentence);
        }
    }
}

/// The scheduler decides where a preview runs, and before whom.
fn placement(pod: &Value, place: &str, found: &mut ObjectFindings<'_>) {
    for (field, sentence) in [
        ("nodeName", "goes past the scheduler: remove the field"),
        ("priorityClassName", "would push other workloads aside: remove the field"),
        ("priority", "would push other workloads aside: remove the field"),
        ("schedulerName", "previews use the cluster's scheduler: remove the field"),
        ("runtimeClassName", "previews use the cluster's own runtime: remove the field"),
    ] {
        if pod.get(field).is_some() {
            found.refuse(&format!("{place}.{field}"), sentence);
        }
    }
    for (index, toleration) in items(pod, "/tolerations") {
        let key = text(toleration, "/key");
        if key.is_empty() || key.starts_with("node-role.kubernetes.io/") {
            let sentence = "would run on the control plane: remove the toleration";
            found.refuse(&format!("{place}.tolerations[{index}]"), sentence);
        }
    }
}

/// No credentials of the cluster; pull secrets only from the list.
fn account(
    pod: &Value,
    place: &str,
    allowance: &Allowance,
    secrets: &BTreeSet<String>,
    found: &mut ObjectFindings<'_>,
) {
    if pod.get("automountServiceAccountToken") == Some(&Value::Bool(true)) {
        let field = format!("{place}.automountServiceAccountToken");
        found.refuse(&field, "a preview has no rights in the cluster: remove the field");
    }
    // Mending puts our account in its place; without it, what is not ours is another's, with a token.
    let named = ["serviceAccountName", "serviceAccount"].map(|field| (field, pod.get(field)));
    let other = named.into_iter().find(|(_, value)| value.is_some_and(|value| value != ACCOUNT));
    let none = named.iter().all(|(_, value)| value.is_none());
    if allowance.unmended && (other.is_some() || none) {
        let field = other.map_or("serviceAccountName", |(field, _)| field);
        let sentence = format!(
            "pods of a preview use the account `{ACCOUNT}`, which has no rights: write that, or leave `isolation.mend` on"
        );
        found.refuse(&format!("{place}.{field}"), sentence);
    }
    for (index, secret) in items(pod, "/imagePullSecrets") {
        let name = text(secret, "/name");
        if !allowance.pull_secrets.contains(name) && !secrets.contains(name) {
            let sentence =
                format!("Secret `{name}` is not listed: name it as `pullSecretRef` under `images`");
            found.refuse(&format!("{place}.imagePullSecrets[{index}]"), sentence);
        }
    }
}

/// Only volumes of the preview's own, and only Secrets it may name.
fn volumes(pod: &Value, place: &str, secrets: &BTreeSet<String>, found: &mut ObjectFindings<'_>) {
    const ALLOWED: [&str; 7] = [
        "configMap",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for (index, volume) in items(pod, "/volumes") {
        let place = format!("{place}.volumes[{index}]");
        let kinds = volume.as_object().into_iter().flat_map(|fields| fields.keys());
        for kind in kinds.filter(|kind| *kind != "name" && !ALLOWED.contains(&kind.as_str())) {
            let sentence = "previews have volumes of their own only: use a PersistentVolumeClaim or an emptyDir";
            found.refuse(&format!("{place}.{kind}"), sentence);
        }
        secret(text(volume, "/secret/secretName"), &format!("{place}.secret"), secrets, found);
        for (source, projected) in items(volume, "/projected/sources") {
            let place = format!("{place}.projected.sources[{source}]");
            let sources = projected.as_object().into_iter().flat_map(|fields| fields.keys());
            if sources.into_iter().any(|source| !OWN_SOURCES.contains(&source.as_str())) {
                found.refuse(&place, "is a credential of the cluster: remove it");
            }
            secret(text(projected, "/secret/name"), &format!("{place}.secret"), secrets, found);
        }
    }
}

/// Secrets in the environment.
fn environment(
    container: &Value,
    place: &str,
    secrets: &BTreeSet<String>,
    found: &mut ObjectFindings<'_>,
) {
    for (index, variable) in items(container, "/env") {
        let name = text(variable, "/valueFrom/secretKeyRef/name");
        secret(name, &format!("{place}.env[{index}]"), secrets, found);
    }
    for (index, source) in items(container, "/envFrom") {
        secret(
            text(source, "/secretRef/name"),
            &format!("{place}.envFrom[{index}]"),
            secrets,
            found,
        );
    }
}

fn secret(name: &str, place: &str, secrets: &BTreeSet<String>, found: &mut ObjectFindings<'_>) {
    if !name.is_empty() && !secrets.contains(name) {
        let sentence = format!(
            "Secret `{name}` is neither in the stack nor listed under `secrets` of the template: list it there, or take it out"
        );
        found.refuse(place, sentence);
    }
}

/// What no standard of ours allows; what the standard itself refuses, the API server says too.
fn security(container: &Value, place: &str, standard: PodSecurity, found: &mut ObjectFindings<'_>) {
    let context = format!("{place}.securityContext");
    if container.pointer("/securityContext/privileged") == Some(&Value::Bool(true)) {
        found.refuse(
            &format!("{context}.privileged"),
            "is as good as root on the node: remove the field",
        );
    }
    for (_, capability) in items(container, "/securityContext/capabilities/add") {
        let name = capability.as_str().unwrap_or_default();
        let allowed = match standard {
            PodSecurity::Restricted => name == "NET_BIND_SERVICE",
            PodSecurity::Baseline => BASELINE_CAPABILITIES.contains(&name),
        };
        if !allowed {
            let sentence =
                format!("`{name}` is more than pod security {standard:?} allows: remove it");
            found.refuse(&format!("{context}.capabilities.add"), sentence);
        }
    }
    for (index, port) in items(container, "/ports") {
        if port.get("hostPort").is_some_and(|port| port.as_u64() != Some(0)) {
            found.refuse(
                &format!("{place}.ports[{index}].hostPort"),
                "opens a port of the node: remove the field",
            );
        }
    }
}
