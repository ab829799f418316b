//! The times that suites state: some tools say of which zone, some do not.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// When a suite began, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// With an offset: a moment.
    Instant(Timestamp),
    /// Without: the time on some wall.
    Local(DateTime),
}

impl Stamp {
    /// Reads `2026-11-21T10:00:00`, with or without a fraction and an offset; nothing if it is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let instant = text.parse().map(Self::Instant);
        let stamp = instant.or_else(|_| text.parse().map(Self::Local)).ok()?;
        // Programs in Go write the year 1 for a suite that never began.
        (stamp.moment() > Timestamp::UNIX_EPOCH).then_some(stamp)
    }

    /// What it is compared by: a wall's time counts as UTC.
    pub(super) fn moment(self) -> Timestamp {
        match self {
            Self::Instant(instant) => instant,
            // Only the last hours before the end of all time do not fit.
            Self::Local(local) => {
                local.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
            }
        }
    }
}
