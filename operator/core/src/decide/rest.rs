//! Whether a preview sleeps: when nobody asked for it for long, or when somebody said so; and not while anybody asks.
//!
//! The edge notes at most once a minute that a preview is used, and lets no request pass to one whose note is older
//! than two minutes before a new one is durable. So a preview is put to sleep only when its last note is older than
//! [`AWAKE_AT_LEAST`], and the status says so, on condition that the preview is as it was seen, before any pod goes:
//! a note that comes in between makes the word void, and one that comes afterwards is told of it in its answer.

use jiff::{SignedDuration, Timestamp};
use understudy_crds::{PreviewTemplateSpec, preview::Sleep, status::Phase};

use super::lifetime::{later, length};
use crate::facts::Facts;

/// The youngest note with which a preview may be put to sleep: more than the edge's two minutes, by a minute for
/// clocks that differ.
pub const AWAKE_AT_LEAST: SignedDuration = SignedDuration::from_mins(3);

/// Whether a preview sleeps, and when that may change although nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// Whether it does.
    pub asleep: bool,
    /// When to look again.
    pub next: Option<Timestamp>,
}

/// Decides. `activity` is the last push, command or label.
pub(super) fn rest(facts: &Facts, template: &PreviewTemplateSpec, activity: Timestamp) -> Rest {
    let preview = &facts.preview;
    let asked = preview.last_request.max(preview.wake_wanted);
    let after = length(&template.lifecycle.sleep_after).max(facts.settings.awake_at_least);
    // Whatever took its time to come up is not put to bed at once.
    let since =
        preview.status.since.as_ref().filter(|_| preview.status.phase == Some(Phase::Ready));
    let since = since.and_then(|since| since.parse().ok());
    let last = [asked, since].into_iter().flatten().fold(activity, Timestamp::max);
    let end = later(last, after);
    let quiet = facts.now >= end;
    let awake = Rest { asleep: false, next: Some(end) };
    match preview.spec.sleep {
        Sleep::Never => Rest { asleep: false, next: None },
        Sleep::Now => {
            // Whoever said so is obeyed until somebody asks for the preview after that.
            let woken = preview.wake_wanted.is_some_and(|wanted| wanted > activity);
            if woken && !quiet { awake } else { Rest { asleep: true, next: None } }
        }
        // Without an edge nobody could wake it.
        Sleep::Auto if !facts.settings.wakes => Rest { asleep: false, next: None },
        Sleep::Auto => {
            // What is being built or judged is let be.
            let settled = matches!(preview.status.phase, Some(Phase::Ready | Phase::Asleep));
            if quiet && settled {
                Rest { asleep: true, next: None }
            } else if settled {
                awake
            } else {
                Rest { asleep: false, next: None }
            }
        }
    }
}
