//! What stands beside a check in its pod: the collector, its token, the results they share, and the way to the
//! preview's public hosts.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use understudy_crds::{job::Results, label};

use crate::{
    decide::COLLECTOR,
    fence::{EdgePods, peer},
    hosts::Hosts,
    object::text,
    task::MAIN,
};

/// Whom the collector's token is for.
pub const AUDIENCE: &str = "understudy-evidence";

/// Where results are shared.
const RESULTS: &str = "/results";

/// Where the token is, in the collector and nowhere else.
const TOKEN: &str = "/var/run/secrets/understudy";

/// How much results may be in all: more, and the pod is evicted.
const ROOM: &str = "2Gi";

/// Where the collector says that the way is open.
const HEALTH: u16 = 9091;

/// What whoever installed us decided of checks by Jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collecting {
    /// Our own image.
    pub image: String,
    /// Where collectors reach us: `http://host:port`.
    pub evidence_url: String,
    /// What the fence opens for that.
    pub evidence: Opening,
    /// The edge as pods reach it, `host:port`, and what the fence opens for that.
    pub edge: Option<(String, Opening)>,
}

/// Something outside a preview that its checks may connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Pods of a namespace.
    Pods(EdgePods),
    /// One address.
    Address(SocketAddr),
}

impl Opening {
    fn rule(&self) -> Value {
        match self {
            Self::Pods(pods) => {
                json!({"to": [peer(&pods.namespace, &json!({pods.label.0.as_str(): pods.label.1}))]})
            }
            Self::Address(address) => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                json!({
                    "to": [{"ipBlock": {"cidr": format!("{}/{bits}", address.ip())}}],
                    "ports": [{"port": address.port(), "protocol": "TCP"}],
                })
            }
        }
    }
}

/// The opening in the fence of checks: what brings results out, and the edge. It adds to the fence of all pods.
pub fn opening(collecting: &Collecting) -> Value {
    let mut egress = vec![collecting.evidence.rule()];
    egress.extend(collecting.edge.iter().map(|(_, opening)| opening.rule()));
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "understudy-checks"},
        "spec": {
            "podSelector": {"matchExpressions": [{"key": label::CHECK, "operator": "Exists"}]},
            "policyTypes": ["Egress"], "egress": egress,
        },
    })
}

/// Puts the collector beside the check in this Job.
pub fn beside(job: &mut Value, collecting: &Collecting, hosts: &Hosts, results: &Results) {
    let Some(pod) = job.pointer_mut("/spec/template/spec").and_then(Value::as_object_mut) else {
        return;
    };
    let shared = json!({"name": "results", "mountPath": RESULTS});
    for container in pod.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten() {
        if text(container, "/name") == MAIN
            && let Some(fields) = container.as_object_mut()
        {
            add(fields, "volumeMounts", [shared.clone()]);
        }
    }
    let ways = ways(collecting, hosts);
    add(pod, "initContainers", [collector(collecting, &ways, results)]);
    add(
        pod,
        "volumes",
        [
            json!({"name": "results", "emptyDir": {"sizeLimit": ROOM}}),
            json!({"name": "token", "projected": {"sources": [{"serviceAccountToken": {
                "audience": AUDIENCE, "expirationSeconds": 3600, "path": "token",
            }}]}}),
        ],
    );
    if ways.is_empty() {
        return;
    }
    // A name below `localhost` is loopback whatever DNS says, and the edge may be at another port than its URLs say.
    let names: Vec<&str> = hosts.names().collect();
    pod.insert("hostAliases".to_owned(), json!([{"ip": "127.0.0.1", "hostnames": names}]));
    let context = pod.entry("securityContext").or_insert_with(|| json!({}));
    if let Some(context) = context.as_object_mut() {
        // A safe one (Kubernetes, "Using sysctls"), of the pod's own network.
        let low = json!({"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"});
        context.insert("sysctls".to_owned(), json!([low]));
    }
}

/// Ports of the preview's URLs, and where they lead.
fn ways(collecting: &Collecting, hosts: &Hosts) -> Vec<String> {
    let edge = collecting.edge.iter().map(|(address, _)| address);
    edge.filter_map(|address| Some(format!("{}={address}", hosts.port()?))).collect()
}

fn collector(collecting: &Collecting, ways: &[String], results: &Results) -> Value {
    let mut args = vec![
        "collect".to_owned(),
        format!("--results={RESULTS}"),
        format!("--evidence-url={}", collecting.evidence_url),
        format!("--token-file={TOKEN}/token"),
        format!("--health-listen=0.0.0.0:{HEALTH}"),
    ];
    args.extend(results.junit.iter().map(|glob| format!("--report={}", glob.0)));
    args.extend(results.artifacts.iter().map(|glob| format!("--artifact={}", glob.0)));
    args.extend(ways.iter().map(|way| format!("--forward={way}")));
    json!({
        "name": COLLECTOR, "image": collecting.image, "args": args, "restartPolicy": "Always",
        "startupProbe": {
            "httpGet": {"path": "/healthz", "port": HEALTH}, "periodSeconds": 1, "failureThreshold": 60,
        },
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        },
        "volumeMounts": [
            {"name": "results", "mountPath": RESULTS, "readOnly": true},
            {"name": "token", "mountPath": TOKEN, "readOnly": true},
        ],
    })
}

fn add(fields: &mut Map<String, Value>, name: &str, more: impl IntoIterator<Item = Value>) {
    let list = fields.entry(name).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.extend(more);
    }
}
