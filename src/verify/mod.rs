//! Checking a receipt and its document: no network, no archive, no clock. What is relied on is in [`Trust`], and nowhere
//! else.
//!
//! Each check is named and reported, whether or not another one failed, so that a refusal says what is wrong. The time
//! that counts for certificates is the timestamp's, so that a receipt stays checkable after they expire.

mod evidence;
mod keys;
mod payload;
mod sealed;
mod trust;

pub use evidence::{EvidenceProof, EvidenceRefusal, evidence};
pub use keys::TrustedKey;
pub use payload::{Measure, measure};
pub use sealed::seal_beside;
pub use trust::{Trust, TrustError};

use crate::clock::parse_record_time;
use crate::package::{Payload, Record, entry_of};
use crate::receipt::{Receipt, french_size, french_time, printable};
use crate::spec::cms::{self, SignedData};
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::leaf_hash;
use crate::spec::tlog::note::{Note, Signature};
use crate::spec::tlog::proof::verify_inclusion;
use crate::spec::tsp::{self, TspError};
use crate::timestamp::KeyUse;
use keys::{Standing, standing, witnessed_before};
use serde::Serialize;
use std::fmt;
use std::path::Path;
use time::OffsetDateTime;

/// What a check, or all of them, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Valid,
    /// The input could not be read, so that nothing is known.
    Unusable,
    /// It does not hold.
    Invalid,
}

impl Outcome {
    /// 0 valid, 1 invalid, 2 unusable: the exit code of `archiland verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Unusable => 2,
        }
    }
}

/// The checks, by their stable names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    /// The record can be read and has the place that the identifier says.
    Record,
    /// The checkpoint is the trusted log's, signed by a trusted key.
    Checkpoint,
    /// Enough witnesses cosigned the checkpoint.
    Witnesses,
    /// The record's entry is in the log at that checkpoint.
    Inclusion,
    /// A trusted authority saw the checkpoint's text at a time.
    Timestamp,
    /// The archive sealed the signed checkpoint.
    Seal,
    /// The file is one of the record's documents.
    Payload,
}

impl CheckName {
    /// The check's name for people, in French.
    pub fn label(self) -> &'static str {
        match self {
            Self::Record => "Enregistrement",
            Self::Checkpoint => "Signature du journal",
            Self::Witnesses => "Témoins",
            Self::Inclusion => "Présence au journal",
            Self::Timestamp => "Horodatage",
            Self::Seal => "Cachet",
            Self::Payload => "Document",
        }
    }
}

/// One check and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which.
    pub name: CheckName,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What was found, in French, fit for a terminal.
    pub detail: String,
}

/// Every check made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst of the checks.
    pub outcome: Outcome,
    /// In the order made.
    pub checks: Vec<Check>,
}

impl Report {
    fn of(checks: Vec<Check>) -> Self {
        let outcome = checks.iter().map(|check| check.outcome).max().unwrap_or(Outcome::Unusable);
        Self { outcome, checks }
    }

    /// The check of a name, when it was made (the first one, of several timestamps).
    pub fn check(&self, name: CheckName) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let verdict = match check.outcome {
                Outcome::Valid => "conforme",
                Outcome::Invalid => "NON CONFORME",
                Outcome::Unusable => "ILLISIBLE",
            };
            writeln!(f, "  {:<21} {verdict:<13} {}", check.name.label(), check.detail)?;
        }
        f.write_str(match self.outcome {
            Outcome::Valid => "Récépissé valide.\n",
            Outcome::Invalid => "RÉCÉPISSÉ REFUSÉ : voir les lignes « NON CONFORME ».\n",
            Outcome::Unusable => "VÉRIFICATION IMPOSSIBLE : voir les lignes « ILLISIBLE ».\n",
        })
    }
}

/// Checks a receipt alone.
pub fn receipt(receipt: &Receipt, trust: &Trust) -> Report {
    Report::of(receipt_checks(receipt, trust))
}

/// Since when `path`, one of the receipt's documents, provably exists: the earliest of its time-stamps that lead to a trusted
/// authority. The report instead, when anything does not hold.
pub fn existence(path: &Path, receipt: &Receipt, trust: &Trust) -> Result<OffsetDateTime, Report> {
    let report = file(path, receipt, trust);
    let text = Note::parse(&receipt.checkpoint).map(|note| note.text).unwrap_or_default();
    let times = receipt
        .timestamps
        .iter()
        .filter_map(|response| Some(tsp::verify_response(response, text.as_bytes(), &trust.anchors).ok()?.time));
    match times.min() {
        Some(time) if report.outcome == Outcome::Valid => Ok(time),
        _ => Err(report),
    }
}

/// Checks a receipt and that `path` is one of its documents.
pub fn file(path: &Path, receipt: &Receipt, trust: &Trust) -> Report {
    let mut checks = receipt_checks(receipt, trust);
    checks.push(match measure(path) {
        Ok(found) => payload_check(receipt, &found),
        Err(error) => Check {
            name: CheckName::Payload,
            outcome: Outcome::Unusable,
            detail: format!("{} : {error}", printable(&path.display().to_string())),
        },
    });
    Report::of(checks)
}

