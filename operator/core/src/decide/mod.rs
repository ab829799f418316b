//! One decision about one preview: what to write, what to ask, what to say, and when to look again.
//!
//! It goes by [`Facts`] alone and derives the stage from the world; what was said before is used only for
//! what the world cannot tell (since when, and which digest came first).

mod checks;
mod diff;
mod failure;
mod grants;
mod images;
mod judging;
mod lifetime;
mod preparation;
mod rest;
mod rollout;
mod runs;
mod sentences;
mod stages;
mod status;
mod stop;
mod teardown;
mod trouble;
mod verdict;

use jiff::Timestamp;
use serde_json::Value;
use understudy_crds::{PreviewStatus, status::Phase};

pub use diff::{Write, addressed};
pub use failure::{failing, rejected, unreadable};
pub use grants::copied;
pub use rest::AWAKE_AT_LEAST;
pub use stop::Stop;
pub use trouble::telling_line;
pub use verdict::COLLECTOR;

use crate::{
    desired::Desired,
    facts::{Facts, LogEnd, NamespaceSight, Probe},
    hosts::{self, Hosts},
    names::{self, Origin},
    run::{Begun, Judged},
};

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// Acts upon the preview and its namespace, in their order; the first failure ends them.
    pub acts: Vec<Act>,
    /// Questions to the world outside the API server; their answers bring us back.
    pub asks: Vec<Ask>,
    /// What is to be said, if it is not said already; `None` while there is nothing to say yet.
    pub status: Option<PreviewStatus>,
    /// Whether it is said before the acts rather than after.
    pub status_first: bool,
    /// The Event that tells of it.
    pub notice: Option<Notice>,
    /// When to look again even if nothing happens.
    pub next: Option<Timestamp>,
}

/// One act.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Puts our finalizer on the preview.
    Hold,
    /// Takes it away: the last act of all.
    Release,
    /// Makes the namespace, if the preview is really still there.
    MakeNamespace(Value),
    /// Puts labels of the namespace back.
    RepairNamespace(Value),
    /// A write inside the namespace.
    Write(Write),
    /// Begins a run of a check: notes it, makes its Job, and notes that one's UID. Whatever of it is done already stays.
    Begin {
        /// What it is begun as.
        begun: Box<Begun>,
        /// Its Job.
        job: Box<Desired>,
    },
    /// Keeps the verdict on a run, if there is none yet.
    Judge {
        /// The run.
        begun: Box<Begun>,
        /// The verdict.
        judged: Box<Judged>,
        /// Only if the Job with that UID is really gone.
        gone: Option<String>,
    },
    /// Deletes the namespace, if it is still this very one.
    DeleteNamespace {
        /// Its UID.
        uid: String,
    },
    /// Deletes every pod of the namespace at once.
    DeletePods,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// What a tag stands for in its registry.
    Image {
        /// Registry and repository.
        name: String,
        /// The tag.
        tag: String,
        /// The Secret for its registry.
        pull_secret: Option<String>,
    },
    /// How an exposed Service answers.
    Probe(Probe),
    /// The end of a log.
    Log(LogEnd),
}

/// Something to publish as an Event; its name is the same for the same thing, so it is said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What tells it from other notices about this preview.
    pub key: String,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub note: String,
    /// Whether somebody should look.
    pub warning: bool,
}

/// Decides.
pub fn decide(facts: &Facts) -> Decision {
    if facts.preview.deleting {
        return teardown::closed(facts);
    }
    if let Some(decision) = teardown::expired(facts) {
        return decision;
    }
    stages::stages(facts)
}

/// The hosts and names of a preview.
pub fn addresses(facts: &Facts) -> Hosts {
    let preview = &facts.preview;
    let expose = match &facts.template {
        crate::facts::Named::There(template) => template.expose.as_slice(),
        _ => &[],
    };
    hosts::hosts(&facts.settings, origin(preview), &preview.uid, expose, facts.contested)
}

/// What a preview is named after.
pub fn origin(preview: &crate::facts::Preview) -> Origin<'_> {
    match &preview.spec.repository_ref {
        Some(repository) => Origin::PullRequest {
            repository: &repository.name,
            number: preview.spec.pull_request.number,
        },
        None => Origin::Object(&preview.name),
    }
}

/// What is said when the preview's namespace is there and belongs to somebody else.
pub fn foreign(facts: &Facts) -> String {
    let name = namespace_name(facts);
    format!("a namespace `{name}` is there that is not ours: remove it, or make another preview")
}

/// Whether the preview's time is over.
pub fn is_over(facts: &Facts) -> bool {
    teardown::is_over(facts)
}

/// The name of the preview's namespace.
pub fn namespace_name(facts: &Facts) -> String {
    names::namespace(origin(&facts.preview), &facts.preview.uid)
}

pub(crate) fn namespace_uid(facts: &Facts) -> String {
    match &facts.namespace {
        NamespaceSight::There(child) => child.uid.clone(),
        _ => String::new(),
    }
}

/// The notice of a phase that people want to hear of.
fn notice(facts: &Facts, phase: Phase, reason: &str, note: &str) -> Option<Notice> {
    let warning = match phase {
        Phase::Ready | Phase::Asleep | Phase::Stopped => false,
        Phase::Failed | Phase::Refused => true,
        _ => return None,
    };
    let what = format!("{}/{}/{phase:?}/{reason}", facts.preview.uid, facts.preview.generation);
    // Counted, so that what happens again is told again, and what goes on is not.
    let last = facts.preview.status.last_event.as_deref().and_then(|last| last.rsplit_once('/'));
    let key = match last {
        Some((told, count)) if told == what => format!("{what}/{count}"),
        Some((_, count)) => format!("{what}/{}", count.parse().unwrap_or(0_u32) + 1),
        None => format!("{what}/0"),
    };
    Some(Notice { key, reason: format!("{phase:?}"), note: note.to_owned(), warning })
}

#[cfg(test)]
mod tests;
