//! The format announced and the one the content shows.
//!
//! The content is known by PRONOM's signatures ([`crate::spec::pronom`]): an announced identifier that has a signature and
//! is not among those found is contradicted. Where PRONOM has no signature of bytes (texts, and what is in a container), the
//! families that `admission::identify` tells apart decide: what is of another family is contradicted, what is not recognised
//! contradicts nothing. Neither announced nor recognised, a format is unknown.

use crate::admission::Format;
use crate::spec::pronom::{Entry, WINDOW_BYTES, table};
use crate::transfer::referentials::Contract;

/// What was found in a content.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// PRONOM formats, the most precise ones.
    pub(super) entries: Vec<&'static Entry>,
    /// Whether the whole content was looked at.
    pub(super) whole: bool,
}

/// The first and the last bytes of a content.
#[derive(Debug, Default)]
pub(super) struct Windows {
    pub(super) head: Vec<u8>,
    tail: Vec<u8>,
    bytes: u64,
}

impl Windows {
    pub(super) fn take(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let room = WINDOW_BYTES.saturating_sub(self.head.len());
        self.head.extend_from_slice(&chunk[..chunk.len().min(room)]);
        self.tail.extend_from_slice(&chunk[chunk.len().saturating_sub(WINDOW_BYTES)..]);
        if self.tail.len() > 4 * WINDOW_BYTES {
            self.tail.drain(..self.tail.len() - WINDOW_BYTES);
        }
    }

    pub(super) fn shown(&self) -> Shown {
        let whole = self.bytes <= 2 * WINDOW_BYTES as u64;
        // What a container holds takes PRONOM's signatures of containers, which the table has not.
        let container = self.head.starts_with(b"PK") || self.head.starts_with(b"\xD0\xCF\x11\xE0");
        let entries = if container { Vec::new() } else { table().identify(&self.head, &self.tail) };
        Shown { entries, whole }
    }
}

/// What comes out of the comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Same,
    Differs(String),
    Refused(String),
}

const UNKNOWN: &str = "application/octet-stream";

pub(super) fn compare(announced: Option<&str>, found: Format, shown: &Shown, contract: Option<&Contract>) -> Compared {
    let announced = announced.map(str::trim).filter(|puid| !puid.is_empty());
    let puid = shown.entries.first().map(|entry| entry.puid).or(found.puid);
    let label = puid.unwrap_or(found.media_type);
    if let Some(contract) = contract.filter(|contract| contract.every_format_type == Some(false)) {
        let among = |puid: &str| contract.format_type.contains(puid);
        let any = shown.entries.iter().any(|entry| among(entry.puid)) || puid.or(announced).is_some_and(among);
        if !any && announced.is_none_or(|puid| !among(puid)) {
            return Compared::Refused(format!("le format {label} n'est pas prévu par le contrat d'entrée"));
        }
    }
    let Some(announced) = announced else {
        let authorised = contract.is_some_and(|contract| contract.format_unidentified_authorized == Some(true));
        if found.media_type == UNKNOWN && shown.entries.is_empty() && !authorised {
            return Compared::Refused("format ni annoncé ni reconnu".into());
        }
        return Compared::Same;
    };
    if looks_like_puid(announced) && table().get(announced).is_none() {
        return Compared::Differs(format!(
            "format annoncé {announced}, inconnu de PRONOM ; contenu reconnu comme {label}"
        ));
    }
    by_signature(announced, shown).unwrap_or_else(|| by_family(announced, found, label))
}

