//! The integrity report of archives (eIDAS art. 45j, Implementing Regulation (EU) 2025/2532): what was received, when, from
//! whom, and every check of it made again, each with its own indication; and the printable attestation d'archivage.
//!
//! * [`Examiner`] makes the checks again from the bucket: documents re-read, inclusion, consistency since the deposit,
//!   time-stamps, seal, evidence. It reads what a proof needs, which grows with the logarithm of the log, and counts it;
//! * [`Report`] is what it found, as canonical JSON (RFC 8785); [`SealedReport`] the same under the archive's seal;
//! * [`to_pdf`] sets it in type, and [mod@attestation] sets a receipt, both as PDF/A-3b with the JSON attached and room for the seal.
//!
//! What signatures in the documents are worth now is said by whoever validates them: [`ArchiveReport::judge_signatures`].

mod attestation;
mod counted;
mod examine;
mod pdf;
mod sealed;
mod sheet;

pub use attestation::{Attestation, AttestationError, attestation};
pub use counted::Reads;
pub use examine::{Examiner, Subject};
pub use pdf::to_pdf;
pub use sealed::{REPORT_BYTES_MAX, SealedReport, SealedReportError};

use crate::package::safe_integer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most archives in one report.
pub const ARCHIVES_MAX: usize = 500;

/// The most bytes of documents read again for a report on several archives.
pub const DOCUMENTS_BYTES_MAX: u64 = 4 << 30;

/// What a check, or all of them, came to. In the order of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Indication {
    /// It holds.
    Passed,
    /// What is at hand does not suffice to say.
    Indeterminate,
    /// It does not hold.
    Failed,
}

impl Indication {
    /// For people.
    pub fn french(self) -> &'static str {
        match self {
            Self::Passed => "conforme",
            Self::Indeterminate => "indéterminé",
            Self::Failed => "NON CONFORME",
        }
    }

    /// The worst of several; `None` of none.
    fn worst(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().max()
    }
}

/// The checks, by their stable names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// The record is there, can be read, and has the place that the identifier says.
    Record,
    /// A document was read again, whole: its length, SHA-256 and SHA-512 are those of the record.
    Document,
    /// The checkpoint of the deposit is signed by the log's key.
    Checkpoint,
    /// The record's entry is in the log at the checkpoint of the deposit.
    Inclusion,
    /// The log of today extends the log of the deposit.
    Consistency,
    /// A time-stamp over the checkpoint of the deposit.
    Timestamp,
    /// A time-stamp of another authority, over the first checkpoint it stamped since the deposit.
    ExternalTimestamp,
    /// The seal over the checkpoint of the deposit.
    Seal,
    /// The evidence record (RFC 4998) of the documents just read.
    Evidence,
    /// What the signatures in the documents were worth at deposit, as recorded then.
    SignaturesAtDeposit,
    /// What they are worth now, known to have existed since the deposit.
    SignaturesNow,
}

impl CheckKind {
    /// For people.
    pub fn french(self) -> &'static str {
        match self {
            Self::Record => "Enregistrement",
            Self::Document => "Document relu",
            Self::Checkpoint => "Signature du journal",
            Self::Inclusion => "Présence au journal",
            Self::Consistency => "Continuité du journal",
            Self::Timestamp => "Horodatage",
            Self::ExternalTimestamp => "Horodatage externe",
            Self::Seal => "Cachet",
            Self::Evidence => "Dossier de preuve",
            Self::SignaturesAtDeposit => "Signatures au dépôt",
            Self::SignaturesNow => "Signatures ce jour",
        }
    }

    /// About the signatures that authors put in documents, for which the archive does not answer.
    pub fn is_about_signatures(self) -> bool {
        matches!(self, Self::SignaturesAtDeposit | Self::SignaturesNow)
    }
}

/// A check and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Which.
    pub check: CheckKind,
    /// Of what, where there are several: the name of a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whether it holds.
    pub indication: Indication,
    /// What was found, in French.
    pub detail: String,
}

impl Line {
    /// A check that came to this.
    pub fn new(check: CheckKind, indication: Indication, detail: impl Into<String>) -> Self {
        Self { check, subject: None, indication, detail: detail.into() }
    }
}

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Received {
    /// When, by the archive's clock (RFC 3339, milliseconds).
    pub time: String,
    /// By when at the latest, by the time-stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existed: Option<String>,
    /// From whom: the agency's code.
    pub agency: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency_name: Option<String>,
    /// Through which credential.
    pub actor: String,
    /// What a reader would call it.
    pub title: String,
    /// Document type.
    #[serde(rename = "type")]
    pub document_type: String,
    /// Retention rule.
    pub rule: String,
    /// The producer's own identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The SEDA transfer it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// The documents.
    pub documents: Vec<ReceivedDocument>,
}

