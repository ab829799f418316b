//! Network policy is enforced on a node bed: what is denied is denied for every kind of target, each
//! paired with the same dial from an unfenced pod, and an allowance opens exactly its own.

use serde_json::{Value, json};
use understudy_bed::{
    Bed, Profile,
    plan::address,
    testing::{Dialled, Namespace, Outcome, Pod, shared},
};

fn deny_all() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "deny-all"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    })
}

/// A Service of type `NodePort` in front of that pod; returns its port.
fn node_port(namespace: &Namespace, pod: &str) -> Result<u64, understudy_bed::Error> {
    namespace.apply(&[json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "outer"},
        "spec": {"type": "NodePort", "selector": {"app": pod}, "ports": [{"port": 80, "targetPort": 8080}]},
    })])?;
    let service = namespace.get("service/outer")?;
    Ok(service.pointer("/spec/ports/0/nodePort").and_then(Value::as_u64).unwrap_or_default())
}

/// Everything a fenced pod must not reach, with what it is.
fn targets(
    bed: &Bed,
    neighbour: &Namespace,
    pod: &Pod<'_>,
) -> Result<Vec<(String, String)>, understudy_bed::Error> {
    let service = bed.kubectl_run(&[
        "get",
        "service",
        "outer",
        "--namespace",
        neighbour.name(),
        "--output=jsonpath={.spec.clusterIP}",
    ])?;
    let port = neighbour.get("service/outer")?;
    let port = port.pointer("/spec/ports/0/nodePort").and_then(Value::as_u64).unwrap_or_default();
    let node = address::NODE;
    Ok([
        ("a pod of another namespace", format!("{}:8080", pod.address()?)),
        ("a Service of another namespace", format!("{service}:80")),
        ("the API server's Service", format!("{}:443", address::KUBERNETES_SERVICE)),
        ("the API server's address", format!("{node}:{}", address::API_PORT)),
        ("the kubelet", format!("{node}:10250")),
        ("cluster DNS over TCP", format!("{}:53", address::DNS)),
        ("the metadata address", format!("{}:80", address::METADATA)),
        ("the internet", format!("{}:80", address::INTERNET)),
        ("a port of the node", format!("{node}:{}", address::NODE_PORT)),
        ("a NodePort", format!("{node}:{port}")),
        ("the registry", address::REGISTRY_ADDRESS.to_owned()),
    ]
    .map(|(what, target)| (what.to_owned(), target))
    .to_vec())
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn default_deny_closes_every_target_that_an_unfenced_pod_reaches() -> Outcome {
    let bed = shared(Profile::Node)?;
    let open = Namespace::create(&bed, "open")?;
    let fenced = Namespace::create(&bed, "fenced")?;
    fenced.apply(&[deny_all()])?;
    let neighbour = Pod::start(&open, "neighbour")?;
    let free = Pod::start(&open, "free")?;
    let captive = Pod::start(&fenced, "captive")?;
    node_port(&open, "neighbour")?;
    let targets = targets(&bed, &open, &neighbour)?;
    let addresses: Vec<String> = targets.iter().map(|(_, target)| target.clone()).collect();
    // The unfenced pod first: a target that nobody reaches would prove nothing.
    open.until("every target open from the unfenced pod", || {
        Ok(free.dial(&addresses)?.iter().all(|one| *one == Dialled::Open).then_some(()))
    })?;
    assert_eq!(free.resolve("kubernetes.default.svc.cluster.local")?, Dialled::Open);
    // A new pod is open until the policy agent has heard of its address.
    fenced.until("the fence to hold", || {
        Ok(captive.dial(&addresses)?.iter().all(|one| *one == Dialled::Closed).then_some(()))
    })?;
    assert_eq!(captive.resolve("kubernetes.default.svc.cluster.local")?, Dialled::Closed);
    // And inwards, with the same dial reaching an unfenced pod.
    let inward = [format!("{}:8080", captive.address()?), format!("{}:8080", neighbour.address()?)];
    assert_eq!(free.dial(&inward)?, [Dialled::Closed, Dialled::Open]);
    // Once more with names: which of them, if any.
    let dialled = captive.dial(&addresses)?;
    let open: Vec<&String> = targets
        .iter()
        .zip(&dialled)
        .filter(|(_, one)| **one == Dialled::Open)
        .map(|((what, _), _)| what)
        .collect();
    assert!(open.is_empty(), "still open: {open:?}");
    Ok(())
}

/// The client may send to the server, to cluster DNS and to one address; nothing else.
fn client_may_send() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "client-to-server-and-dns"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "client"}},
            "policyTypes": ["Egress"],
            "egress": [
                {
                    "to": [{"podSelector": {"matchLabels": {"app": "server"}}}],
                    "ports": [{"port": 8080, "protocol": "TCP"}],
                },
                {
                    "to": [{
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                    }],
                    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
                },
                {
                    "to": [{"ipBlock": {"cidr": format!("{}/32", address::INTERNET)}}],
                    "ports": [{"port": 80, "protocol": "TCP"}],
                },
            ],
        },
    })
}

/// The server may receive from the client.
fn server_may_receive() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "server-from-client"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "server"}},
            "policyTypes": ["Ingress"],
            "ingress": [{
                "from": [{"podSelector": {"matchLabels": {"app": "client"}}}],
                "ports": [{"port": 8080, "protocol": "TCP"}],
            }],
        },
    })
}

#[test]
#[ignore = "needs a node bed: cargo verify --only node"]
fn allowance_opens_exactly_its_own() -> Outcome {
    let bed = shared(Profile::Node)?;
    let namespace = Namespace::create(&bed, "allowed")?;
    let outside = Namespace::create(&bed, "stranger")?;
    let stranger = Pod::start(&outside, "stranger")?;
    namespace.apply(&[deny_all(), client_may_send(), server_may_receive()])?;
    let server = Pod::start(&namespace, "server")?;
    let client = Pod::start(&namespace, "client")?;
    let other = Pod::start(&namespace, "other")?;
    let open = [format!("{}:8080", server.address()?), format!("{}:80", address::INTERNET)];
    let closed = [
        format!("{}:80", address::METADATA),
        format!("{}:{}", address::NODE, address::NODE_PORT),
        format!("{}:443", address::KUBERNETES_SERVICE),
        format!("{}:8080", stranger.address()?),
        format!("{}:8080", other.address()?),
    ];
    let every: Vec<String> = open.iter().chain(&closed).cloned().collect();
    let expected: Vec<Dialled> =
        [vec![Dialled::Open; open.len()], vec![Dialled::Closed; closed.len()]].concat();
    namespace.until("the allowance to open its own and nothing else", || {
        Ok((client.dial(&every)? == expected).then_some(()))
    })?;
    assert_eq!(client.resolve("kubernetes.default.svc.cluster.local")?, Dialled::Open);
    // The pod beside it, without the label, gets nothing.
    let none = vec![Dialled::Closed; every.len()];
    let from_other: Vec<String> = every.iter().take(every.len() - 1).cloned().collect();
    namespace.until("the pod beside it to be closed in", || {
        Ok((other.dial(&from_other)? == none[..from_other.len()]).then_some(()))
    })?;
    Ok(())
}
