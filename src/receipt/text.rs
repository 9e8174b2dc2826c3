//! A receipt for people, in French, for the terminal.

use super::Receipt;
use crate::clock::parse_record_time;
use crate::package::Deposit;
use crate::spec::cms::SignedData;
use crate::spec::tlog::encode_hash;
use crate::spec::tsp;
use std::fmt;
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

const FRENCH_TIME: &[FormatItem<'_>] = format_description!("[day]/[month]/[year] à [hour]:[minute]:[second] UTC");

/// `23/11/2026 à 20:06:13 UTC`.
pub(crate) fn french_time(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(FRENCH_TIME).unwrap_or_default()
}

/// `12 345 octets`, with narrow no-break spaces.
pub(crate) fn french_size(bytes: u64) -> String {
    let digits = bytes.to_string();
    let mut text = String::with_capacity(digits.len() + 12);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text + if bytes < 2 { " octet" } else { " octets" }
}

/// A text from a record, safe for a terminal: no control or direction-changing characters.
pub(crate) fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Récépissé d'archivage")?;
        line(f, "Archive", &self.archive.to_string())?;
        match self.record() {
            Err(error) => line(f, "Document", &error.to_string())?,
            Ok(record) => {
                if let Some(deposit) = record.deposit() {
                    describe(f, deposit)?;
                }
                line(f, "Collectivité", &printable(&record.agency))?;
                let time = parse_record_time(&record.time).map_or_else(|| printable(&record.time), french_time);
                line(f, "Versé le", &time)?;
            }
        }
        match self.unverified_checkpoint() {
            Err(error) => line(f, "Journal", &error.to_string())?,
            Ok(checkpoint) => {
                line(f, "Journal", &printable(&checkpoint.origin))?;
                line(f, "Entrée", &format!("n° {} d'un journal de {}", self.index, checkpoint.size))?;
                line(f, "Racine", &encode_hash(&checkpoint.root))?;
            }
        }
        self.timestamps.iter().filter_map(|t| stamped_at(t)).try_for_each(|at| line(f, "Horodaté le", &french_time(at)))
    }
}

/// What a timestamp says, whoever made it: for display.
fn stamped_at(response: &[u8]) -> Option<OffsetDateTime> {
    let token = SignedData::parse(tsp::token_of(response).ok()?).ok()?;
    Some(tsp::TstInfo::parse(token.content?).ok()?.time)
}

fn describe(f: &mut fmt::Formatter<'_>, deposit: &Deposit) -> fmt::Result {
    line(f, "Titre", &printable(&deposit.title))?;
    line(f, "Type, règle", &printable(&format!("{}, {}", deposit.document_type, deposit.rule)))?;
    if let Some(external_id) = &deposit.external_id {
        line(f, "Référence", &printable(external_id))?;
    }
    deposit.payloads.iter().try_for_each(|payload| {
        let size = french_size(payload.size_bytes);
        line(f, "Document", &printable(&format!("{} ({size}, {})", payload.name, payload.media_type)))?;
        line(f, "  SHA-256", &printable(&payload.sha256))
    })
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {label:<13} {value}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::shaped;
    use super::*;

    #[test]
    fn a_reader_finds_what_matters() {
        let text = shaped().to_string();
        for expected in [
            "Archive       ark:/99999/c1-3-",
            "Titre         Délibération n° 12",
            "délibération.pdf (12\u{202f}345 octets, application/pdf)",
            "Versé le      23/11/2026 à 20:06:13 UTC",
            "Entrée        n° 3 d'un journal de 4",
        ] {
            assert!(text.contains(expected), "{expected:?} in\n{text}");
        }
    }

    #[test]
    fn a_hostile_title_does_not_drive_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\u{202e}c\n"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
        assert_eq!(french_size(1), "1 octet");
        assert_eq!(french_size(1_000_000), "1\u{202f}000\u{202f}000 octets");
    }
}
