//! `Range` requests (RFC 9110 §14): one range of bytes. Several at once are answered with the whole, as the RFC allows.

use std::ops::Range;

/// What a `Range` header asks of a document of known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything: no header, one not understood, or several ranges.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// None of the bytes there are.
    Nothing,
}

/// Reads a `Range` header.
pub(super) fn parse(header: Option<&str>, size: u64) -> Asked {
    let Some(spec) = header.and_then(|h| h.trim().strip_prefix("bytes=")) else { return Asked::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Asked::Whole };
    let number = |text: &str| {
        let digits = text.trim();
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        // The last `n` bytes.
        (None, Some(n)) if first.trim().is_empty() => {
            if n == 0 || size == 0 {
                Asked::Nothing
            } else {
                Asked::Part(size.saturating_sub(n)..size)
            }
        }
        (Some(first), None) if last.trim().is_empty() => {
            if first < size {
                Asked::Part(first..size)
            } else {
                Asked::Nothing
            }
        }
        (Some(first), Some(last)) if first <= last => {
            if first < size {
                Asked::Part(first..last.saturating_add(1).min(size))
            } else {
                Asked::Nothing
            }
        }
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_ranges() {
        let asked = |header: &str| parse(Some(header), 10);
        assert_eq!(asked("bytes=0-0"), Asked::Part(0..1));
        assert_eq!(asked("bytes=2-"), Asked::Part(2..10));
        assert_eq!(asked("bytes=2-99"), Asked::Part(2..10));
        assert_eq!(asked("bytes=-3"), Asked::Part(7..10));
        assert_eq!(asked("bytes=-99"), Asked::Part(0..10));
        assert_eq!(asked("bytes=10-"), Asked::Nothing);
        assert_eq!(asked("bytes=-0"), Asked::Nothing);
        for whole in ["", "bytes=", "bytes=5-2", "bytes=0-1,3-4", "octets=0-1", "bytes=a-b", "bytes=-", "bytes=+1-2"] {
            assert_eq!(asked(whole), Asked::Whole, "{whole}");
        }
        assert_eq!(asked("bytes=99999999999999999999-"), Asked::Nothing);
        assert_eq!(parse(Some("bytes=0-"), 0), Asked::Nothing);
    }
}
