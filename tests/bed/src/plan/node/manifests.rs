//! What a fresh node bed holds: cluster DNS and a default storage class.

use serde_json::{Value, json};

use super::super::{Site, address};
use crate::error::Result;

/// Writes all objects into one file.
pub(super) fn write(site: &Site) -> Result<String> {
    let items =
        [storage_class(), account(), role(), binding(), corefile(), deployment(), service()];
    site.write_json(
        "node/manifests.json",
        &json!({"apiVersion": "v1", "kind": "List", "items": items}),
    )
}

fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": "hostpath",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "bed.local/hostpath",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    })
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": "kube-system"})
}

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("coredns")})
}

fn role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "bed:coredns"},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    })
}

fn binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "bed:coredns"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "bed:coredns"},
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
    })
}

/// Cluster names, and the edge's address for every preview's name. Nothing is forwarded: there is no
/// outside.
fn corefile() -> Value {
    let domain = address::PREVIEW_DOMAIN;
    let edge = address::EDGE;
    let text = format!(
        ".:53 {{\n\
         errors\n\
         health\n\
         ready\n\
         template IN A {domain} {{\nanswer \"{{{{ .Name }}}} 5 IN A {edge}\"\n}}\n\
         template IN AAAA {domain} {{\nrcode NOERROR\n}}\n\
         kubernetes cluster.local in-addr.arpa ip6.arpa {{\n\
         pods insecure\nfallthrough in-addr.arpa ip6.arpa\nttl 5\n}}\n\
         cache 5\n\
         loadbalance\n\
         }}\n"
    );
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("coredns"),
        "data": {"Corefile": text},
    })
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("coredns"),
        "spec": {
            "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
            "template": {
                "metadata": {"labels": {"k8s-app": "kube-dns"}},
                "spec": {
                    "serviceAccountName": "coredns",
                    "priorityClassName": "system-cluster-critical",
                    // Its own resolver would ask itself.
                    "dnsPolicy": "Default",
                    "containers": [{
                        "name": "coredns",
                        "image": format!("{}/coredns:1", address::REGISTRY),
                        "args": ["-conf", "/etc/coredns/Corefile"],
                        "ports": [
                            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
                        ],
                        "readinessProbe": {
                            "httpGet": {"path": "/ready", "port": 8181},
                            "periodSeconds": 1,
                        },
                        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
                    }],
                    "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
                },
            },
        },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata("kube-dns"),
        "spec": {
            "clusterIP": address::DNS,
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
    })
}
