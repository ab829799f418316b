//! Why a preview goes no further for now, and who must act.

use jiff::Timestamp;
use understudy_crds::condition::Reason;

/// Where the way ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Which kind of end it is.
    pub kind: Kind,
    /// Why, in a word.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
    /// When to look again.
    pub next: Option<Timestamp>,
}

/// Kinds of ends, the most telling last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Over in a moment: not worth a word.
    Quiet,
    /// It goes on by itself.
    Progressing,
    /// It waits for something outside.
    Waiting,
    /// Waiting does not mend it; it may heal.
    Broken,
    /// The user must act.
    Refused,
}

impl Stop {
    /// Over in a moment.
    pub fn quiet(message: impl Into<String>) -> Self {
        Self { kind: Kind::Quiet, reason: Reason::Progressing, message: message.into(), next: None }
    }

    /// It goes on by itself.
    pub fn progressing(message: impl Into<String>, next: Option<Timestamp>) -> Self {
        let (reason, message) = (Reason::Progressing, message.into());
        Self { kind: Kind::Progressing, reason, message, next }
    }

    /// It waits for something outside, which is looked at again then.
    pub fn waiting(reason: Reason, message: String, next: Timestamp) -> Self {
        Self { kind: Kind::Waiting, reason, message, next: Some(next) }
    }

    /// Waiting does not mend it.
    pub fn broken(reason: Reason, message: String, next: Option<Timestamp>) -> Self {
        Self { kind: Kind::Broken, reason, message, next }
    }

    /// The user must act.
    pub fn refused(reason: Reason, message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, reason, message: message.into(), next: None }
    }

    /// The one that says more, to be looked at when either wants it; of two that say the same much, the
    /// first.
    #[must_use]
    pub fn first(one: Option<Self>, other: Self) -> Self {
        let Some(one) = one else { return other };
        let next = match (one.next, other.next) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let said = if other.kind > one.kind { other } else { one };
        Self { next, ..said }
    }
}
