//! What a signer checks of the time before it signs it.

use super::TimestampError;
use crate::clock::format_record_time;
use crate::spec::cms::Certificate;
use std::sync::atomic::{AtomicI64, Ordering};
use time::{Duration, OffsetDateTime};

/// Remembers the latest time signed, in milliseconds, and refuses an earlier one. It forgets when the process ends: the
/// log's own checkpoints carry the memory further.
#[derive(Debug)]
pub(super) struct TimeGuard {
    last_ms: AtomicI64,
}

impl TimeGuard {
    pub(super) fn new() -> Self {
        Self { last_ms: AtomicI64::new(i64::MIN) }
    }

    /// Admits `at`, to the millisecond below, when it is not before the latest admitted one and within `certificate`'s
    /// validity. Equal times are fine: two tokens may bear the same millisecond.
    pub(super) fn admit(
        &self,
        at: OffsetDateTime,
        certificate: &Certificate,
    ) -> Result<OffsetDateTime, TimestampError> {
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
        let last = self.last_ms.fetch_max(ms, Ordering::SeqCst);
        if ms < last {
            let last = OffsetDateTime::from_unix_timestamp_nanos(i128::from(last) * 1_000_000).unwrap_or(at);
            return Err(TimestampError::ClockWentBackward {
                last: format_record_time(last),
                at: format_record_time(at),
            });
        }
        Ok(at)
    }
}
