//! The attestation d'archivage: one page in French that says what an archive holds since when, for people who want paper. What
//! proves it is the receipt attached to it.

use super::pdf::when;
use super::sheet::{BLUE, INK, MARGIN, QUIET, Sheet, style};
use crate::package::Payload;
use crate::receipt::{Receipt, ReceiptError, french_size};
use crate::spec::pdfa::{Attachment, Description, Document, Face, Relation};
use crate::spec::tlog::encode_hash;
use crate::verify::{self, CheckName, Outcome, Trust};
use time::OffsetDateTime;

/// Documents named one by one; more are counted.
const DOCUMENTS_MAX: usize = 6;

/// What an attestation is made from.
#[derive(Debug)]
pub struct Attestation<'a> {
    /// The receipt: it goes along.
    pub receipt: &'a Receipt,
    /// The agency's name, when it is known.
    pub agency_name: Option<&'a str>,
    /// Who attests: the log's origin.
    pub origin: &'a str,
    /// When it is made.
    pub at: OffsetDateTime,
}

/// Why there is nothing to attest.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// The receipt is not readable, or cannot be written.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The record describes no deposit.
    #[error("cet enregistrement ne décrit aucun document archivé")]
    NoDeposit,
    /// A check of the receipt does not hold.
    #[error("le récépissé ne tient pas : {0}")]
    Refused(String),
}

/// The document: write it with [`Document::write_for_seal`]. Nothing is attested that the receipt does not prove now.
pub fn attestation(asked: &Attestation<'_>, trust: &Trust) -> Result<Document, AttestationError> {
    let receipt = asked.receipt;
    let report = verify::receipt(receipt, trust);
    if let Some(wrong) = report.checks.iter().find(|check| check.outcome != Outcome::Valid) {
        return Err(AttestationError::Refused(format!("{} : {}", wrong.name.label(), wrong.detail)));
    }
    let record = receipt.record().map_err(|_| AttestationError::NoDeposit)?;
    let deposit = record.deposit().ok_or(AttestationError::NoDeposit)?;
    let mut sheet = Sheet::new(&format!("{} — archives électroniques", super::sheet::plain(asked.origin)));
    title(&mut sheet);
    let agency = match asked.agency_name {
        Some(name) => format!("{name} ({})", record.agency),
        None => record.agency.clone(),
    };
    let text = format!(
        "Le service d’archivage électronique {} atteste avoir reçu du service versant {agency}, le {}, et conserver depuis lors, les documents \
         désignés ci-dessous, dont l’empreinte est inscrite à son journal.",
        asked.origin,
        when(&record.time)
    );
    sheet.paragraph(MARGIN, 34.0, style(Face::Sans, 10.5, INK), &text, 6);
    sheet.heading("L’archive");
    sheet.field("Identifiant", &receipt.archive.to_string(), Face::Mono);
    sheet.field("Intitulé", &deposit.title, Face::Sans);
    sheet.field("Type, règle", &format!("{}, {}", deposit.document_type, deposit.rule), Face::Sans);
    if let Some(reference) = &deposit.external_id {
        sheet.field("Référence", reference, Face::Sans);
    }
    sheet.heading("Les documents");
    let shown = if deposit.payloads.len() > DOCUMENTS_MAX { DOCUMENTS_MAX - 1 } else { DOCUMENTS_MAX };
    deposit.payloads.iter().take(shown).for_each(|payload| document(&mut sheet, payload));
    if let Some(more) = deposit.payloads.len().checked_sub(shown).filter(|more| *more > 0) {
        let text = format!("… et {more} autres, dans le récépissé joint.");
        sheet.paragraph(MARGIN, 16.0, style(Face::Sans, 9.5, INK), &text, 1);
    }
    proofs(&mut sheet, receipt, &report);
    how_to_check(&mut sheet);
    let json = receipt.to_json()?;
    let digest = crate::digest::sha256(&json);
    Ok(Document {
        described: Description {
            title: "Attestation d’archivage".to_owned(),
            author: asked.origin.to_owned(),
            subject: receipt.archive.to_string(),
            language: "fr-FR".to_owned(),
            created: asked.at,
            producer: concat!("archiland ", env!("CARGO_PKG_VERSION")).to_owned(),
        },
        id: std::array::from_fn(|n| digest[n]),
        pages: sheet.finish(),
        attachments: vec![Attachment {
            name: "recepisse.json".to_owned(),
            description: "Le récépissé : la preuve, vérifiable hors ligne".to_owned(),
            media_type: "application/json",
            relation: Relation::Source,
            content: json,
        }],
    })
}

fn title(sheet: &mut Sheet) {
    sheet.down(24.0, 0.0);
    let y = sheet.y();
    sheet.page().text_centred(y, style(Face::Title, 24.0, BLUE), "Attestation d’archivage");
    sheet.page().rule(220.0, 375.0, y + 14.0, 1.2, BLUE);
}

fn document(sheet: &mut Sheet, payload: &Payload) {
    sheet.down(0.0, 34.0);
    let size = french_size(payload.size_bytes);
    let text = format!("{} ({size}, {})", payload.name, payload.media_type);
    sheet.paragraph(MARGIN, 16.0, style(Face::Sans, 9.5, INK), &text, 1);
    sheet.paragraph(MARGIN + 12.0, 11.5, style(Face::Mono, 7.5, QUIET), &format!("SHA-256 {}", payload.sha256), 1);
}

fn proofs(sheet: &mut Sheet, receipt: &Receipt, report: &verify::Report) {
    sheet.heading("Les preuves");
    if let Ok(checkpoint) = receipt.unverified_checkpoint() {
        sheet.field("Journal", &format!("{} de {} entrées", checkpoint.origin, checkpoint.size), Face::Sans);
        sheet.field("Entrée", &format!("n° {}", receipt.index), Face::Sans);
        sheet.field("Racine", &encode_hash(&checkpoint.root), Face::Mono);
    }
    for (name, label) in [(CheckName::Timestamp, "Horodatage"), (CheckName::Seal, "Cachet")] {
        if let Some(check) = report.check(name) {
            sheet.field(label, &check.detail, Face::Sans);
        }
    }
}

fn how_to_check(sheet: &mut Sheet) {
    sheet.heading("La vérifier");
    let text = "La preuve est le récépissé joint à ce fichier (recepisse.json). Avec le document et le fichier de confiance remis \
                par l’archive (trust.toml), « archiland verify DOCUMENT --receipt recepisse.json » le vérifie sans réseau et sans \
                l’archive ; ce fichier PDF porte de plus le cachet de l’archive. Sur papier, cette page n’est qu’un rappel.";
    sheet.paragraph(MARGIN, 16.0, style(Face::Sans, 8.5, INK), text, 6);
}
