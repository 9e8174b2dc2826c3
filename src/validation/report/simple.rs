//! The simple report: French, one screen.

use crate::validation::facts::{CoverageKind, FaultKind};
use crate::validation::verdict::{SignatureVerdict, TimestampVerdict, Verdict};
use std::fmt::Write as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How many covered units are named before they are only counted.
const UNITS_SHOWN: usize = 6;

/// The report, with a line break after each line.
pub fn simple(verdict: &Verdict) -> String {
    let mut text = String::new();
    let headline = match (verdict.indication, verdict.sub_indication) {
        (None, _) => "aucune signature trouvée".to_owned(),
        (Some(indication), None) => indication.french().to_owned(),
        (Some(indication), Some(sub)) => format!("{} : {} ({sub})", indication.french(), sub.french()),
    };
    _ = writeln!(text, "Validation : {headline}");
    let scope = if verdict.integrity_only { " ; intégrité seule, confiance non examinée" } else { "" };
    _ = writeln!(text, "Politique {}, au {}{scope}", verdict.policy, day(verdict.validation_time));
    for signature in &verdict.signatures {
        text.push('\n');
        one(&mut text, signature, "Signature");
    }
    for stamp in &verdict.timestamps {
        text.push('\n');
        timestamp(&mut text, stamp, "");
    }
    for record in &verdict.evidence_records {
        let since =
            record.since.map_or_else(|| "date inconnue".to_owned(), |since| format!("depuis le {}", day(since)));
        _ = writeln!(text, "\nEnregistrement de preuve {} : {}, {since}", record.id, record.indication.french());
        for message in &record.messages {
            _ = writeln!(text, "  - {message}");
        }
    }
    let uncovered: Vec<_> =
        verdict.members.iter().filter(|unit| !unit.covered).map(|unit| unit.name.as_str()).collect();
    if !uncovered.is_empty() && !verdict.signatures.is_empty() {
        _ = writeln!(text, "\nNon couvert par une signature : {}", list(&uncovered));
    }
    for list in &verdict.trusted_lists {
        let stale = if list.stale { ", périmée" } else { "" };
        _ = writeln!(
            text,
            "liste de confiance {} n° {} du {}{stale} (SHA-256 {})",
            list.territory,
            list.sequence,
            list.issued.date(),
            list.sha256
        );
    }
    for fault in &verdict.faults {
        let mark = if fault.kind == FaultKind::Note { "note" } else { "attention" };
        _ = writeln!(text, "{mark} : {}", fault.detail);
    }
    text
}

fn one(text: &mut String, signature: &SignatureVerdict, what: &str) {
    let format = serde_json::to_value(signature.format).ok().and_then(|value| value.as_str().map(str::to_owned));
    let level = signature.level.map_or_else(String::new, |level| format!(" niveau {level}"));
    let sub = signature.sub_indication.map_or_else(String::new, |sub| format!(" : {} ({sub})", sub.french()));
    let format = format.unwrap_or_default();
    _ = writeln!(text, "{what} {} ({format}{level}) : {}{sub}", signature.id, signature.indication.french());
    if let Some(signer) = &signature.signer {
        _ = writeln!(text, "  signataire : {}", signer.subject);
        _ = writeln!(
            text,
            "  certificat : du {} au {}, émis par {}",
            day(signer.not_before),
            day(signer.not_after),
            signer.issuer
        );
    }
    match (signature.best_signature_time, signature.claimed_signing_time) {
        (Some(best), _) => {
            let source = signature.best_signature_time_source.unwrap_or("preuve");
            _ = writeln!(text, "  existait le : {} ({source})", day(best));
        }
        (None, Some(claimed)) => _ = writeln!(text, "  date annoncée : {} (non prouvée)", day(claimed)),
        (None, None) => {}
    }
    let integrity = match signature.cryptographically_intact {
        Some(true) => "intègre",
        Some(false) => "altérée",
        None => "non vérifiable",
    };
    _ = writeln!(text, "  intégrité : {integrity} ({})", signature.algorithm);
    covers(text, signature);
    if let Some(qualification) = &signature.qualification {
        let rgs = qualification.rgs.as_ref().map_or_else(String::new, |level| format!(", RGS {level}"));
        _ = writeln!(text, "  valeur : {}{rgs}", qualification.eidas);
    }
    for stamp in &signature.timestamps {
        timestamp(text, stamp, "  ");
    }
    for message in &signature.messages {
        _ = writeln!(text, "  - {message}");
    }
    for counter in &signature.counter_signatures {
        one(text, counter, "  Contre-signature");
    }
}

fn covers(text: &mut String, signature: &SignatureVerdict) {
    for (covered, label) in [(true, "couvre"), (false, "ne couvre pas")] {
        let units: Vec<_> = signature
            .covers
            .iter()
            .filter(|unit| unit.covered == covered)
            .map(|unit| format!("{} {}", kind(unit.kind), unit.name))
            .collect();
        let units: Vec<_> = units.iter().map(String::as_str).collect();
        if !units.is_empty() {
            _ = writeln!(text, "  {label} : {}", list(&units));
        }
    }
}

fn timestamp(text: &mut String, stamp: &TimestampVerdict, margin: &str) {
    let at = stamp.time.map_or_else(|| "sans date lisible".to_owned(), day);
    let by = stamp.authority.as_ref().map_or_else(String::new, |authority| format!(", par {authority}"));
    _ = writeln!(text, "{margin}horodatage {} du {at}{by} : {}", stamp.id, stamp.indication.french());
    for message in &stamp.messages {
        _ = writeln!(text, "{margin}  - {message}");
    }
}

fn list(units: &[&str]) -> String {
    let shown = units[..units.len().min(UNITS_SHOWN)].join(", ");
    match units.len().checked_sub(UNITS_SHOWN) {
        Some(more) if more > 0 => format!("{shown} et {more} autres"),
        _ => shown,
    }
}

fn kind(kind: CoverageKind) -> &'static str {
    match kind {
        CoverageKind::File => "fichier",
        CoverageKind::PesBordereau => "bordereau",
        CoverageKind::PesHeader => "en-tête",
        CoverageKind::PesAttachment => "pièce jointe",
        CoverageKind::XmlElement => "élément",
        CoverageKind::PdfRevision => "révision",
        CoverageKind::Member => "membre",
        CoverageKind::Content => "contenu",
    }
}

fn day(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(&Rfc3339).unwrap_or_default()
}
