//! Conditions and their reasons: every one that can stand in a status, and nowhere else.
//!
//! A condition that is not `True` says by its reason who must act: see [`Reason::acts`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The conditions of a preview, in the order in which they become true. All are positive (`True` is
/// good) but `Stalled` and `TeardownBlocked`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionType {
    /// Template and repository exist, trust and limits allow it.
    Accepted,
    /// The namespace and every fence of it stand.
    Isolated,
    /// What is to stand up was read, rendered and checked.
    SourceReady,
    /// Every image was found and is pinned by digest.
    ImagesReady,
    /// Everything was applied and rolled out.
    Deployed,
    /// The running pods are proved to be of this commit, and the URL answers.
    Served,
    /// Every check finished on this commit.
    Checked,
    /// The summary of all others (kstatus).
    Ready,
    /// A person must act before anything goes on (kstatus).
    Stalled,
    /// Something holds the teardown up.
    TeardownBlocked,
}

/// Why a condition is as it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Reason {
    /// It is as it should be.
    Succeeded,
    /// It waits for what comes before it.
    Pending,
    /// It is being brought about.
    Progressing,
    /// The template that is named does not exist.
    TemplateNotFound,
    /// The repository that is named does not exist.
    RepositoryNotFound,
    /// The stack or the template asks for what is not allowed, or cannot be understood.
    InvalidSource,
    /// A parameter that is used is not defined.
    UndefinedParameter,
    /// A secret that is to be copied does not exist.
    SecretNotFound,
    /// An image is not in its registry yet.
    ImageNotFound,
    /// The registry does not know the repository.
    NoSuchRepository,
    /// The registry refuses to say.
    ImageAccessDenied,
    /// The registry asks to come back later.
    RegistryRateLimited,
    /// The registry does not answer.
    RegistryUnavailable,
    /// The image is not made for the nodes of this cluster.
    WrongPlatform,
    /// The image did not appear before its deadline.
    ImageDeadlineExceeded,
    /// Containers crash, and waiting cannot mend it.
    CrashLooping,
    /// A container cannot be started.
    ContainerNotStarting,
    /// A Job of the stack failed.
    JobFailed,
    /// A rollout did not come to its end in time.
    RolloutDeadlineExceeded,
    /// The preview's address does not answer.
    RouteNotAnswering,
    /// The quota of the preview does not allow a pod.
    QuotaExceeded,
    /// A pod cannot be scheduled.
    Unschedulable,
    /// The API server refused an object.
    ApplyRejected,
    /// Another manager keeps changing a field of ours.
    Contested,
    /// A check failed.
    CheckFailed,
    /// A check has no result that proves anything.
    NotProven,
    /// The preview was put to sleep.
    Asleep,
    /// Its time is over.
    Expired,
    /// A person stopped it.
    StoppedByRequest,
    /// A finalizer of somebody else, or a dead API group, holds the namespace.
    NamespaceHeld,
    /// The API server, a registry or a node gave an error; it is tried again.
    Failed,
}

/// Who must act before a condition can become good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody: it is good.
    Nobody,
    /// Time, or Kubernetes.
    Time,
    /// The user: nothing happens before the object or something it names changes.
    User,
    /// We: it is tried again with back-off.
    Operator,
}

impl Reason {
    /// Who must act.
    pub const fn acts(self) -> Actor {
        match self {
            Self::Succeeded => Actor::Nobody,
            Self::Pending
            | Self::Progressing
            | Self::ImageNotFound
            | Self::RegistryRateLimited
            | Self::Asleep => Actor::Time,
            Self::TemplateNotFound
            | Self::RepositoryNotFound
            | Self::InvalidSource
            | Self::UndefinedParameter
            | Self::SecretNotFound
            | Self::NoSuchRepository
            | Self::ImageAccessDenied
            | Self::WrongPlatform
            | Self::ImageDeadlineExceeded
            | Self::CrashLooping
            | Self::ContainerNotStarting
            | Self::JobFailed
            | Self::RolloutDeadlineExceeded
            | Self::RouteNotAnswering
            | Self::QuotaExceeded
            | Self::ApplyRejected
            | Self::Contested
            | Self::CheckFailed
            | Self::NotProven
            | Self::Expired
            | Self::StoppedByRequest => Actor::User,
            Self::RegistryUnavailable
            | Self::Unschedulable
            | Self::NamespaceHeld
            | Self::Failed => Actor::Operator,
        }
    }
}
