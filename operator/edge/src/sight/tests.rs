//! Routes as they follow from what the API server may send.

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use rstest::rstest;
use serde_json::{Value, json};
use understudy_crds::PreviewStatus;

use super::{PreviewSight, Sights, ports, slice};

const HOST: &str = "pr-1-shop.preview.test";

fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("what the API server may send")
}

fn status(phase: &str) -> PreviewStatus {
    parsed(json!({
        "phase": phase, "since": "2026-11-21T10:00:00Z", "message": "as it is",
        "commit": "a1a1a1a1d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4",
        "namespace": {"name": "pv-shop-1-aaaaa", "uid": "home"},
        "hosts": [
            {"name": "web", "url": "http://pr-1-shop.preview.test:8000", "service": "web", "port": 80},
            {"name": "old", "url": "http://old-pr-1-shop.preview.test:8000"},
        ],
    }))
}

fn preview(phase: &str) -> PreviewSight {
    PreviewSight {
        uid: "preview".to_owned(),
        namespace: "previews".to_owned(),
        name: "shop-1".to_owned(),
        deleting: false,
        version: 1,
        status: status(phase),
        wanted: None,
    }
}

fn endpoint(ip: &str, pod: &str) -> Value {
    json!({
        "addresses": [ip], "conditions": {"ready": true},
        "targetRef": {"kind": "Pod", "namespace": "pv-shop-1-aaaaa", "name": pod, "uid": pod},
    })
}

fn sights(endpoints: &[Value]) -> Sights {
    let mut sights = Sights::default();
    let home = ("preview".to_owned(), "home".to_owned());
    sights.namespaces.insert("pv-shop-1-aaaaa".to_owned(), home);
    let service: Service = parsed(json!({
        "metadata": {"name": "web", "namespace": "pv-shop-1-aaaaa"},
        "spec": {"ports": [{"name": "http", "port": 80}, {"name": "grpc", "port": 81, "appProtocol": "kubernetes.io/h2c"}]},
    }));
    let key = ("pv-shop-1-aaaaa".to_owned(), "web".to_owned());
    sights.services.insert(key, ports(&service));
    let object: EndpointSlice = parsed(json!({
        "addressType": "IPv4",
        "metadata": {"name": "web-x", "namespace": "pv-shop-1-aaaaa", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080}, {"name": "grpc", "port": 9090}],
    }));
    let (key, name, found) = slice(&object).expect("a slice of a Service");
    sights.slices.entry(key).or_default().insert(name, found);
    sights
}

fn addresses(sights: &Sights, preview: &PreviewSight) -> Vec<String> {
    let routes = sights.routes(preview);
    let (host, view) = routes.first().expect("a route");
    assert_eq!(host, HOST);
    view.targets.iter().map(|target| target.address.to_string()).collect()
}

#[test]
fn host_leads_to_the_ready_pods_of_its_service() {
    let mut waiting = endpoint("10.0.0.3", "c");
    waiting["conditions"]["ready"] = json!(false);
    let sights = sights(&[endpoint("10.0.0.2", "b"), endpoint("10.0.0.1", "a"), waiting]);
    assert_eq!(addresses(&sights, &preview("Ready")), ["10.0.0.1:8080", "10.0.0.2:8080"]);
    let routes = sights.routes(&preview("Ready"));
    let (host, view) = routes.get(1).expect("the second host");
    assert_eq!((host.as_str(), view.targets.len()), ("old-pr-1-shop.preview.test", 0));
}

#[rstest]
#[case("127.0.0.1")]
#[case("169.254.169.254")]
#[case("0.0.0.0")]
#[case("224.0.0.1")]
#[case("not an address")]
fn nothing_but_addresses_of_pods_is_dialled(#[case] ip: &str) {
    assert!(addresses(&sights(&[endpoint(ip, "a")]), &preview("Ready")).is_empty());
}

#[test]
fn nothing_but_pods_of_the_very_namespace_is_dialled() {
    let mut elsewhere = endpoint("10.0.0.1", "a");
    elsewhere["targetRef"]["namespace"] = json!("kube-system");
    let mut nobody = endpoint("10.0.0.1", "a");
    nobody["targetRef"] = Value::Null;
    let mut node = endpoint("10.0.0.1", "a");
    node["targetRef"]["kind"] = json!("Node");
    let mut forged = sights(&[elsewhere, nobody, node, endpoint("10.0.0.9", "z")]);
    assert_eq!(addresses(&forged, &preview("Ready")), ["10.0.0.9:8080"]);
    for (owner, uid) in [("somebody", "home"), ("preview", "another")] {
        let home = (owner.to_owned(), uid.to_owned());
        forged.namespaces.insert("pv-shop-1-aaaaa".to_owned(), home);
        assert!(addresses(&forged, &preview("Ready")).is_empty());
    }
}

#[test]
fn commit_is_named_only_while_no_other_can_answer() {
    let sights = sights(&[endpoint("10.0.0.1", "a")]);
    let commit = |phase: &str| {
        sights.routes(&preview(phase)).first().and_then(|(_, view)| view.commit.clone())
    };
    assert!(commit("Ready").is_some());
    assert!(commit("Failed").is_some());
    assert!(commit("Deploying").is_none());
    let mut closing = preview("Ready");
    closing.deleting = true;
    let routes = sights.routes(&closing);
    let (_, view) = routes.first().expect("a route");
    assert!(view.standing.closed && view.targets.is_empty() && view.commit.is_none());
}
