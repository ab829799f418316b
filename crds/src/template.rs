//! `PreviewTemplate`: what stands up for every pull request, what is exposed, and how it is checked.

#![expect(clippy::duplicated_attributes, reason = "every column has a type, and many the same")]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    isolation::Isolation,
    job::{JobCheck, Prepare},
    manifest::Manifest,
    scalar::{DnsLabel, Span},
};

/// What every preview of a repository is made of: manifests, images, checks, isolation and lifetime.
///
/// A template is used by previews of its own namespace. Changing it changes every one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "understudy.dev",
    version = "v1alpha1",
    kind = "PreviewTemplate",
    plural = "previewtemplates",
    shortname = "ptmpl",
    category = "understudy",
    namespaced,
    derive = "PartialEq",
    doc = "What every preview of a repository is made of: manifests, images, checks, isolation and lifetime.",
    printcolumn(name = "Expose", type_ = "string", json_path = ".spec.expose[*].name"),
    printcolumn(name = "Checks", type_ = "string", json_path = ".spec.checks[*].name"),
    printcolumn(name = "TTL", type_ = "string", json_path = ".spec.lifecycle.ttl"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.checks) || self.checks.size() == 0 || (has(self.expose) && self.expose.size() > 0)")
    .message("`checks` ask the preview's URL: list a Service under `expose`"))]
pub struct PreviewTemplateSpec {
    /// Where the manifests of the stack come from.
    pub source: Source,

    /// Images that are built for each commit. Each is waited for until its tag is in its registry, and
    /// then pinned by digest wherever its name appears. Images that are not listed are left as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub images: Vec<ImageReference>,

    /// Values for `{{ params.NAME }}` in manifests, images and checks. Besides there are `pr.number`,
    /// `pr.title`, `pr.author`, `pr.headRef`, `pr.baseRef`, `commit.sha`, `commit.short`, `preview.id`,
    /// `preview.url`, `preview.namespace` and `hosts.NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[A-Za-z_][A-Za-z0-9_]{0,62}$'))")
        .message("a parameter's name is letters, digits and underscores, and does not begin with a digit"))]
    pub parameters: BTreeMap<String, Text>,

    /// Secrets the stack may name. It may name no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub secrets: Vec<SecretGrant>,

    /// Jobs that make the stack ready for each commit, in their order: migrations, seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub prepare: Vec<Prepare>,

    /// Services that are reached from outside. The first is the preview's URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub expose: Vec<Exposure>,

    /// What must hold before a commit counts as passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub checks: Vec<Check>,

    /// How previews are kept apart from each other and from the cluster.
    #[serde(default)]
    pub isolation: Isolation,

    /// How long previews live.
    #[serde(default)]
    pub lifecycle: Lifecycle,
}

/// Where the manifests of the stack come from: exactly one of its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.inline)").message("`source` needs `inline`: a list of manifests"))]
pub struct Source {
    /// The manifests themselves. Parameters may stand in any string. At most 200 objects and 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub inline: Option<Vec<Manifest>>,
}

/// A short text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Text(#[schemars(length(max = 4096))] pub String);

/// An image that is built for each commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageReference {
    /// The image's name with its registry and without a tag: `registry.example.com/shop/api`.
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Its tag, in which parameters may stand: `{{ commit.sha }}`.
    #[schemars(length(min = 1, max = 256))]
    pub tag: String,
    /// A Secret of this namespace (type `kubernetes.io/dockerconfigjson`) for its registry. Previews get
    /// it as a pull secret and in no other way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret_ref: Option<NameReference>,
    /// How long to wait for the tag, from 10s to 24h.
    #[serde(default = "thirty_minutes")]
    pub deadline: Span,
}

/// An object of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NameReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A Secret that the stack may name: copied, or made for each preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.copyFrom) != has(self.generate)")
    .message("a secret has exactly one of `copyFrom` and `generate`"))]