/// A document received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceivedDocument {
    /// Its name.
    pub name: String,
    /// Length in bytes.
    #[serde(deserialize_with = "safe_integer")]
    pub size_bytes: u64,
    /// SHA-256 at deposit.
    pub sha256: String,
    /// SHA-512 at deposit.
    pub sha512: String,
    /// Media type.
    pub media_type: String,
    /// PRONOM identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub puid: Option<String>,
}

/// What was found of one archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveReport {
    /// Its identifier (ARK).
    pub archive: String,
    /// Index of its entry in the log.
    #[serde(deserialize_with = "safe_integer")]
    pub index: u64,
    /// The worst of the checks that the archive answers for.
    pub indication: Indication,
    /// The worst of those about signatures in the documents, when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<Indication>,
    /// What was received; absent when the record cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Received>,
    /// Every check, in the order made.
    pub checks: Vec<Line>,
    /// Objects of the log and lists of names read for its proofs, documents left out.
    pub reads: Reads,
}

impl ArchiveReport {
    /// Adds what the signatures in the documents were found to be worth.
    pub fn judge_signatures(&mut self, lines: Vec<Line>) {
        self.checks.extend(lines);
        self.conclude();
    }

    fn conclude(&mut self) {
        let of = |signatures: bool| {
            let lines = self.checks.iter().filter(move |line| line.check.is_about_signatures() == signatures);
            Indication::worst(lines.map(|line| line.indication))
        };
        (self.indication, self.signatures) = (of(false).unwrap_or(Indication::Indeterminate), of(true));
    }

    /// The first check of a kind.
    pub fn check(&self, kind: CheckKind) -> Option<&Line> {
        self.checks.iter().find(|line| line.check == kind)
    }
}

/// The log as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObservedLog {
    /// Its origin.
    pub origin: String,
    /// Entries.
    #[serde(deserialize_with = "safe_integer")]
    pub size: u64,
    /// The published checkpoint, a C2SP signed note; empty when there is none.
    pub checkpoint: String,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Format version: 1.
    pub v: u8,
    /// `integrity-report`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the checks were made (RFC 3339, milliseconds).
    pub time: String,
    /// Who asked.
    pub asked_by: String,
    /// What was asked for, in French.
    pub scope: String,
    /// The program that made it.
    pub producer: String,
    /// The log relied on.
    pub log: ObservedLog,
    /// The worst of the archives'.
    pub indication: Indication,
    /// The worst of what is said of signatures in the documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<Indication>,
    /// The archives, in the order asked for.
    pub archives: Vec<ArchiveReport>,
}

/// The `type` of a [`Report`].
pub const REPORT_TYPE: &str = "integrity-report";

impl Report {
    /// A report of these archives.
    pub fn new(time: String, asked_by: String, scope: String, log: ObservedLog, archives: Vec<ArchiveReport>) -> Self {
        let indication = Indication::worst(archives.iter().map(|archive| archive.indication));
        Self {
            v: 1,
            kind: REPORT_TYPE.to_owned(),
            time,
            asked_by,
            scope,
            producer: concat!("archiland ", env!("CARGO_PKG_VERSION")).to_owned(),
            log,
            indication: indication.unwrap_or(Indication::Indeterminate),
            signatures: Indication::worst(archives.iter().filter_map(|archive| archive.signatures)),
            archives,
        }
    }

    /// Canonical JSON (RFC 8785): what is sealed.
    pub fn to_canonical(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json_canonicalizer::to_vec(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::receipt::printable;
        writeln!(f, "Rapport d'intégrité du {} ({})", printable(&self.time), printable(&self.scope))?;
        writeln!(f, "  Journal {} de {} entrées", printable(&self.log.origin), self.log.size)?;
        for archive in &self.archives {
            let title =
                archive.received.as_ref().map_or("enregistrement illisible", |received| received.title.as_str());
            writeln!(f, "\n{}  {} : {}", printable(&archive.archive), printable(title), archive.indication.french())?;
            for line in &archive.checks {
                let subject = line.subject.as_ref().map_or_else(String::new, |s| format!("{} : ", printable(s)));
                let detail = printable(&line.detail);
                writeln!(f, "  {:<22} {:<13} {subject}{detail}", line.check.french(), line.indication.french())?;
            }
        }
        writeln!(f, "\nIntégrité : {}", self.indication.french())?;
        match self.signatures {
            Some(signatures) => writeln!(f, "Signatures des documents : {}", signatures.french()),
            None => Ok(()),
        }
    }
}
