//! The configuration files of the node's parts.

use serde_json::json;

use super::super::{Site, address};
use crate::error::Result;

/// containerd 1.6, with an own root, own plugins folder and our registry over plain HTTP.
pub(super) fn containerd(site: &Site) -> Result<String> {
    let hosts = format!(
        "server = \"http://{address}\"\n[host.\"http://{address}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
        address = address::REGISTRY_ADDRESS
    );
    site.write(&format!("node/registries/{}/hosts.toml", address::REGISTRY), hosts)?;
    site.write("node/cni/10-bed.conflist", cni().to_string())?;
    let text = include_str!("containerd.toml")
        .replace("@ROOT@", &site.path("containerd"))
        .replace("@REGISTRIES@", &site.path("node/registries"))
        .replace("@CNI@", &site.path("node/cni"))
        .replace("@PAUSE@", &format!("{}/pause:1", address::REGISTRY));
    site.write("node/containerd.toml", text)
}

/// One bridge for all pods of the node.
fn cni() -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "bed",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
                "hairpinMode": true, "mtu": 1500,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": address::NODE_PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": "/var/lib/cni/networks",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

/// The registry: plain HTTP on the node's address, storage below the bed's folder.
pub(super) fn registry(site: &Site) -> Result<String> {
    site.write_json(
        "node/registry.yml",
        &json!({
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": true}},
            "storage": {
                "filesystem": {"rootdirectory": site.path("registry")},
                "delete": {"enabled": true},
            },
            "http": {"addr": address::REGISTRY_ADDRESS},
        }),
    )
}

/// The kubelet; cgroup v1 is allowed, which it would refuse from 1.36 on.
pub(super) fn kubelet(site: &Site) -> Result<String> {
    let group = crate::cgroup::name(&site.folder);
    site.write_json(
        "node/kubelet.json",
        &json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": false,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{group}"),
            "cgroupsPerQOS": true,
            "enforceNodeAllocatable": [],
            "failSwapOn": false,
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "clusterDNS": [address::DNS],
            "clusterDomain": "cluster.local",
            "resolvConf": site.path("node/resolv.conf"),
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": site.path("pki/ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": site.path("pki/kubelet-server.crt"),
            "tlsPrivateKeyFile": site.path("pki/kubelet-server.key"),
            "address": address::NODE,
            "healthzBindAddress": "127.0.0.1",
            "evictionHard": {
                "memory.available": "200Mi", "nodefs.available": "2%",
                "nodefs.inodesFree": "1%", "imagefs.available": "2%",
            },
            // 100 means never: a bed does not live long enough for its images to matter.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            // The hard limit of a root without CAP_SYS_RESOURCE; more is only an error line.
            "maxOpenFiles": 20000,
            "volumePluginDir": site.path("node/volume-plugins"),
            "podLogsDir": "/var/log/pods",
            "makeIPTablesUtilChains": false,
            "serializeImagePulls": false,
            "maxPods": 250,
        }),
    )
}

/// kube-proxy in nftables mode; the machine's conntrack settings are left alone.
pub(super) fn proxy(site: &Site) -> Result<String> {
    site.write_json(
        "node/proxy.json",
        &json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": site.path("kube/proxy")},
            "hostnameOverride": address::NODE_NAME,
            "clusterCIDR": address::PODS,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "nodePortAddresses": ["primary"],
            "conntrack": {
                "maxPerCore": 0, "min": 0,
                "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
            },
            "nftables": {"syncPeriod": "30s", "minSyncPeriod": "100ms"},
        }),
    )
}
