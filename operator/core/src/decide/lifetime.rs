//! How long a preview lives: from its last activity, until its time is over.

use jiff::{SignedDuration, Timestamp};
use understudy_crds::{scalar::Span, status::Phase, template::Lifecycle};

use crate::facts::Preview;

/// A preview is warned about this long before its end, or a tenth of its life if that is shorter.
const WARNING: SignedDuration = SignedDuration::from_hours(1);

/// When something was last asked of a preview, and when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// The last push, command or label.
    pub activity: Timestamp,
    /// Its end.
    pub expires: Timestamp,
    /// From when on its end is announced.
    pub warns: Timestamp,
}

/// The lifetime as it stands now: a spec that was not looked at before is an activity.
pub(super) fn lifetime(preview: &Preview, lifecycle: &Lifecycle, now: Timestamp) -> Lifetime {
    let status = &preview.status;
    let noted = status.last_activity.as_ref().and_then(|time| time.parse().ok());
    let activity = match noted {
        Some(noted) if status.observed_generation == Some(preview.generation) => noted,
        _ => now,
    };
    let time = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
    let seen = status.observed_generation == Some(preview.generation);
    // What ended stays ended until somebody asks for more.
    if let (Some(Phase::Stopped), true, Some(end)) = (status.phase, seen, time(&status.expires_at))
    {
        return Lifetime { activity, expires: end, warns: end };
    }
    let ttl = later(activity, length(&lifecycle.ttl));
    let end = match status.phase {
        Some(Phase::Failed) => {
            let failed: Timestamp = time(&status.since).unwrap_or(activity);
            ttl.min(later(failed.max(activity), length(&lifecycle.keep_failed)))
        }
        _ => ttl,
    };
    let until = preview.spec.keep_until.as_ref().and_then(|time| time.parse().ok());
    let expires = end.max(until.unwrap_or(Timestamp::MIN));
    let warning = WARNING.min(length(&lifecycle.ttl) / 10);
    Lifetime { activity, expires, warns: expires.saturating_sub(warning).unwrap_or(expires) }
}

/// A span as a duration of the clock.
pub(super) fn length(span: &Span) -> SignedDuration {
    SignedDuration::try_from(span.duration()).unwrap_or(SignedDuration::MAX)
}

/// A time that much later, or the last there is.
pub(super) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