/// Checks a receipt and that a document measured elsewhere is one of its documents.
pub fn measured(found: &Measure, receipt: &Receipt, trust: &Trust) -> Report {
    let mut checks = receipt_checks(receipt, trust);
    checks.push(payload_check(receipt, found));
    Report::of(checks)
}

/// The result of one check: what was found, or why it does not hold.
type Finding = Result<String, String>;

fn receipt_checks(receipt: &Receipt, trust: &Trust) -> Vec<Check> {
    let mut checks = Vec::with_capacity(7);
    let mut add = |name, finding: Finding| {
        let (outcome, detail) = match finding {
            Ok(detail) => (Outcome::Valid, detail),
            Err(detail) => (Outcome::Invalid, detail),
        };
        checks.push(Check { name, outcome, detail });
    };
    add(CheckName::Record, record_check(receipt));
    let note = match Note::parse(&receipt.checkpoint) {
        Ok(note) => note,
        Err(error) => {
            // Everything below is about the checkpoint.
            add(CheckName::Checkpoint, Err(error.to_string()));
            return checks;
        }
    };
    add(CheckName::Checkpoint, checkpoint_check(&note, trust));
    if trust.witness_quorum > 0 {
        add(CheckName::Witnesses, witness_check(&note, trust));
    }
    add(CheckName::Inclusion, inclusion_check(receipt, &note));
    let (stamped_at, stamps) = timestamp_checks(receipt, &note, trust);
    for finding in stamps {
        add(CheckName::Timestamp, finding);
    }
    add(CheckName::Seal, seal_check(receipt, trust, stamped_at));
    checks
}

/// Every token, and the earliest time that one of them gives.
fn timestamp_checks(receipt: &Receipt, note: &Note, trust: &Trust) -> (Option<OffsetDateTime>, Vec<Finding>) {
    let infos: Vec<_> = receipt
        .timestamps
        .iter()
        .map(|response| {
            let info = tsp::verify_response(response, note.text.as_bytes(), &trust.anchors)?;
            let standing = standing(trust, &info.signer, KeyUse::Tsa, info.time);
            Ok((info, standing))
        })
        .collect();
    let good = infos.iter().filter_map(|info: &Result<_, TspError>| match info {
        Ok((info, Standing::Good)) => Some(info.time),
        _ => None,
    });
    let good_at: Option<OffsetDateTime> = good.min();
    let mut stamped_at = good_at;
    let mut findings = Vec::new();
    for info in infos {
        findings.push(match info {
            // A token that nobody here vouches for adds nothing to one that somebody does, and takes nothing away.
            Err(TspError::Path(why)) if stamped_at.is_some() => {
                Ok(format!("jeton de plus, non compté : {}", printable(&why.to_string())))
            }
            Err(error) => Err(error.to_string()),
            Ok((info, standing)) => {
                let authority = printable(info.signer.subject());
                let told = format!("{} par {authority} (jeton n° {})", french_time(info.time), info.serial);
                match standing {
                    Standing::Good => Ok(told),
                    Standing::Worthless(why) => Err(format!("{told} : {why}")),
                    Standing::Doubtful(since)
                        if good_at.is_some_and(|at| at < since) || witnessed_before(note, trust, since) =>
                    {
                        stamped_at = stamped_at.or(Some(info.time));
                        Ok(format!("{told} ; clé compromise depuis le {}, une autre preuve date ce point de contrôle d'avant", french_time(since)))
                    }
                    Standing::Doubtful(since) => Err(format!(
                        "{told} : clé compromise depuis le {}, et rien d'autre ne date ce point de contrôle d'avant (jeton d'une autre autorité, témoin) ; redemandez ce récépissé à l'archive",
                        french_time(since)
                    )),
                }
            }
        });
    }
    (stamped_at, findings)
}

fn record_check(receipt: &Receipt) -> Finding {
    let record = receipt.record().map_err(|e| e.to_string())?;
    if receipt.archive.index() != receipt.index {
        return Err(format!(
            "l'identifiant désigne l'entrée {} et le récépissé l'entrée {}",
            receipt.archive.index(),
            receipt.index
        ));
    }
    let time = parse_record_time(&record.time).map_or_else(|| printable(&record.time), french_time);
    Ok(format!("{}, collectivité {}, versé le {time}", receipt.archive, printable(&record.agency)))
}

fn checkpoint_check(note: &Note, trust: &Trust) -> Finding {
    let signed = note.open(&trust.log_keys).map_err(|e| e.to_string())?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(|e| e.to_string())?;
    if checkpoint.origin != trust.origin {
        return Err(format!("journal « {} » au lieu de « {} »", printable(&checkpoint.origin), trust.origin));
    }
    let key = signed.first().map(|v| hex::encode(v.key.id())).unwrap_or_default();
    Ok(format!("journal {} de {} entrées, clé {key}", checkpoint.origin, checkpoint.size))
}

