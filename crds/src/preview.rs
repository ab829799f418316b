//! `PreviewEnvironment`: this pull request at this commit, and what was seen of it.

#![expect(clippy::duplicated_attributes, reason = "every column has a type, and many the same")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{scalar::CommitSha, status::PreviewStatus, template::NameReference};

/// One pull request's own stack at one commit. Understudy makes one per pull request; a person or a CI job can make one by hand.
///
/// `spec` says what is wanted, `status` what was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "understudy.dev",
    version = "v1alpha1",
    kind = "PreviewEnvironment",
    plural = "previewenvironments",
    shortname = "preview",
    shortname = "previews",
    category = "understudy",
    namespaced,
    status = "PreviewStatus",
    derive = "PartialEq",
    doc = "One pull request's own stack at one commit. Understudy makes one per pull request; a person or a CI job can make one by hand.",
    printcolumn(name = "Repository", type_ = "string", json_path = ".spec.repositoryRef.name"),
    printcolumn(name = "PR", type_ = "integer", json_path = ".spec.pullRequest.number"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Commit", type_ = "string", json_path = ".status.summary.commit"),
    printcolumn(name = "Checks", type_ = "string", json_path = ".status.summary.checks"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Author",
        type_ = "string",
        json_path = ".spec.pullRequest.author",
        priority = 1
    ),
    printcolumn(
        name = "Namespace",
        type_ = "string",
        json_path = ".status.namespace.name",
        priority = 1
    ),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiresAt", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason", priority = 1),
    printcolumn(
        name = "Steps",
        type_ = "string",
        json_path = ".status.summary.steps",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.repositoryRef) == has(oldSelf.repositoryRef) && (!has(self.repositoryRef) || self.repositoryRef == oldSelf.repositoryRef)")
    .message("`repositoryRef` cannot be changed: make another preview"))]
pub struct PreviewEnvironmentSpec {
    /// The `PreviewRepository` this preview belongs to. Without one it belongs to nobody but itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_ref: Option<NameReference>,

    /// The `PreviewTemplate` that says what stands up.
    pub template_ref: NameReference,

    /// The pull request.
    pub pull_request: PullRequest,

    /// The commit that is wanted.
    pub commit: CommitSha,

    /// Whether the pull request may have secrets.
    #[serde(default)]
    pub trust: Trust,

    /// Who let an untrusted commit run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,

    /// Whether the stack runs. Auto: as `lifecycle.sleepAfter` says. Never: stays up. Now: sleeps at once, and again
    /// after every push, until a request wakes it.
    #[serde(default)]
    pub sleep: Sleep,

    /// The preview does not expire before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub keep_until: Option<String>,
}

/// The pull request, as the forge describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.number == oldSelf.number")
    .message("`number` cannot be changed: make another preview"))]
pub struct PullRequest {
    /// Its number.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub number: u32,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub title: Option<String>,
    /// Who opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub author: Option<String>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub url: Option<String>,
    /// The branch it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub head_ref: Option<String>,
    /// The repository it comes from; another than the one it goes to for a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub head_repository: Option<String>,
    /// The branch it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub base_ref: Option<String>,
    /// The newest commit of that branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_commit: Option<CommitSha>,
    /// Whether it is a draft.
    #[serde(default)]
    pub draft: bool,
}

/// Whether a pull request may have secrets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Trust {
    /// It gets no secret that is copied.
    #[default]
    Untrusted,
    /// It gets the secrets that the template lists.
    Trusted,
}

/// Who let an untrusted commit run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// The commit, and no other.
    pub commit: CommitSha,
    /// Who approved.
    #[schemars(length(min = 1, max = 255))]
    pub by: String,
}

/// Whether the stack runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sleep {
    /// As the template says.
    #[default]
    Auto,
    /// Always.
    Never,
    /// Not at all: scaled to zero, volumes stay.
    Now,
}
