//! A real node: containerd, kubelet, kube-proxy, DNS, network policy, volumes and a registry.
//!
//! Each line here that looks odd was paid for with an hour; the reason stands beside it.

mod config;
mod manifests;

use std::path::Path;

use super::{Plan, Site, address, control};
use crate::error::{Error, Result};

/// Folders of the host that the kubelet and the CNI plugins insist on. The bed mounts its own over
/// them, in its own mount namespace; on the host they stay behind as empty folders.
pub const MOUNT_POINTS: [&str; 4] =
    ["/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers"];

/// Kernel settings of the whole machine that the kubelet would change. It leaves alone what has the
/// wanted value, so the bed shows it files that say so.
const TUNABLES: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// What starts before the API server: mounts, containerd and the registry.
pub(super) fn before(site: &Site, plan: &mut Plan, seed: Option<&Path>) -> Result<()> {
    mounts(site, plan)?;
    let containerd = config::containerd(site)?;
    plan.start("containerd", ["containerd".to_owned(), format!("--config={containerd}")]);
    let seed = seed.ok_or_else(|| Error::Bed("a node bed needs its base images".to_owned()))?;
    let registry = config::registry(site)?;
    // A copy: what is pushed into this bed must not reach the cache.
    let from = format!("{}/.", seed.display());
    let storage = site.path("registry");
    plan.run("base images", 0, ["cp", "-a", "--reflink=auto", &from, &storage]);
    plan.start("registry", ["docker-registry".to_owned(), "serve".to_owned(), registry]);
    let mut listeners = vec!["inner".to_owned(), "listen".to_owned()];
    listeners.extend([
        format!("{}:80", address::METADATA),
        format!("{}:80", address::INTERNET),
        format!("{}:{}", address::NODE, address::NODE_PORT),
    ]);
    let words: Vec<&str> = listeners.iter().map(String::as_str).collect();
    plan.start("listeners", site.role(&words));
    Ok(())
}

/// What starts once the API server answers.
pub(super) fn after(site: &Site, plan: &mut Plan) -> Result<()> {
    plan.start("kube-scheduler", control::scheduler(site));
    plan.start(
        "kubelet",
        [
            site.program("kubelet"),
            format!("--config={}", config::kubelet(site)?),
            format!("--kubeconfig={}", site.path("kube/kubelet")),
            format!("--hostname-override={}", address::NODE_NAME),
            format!("--node-ip={}", address::NODE),
            "--root-dir=/var/lib/kubelet".to_owned(),
        ],
    );
    let manifests = manifests::write(site)?;
    let file = format!("--filename={manifests}");
    plan.run(
        "DNS and storage are applied",
        60,
        site.kubectl(&["apply", "--server-side", "--validate=false", &file]),
    );
    // Without a Node object kube-proxy waits 30 s and then takes loopback for the node's address.
    let look = ["get", "node", address::NODE_NAME];
    plan.run("the node is registered", 60, site.kubectl(&look));
    plan.start(
        "kube-proxy",
        [site.program("kube-proxy"), format!("--config={}", config::proxy(site)?)],
    );
    plan.start("kube-router", kube_router(site));
    plan.start(
        "hostpath-provisioner",
        [
            site.program("hostpath-provisioner"),
            format!("--kubeconfig={}", site.path("kube/admin")),
            format!("--root={}", site.path("volumes")),
        ],
    );
    let node = format!("node/{}", address::NODE_NAME);
    let ready = ["wait", "--for=condition=Ready", &node, "--timeout=60s"];
    plan.run("the node is Ready", 60, site.kubectl(&ready));
    let dns =
        ["rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=60s"];
    plan.run("DNS answers", 60, site.kubectl(&dns));
    Ok(())
}

/// One call of `mount`; all of them are one step for people.
fn mount(plan: &mut Plan, words: &[&str]) {
    plan.run("mounts", 0, [&["mount"], words].concat());
}

fn mounts(site: &Site, plan: &mut Plan) -> Result<()> {
    // Private sockets, locks and network namespaces.
    mount(plan, &["-t", "tmpfs", "tmpfs", "/run"]);
    for point in MOUNT_POINTS {
        let own = format!("mounts{point}");
        crate::home::make_folder(&site.folder.join(&own))?;
        mount(plan, &["--bind", &site.path(&own), point]);
    }
    // Volumes that the kubelet mounts must be seen by containerd.
    mount(plan, &["--make-rshared", "/var/lib/kubelet"]);
    let resolv = site.write("node/resolv.conf", format!("nameserver {}\n", address::DNS))?;
    // Where it is a link into /run, its target has just been hidden.
    let target = "target=$(readlink -m /etc/resolv.conf); mkdir -p \"${target%/*}\"; test -e \"$target\" || : > \"$target\"";
    plan.run("mounts", 0, ["sh", "-ec", target]);
    mount(plan, &["--bind", &resolv, "/etc/resolv.conf"]);
    let hosts =
        format!("127.0.0.1 localhost\n{} registry.bed {}\n", address::NODE, address::NODE_NAME);
    let hosts = site.write("node/hosts", hosts)?;
    mount(plan, &["--bind", &hosts, "/etc/hosts"]);
    for (name, value) in TUNABLES {
        let own = site.write(&format!("node/sys/{name}"), format!("{value}\n"))?;
        mount(plan, &["--bind", &own, &format!("/proc/sys/{name}")]);
    }
    // Both belong to the bed's network namespace alone.
    let set = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables";
    plan.run("mounts", 0, ["sh", "-ec", set]);
    Ok(())
}

fn kube_router(site: &Site) -> Vec<String> {
    vec![
        site.program("kube-router"),
        format!("--kubeconfig={}", site.path("kube/admin")),
        format!("--hostname-override={}", address::NODE_NAME),
        "--run-router=false".to_owned(),
        "--run-service-proxy=false".to_owned(),
        "--run-firewall=true".to_owned(),
        format!("--service-cluster-ip-range={}", address::SERVICES),
        "--health-port=0".to_owned(),
        "--metrics-port=0".to_owned(),
    ]
}
