//! What a signature dictionary says beside its CMS (ISO 32000-1, table 252): nobody signed it apart from the byte range.

use crate::spec::pdf::object::{Dictionary, Object};
use crate::validation::facts::{Fault, FaultKind, SignatureFacts};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Fills what the CMS left open, and tells the rest.
pub(super) fn dictionary(dictionary: &Dictionary, told: &mut SignatureFacts) {
    let text = |key: &[u8]| dictionary.get(key).and_then(Object::string).map(text).filter(|text| !text.is_empty());
    if told.claimed_signing_time.is_none() {
        told.claimed_signing_time = text(b"M").and_then(|date| self::date(&date));
    }
    if told.place.is_none() {
        told.place = text(b"Location");
    }
    for (key, what) in [(&b"Reason"[..], "motif"), (b"Name", "nom inscrit dans le PDF")] {
        if let Some(value) = text(key) {
            told.faults.push(Fault::new(FaultKind::Note, format!("{what} : {value}")));
        }
    }
    let sub_filter = match dictionary.get(b"SubFilter") {
        Some(Object::Name(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => "absent".to_owned(),
    };
    let known = ["ETSI.CAdES.detached", "adbe.pkcs7.detached", "adbe.pkcs7.sha1", "adbe.x509.rsa_sha1", "ETSI.RFC3161"];
    if !known.contains(&sub_filter.as_str()) {
        let detail = format!("/SubFilter {sub_filter} : format de signature inconnu, lu comme adbe.pkcs7.detached");
        told.faults.push(Fault::new(FaultKind::Note, detail));
    }
}

/// A text string (§ 7.9.2.2): UTF-16 or UTF-8 with their marks, else read as Latin-1.
pub(super) fn text(octets: &[u8]) -> String {
    let text: String = match octets {
        [0xfe, 0xff, rest @ ..] => String::from_utf16_lossy(
            &rest.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect::<Vec<_>>(),
        ),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => octets.iter().map(|octet| char::from(*octet)).collect(),
    };
    text.chars().filter(|character| !character.is_control()).take(300).collect()
}

/// `D:YYYYMMDDHHmmSSOHH'mm'` (§ 7.9.4).
fn date(text: &str) -> Option<OffsetDateTime> {
    let digits = text.strip_prefix("D:").unwrap_or(text);
    let number = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<u8>().ok());
    let year = digits.get(..4)?.parse::<i32>().ok().filter(|year| (1900..10_000).contains(year))?;
    let date = Date::from_calendar_date(year, Month::try_from(number(4, 6)?).ok()?, number(6, 8)?).ok()?;
    let clock = |at: usize| number(at, at + 2).unwrap_or(0);
    let time = Time::from_hms(clock(8), clock(10), clock(12)).ok()?;
    let sign = match digits.as_bytes().get(14) {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => 0,
    };
    let minutes = digits.get(17..).map(|rest| rest.trim_matches('\'')).and_then(|rest| rest.get(..2)?.parse().ok());
    let offset = sign * (i32::from(clock(15)) * 60 + minutes.unwrap_or(0)) * 60;
    let offset = UtcOffset::from_whole_seconds(offset).ok()?;
    PrimitiveDateTime::new(date, time).assume_offset(offset).checked_to_offset(UtcOffset::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn dates_of_pdf() {
        assert_eq!(date("D:20220215094452+01'00'"), Some(datetime!(2022-02-15 08:44:52 UTC)));
        assert_eq!(date("D:20220215094452Z"), Some(datetime!(2022-02-15 09:44:52 UTC)));
        assert_eq!(date("20220215"), Some(datetime!(2022-02-15 00:00:00 UTC)));
        for wrong in ["", "D:", "D:2022", "D:20221315", "D:20220215é"] {
            let _ = date(wrong);
        }
        assert_eq!(date("D:20221315"), None);
    }
}