pub struct SecretGrant {
    /// Its name in the preview.
    pub name: DnsLabel,
    /// A Secret of this namespace that is copied. Untrusted pull requests do not get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_from: Option<NameReference>,
    /// Keys that each preview gets random values for (32 letters and digits), stable for its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub generate: Option<Vec<SecretKey>>,
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKey(
    #[schemars(length(max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))] pub String,
);

/// A Service that is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exposure {
    /// The word in front of the host: `api` gives `api-pr-42-shop.preview.example.com`. The first
    /// exposure is reached without it. At most 20 characters.
    #[schemars(length(max = 20))]
    pub name: DnsLabel,
    /// The Service's name.
    pub service: DnsLabel,
    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// Something that must hold before a commit counts as passed: exactly one of its kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.http) != has(self.job)").message("a check is exactly one of `http` and `job`"))]
#[x_kube(validation = Rule::new("duration(self.timeout) >= duration('1s') && duration(self.timeout) <= duration('1h')")
    .message("`timeout` is from 1s to 1h"))]
pub struct Check {
    /// Its name; commit statuses carry it. At most 30 characters.
    #[schemars(length(max = 30))]
    pub name: DnsLabel,
    /// A request to the preview's URL, repeated until it is answered as wanted or the time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// A Job that tests the preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobCheck>,
    /// How long it may take.
    #[serde(default = "one_minute")]
    pub timeout: Span,
    /// Whether the preview can be Ready without it.
    #[serde(default = "yes")]
    pub required: bool,
}

/// A request to the preview's URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpCheck {
    /// The path with its query, in which parameters may stand.
    #[serde(default = "root_path")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = "^/"))]
    pub path: String,
    /// The status that is wanted.
    #[serde(default = "ok_status")]
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// A text that the first 64 KiB of the body must contain, in which parameters may stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub contains: Option<String>,
    /// A value that the body's JSON must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonValue>,
    /// A header that the answer must have; only an edge shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderText>,
    /// How long the answer may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60_000))]
    pub within_milliseconds: Option<u32>,
}

/// A value in JSON, of at most 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JsonValue {
    /// Where it stands (RFC 6901): `/status`.
    #[schemars(length(max = 256), regex(pattern = "^(/.*)?$"))]
    pub pointer: String,
    /// What stands there, in which parameters may stand: a text as it is, anything else as JSON.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// A header of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderText {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    pub name: String,
    /// A text that it must contain, in which parameters may stand.
    #[schemars(length(max = 1024))]
    pub contains: String,
}

/// How long previews live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("duration(self.ttl) >= duration('1m') && duration(self.ttl) <= duration('8760h')")
    .message("`ttl` is from 1m to 8760h (a year)"))]
#[x_kube(validation = Rule::new("duration(self.keepFailed) <= duration('8760h')")
    .message("`keepFailed` is at most 8760h (a year)"))]
pub struct Lifecycle {
    /// How long a preview lives after the last push, command or label.
    #[serde(default = "three_days")]
    pub ttl: Span,
    /// After how long without a request a preview is scaled to zero, until the next request wakes it. Less than 3m is
    /// 3m. Default 1h.
    #[serde(default = "one_hour")]
    pub sleep_after: Span,
    /// How long a failed preview lives; it ends sooner than `ttl` if this is shorter.
    #[serde(default = "one_day")]
    pub keep_failed: Span,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { ttl: three_days(), sleep_after: one_hour(), keep_failed: one_day() }
    }
}

pub(crate) fn span(text: &str) -> Span {
    text.parse().expect("constants are spans")
}

fn thirty_minutes() -> Span {
    span("30m")
}

fn one_hour() -> Span {
    span("1h")
}

fn one_minute() -> Span {
    span("1m")
}

fn three_days() -> Span {
    span("72h")
}

fn one_day() -> Span {
    span("24h")
}

const fn yes() -> bool {
    true
}

fn root_path() -> String {
    "/".to_owned()
}

const fn ok_status() -> u16 {
    200
}
