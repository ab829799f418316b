//! Fake nodes: a scheduler, kwok with stages of our own, and one server that answers for every pod.

use serde_json::json;

use super::{Plan, Site, address, control};
use crate::error::Result;

/// How fake pods and nodes behave; its header says what a pod's annotations mean.
const STAGES: &str = include_str!("../../fleet/stages.yaml");

/// How many fake nodes there are; each takes 1,000 pods.
const NODES: u32 = 20;

/// Starts the parts and makes the nodes.
pub(super) fn plan(site: &Site, plan: &mut Plan) -> Result<()> {
    stand_in(site, plan)?;
    plan.start("kube-scheduler", control::scheduler(site));
    let stages = site.write("fleet/stages.yaml", STAGES)?;
    plan.start(
        "kwok",
        [
            site.program("kwok"),
            format!("--kubeconfig={}", site.path("kube/admin")),
            format!("--config={stages}"),
            format!("--cidr={}", address::PODS),
            format!("--node-ip={}", address::NODE),
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake".to_owned(),
            "--node-lease-duration-seconds=40".to_owned(),
        ],
    );
    let nodes: Vec<_> = (1..=NODES).map(node).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": nodes});
    let manifest = site.write_json("fleet/nodes.json", &list)?;
    let file = format!("--filename={manifest}");
    plan.run(
        "fake nodes",
        30,
        site.kubectl(&["apply", "--server-side", "--validate=false", &file]),
    );
    let wait = ["wait", "--for=condition=Ready", "node", "--all", "--timeout=60s"];
    plan.run("fake nodes are Ready", 60, site.kubectl(&wait));
    Ok(())
}

/// Every pod address is routed to this machine, and every TCP connection to one to the stand-in server,
/// whatever its port: it learns from the kernel which address was asked.
fn stand_in(site: &Site, plan: &mut Plan) -> Result<()> {
    let rules = format!(
        "table ip bed {{\n\
         chain pods {{\n\
         type nat hook output priority -100\n\
         ip daddr {{ {}, {} }} return\n\
         ip daddr {} meta l4proto tcp redirect to :18080\n\
         }}\n\
         }}\n",
        address::NODE,
        address::EDGE,
        address::PODS,
    );
    let rules = site.write("fleet/pods.nft", rules)?;
    let route = ["ip", "route", "add", "local", address::PODS, "dev", "lo"];
    plan.run("addresses of fake pods", 0, route);
    plan.run("addresses of fake pods", 0, ["nft", "--file", &rules]);
    plan.start("stand-in", site.role(&["inner", "listen", address::FLEET_STAND_IN]));
    Ok(())
}

fn node(number: u32) -> serde_json::Value {
    let name = format!("fake-{number:02}");
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
    })
}
