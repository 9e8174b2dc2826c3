//! What a signer checks of the time before it signs it.

use super::TimestampError;
use crate::clock::{Clock, format_record_time};
use crate::spec::cms::Certificate;
use std::sync::{Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// Remembers the latest time signed, in milliseconds, and refuses an earlier one. It forgets when the process ends: the
/// log's own checkpoints carry the memory further.
#[derive(Debug)]
pub(super) struct TimeGuard {
    last_ms: Mutex<i64>,
}

impl TimeGuard {
    pub(super) fn new() -> Self {
        Self { last_ms: Mutex::new(i64::MIN) }
    }

    /// The time it is, admitted. Two who ask at once have their times in the order in which the clock was read: a time read
    /// beforehand may be overtaken by another's, and is refused then.
    pub(super) fn now(&self, clock: &dyn Clock, certificate: &Certificate) -> Result<OffsetDateTime, TimestampError> {
        let mut last_ms = self.last_ms.lock().unwrap_or_else(PoisonError::into_inner);
        admit(clock.now(), &mut last_ms, certificate)
    }

    /// Admits `at`, to the millisecond below, when it is not before the latest admitted one and within `certificate`'s
    /// validity. Equal times are fine: two tokens may bear the same millisecond.
    pub(super) fn admit(
        &self,
        at: OffsetDateTime,
        certificate: &Certificate,
    ) -> Result<OffsetDateTime, TimestampError> {
        admit(at, &mut self.last_ms.lock().unwrap_or_else(PoisonError::into_inner), certificate)
    }
}

fn admit(at: OffsetDateTime, last_ms: &mut i64, certificate: &Certificate) -> Result<OffsetDateTime, TimestampError> {
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
    // Years stop at 9999: milliseconds fit 64 bits.
    let ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
    if ms < *last_ms {
        let last = OffsetDateTime::from_unix_timestamp_nanos(i128::from(*last_ms) * 1_000_000).unwrap_or(at);
        return Err(TimestampError::ClockWentBackward { last: format_record_time(last), at: format_record_time(at) });
    }
    *last_ms = ms;
    Ok(at)
}
