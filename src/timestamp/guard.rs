//! What a signer checks of the time before it signs it.

use super::TimestampError;
use crate::clock::{Clock, format_record_time};
use crate::spec::cms::Certificate;
use std::sync::{Mutex, MutexGuard, PoisonError};
use time::{Duration, OffsetDateTime};

/// Remembers the latest time signed, in milliseconds, and refuses an earlier one. It forgets when the process ends: the
/// log's own checkpoints carry the memory further.
#[derive(Debug)]
pub(super) struct TimeGuard {
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    ms: i64,
    /// No time is admitted twice.
    strict: bool,
}

impl TimeGuard {
    pub(super) fn new() -> Self {
        Self { last: Mutex::new(Last { ms: i64::MIN, strict: false }) }
    }

    /// Admits no time twice from now on, and none that is not after `after`.
    pub(super) fn be_strict(&self, after: Option<OffsetDateTime>) {
        let mut last = self.last();
        last.strict = true;
        last.ms = last.ms.max(after.map_or(i64::MIN, milliseconds));
    }

    /// The time it is, admitted. Two who ask at once have their times in the order in which the clock was read: a time read
    /// beforehand may be overtaken by another's, and is refused then.
    pub(super) fn now(&self, clock: &dyn Clock, certificate: &Certificate) -> Result<OffsetDateTime, TimestampError> {
        let mut last = self.last();
        admit(clock.now(), &mut last, certificate)
    }

    /// Admits `at`, to the millisecond below, when it is not before the latest admitted one and within `certificate`'s
    /// validity. Equal times are fine, two tokens may bear the same millisecond, unless it is [strict](TimeGuard::be_strict).
    pub(super) fn admit(
        &self,
        at: OffsetDateTime,
        certificate: &Certificate,
    ) -> Result<OffsetDateTime, TimestampError> {
        admit(at, &mut self.last(), certificate)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Years stop at 9999: milliseconds fit 64 bits.
fn milliseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

fn admit(at: OffsetDateTime, last: &mut Last, certificate: &Certificate) -> Result<OffsetDateTime, TimestampError> {
    let at = at - Duration::nanoseconds(i64::from(at.nanosecond() % 1_000_000));
    let (from, to) = (certificate.not_before(), certificate.not_after());
    if at < from || at > to {
        return Err(TimestampError::CertificateNotValid {
            subject: certificate.subject().to_owned(),
            at: format_record_time(at),
            from: format_record_time(from),
            to: format_record_time(to),
        });
    }
    let ms = milliseconds(at);
    if ms < last.ms {
        let known = OffsetDateTime::from_unix_timestamp_nanos(i128::from(last.ms) * 1_000_000).unwrap_or(at);
        return Err(TimestampError::ClockWentBackward { last: format_record_time(known), at: format_record_time(at) });
    }
    if last.strict && ms == last.ms {
        return Err(TimestampError::SameInstant);
    }
    last.ms = ms;
    Ok(at)
}