/// `fmt/18`, `x-fmt/111`: whatever else is announced is somebody's own name for a format.
fn looks_like_puid(text: &str) -> bool {
    let number = text.strip_prefix("x-").unwrap_or(text).strip_prefix("fmt/");
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What signatures say of the identifier announced; `None` when they cannot tell.
fn by_signature(announced: &str, shown: &Shown) -> Option<Compared> {
    let first = shown.entries.first()?;
    if shown.entries.iter().any(|entry| entry.puid == announced) {
        return Some(Compared::Same);
    }
    let expected = table().get(announced).filter(|entry| entry.has_signature())?;
    // What makes it more precise may be in the middle, that was not looked at.
    let refined = shown.entries.iter().any(|entry| expected.priority_over.contains(&entry.puid));
    if refined && !shown.whole {
        return Some(Compared::Same);
    }
    Some(Compared::Differs(format!(
        "format annoncé {announced} ({}), contenu reconnu comme {} ({})",
        expected.name, first.puid, first.name
    )))
}

fn by_family(announced: &str, found: Format, label: &str) -> Compared {
    let (Some(expected), Some(actual)) = (family(announced), family_found(found)) else { return Compared::Same };
    if expected != actual {
        return Compared::Differs(format!("format annoncé {announced}, contenu reconnu comme {label}"));
    }
    Compared::Same
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Pdf,
    Jpeg,
    Png,
    Tiff,
    Zip,
    Ole,
    Gzip,
    Text,
}

/// PDF 1.0 to 1.7 and 2.0; PDF/A and the others say more than a version.
const PDF_PLAIN: [&str; 9] =
    ["fmt/14", "fmt/15", "fmt/16", "fmt/17", "fmt/18", "fmt/19", "fmt/20", "fmt/276", "fmt/1129"];

/// The family of a PRONOM identifier, for the formats that manifests announce most.
fn family(puid: &str) -> Option<Family> {
    Some(match puid {
        puid if PDF_PLAIN.contains(&puid) => Family::Pdf,
        // PDF/A-1a, -1b, -2, -3, PDF/X, PDF/E.
        "fmt/95" | "fmt/354" | "fmt/476" | "fmt/477" | "fmt/478" | "fmt/479" | "fmt/480" | "fmt/481" => Family::Pdf,
        "fmt/41" | "fmt/42" | "fmt/43" | "fmt/44" | "x-fmt/390" | "x-fmt/391" | "x-fmt/398" | "fmt/645" => Family::Jpeg,
        "fmt/11" | "fmt/12" | "fmt/13" => Family::Png,
        "fmt/353" | "fmt/152" | "fmt/153" | "fmt/154" | "fmt/155" | "fmt/156" => Family::Tiff,
        // ZIP and OOXML; then OpenDocument: texts, sheets, presentations, drawings, databases.
        "x-fmt/263" | "fmt/189" | "fmt/214" | "fmt/215" | "fmt/412" | "fmt/483" | "fmt/136" | "fmt/137" | "fmt/138"
        | "fmt/139" | "fmt/140" | "fmt/290" | "fmt/291" | "fmt/292" | "fmt/293" | "fmt/294" | "fmt/295" | "fmt/296"
        | "fmt/297" => Family::Zip,
        "fmt/39" | "fmt/40" | "fmt/59" | "fmt/61" | "fmt/111" | "fmt/126" | "x-fmt/430" => Family::Ole,
        "x-fmt/266" => Family::Gzip,
        "x-fmt/111" | "x-fmt/18" | "fmt/101" | "fmt/96" | "fmt/97" | "fmt/98" | "fmt/99" | "fmt/100" | "fmt/102"
        | "fmt/278" | "fmt/817" => Family::Text,
        _ => return None,
    })
}

fn family_found(found: Format) -> Option<Family> {
    let media = found.media_type;
    Some(match media {
        "application/pdf" => Family::Pdf,
        "image/jpeg" => Family::Jpeg,
        "image/png" => Family::Png,
        "image/tiff" => Family::Tiff,
        "application/gzip" => Family::Gzip,
        "application/x-ole-storage" => Family::Ole,
        "message/rfc822" => Family::Text,
        _ if media.starts_with("text/") || media.starts_with("application/xml") => Family::Text,
        _ if media == "application/zip"
            || media.starts_with("application/vnd.oasis")
            || media.starts_with("application/vnd.openxml")
            || media == "application/epub+zip"
            || media.starts_with("application/vnd.etsi.asic") =>
        {
            Family::Zip
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::identify;

    fn compared(announced: Option<&str>, content: &[u8], contract: Option<&Contract>) -> Compared {
        let mut windows = Windows::default();
        windows.take(content);
        compare(announced, identify(content, "a"), &windows.shown(), contract)
    }

    const PDF: &[u8] = b"%PDF-1.4\n%%EOF\n";

    #[test]
    fn signatures_then_families() {
        assert_eq!(compared(Some("fmt/18"), PDF, None), Compared::Same);
        assert!(matches!(compared(Some("fmt/276"), PDF, None), Compared::Differs(_)));
        assert!(matches!(compared(Some("fmt/43"), PDF, None), Compared::Differs(_)));
        // Announced as PDF/A, and nothing in it says so.
        assert!(matches!(compared(Some("fmt/95"), PDF, None), Compared::Differs(_)));
        // PRONOM has none of that number; what is no such number is somebody's own name.
        assert!(matches!(compared(Some("fmt/9999"), PDF, None), Compared::Differs(_)));
        assert_eq!(compared(Some("PDF interne"), PDF, None), Compared::Same);
        // A text has no signature.
        assert_eq!(compared(Some("x-fmt/111"), b"du texte\n", None), Compared::Same);
        assert!(matches!(compared(Some("x-fmt/111"), PDF, None), Compared::Differs(_)));
    }

    #[test]
    fn what_may_be_in_the_middle_is_not_contradicted() {
        let long = [b"%PDF-1.4\n".to_vec(), vec![b' '; 5 * WINDOW_BYTES], b"%%EOF\n".to_vec()].concat();
        assert_eq!(compared(Some("fmt/95"), &long, None), Compared::Same);
        assert!(matches!(compared(Some("fmt/43"), &long, None), Compared::Differs(_)));
    }

    #[test]
    fn windows_hold_both_ends() {
        let mut windows = Windows::default();
        let content: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        content.chunks(7_001).for_each(|chunk| windows.take(chunk));
        assert_eq!(windows.head, content[..WINDOW_BYTES]);
        assert!(content.ends_with(&windows.tail) && windows.tail.len() >= WINDOW_BYTES);
    }

    #[test]
    fn unknown_and_unannounced_is_refused_unless_agreed() {
        let unknown = &[0, 1, 2, 3];
        assert!(matches!(compared(None, unknown, None), Compared::Refused(_)));
        assert_eq!(compared(Some("fmt/1"), unknown, None), Compared::Same);
        let agreed = Contract { format_unidentified_authorized: Some(true), ..Contract::default() };
        assert_eq!(compared(None, unknown, Some(&agreed)), Compared::Same);
        let narrow = Contract {
            every_format_type: Some(false),
            format_type: ["fmt/18".to_owned()].into(),
            ..Contract::default()
        };
        assert_eq!(compared(Some("fmt/18"), PDF, Some(&narrow)), Compared::Same);
        assert!(matches!(compared(Some("fmt/19"), b"%PDF-1.5\n%%EOF", Some(&narrow)), Compared::Refused(_)));
    }
}
