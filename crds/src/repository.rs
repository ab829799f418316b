//! `PreviewRepository`: the forge repository that previews belong to.

#![expect(clippy::duplicated_attributes, reason = "every column has a type, and many the same")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::template::NameReference;

/// A forge repository whose pull requests get previews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "understudy.dev",
    version = "v1alpha1",
    kind = "PreviewRepository",
    plural = "previewrepositories",
    shortname = "prepo",
    category = "understudy",
    namespaced,
    derive = "PartialEq",
    doc = "A forge repository whose pull requests get previews.",
    printcolumn(name = "Repository", type_ = "string", json_path = ".spec.github.repository"),
    printcolumn(name = "Template", type_ = "string", json_path = ".spec.templateRef.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.github)").message("a repository needs exactly one forge: `github`"))]
pub struct PreviewRepositorySpec {
    /// A repository on GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GitHub>,
    /// The `PreviewTemplate` of its previews.
    pub template_ref: NameReference,
}

/// A repository on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitHub {
    /// Owner and name: `acme/shop`.
    #[schemars(length(max = 140), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$"))]
    pub repository: String,
}
