//! Keys and values of the catalog's one tree.
//!
//! | key | value |
//! |---|---|
//! | `c` | schema u16, size u64, root 32, log clock u64 |
//! | `a` ‖ code | the agency, JSON |
//! | `t` ‖ name | the token, JSON |
//! | `r` ‖ name | the list of reference data, JSON |
//! | `d` ‖ index u64 | the request for archives, JSON |
//! | `s` ‖ index u64 | what became of the archive since its deposit, JSON |
//! | `i` ‖ epoch u16 ‖ idempotency digest 32 | index u64, log clock u64, content digest 32, agency code |
//! | `x` ‖ number u64 | the transmission, JSON |
//! | `u` ‖ digest 32 of what it must not share with another | its number u64 |
//! | `l` ‖ digest 8 of the agency ‖ state u8 ‖ number u64 | nothing: transmissions by state |
//! | `w` ‖ digest 8 of the agency ‖ index u64 of the last record | number u64: transmissions by last change |
//! | `k` ‖ digest 16 of agency and term ‖ number u64 | nothing: transmissions by term |
//!
//! Numbers are big-endian; times are Unix milliseconds. An **epoch** is thirty days: a look-up tries the few epochs of the
//! window, and what has left the window is one contiguous range, found by one seek and deleted a little at a time. That
//! costs one key a deposit, where an index by time would cost two.
//!
//! Time is counted by the **log clock**: it never goes back, and one record moves it by a day at most. So the window is the
//! same wherever batches were cut, and one record dated by a clock gone wrong does not close it for all that follow; in an
//! archive that gets less than a record a day the window is longer than ninety days, and no larger.

use super::{IDEMPOTENCY_WINDOW, Prior};
use crate::views::Cursor;
use std::ops::{Range, RangeInclusive};

/// Changes whenever keys or values do; another number on disk means rebuild.
const SCHEMA: u16 = 5;

pub(super) const CURSOR: &[u8] = b"c";
pub(super) const AGENCY: u8 = b'a';
pub(super) const TOKEN: u8 = b't';
pub(super) const REGISTER: u8 = b'r';
pub(super) const DELIVERY: u8 = b'd';
const IDEMPOTENCY: u8 = b'i';

const DAY_MS: u64 = 24 * 3_600 * 1_000;
const WINDOW_MS: u64 = IDEMPOTENCY_WINDOW.whole_seconds().unsigned_abs() * 1_000;

pub(super) fn named(prefix: u8, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(prefix);
    key.extend_from_slice(name.as_bytes());
    key
}

pub(super) fn numbered(prefix: u8, number: u64) -> [u8; 9] {
    let mut key = [prefix; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn cursor_value(cursor: Cursor, clock_ms: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(50);
    value.extend_from_slice(&SCHEMA.to_be_bytes());
    value.extend_from_slice(&cursor.size.to_be_bytes());
    value.extend_from_slice(&cursor.root);
    value.extend_from_slice(&clock_ms.to_be_bytes());
    value
}

/// `None` for another schema or another length.
pub(super) fn parse_cursor(value: &[u8]) -> Option<(Cursor, u64)> {
    let (schema, rest) = value.split_first_chunk()?;
    let (size, rest) = rest.split_first_chunk()?;
    let (root, rest) = rest.split_first_chunk()?;
    let clock_ms = u64::from_be_bytes(rest.try_into().ok()?);
    let cursor = Cursor { size: u64::from_be_bytes(*size), root: *root };
    (u16::from_be_bytes(*schema) == SCHEMA).then_some((cursor, clock_ms))
}

pub(super) fn idempotency_key(epoch: u16, digest: &[u8; 32]) -> [u8; 35] {
    let mut key = [IDEMPOTENCY; 35];
    key[1..3].copy_from_slice(&epoch.to_be_bytes());
    key[3..].copy_from_slice(digest);
    key
}

pub(super) fn idempotency_value(prior: &Prior, clock_ms: u64, agency: &str) -> Vec<u8> {
    let mut value = Vec::with_capacity(48 + agency.len());
    value.extend_from_slice(&prior.index.to_be_bytes());
    value.extend_from_slice(&clock_ms.to_be_bytes());
    value.extend_from_slice(&prior.content);
    value.extend_from_slice(agency.as_bytes());
    value
}

/// The deposit, the log clock at its place, and the agency's code.
pub(super) fn parse_idempotency(value: &[u8]) -> Option<(Prior, u64, &[u8])> {
    let (index, rest) = value.split_first_chunk()?;
    let (clock_ms, rest) = rest.split_first_chunk()?;
    let (content, agency) = rest.split_first_chunk()?;
    Some((Prior { index: u64::from_be_bytes(*index), content: *content }, u64::from_be_bytes(*clock_ms), agency))
}

/// The log clock after a record dated `time_ms`.
pub(super) fn tick(clock_ms: u64, time_ms: u64) -> u64 {
    if clock_ms == 0 { time_ms } else { clock_ms.max(time_ms.min(clock_ms.saturating_add(DAY_MS))) }
}

pub(super) fn epoch(clock_ms: u64) -> u16 {
    u16::try_from(clock_ms / (30 * DAY_MS)).unwrap_or(u16::MAX)
}

/// The earliest moment within the window.
pub(super) fn window_start(clock_ms: u64) -> u64 {
    clock_ms.saturating_sub(WINDOW_MS)
}

/// The epochs a key of the window may be in.
pub(super) fn window_epochs(clock_ms: u64) -> RangeInclusive<u16> {
    epoch(window_start(clock_ms))..=epoch(clock_ms)
}

/// The keys that have left the window.
pub(super) fn expired_keys(clock_ms: u64) -> Range<[u8; 3]> {
    let [high, low] = epoch(window_start(clock_ms)).to_be_bytes();
    [IDEMPOTENCY, 0, 0]..[IDEMPOTENCY, high, low]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_read_back(size: u64, root: [u8; 32], latest: u64, index: u64, agency in "[a-z0-9-]{1,64}") {
            let cursor = Cursor { size, root };
            prop_assert_eq!(parse_cursor(&cursor_value(cursor, latest)), Some((cursor, latest)));
            let prior = Prior { index, content: root };
            let value = idempotency_value(&prior, latest, &agency);
            prop_assert_eq!(parse_idempotency(&value), Some((prior, latest, agency.as_bytes())));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            let _ = (parse_cursor(&bytes), parse_idempotency(&bytes));
        }

        #[test]
        fn what_is_in_the_window_is_looked_for_and_never_expired(latest in 0..u64::from(u16::MAX) * 30 * DAY_MS, age in 0..=WINDOW_MS) {
            let time = latest.saturating_sub(age);
            prop_assert!(window_epochs(latest).contains(&epoch(time)));
            prop_assert!(!expired_keys(latest).contains(&idempotency_key(epoch(time), &[0; 32])[..3].try_into().unwrap()));
        }
    }

    #[test]
    fn the_log_clock_follows_and_is_not_carried_away() {
        assert_eq!(tick(0, 5_000), 5_000);
        assert_eq!(tick(5_000, 6_000), 6_000);
        assert_eq!(tick(5_000, 4_000), 5_000);
        assert_eq!(tick(5_000, 0), 5_000);
        assert_eq!(tick(5_000, u64::MAX), 5_000 + DAY_MS);
    }

    #[test]
    fn another_schema_is_not_read() {
        let mut value = cursor_value(Cursor::start(), 0);
        value[1] += 1;
        assert_eq!(parse_cursor(&value), None);
    }
}
