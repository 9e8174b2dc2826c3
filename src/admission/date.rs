//! Dates of documents.

use super::refusal::shortened;
use super::{Reason, Refusal};
use crate::package::Dates;
use time::{Date, Duration, Month, OffsetDateTime};

/// A day of the calendar, `YYYY-MM-DD`, from year 1.
pub fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u16>().ok()).flatten();
    let (year, month, day) = (number(text.get(..4)?)?, number(text.get(5..7)?)?, number(text.get(8..)?)?);
    if year == 0 {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

/// Dates that exist, a period in order, nothing made in the future (a day of tolerance for time zones).
pub(super) fn check(dates: &Dates, now: OffsetDateTime) -> Result<(), Refusal> {
    let read = |field: &str, value: &Option<String>| match value {
        None => Ok(None),
        Some(text) => parse_date(text)
            .map(Some)
            .ok_or_else(|| Refusal::at(format!("/dates/{field}"), Reason::DateInvalid { value: shortened(text) })),
    };
    let created = read("created", &dates.created)?;
    let (start, end) = (read("start", &dates.start)?, read("end", &dates.end)?);
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        return Err(Refusal::at("/dates/end", Reason::DateOrder));
    }
    if created.is_some_and(|day| day > (now + Duration::DAY).date()) {
        return Err(Refusal::at("/dates/created", Reason::DateFuture));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn calendar() {
        for bad in ["2026-02-29", "2026-13-01", "2026-1-01", "01/02/2026", "0000-01-01", "+026-01-01", "2026-01-0é", ""]
        {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
        assert!(parse_date("2024-02-29").is_some());
        assert!(parse_date("1789-07-14").is_some());
    }

    #[test]
    fn order_and_future() {
        let now = datetime!(2026-11-23 12:00 UTC);
        let dates = |created: &str, start: &str, end: &str| Dates {
            created: Some(created.into()),
            start: Some(start.into()),
            end: Some(end.into()),
        };
        assert!(check(&dates("2026-11-24", "2026-01-01", "2026-12-31"), now).is_ok());
        assert_eq!(
            check(&dates("2026-11-26", "2026-01-01", "2026-12-31"), now),
            Err(Refusal::at("/dates/created", Reason::DateFuture))
        );
        assert_eq!(
            check(&dates("2026-11-23", "2026-02-01", "2026-01-31"), now),
            Err(Refusal::at("/dates/end", Reason::DateOrder))
        );
    }
}
