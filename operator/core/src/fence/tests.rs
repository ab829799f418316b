//! The guards, whole: whoever changes one reads it here.

use serde_json::{Value, json};
use understudy_crds::isolation::{Egress, Isolation, PodSecurity, Port};

use super::{EdgePods, guards, pod_security_labels};

fn of_kind(guards: &[Value], kind: &str) -> Value {
    guards.iter().find(|guard| guard["kind"] == kind).cloned().expect("there is one")
}

#[test]
fn default_guards_are_these() {
    let guards = guards(&Isolation::default(), None);
    let kinds: Vec<&str> = guards.iter().filter_map(|guard| guard["kind"].as_str()).collect();
    assert_eq!(kinds, ["ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount"]);
    assert_eq!(
        of_kind(&guards, "ResourceQuota")["spec"],
        json!({"hard": {
            "requests.cpu": "4", "limits.memory": "8Gi", "pods": "30", "requests.storage": "20Gi",
            "services.nodeports": "0", "services.loadbalancers": "0",
        }})
    );
    assert_eq!(
        of_kind(&guards, "LimitRange")["spec"],
        json!({"limits": [{
            "type": "Container",
            "defaultRequest": {"cpu": "50m", "memory": "64Mi"}, "default": {"cpu": "1", "memory": "512Mi"},
        }]})
    );
    let dns = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    });
    assert_eq!(
        of_kind(&guards, "NetworkPolicy")["spec"],
        json!({
            "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": {}}]}],
            "egress": [
                {"to": [{"podSelector": {}}]},
                {"to": [dns], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            ],
        })
    );
    assert_eq!(
        of_kind(&guards, "ServiceAccount"),
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "understudy-preview"}, "automountServiceAccountToken": false,
        })
    );
}

#[test]
fn edge_comes_in_and_listed_addresses_go_out() {
    let edge = EdgePods {
        namespace: "understudy".to_owned(),
        label: ("app".to_owned(), "edge".to_owned()),
    };
    let range = Egress {
        cidr: Some("203.0.113.0/24".to_owned()),
        namespace: None,
        pod_selector: None,
        ports: vec![Port(443)],
    };
    let isolation = Isolation { egress: vec![range], ..Isolation::default() };
    let policy = of_kind(&guards(&isolation, Some(&edge)), "NetworkPolicy");
    assert_eq!(
        policy["spec"]["ingress"][0]["from"][1],
        json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "understudy"}},
            "podSelector": {"matchLabels": {"app": "edge"}},
        })
    );
    assert_eq!(
        policy["spec"]["egress"][2],
        json!({"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"port": 443, "protocol": "TCP"}]})
    );
}

#[test]
fn namespace_enforces_what_the_template_says() {
    assert!(
        pod_security_labels(PodSecurity::Restricted)
            .iter()
            .all(|(_, level)| *level == "restricted")
    );
    assert!(
        pod_security_labels(PodSecurity::Baseline).iter().all(|(_, level)| *level == "baseline")
    );
}
