//! Times as they are found: with or without seconds, fractions, and offsets from UTC (X.680 § 46, § 47).

use super::{BerError, Element, tag};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

impl Element<'_> {
    /// A UTCTime or GeneralizedTime. A time without zone is read as UTC, for want of better.
    pub fn time(&self) -> Result<OffsetDateTime, BerError> {
        let text = std::str::from_utf8(self.value).ok().filter(|text| text.is_ascii() && text.len() <= 40);
        text.and_then(|text| parse(self.tag, text)).ok_or_else(|| self.error("une date"))
    }
}

fn parse(tag: u8, text: &str) -> Option<OffsetDateTime> {
    let (year, rest) = match tag {
        tag::UTC_TIME => {
            let year = number(text.get(..2)?)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        tag::GENERALIZED_TIME => (number(text.get(..4)?)?, text.get(4..)?),
        _ => return None,
    };
    let zone = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone);
    let (whole, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let field = |at: usize| whole.get(at..at + 2).and_then(number).and_then(|value| u8::try_from(value).ok());
    if whole.len() % 2 != 0 || whole.len() > 10 {
        return None;
    }
    let date = Date::from_calendar_date(year, Month::try_from(field(0)?).ok()?, field(2)?).ok()?;
    let second = if whole.len() > 8 { field(8)? } else { 0 };
    // A fraction counts in seconds only where seconds stand; elsewhere nobody writes one.
    let nanos = if whole.len() == 10 { nanoseconds(fraction)? } else { 0 };
    let time = Time::from_hms_nano(field(4)?, field(6)?, second, nanos).ok()?;
    let local = PrimitiveDateTime::new(date, time);
    match offset(zone)? {
        offset if offset.is_utc() => Some(local.assume_utc()),
        offset => local.assume_offset(offset).checked_to_offset(UtcOffset::UTC),
    }
}

fn offset(zone: &str) -> Option<UtcOffset> {
    match zone.as_bytes() {
        [] | [b'Z'] => Some(UtcOffset::UTC),
        [sign, _, _, _, _] => {
            let (hours, minutes) = (number(zone.get(1..3)?)?, number(zone.get(3..5)?)?);
            let seconds = (hours * 60 + minutes) * 60;
            UtcOffset::from_whole_seconds(if *sign == b'-' { -seconds } else { seconds }).ok()
        }
        _ => None,
    }
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    let digits = fraction.get(..fraction.len().min(9))?;
    if digits.is_empty() { Some(0) } else { u32::try_from(number(&format!("{digits:0<9}"))?).ok() }
}

fn number(digits: &str) -> Option<i32> {
    if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use time::macros::datetime;

    #[test]
    fn times_in_every_form() {
        let utc = datetime!(2026-02-03 04:05:06 UTC);
        assert_eq!(parse(tag::UTC_TIME, "260203040506Z"), Some(utc));
        assert_eq!(parse(tag::UTC_TIME, "260203060506+0200"), Some(utc));
        assert_eq!(parse(tag::UTC_TIME, "2602030405Z"), Some(datetime!(2026-02-03 04:05 UTC)));
        assert_eq!(parse(tag::GENERALIZED_TIME, "20260203040506"), Some(utc));
        assert_eq!(parse(tag::GENERALIZED_TIME, "20260203040506.250Z"), Some(datetime!(2026-02-03 04:05:06.25 UTC)));
        for wrong in ["", "26", "2602030405067Z", "261303040506Z", "260203040506+9999", "26020304é5", "999999999999Z"]
        {
            assert_eq!(parse(tag::UTC_TIME, wrong), None, "{wrong}");
        }
    }
}
