//! How previews are kept apart: pod security, quota, defaults, and what traffic may leave.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalar::DnsLabel;

/// How previews are kept apart from each other and from the cluster. Whoever installed Understudy may
/// have set tighter limits; those win.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Isolation {
    /// The pod security standard that the namespace enforces.
    #[serde(default)]
    pub pod_security: PodSecurity,
    /// Whether missing requests, limits and security contexts are filled in, and foreign service accounts
    /// replaced by ours. Without it each is a refusal.
    #[serde(default = "yes")]
    pub mend: bool,
    /// What a preview may use in all.
    #[serde(default)]
    pub quota: Quota,
    /// What a container gets that names no requests or limits.
    #[serde(default)]
    pub defaults: ContainerDefaults,
    /// Where pods may connect to, beside DNS and the preview itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub egress: Vec<Egress>,
    /// Namespaced kinds that a stack may contain beyond the built-in list. Cluster-scoped kinds are
    /// always refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub extra_kinds: Vec<GroupKind>,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            pod_security: PodSecurity::default(),
            mend: true,
            quota: Quota::default(),
            defaults: ContainerDefaults::default(),
            egress: Vec::new(),
            extra_kinds: Vec::new(),
        }
    }
}

/// A pod security standard.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PodSecurity {
    /// Hardened: no root, no capabilities.
    #[default]
    Restricted,
    /// Minimal: no known way out of the container.
    Baseline,
}

/// A quantity of Kubernetes, such as `500m`, `2` or `512Mi`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quantity(
    #[schemars(
        length(max = 32),
        regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
    )]
    pub String,
);

impl Quantity {
    /// The amount in thousandths, as Kubernetes reads it (`500m` is 500, `1Ki` is 1,024,000); `None` if it
    /// is no amount, or too large to be one.
    pub fn thousandths(&self) -> Option<i128> {
        let digits = self.0.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (number, unit) = self.0.split_at(digits.unwrap_or(self.0.len()));
        let factor: i128 = match unit {
            "m" => 1,
            "" => 1_000,
            "k" => 1_000_000,
            "M" => 1_000_000_000,
            "G" => 1_000_000_000_000,
            "T" => 1_000_000_000_000_000,
            "P" => 1_000_000_000_000_000_000,
            "E" => 1_000_000_000_000_000_000_000,
            "Ki" => 1_000 << 10,
            "Mi" => 1_000 << 20,
            "Gi" => 1_000 << 30,
            "Ti" => 1_000 << 40,
            "Pi" => 1_000 << 50,
            "Ei" => 1_000 << 60,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let places = u32::try_from(fraction.len()).ok()?;
        let fraction =
            fraction.parse::<i128>().ok()?.checked_mul(factor)? / 10_i128.checked_pow(places)?;
        whole.parse::<i128>().ok()?.checked_mul(factor)?.checked_add(fraction)
    }
}

/// What a preview may use in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quota {
    /// Processors, by the sum of requests.
    #[serde(default = "quota_cpu")]
    pub cpu: Quantity,
    /// Memory, by the sum of limits.
    #[serde(default = "quota_memory")]
    pub memory: Quantity,
    /// Number of pods.
    #[serde(default = "quota_pods")]
    pub pods: Quantity,
    /// Storage, by the sum of claims.
    #[serde(default = "quota_storage")]
    pub storage: Quantity,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            cpu: quota_cpu(),
            memory: quota_memory(),
            pods: quota_pods(),
            storage: quota_storage(),
        }
    }
}

/// What a container gets that names no requests or limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerDefaults {
    /// Requests by resource.
    #[serde(default = "default_requests")]
    #[schemars(extend("maxProperties" = 8))]
    pub requests: BTreeMap<String, Quantity>,
    /// Limits by resource.
    #[serde(default = "default_limits")]
    #[schemars(extend("maxProperties" = 8))]
    pub limits: BTreeMap<String, Quantity>,
}

impl Default for ContainerDefaults {
    fn default() -> Self {
        Self { requests: default_requests(), limits: default_limits() }
    }
}

/// Something pods may connect to: an address range, or pods of another namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.cidr) != has(self.__namespace__)")
    .message("an egress entry has exactly one of `cidr` and `namespace`"))]
#[x_kube(validation = Rule::new("!has(self.podSelector) || has(self.__namespace__)")
    .message("`podSelector` goes with `namespace`"))]
pub struct Egress {
    /// An address range: `203.0.113.0/24`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 43), regex(pattern = r"^[0-9a-fA-F.:]+/[0-9]{1,3}$"))]
    pub cidr: Option<String>,
    /// A namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<DnsLabel>,
    /// Labels of pods in that namespace; without them all of its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 8))]
    pub pod_selector: Option<BTreeMap<String, String>>,
    /// TCP ports; at least one.
    #[schemars(length(min = 1, max = 20))]
    pub ports: Vec<Port>,
}

/// A TCP port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Port(#[schemars(range(min = 1, max = 65535))] pub u16);

/// A kind of object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupKind {
    /// Its API group; empty for the core group.
    #[schemars(length(max = 253))]
    pub group: String,
    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
}

fn quantity(text: &str) -> Quantity {
    Quantity(text.to_owned())
}

fn quota_cpu() -> Quantity {
    quantity("4")
}

fn quota_memory() -> Quantity {
    quantity("8Gi")
}

fn quota_pods() -> Quantity {
    quantity("30")
}

fn quota_storage() -> Quantity {
    quantity("20Gi")
}

fn default_requests() -> BTreeMap<String, Quantity> {
    [("cpu", "50m"), ("memory", "64Mi")]
        .map(|(name, amount)| (name.to_owned(), quantity(amount)))
        .into()
}

fn default_limits() -> BTreeMap<String, Quantity> {
    [("cpu", "1"), ("memory", "512Mi")]
        .map(|(name, amount)| (name.to_owned(), quantity(amount)))
        .into()
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("500m", Some(500)),
            ("2", Some(2_000)),
            ("1.5", Some(1_500)),
            ("0.1", Some(100)),
            ("1Ki", Some(1_024_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("1k", Some(1_000_000)),
            ("", None),
            ("m", None),
            ("1X", None),
            ("-1", None),
            ("1.2.3", None),
            ("99999999999999999999999999999999999999Ei", None),
        ] {
            assert_eq!(Quantity(text.to_owned()).thousandths(), expected, "{text}");
        }
    }
}
