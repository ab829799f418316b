//! What stands in a preview's namespace before its first pod: the quota, the limits, the network fence and
//! the account. Built from facts that were checked before, so building cannot fail.

use serde_json::{Value, json};
use understudy_crds::isolation::{Egress, Isolation, PodSecurity};

use crate::mend::ACCOUNT;

/// The name of every guard: there is one of a kind.
const NAME: &str = "understudy";

/// Where DNS answers in a cluster made by any of the usual tools.
const DNS_NAMESPACE: &str = "kube-system";
const DNS_LABEL: (&str, &str) = ("k8s-app", "kube-dns");

/// The labels by which a namespace enforces its pod security standard; audit and warnings go with it.
pub fn pod_security_labels(standard: PodSecurity) -> [(&'static str, &'static str); 3] {
    let level = match standard {
        PodSecurity::Restricted => "restricted",
        PodSecurity::Baseline => "baseline",
    };
    [
        ("pod-security.kubernetes.io/enforce", level),
        ("pod-security.kubernetes.io/audit", level),
        ("pod-security.kubernetes.io/warn", level),
    ]
}

/// Every guard of a namespace, in the order in which they are applied. `edge` is the namespace and the
/// labels of the proxy that may connect to pods.
pub fn guards(isolation: &Isolation, edge: Option<&EdgePods>) -> Vec<Value> {
    vec![quota(isolation), limits(isolation), network_policy(isolation, edge), account()]
}

/// The pods of the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgePods {
    /// Their namespace.
    pub namespace: String,
    /// A label of theirs.
    pub label: (String, String),
}

impl EdgePods {
    /// Those of ours that do this in that namespace.
    pub fn component(namespace: String, component: &str) -> Self {
        let label = ("app.kubernetes.io/component".to_owned(), component.to_owned());
        Self { namespace, label }
    }
}

fn object(version: &str, kind: &str, body: &Value) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": NAME}});
    for (name, value) in body.as_object().into_iter().flatten() {
        if let Some(fields) = object.as_object_mut() {
            fields.insert(name.clone(), value.clone());
        }
    }
    object
}

/// Limits are counted for memory, requests for processors: memory that is promised twice kills, a
/// processor that is promised twice only slows.
fn quota(isolation: &Isolation) -> Value {
    let quota = &isolation.quota;
    let hard = json!({
        "requests.cpu": quota.cpu.0,
        "limits.memory": quota.memory.0,
        "pods": quota.pods.0,
        "requests.storage": quota.storage.0,
        // Nothing that reaches outside can be made even by whoever gets past us.
        "services.nodeports": "0",
        "services.loadbalancers": "0",
    });
    object("v1", "ResourceQuota", &json!({"spec": {"hard": hard}}))
}

/// A quota without defaults refuses every pod that names no requests.
fn limits(isolation: &Isolation) -> Value {
    let defaults = &isolation.defaults;
    let limit = json!({"type": "Container", "defaultRequest": defaults.requests, "default": defaults.limits});
    object("v1", "LimitRange", &json!({"spec": {"limits": [limit]}}))
}

/// In: the preview itself and the edge. Out: the preview itself, DNS, and what the template lists. Nothing
/// else is named, so nothing else is open: not the API server, not a node, not another preview.
fn network_policy(isolation: &Isolation, edge: Option<&EdgePods>) -> Value {
    let itself = json!({"podSelector": {}});
    let mut from = vec![itself.clone()];
    from.extend(
        edge.map(|edge| peer(&edge.namespace, &json!({edge.label.0.as_str(): edge.label.1}))),
    );
    let dns = json!({
        "to": [peer(DNS_NAMESPACE, &json!({DNS_LABEL.0: DNS_LABEL.1}))],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    });
    let mut egress = vec![json!({"to": [itself]}), dns];
    egress.extend(isolation.egress.iter().map(opening));
    let spec = json!({
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": from}],
        "egress": egress,
    });
    object("networking.k8s.io/v1", "NetworkPolicy", &json!({"spec": spec}))
}

pub(crate) fn peer(namespace: &str, labels: &Value) -> Value {
    json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels},
    })
}

fn opening(egress: &Egress) -> Value {
    let to = match (&egress.cidr, &egress.namespace) {
        (Some(cidr), _) => json!({"ipBlock": {"cidr": cidr}}),
        (None, Some(namespace)) => {
            peer(namespace.as_str(), &json!(egress.pod_selector.clone().unwrap_or_default()))
        }
        // The schema allows exactly one of them; an entry without either opens nothing.
        (None, None) => return json!({"to": [{"ipBlock": {"cidr": "255.255.255.255/32"}}]}),
    };
    let ports: Vec<Value> =
        egress.ports.iter().map(|port| json!({"port": port.0, "protocol": "TCP"})).collect();
    json!({"to": [to], "ports": ports})
}

/// The account of every pod: without a token, and nobody grants it anything.
fn account() -> Value {
    let mut account =
        object("v1", "ServiceAccount", &json!({"automountServiceAccountToken": false}));
    if let Some(metadata) = account.get_mut("metadata") {
        *metadata = json!({"name": ACCOUNT});
    }
    account
}

#[cfg(test)]
mod tests;
