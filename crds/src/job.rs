//! What runs once: Jobs that make a stack ready, and Jobs that check it.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    isolation::Quantity,
    scalar::{DnsLabel, Span},
    template::span,
};

/// A Job that makes the stack ready: migrations, seeds. All run in their order, after configuration, storage, Services
/// and whatever keeps data, and before the rest of the stack of that commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("duration(self.timeout) >= duration('1s') && duration(self.timeout) <= duration('2h')")
    .message("`timeout` is from 1s to 2h"))]
pub struct Prepare {
    /// Its name: at most 30 characters.
    #[schemars(length(max = 30))]
    pub name: DnsLabel,
    /// The image, in which parameters may stand. One that is listed under `images` is pinned like everywhere.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// What is run instead of the image's own entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub command: Vec<Word>,
    /// Arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub args: Vec<Word>,
    /// Variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub env: Vec<Variable>,
    /// Requests and limits; what is missing comes from `isolation.defaults`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The user it runs as, if the image's own is root or has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_user: Option<i64>,
    /// How long it may take.
    #[serde(default = "five_minutes")]
    pub timeout: Span,
    /// For which commits it runs.
    #[serde(default)]
    pub run: RunFor,
}

/// For which commits a Job runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunFor {
    /// For each.
    #[default]
    EveryCommit,
    /// Once, while the preview's data are new.
    Fresh,
}

/// A Job that runs tests against the preview's URL. Beside it runs a collector, which brings reports and artifacts out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobCheck {
    /// The image, in which parameters may stand. One that is listed under `images` is pinned like everywhere.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// What is run instead of the image's own entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub command: Vec<Word>,
    /// Arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub args: Vec<Word>,
    /// Variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub env: Vec<Variable>,
    /// What it leaves below `/results`. Without a report it passes by its exit code, and is shown as "exit code only".
    #[serde(default)]
    pub results: Results,
    /// Requests and limits; what is missing comes from `isolation.defaults`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The user it runs as; the collector runs as the same.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_user: i64,
    /// How often it is run again when it does not pass. The first result is kept, and a pass on retry shown as such.
    #[serde(default)]
    #[schemars(range(max = 3))]
    pub retries: u32,
}

/// What a check leaves below `/results`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Results {
    /// Reports in the form of `JUnit`, as globs: `*.xml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub junit: Vec<Glob>,
    /// What else is kept, as globs: `**/*.png`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub artifacts: Vec<Glob>,
}

/// A pattern of paths below `/results`: `*` within a folder, `**` over folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Glob(
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^/\s][^\s]*$"))] pub String,
);

/// A word of a command, in which parameters may stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Word(#[schemars(length(max = 4096))] pub String);

/// A variable of a Job: a value, or a key of a Secret that the stack may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)")
    .message("a variable has exactly one of `value` and `valueFrom`"))]
pub struct Variable {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its value, in which parameters may stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValueFrom {
    /// A key of a Secret of the preview.
    pub secret_key_ref: SecretKeyReference,
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyReference {
    /// The Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// What a container asks for and is bounded by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Requests by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub requests: BTreeMap<String, Quantity>,
    /// Limits by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub limits: BTreeMap<String, Quantity>,
}

fn five_minutes() -> Span {
    span("5m")
}

const fn thousand() -> i64 {
    1000
}
