//! The only place that reads the wall clock, so that tests and the simulation can hold it still.

use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

/// RFC 3339, UTC, millisecond precision: the one form of time in records.
const RECORD_TIME: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A source of wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// A clock as the rooms pass it around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// The machine's clock, ready to share.
pub fn system() -> SharedClock {
    Arc::new(SystemClock)
}

/// `2026-11-23T20:06:13.042Z`: how a time is written in a record.
pub fn format_record_time(at: OffsetDateTime) -> String {
    // Formatting a time with a constant description into a String has no failing case left but a year beyond 9999.
    at.to_offset(time::UtcOffset::UTC).format(RECORD_TIME).unwrap_or_else(|_| "9999-12-31T23:59:59.999Z".to_owned())
}

/// The inverse of [`format_record_time`].
pub fn parse_record_time(text: &str) -> Option<OffsetDateTime> {
    time::PrimitiveDateTime::parse(text, RECORD_TIME).ok().map(time::PrimitiveDateTime::assume_utc)
}
