//! A report set in type.

use super::sheet::{AMBER, BLUE, GREEN, INK, MARGIN, QUIET, RED, RIGHT, Sheet, plain, style};
use super::{ArchiveReport, Indication, Line, Report, SealedReport};
use crate::clock::parse_record_time;
use crate::receipt::{french_size, french_time};
use crate::spec::pdfa::{Attachment, Colour, Description, Document, Face, Relation};
use time::OffsetDateTime;

/// Archives beyond which only those that are not all right are told line by line.
const DETAILED_MAX: usize = 8;

/// The document, with the sealed report attached to it. Write it with [`Document::write_for_seal`].
pub fn to_pdf(report: &Report, sealed: &SealedReport, at: OffsetDateTime) -> Document {
    let foot = format!("Rapport d’intégrité — {} — {}", plain(&report.log.origin), when(&report.time));
    let mut sheet = Sheet::new(&foot);
    head(&mut sheet, report);
    for archive in &report.archives {
        tell(&mut sheet, archive, report.archives.len() <= DETAILED_MAX);
    }
    closing(&mut sheet);
    let attach = |name: &str, description: &str, media_type, relation, content: &[u8]| Attachment {
        name: name.to_owned(),
        description: description.to_owned(),
        media_type,
        relation,
        content: content.to_vec(),
    };
    let digest = crate::digest::sha256(&sealed.report);
    Document {
        described: Description {
            title: "Rapport d’intégrité".to_owned(),
            author: report.log.origin.clone(),
            subject: report.scope.clone(),
            language: "fr-FR".to_owned(),
            created: at,
            producer: report.producer.clone(),
        },
        id: std::array::from_fn(|n| digest[n]),
        pages: sheet.finish(),
        attachments: vec![
            attach(
                "rapport.json",
                "Le rapport, pour les programmes",
                "application/json",
                Relation::Source,
                &sealed.report,
            ),
            attach(
                "rapport.json.p7s",
                "Le cachet de rapport.json",
                "application/pkcs7-signature",
                Relation::Supplement,
                &sealed.seal,
            ),
        ],
    }
}

fn head(sheet: &mut Sheet, report: &Report) {
    sheet.down(14.0, 0.0);
    let y = sheet.y();
    sheet.page().text(MARGIN, y, style(Face::Title, 20.0, BLUE), "Rapport d’intégrité");
    sheet.down(10.0, 0.0);
    sheet.field("Établi le", &when(&report.time), Face::Sans);
    sheet.field("Demandé par", &report.asked_by, Face::Mono);
    sheet.field("Portée", &report.scope, Face::Sans);
    sheet.field("Journal", &format!("{} ({} entrées)", report.log.origin, report.log.size), Face::Sans);
    let count = |wanted: Indication| report.archives.iter().filter(|archive| archive.indication == wanted).count();
    let [passed, unknown, failed] = [Indication::Passed, Indication::Indeterminate, Indication::Failed].map(count);
    let summary = format!("{passed} conforme(s), {unknown} indéterminé(s), {failed} non conforme(s)");
    sheet.field("Archives", &summary, Face::Sans);
    sheet.down(28.0, 20.0);
    let y = sheet.y();
    sheet.page().text(MARGIN, y, style(Face::Bold, 14.0, colour(report.indication)), &verdict(report.indication));
    if let Some(signatures) = report.signatures {
        let text = format!("Signatures portées par les documents : {}", signatures.french());
        sheet.paragraph(MARGIN, 16.0, style(Face::Sans, 9.5, colour(signatures)), &text, 2);
    }
}

fn verdict(indication: Indication) -> String {
    match indication {
        Indication::Passed => "Intégrité : conforme",
        Indication::Indeterminate => "Intégrité : indéterminée, voir les lignes",
        Indication::Failed => "Intégrité : NON CONFORME, voir les lignes",
    }
    .to_owned()
}

fn tell(sheet: &mut Sheet, archive: &ArchiveReport, detailed: bool) {
    let title = archive.received.as_ref().map_or("Enregistrement illisible", |received| received.title.as_str());
    sheet.heading(if title.is_empty() { &archive.archive } else { title });
    sheet.field("Identifiant", &archive.archive, Face::Mono);
    if let Some(received) = &archive.received {
        let agency = match &received.agency_name {
            Some(name) => format!("{name} ({})", received.agency),
            None => received.agency.clone(),
        };
        sheet.field("Reçu le", &when(&received.time), Face::Sans);
        sheet.field("De", &format!("{agency}, par {}", received.actor), Face::Sans);
        if let Some(reference) = &received.external_id {
            sheet.field("Référence", reference, Face::Sans);
        }
        if detailed {
            for document in &received.documents {
                let size = french_size(document.size_bytes);
                sheet.field("Document", &format!("{} ({size}, {})", document.name, document.media_type), Face::Sans);
            }
        } else {
            sheet.field("Documents", &received.documents.len().to_string(), Face::Sans);
        }
    }
    sheet.field("Intégrité", archive.indication.french(), Face::Bold);
    if detailed || archive.indication != Indication::Passed {
        sheet.down(4.0, 0.0);
        for line in &archive.checks {
            check(sheet, line);
        }
    }
}

fn check(sheet: &mut Sheet, line: &Line) {
    sheet.down(13.0, 10.0);
    let y = sheet.y();
    let page = sheet.page();
    page.text(MARGIN, y, style(Face::Sans, 8.5, INK), line.check.french());
    page.text(MARGIN + 118.0, y, style(Face::Bold, 8.5, colour(line.indication)), line.indication.french());
    let subject = line.subject.as_ref().map_or_else(String::new, |subject| format!("{subject} : "));
    let text = plain(&format!("{subject}{}", line.detail));
    let quiet = style(Face::Sans, 8.0, QUIET);
    for (number, part) in Face::Sans.wrap(8.0, &text, RIGHT - MARGIN - 200.0).iter().take(4).enumerate() {
        if number > 0 {
            sheet.down(10.5, 0.0);
        }
        let y = sheet.y();
        sheet.page().text(MARGIN + 200.0, y, quiet, part);
    }
}

fn closing(sheet: &mut Sheet) {
    sheet.heading("Ce que dit ce rapport");
    let text = "Chaque contrôle a été refait à la date de ce rapport, à partir du stockage : documents relus en entier, preuves \
                recalculées, jetons, cachets et dossiers de preuve revérifiés jusqu’aux autorités. L’intégrité est ce dont \
                l’archive répond ; les signatures portées par les documents sont celles de leurs auteurs. Le même rapport, pour \
                les programmes, est joint à ce fichier (rapport.json) avec son cachet ; « archiland report verify » le vérifie \
                hors ligne. Règlement (UE) n° 910/2014, article 45 undecies ; règlement d’exécution (UE) 2025/2532.";
    sheet.paragraph(MARGIN, 16.0, style(Face::Sans, 8.5, INK), text, 12);
}

fn colour(indication: Indication) -> Colour {
    match indication {
        Indication::Passed => GREEN,
        Indication::Indeterminate => AMBER,
        Indication::Failed => RED,
    }
}

/// A time of a record, for people.
pub(super) fn when(text: &str) -> String {
    parse_record_time(text).map_or_else(|| plain(text), french_time)
}