fn witness_check(note: &Note, trust: &Trust) -> Finding {
    let found = note.open(&trust.witness_keys).map_err(|e| e.to_string())?.len();
    let text = format!("{found} cosignatures de témoins pour {} demandées", trust.witness_quorum);
    if found >= trust.witness_quorum { Ok(text) } else { Err(text) }
}

fn inclusion_check(receipt: &Receipt, note: &Note) -> Finding {
    let checkpoint = Checkpoint::parse(&note.text).map_err(|e| e.to_string())?;
    let leaf = leaf_hash(&entry_of(&receipt.record));
    verify_inclusion(receipt.index, &leaf, checkpoint.size, &receipt.proof, &checkpoint.root)
        .map_err(|e| format!("l'enregistrement n'est pas à cette place du journal : {e}"))?;
    Ok(format!("entrée n° {} sur {}, {} empreintes", receipt.index, checkpoint.size, receipt.proof.len()))
}

/// The seal is checked at the timestamp's time; without one, at the time it claims, for what the report says of it.
fn seal_check(receipt: &Receipt, trust: &Trust, stamped_at: Option<OffsetDateTime>) -> Finding {
    let claimed = || SignedData::parse(&receipt.seal).ok()?.signers.first()?.signing_time().ok()?;
    let at = stamped_at.or_else(claimed).ok_or("aucune date à laquelle vérifier le certificat du cachet")?;
    let seal = cms::verify_attached(&receipt.seal, &trust.anchors, at).map_err(|e| e.to_string())?;
    match standing(trust, &seal.signer, KeyUse::Seal, at) {
        Standing::Good => {}
        Standing::Doubtful(_) if stamped_at.is_some() => {}
        Standing::Doubtful(_) => {
            return Err("clé de cachet compromise, et aucun horodatage ne date ce cachet".to_owned());
        }
        Standing::Worthless(why) => return Err(why),
    }
    if !is_sealed_note(&seal.content, &receipt.checkpoint) {
        return Err("le cachet porte sur un autre point de contrôle".to_owned());
    }
    Ok(format!("par {}", printable(seal.signer.subject())))
}

/// Whether a checkpoint is the note that was sealed, to the byte, but for cosignatures of witnesses: they come after the
/// seal, so they alone may stand under what was sealed. A note cut short, with another text, or with any other line added
/// is not.
fn is_sealed_note(sealed: &[u8], checkpoint: &str) -> bool {
    let Ok(sealed) = std::str::from_utf8(sealed) else { return false };
    if sealed == checkpoint {
        return true;
    }
    let (Some(added), Ok(before), Ok(whole)) =
        (checkpoint.strip_prefix(sealed), Note::parse(sealed), Note::parse(checkpoint))
    else {
        return false;
    };
    // The prefix ends a line, so that no signature was made longer, and the text is the same.
    let added_lines = whole.signatures.get(before.signatures.len()..).unwrap_or_default();
    !added.is_empty()
        && sealed.ends_with('\n')
        && before.text == whole.text
        && whole.signatures.starts_with(&before.signatures)
        && added_lines.iter().all(Signature::has_cosignature_form)
}

fn payload_check(receipt: &Receipt, found: &Measure) -> Check {
    let (outcome, detail) = match receipt.record().map_err(|e| e.to_string()).and_then(|r| payload_finding(&r, found)) {
        Ok(detail) => (Outcome::Valid, detail),
        Err(detail) => (Outcome::Invalid, detail),
    };
    Check { name: CheckName::Payload, outcome, detail }
}

fn payload_finding(record: &Record, found: &Measure) -> Finding {
    let payloads = record.deposit().map(|deposit| deposit.payloads.as_slice()).unwrap_or_default();
    let sha256 = hex::encode(found.sha256);
    let is = |p: &&Payload| p.sha256.eq_ignore_ascii_case(&sha256) && p.size_bytes == found.size_bytes;
    if let Some(payload) = payloads.iter().find(is) {
        let size = french_size(payload.size_bytes);
        return Ok(format!("{} ({size}), SHA-256 {sha256}", printable(&payload.name)));
    }
    match payloads {
        [] => Err("l'enregistrement ne décrit aucun document".to_owned()),
        [only] if only.size_bytes != found.size_bytes => Err(format!(
            "le fichier fait {} ; le document archivé, « {} », en fait {}",
            french_size(found.size_bytes),
            printable(&only.name),
            french_size(only.size_bytes)
        )),
        [only] => Err(format!(
            "SHA-256 du fichier {sha256} ; celui du document archivé, « {} », est {}",
            printable(&only.name),
            printable(&only.sha256)
        )),
        several => Err(format!("SHA-256 du fichier {sha256} : aucun des {} documents archivés", several.len())),
    }
}

#[cfg(test)]
mod tests;
