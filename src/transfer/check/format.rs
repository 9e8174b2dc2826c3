//! The format announced and the one the content shows.
//!
//! Identification by magic numbers (`admission::identify`) tells families apart surely, and versions in some of them: an
//! announced PRONOM identifier is contradicted when it is of another family, or of another version of PDF. What is not
//! recognised does not contradict; neither announced nor recognised, a format is unknown.

use crate::admission::Format;
use crate::transfer::referentials::Contract;

/// What comes out of the comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Same,
    Differs(String),
    Refused(String),
}

const UNKNOWN: &str = "application/octet-stream";

pub(super) fn compare(announced: Option<&str>, found: Format, contract: Option<&Contract>) -> Compared {
    let announced = announced.map(str::trim).filter(|puid| !puid.is_empty());
    let shown = found.puid.unwrap_or(found.media_type);
    if let Some(contract) = contract.filter(|contract| contract.every_format_type == Some(false)) {
        let puid = found.puid.or(announced).unwrap_or_default();
        if !contract.format_type.contains(puid) && announced.is_none_or(|puid| !contract.format_type.contains(puid)) {
            return Compared::Refused(format!("le format {shown} n'est pas prévu par le contrat d'entrée"));
        }
    }
    let Some(announced) = announced else {
        let authorised = contract.is_some_and(|contract| contract.format_unidentified_authorized == Some(true));
        if found.media_type == UNKNOWN && !authorised {
            return Compared::Refused("format ni annoncé ni reconnu".into());
        }
        return Compared::Same;
    };
    let (Some(expected), Some(actual)) = (family(announced), family_found(found)) else { return Compared::Same };
    if expected != actual {
        return Compared::Differs(format!("format annoncé {announced}, contenu reconnu comme {shown}"));
    }
    let plain = |puid: &str| PDF_PLAIN.contains(&puid);
    match found.puid {
        Some(puid) if plain(puid) && plain(announced) && puid != announced => {
            Compared::Differs(format!("version de PDF annoncée {announced}, reconnue {puid}"))
        }
        _ => Compared::Same,
    }
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

    #[test]
    fn families_and_versions() {
        let pdf = identify(b"%PDF-1.4\n", "a");
        assert_eq!(compare(Some("fmt/18"), pdf, None), Compared::Same);
        assert_eq!(compare(Some("fmt/95"), pdf, None), Compared::Same);
        assert!(matches!(compare(Some("fmt/276"), pdf, None), Compared::Differs(_)));
        assert!(matches!(compare(Some("fmt/43"), pdf, None), Compared::Differs(_)));
        assert_eq!(compare(Some("fmt/9999"), pdf, None), Compared::Same);
    }

    #[test]
    fn unknown_and_unannounced_is_refused_unless_agreed() {
        let unknown = identify(&[0, 1, 2, 3], "a");
        assert!(matches!(compare(None, unknown, None), Compared::Refused(_)));
        assert_eq!(compare(Some("fmt/1"), unknown, None), Compared::Same);
        let agreed = Contract { format_unidentified_authorized: Some(true), ..Contract::default() };
        assert_eq!(compare(None, unknown, Some(&agreed)), Compared::Same);
        let narrow = Contract {
            every_format_type: Some(false),
            format_type: ["fmt/18".to_owned()].into(),
            ..Contract::default()
        };
        assert_eq!(compare(Some("fmt/18"), identify(b"%PDF-1.4\n", "a"), Some(&narrow)), Compared::Same);
        assert!(matches!(compare(Some("fmt/19"), identify(b"%PDF-1.5\n", "a"), Some(&narrow)), Compared::Refused(_)));
    }
}
