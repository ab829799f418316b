//! The addresses of a bed. They are the same in every bed, since each has a network of its own.
//!
//! 198.18.0.0/15 is set aside for tests of network devices (RFC 2544), 203.0.113.0/24 for
//! documentation (RFC 5737): neither is ever somebody's real network.

/// Pods, on real and on fake nodes.
pub const PODS: &str = "198.18.0.0/16";
/// The real node's share of the pods' range.
pub const NODE_PODS: &str = "198.18.0.0/24";
/// Services.
pub const SERVICES: &str = "198.19.0.0/16";
/// The Service of the API server.
pub const KUBERNETES_SERVICE: &str = "198.19.0.1";
/// The Service of cluster DNS.
pub const DNS: &str = "198.19.0.10";
/// The node, and what listens on it.
pub const NODE: &str = "198.18.255.1";
/// Where names below [`PREVIEW_DOMAIN`] point: the edge, wherever it runs, is made to listen here.
pub const EDGE: &str = "198.18.255.10";
/// The metadata address of clouds; a stand-in server listens on port 80.
pub const METADATA: &str = "169.254.169.254";
/// An address that stands for the public internet; a stand-in server listens on port 80.
pub const INTERNET: &str = "203.0.113.10";
/// A port of the node on which a stand-in server listens.
pub const NODE_PORT: u16 = 10080;
/// The API server's port.
pub const API_PORT: u16 = 6443;
/// The registry as pods and manifests name it.
pub const REGISTRY: &str = "registry.bed:5000";
/// The registry as the bed's own processes reach it.
pub const REGISTRY_ADDRESS: &str = "198.18.255.1:5000";
/// Every name below it resolves to [`EDGE`] inside a node bed.
pub const PREVIEW_DOMAIN: &str = "preview.test";
/// Where the fleet's stand-in server listens; every connection to a pod's address ends here.
pub const FLEET_STAND_IN: &str = "127.0.0.1:18080";
/// The name of the real node.
pub const NODE_NAME: &str = "bed";
