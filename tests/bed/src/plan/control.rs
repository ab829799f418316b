//! The control plane: etcd, API server and controller manager, with every request in an audit log.

use serde_json::json;

use super::{Plan, Site, address};
use crate::error::Result;

/// Makes the bed's network: loopback, and the bed's own addresses on a bridge without ports.
pub(super) fn network(plan: &mut Plan) {
    let ip = |plan: &mut Plan, words: &str| plan.run("network", 0, words.split(' '));
    ip(plan, "ip link set lo up");
    // Not every kernel has the dummy device; every one that runs containers has bridges.
    ip(plan, "ip link add node0 type bridge");
    for own in [address::NODE, address::EDGE, address::METADATA, address::INTERNET] {
        ip(plan, &format!("ip address add {own}/32 dev node0"));
    }
    ip(plan, "ip link set node0 up");
    // Some parts want a default route to find their own address; nothing ever leaves by it.
    ip(plan, "ip route add default dev node0");
}

/// Starts the three parts; the API server is waited for in between.
pub(super) fn plan(site: &Site, plan: &mut Plan) -> Result<()> {
    plan.start("etcd", etcd(site));
    plan.start("kube-apiserver", apiserver(site)?);
    forwarder(site, plan);
    let dialled = format!("{}:{}", address::NODE, address::API_PORT);
    plan.dial("etcd and kube-apiserver listen", &dialled, 60);
    plan.run("kube-apiserver says /readyz", 60, site.kubectl(&["get", "--raw=/readyz"]));
    if site.has_controller_manager {
        plan.start("kube-controller-manager", controller_manager(site));
    }
    Ok(())
}

/// What every profile waits for at its end: namespaces work.
pub(super) fn ready(site: &Site, plan: &mut Plan) {
    if site.has_controller_manager {
        let look = ["get", "serviceaccount", "default", "--namespace=default"];
        plan.run("namespaces get their service account", 60, site.kubectl(&look));
    }
}

/// Passes connections from the host's loopback, whose listener is our standard input, to the API server.
fn forwarder(site: &Site, plan: &mut Plan) {
    let argv =
        site.role(&["inner", "forward", &format!("{}:{}", address::NODE, address::API_PORT)]);
    let part = "forwarder".to_owned();
    plan.steps.push(super::Step::Start { part, argv, inherits_listener: true });
}

fn etcd(site: &Site) -> Vec<String> {
    let mut argv = vec![site.program("etcd")];
    argv.extend([
        "--name=bed".to_owned(),
        format!("--data-dir={}", site.path("etcd")),
        "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-cluster=bed=http://127.0.0.1:2380".to_owned(),
        // A bed that loses power is made anew.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]);
    argv
}

fn apiserver(site: &Site) -> Result<Vec<String>> {
    let policy = site.write_json(
        "kube/audit-policy",
        &json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        }),
    )?;
    let pki = |name: &str| site.path(&format!("pki/{name}"));
    let mut argv = vec![site.program("kube-apiserver")];
    argv.extend([
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--advertise-address={}", address::NODE),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--kubelet-client-certificate={}", pki("apiserver-kubelet.crt")),
        format!("--kubelet-client-key={}", pki("apiserver-kubelet.key")),
        format!("--kubelet-certificate-authority={}", pki("ca.crt")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", pki("sa.pub")),
        format!("--service-account-signing-key-file={}", pki("sa.key")),
        format!("--service-cluster-ip-range={}", address::SERVICES),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--requestheader-client-ca-file={}", pki("front.crt")),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", pki("front-client.crt")),
        format!("--proxy-client-key-file={}", pki("front-client.key")),
        format!("--audit-policy-file={policy}"),
        format!("--audit-log-path={}", site.path("logs/audit.jsonl")),
        // One file: whoever counts requests must not have to follow a rotation.
        "--audit-log-maxsize=8192".to_owned(),
    ]);
    Ok(argv)
}

fn controller_manager(site: &Site) -> Vec<String> {
    let pki = |name: &str| site.path(&format!("pki/{name}"));
    let kubeconfig = site.path("kube/controller-manager");
    let mut argv = vec![site.program("kube-controller-manager")];
    argv.extend([
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        format!("--service-account-private-key-file={}", pki("sa.key")),
        format!("--root-ca-file={}", pki("ca.crt")),
        "--use-service-account-credentials=true".to_owned(),
        format!("--cluster-signing-cert-file={}", pki("ca.crt")),
        format!("--cluster-signing-key-file={}", pki("ca.key")),
        "--leader-elect=false".to_owned(),
        // Fake nodes share one range; a real node has its own.
        format!("--allocate-node-cidrs={}", site.profile == crate::profile::Profile::Node),
        format!("--cluster-cidr={}", address::PODS),
        format!("--service-cluster-ip-range={}", address::SERVICES),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--requestheader-client-ca-file={}", pki("front.crt")),
        "--kube-api-qps=300".to_owned(),
        "--kube-api-burst=600".to_owned(),
    ]);
    argv
}

/// The scheduler, for the profiles that have nodes.
pub(super) fn scheduler(site: &Site) -> Vec<String> {
    let kubeconfig = site.path("kube/scheduler");
    vec![
        site.program("kube-scheduler"),
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--leader-elect=false".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
        "--kube-api-qps=300".to_owned(),
        "--kube-api-burst=600".to_owned(),
    ]
}
