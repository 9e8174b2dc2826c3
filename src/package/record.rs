//! The record: what the log commits to about one event, as canonical JSON (RFC 8785).
//!
//! A record's bytes never change once committed; readers keep the bytes and parse a view of them. The random salt makes
//! the log entry meaningless to whoever lacks the record (invariant I5).

use super::transfer::{Transfer, Unit};
use super::{
    Delivered, DeliveryAuthorization, DeliveryRequested, Eliminated, EliminationCompleted, Modified, ReferentialChange,
};
use crate::digest::Digests;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Length in bytes of a log entry: version, SHA-256 and SHA-512 of the record.
pub const ENTRY_LEN: usize = 1 + 32 + 64;

/// The longest record accepted, in bytes.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// The log entry of a record: `0x01 ‖ SHA-256(record) ‖ SHA-512(record)`.
pub fn entry_of(record: &[u8]) -> [u8; ENTRY_LEN] {
    let digests = Digests::of(record);
    let mut entry = [0x01; ENTRY_LEN];
    entry[1..33].copy_from_slice(&digests.sha256);
    entry[33..].copy_from_slice(&digests.sha512);
    entry
}

/// One event in the life of the archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Format version: 1.
    pub v: u8,
    /// UTC, milliseconds, `2026-11-23T20:06:13.042Z` (see [`crate::clock`]).
    pub time: String,
    /// The agency the event belongs to.
    pub agency: String,
    /// Who did it: `token:<id>`, `certificate:<fingerprint>` or `system:<command>`.
    pub actor: String,
    /// A UUIDv7 of the record itself, given at admission; the archive's ARK comes from its place in the log.
    pub id: Uuid,
    /// ARKs of earlier records this one is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// 32 random bytes, hexadecimal.
    pub salt: String,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What happened, by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case")]
// Most records are deposits: a box would be one more allocation for each.
#[allow(clippy::large_enum_variant)]
pub enum Body {
    /// Documents were archived.
    Deposit(Deposit),
    /// A deposit was refused.
    Refusal {
        /// The stable code of the problem document.
        code: String,
        /// The French sentence given to the depositor; it quotes nothing of the document.
        detail: String,
    },
    /// An agency may use the archive from now on (or its name changed).
    AgencyRegistered(Agency),
    /// An API token or client certificate was accepted.
    TokenIssued(TokenIssued),
    /// A token is worth nothing from now on.
    TokenRevoked(TokenRevoked),
    /// Time-stamp tokens are about to be issued.
    Timestamps(Timestamps),
    /// Evidence is about to be renewed.
    EvidenceRenewal(EvidenceRenewal),
    /// A list of reference data was changed.
    ReferentialChanged(Box<ReferentialChange>),
    /// Archives were asked for.
    DeliveryRequested(Box<DeliveryRequested>),
    /// The control authority said whether they may be given.
    DeliveryAuthorization(Box<DeliveryAuthorization>),
    /// They are about to be given.
    Delivered(Box<Delivered>),
    /// The title or the rules of an archive changed.
    Modified(Box<Modified>),
    /// Leave was asked to eliminate archives.
    EliminationRequested(Box<DeliveryRequested>),
    /// The control authority gave its visa, or refused it.
    EliminationAuthorization(Box<DeliveryAuthorization>),
    /// Archives are about to be eliminated.
    Eliminated(Box<Eliminated>),
    /// Their bytes are no more.
    EliminationCompleted(EliminationCompleted),
    /// A transmission to the accountant was received, or its state changed.
    Transmission(super::Transmission),
    /// Another key is about to sign tokens or seals.
    KeyChanged(KeyChanged),
    /// A key is not to be relied on from a date on.
    KeyRevoked(KeyRevoked),
}

/// A key that is about to take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChanged {
    /// `tsa` or `seal`.
    #[serde(rename = "use")]
    pub key_use: String,
    /// The new certificate, DER in base64.
    pub certificate: String,
    /// SHA-256 of it, hexadecimal.
    pub fingerprint: String,
    /// Fingerprint of the certificate whose key signed until now.
    pub replaces: String,
    /// Whether the checkpoint that covers this record was signed by the old key. Not when the old one could sign no more.
    pub overlap: bool,
}

/// A key that is not to be relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRevoked {
    /// `tsa` or `seal`.
    #[serde(rename = "use")]
    pub key_use: String,
    /// Fingerprint of its certificate.
    pub fingerprint: String,
    /// From when (RFC 3339, milliseconds).
    pub since: String,
    /// `compromise` or `superseded`.
    pub reason: String,
}

/// An archived deposit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deposit {
    /// What a reader would call it.
    pub title: String,
    /// Code of the document type (`policies/document-types.toml`).
    pub document_type: String,
    /// Code of the retention rule (`policies/retention.toml`).
    pub rule: String,
    /// The producer's own identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Free description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Dates of the document itself.
    #[serde(default, skip_serializing_if = "Dates::is_empty")]
    pub dates: Dates,
    /// People and bodies with a role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Agent>,
    /// Related archives or outside references.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// SHA-256 (hexadecimal) of `agency ‖ 0x00 ‖ idempotency key`, when the depositor gave a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<String>,
    /// SHA-256 (hexadecimal) of what was asked: canonical metadata and payload digests; tells a retry from a reuse.
    pub content: String,
    /// The documents, in the order received; after them the reports of their validation.
    pub payloads: Vec<Payload>,
    /// What their signatures were worth at deposit, when there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<Box<Signatures>>,
    /// The archive unit it is, when it came in a SEDA transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Box<Unit>>,
    /// The SEDA transfer it is: its payloads are the messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Box<Transfer>>,
    /// What its producer's system says of it, when it came by a producer profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produced: Option<Box<super::Produced>>,
}

/// The indication of a deposit whose signatures were not looked at.
pub const NOT_VALIDATED: &str = "NOT-VALIDATED";

/// The validation of a deposit's signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    /// Main indication of EN 319 102-1: the worst of the documents'; or [`NOT_VALIDATED`].
    pub indication: String,
    /// Its sub-indication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_indication: Option<String>,
    /// Why, in French, unless it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The validation policy applied.
    pub policy: String,
    /// Names of the payloads that are its reports: JSON first, then ETSI TS 119 102-2.
    pub reports: Vec<String>,
}

/// Dates of the document itself, `YYYY-MM-DD`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dates {
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// First day of the period it covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Last day of the period it covers: retention usually counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

impl Dates {
    /// No date at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A person or body with a role towards the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// `author`, `addressee`, `originating-agency`, …
    pub role: String,
    /// Name.
    pub name: String,
}

/// A relation to another archive or to something outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// `replies-to`, `replaces`, `part-of`, …
    pub relation: String,
    /// ARK or other identifier.
    pub target: String,
}

/// One archived document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The name it was received under, a single path component.
    pub name: String,
    /// Length in bytes of the original.
    #[serde(deserialize_with = "safe_integer")]
    pub size_bytes: u64,
    /// SHA-256 of the original, hexadecimal.
    pub sha256: String,
    /// SHA-512 of the original, hexadecimal.
    pub sha512: String,
    /// Format by content: media type.
    pub media_type: String,
    /// Format by content: PRONOM identifier, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub puid: Option<String>,
    /// Where the bytes are.
    pub location: Location,
}

/// Where a payload lies in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Key of the object: a pack (`….tar.zst`) or an object of its own (`….zst`).
    pub object: String,
    /// First byte of the payload's zstd frame within the object.
    #[serde(deserialize_with = "safe_integer")]
    pub offset: u64,
    /// Length of that frame in bytes.
    #[serde(deserialize_with = "safe_integer")]
    pub length: u64,
}

/// An agency: a local authority or the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agency {
    /// Code: SIREN, INSEE code or a short name; `[a-z0-9-]{1,64}`.
    pub code: String,
    /// Official name.
    pub name: String,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Deposit documents for the agency.
    Deposit,
    /// Read the agency's archives.
    Read,
    /// Read everything the auditor needs, across agencies.
    Audit,
    /// Administer agencies and tokens.
    Admin,
    /// Follow the agency's transmissions to their archiving: list them, change their state at the archive.
    Archivist,
}

/// An accepted credential; the secret itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIssued {
    /// Public name of the token, to revoke it by.
    pub token: String,
    /// SHA-256 (hexadecimal) of the secret, or of the client certificate's DER.
    pub hash: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Free label.
    pub label: String,
    /// When it ends, in record time; none means until revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// SHA-256 (hexadecimal) of the client certificate without which the secret is worth nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// The end of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevoked {
    /// Public name of the token.
    pub token: String,
}

/// Time-stamp tokens about to be issued, all at the record's own time, or each a microsecond after the one before it where the
/// authority orders its tokens: the intent is in the log before the signatures are
/// made. A token that was never delivered has its place here nevertheless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamps {
    /// Policy, dotted object identifier.
    pub policy: String,
    /// SHA-256 (hexadecimal) of the authority's certificate.
    pub certificate: String,
    /// Serial number of the first token, hexadecimal; each next one adds 1.
    pub serial: String,
    /// What is stamped, in the order of the serial numbers: `sha256:<hexadecimal>`, `sha384:…`, `sha512:…`.
    pub imprints: Vec<String>,
}

/// Evidence about to be renewed: the intent is in the log before the token is asked for. Batches that a stop left out are
/// named again by a later record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRenewal {
    /// `timestamp` (RFC 4998 § 5.2) or `tree` (§ 5.3).
    pub kind: String,
    /// The digest of the tree over the batches: `sha256`, `sha512`.
    pub digest: String,
    /// Its root, hexadecimal: the imprint of the token.
    pub root: String,
    /// Sizes of the log at the end of each batch.
    pub batches: Vec<u64>,
}

/// Why bytes are no record, or a record cannot be written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Not JSON of the expected shape.
    #[error("enregistrement illisible : {0}")]
    Json(#[from] serde_json::Error),
    /// Longer than [`RECORD_BYTES_MAX`].
    #[error("enregistrement de {0} octets, au-delà de la limite de {RECORD_BYTES_MAX}")]
    TooLong(usize),
    /// A format version from the future.
    #[error("version d'enregistrement {0} inconnue")]
    Version(u8),
}

impl Record {
    /// The bytes the log commits to: canonical JSON (RFC 8785).
    pub fn to_canonical(&self) -> Result<Vec<u8>, RecordError> {
        let bytes = serde_json_canonicalizer::to_vec(self)?;
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads a record's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong(bytes.len()));
        }
        let record: Self = serde_json::from_slice(bytes)?;
        if record.v != 1 {
            return Err(RecordError::Version(record.v));
        }
        Ok(record)
    }

    /// The deposit, when the record is one.
    pub fn deposit(&self) -> Option<&Deposit> {
        match &self.body {
            Body::Deposit(deposit) => Some(deposit),
            _ => None,
        }
    }

    /// What the record keeps in the store.
    pub fn payloads(&self) -> &[Payload] {
        match &self.body {
            Body::Deposit(deposit) => &deposit.payloads,
            Body::ReferentialChanged(change) => &change.payloads,
            Body::DeliveryRequested(request) | Body::EliminationRequested(request) => &request.payloads,
            Body::DeliveryAuthorization(answer) | Body::EliminationAuthorization(answer) => &answer.payloads,
            Body::Modified(change) => &change.payloads,
            Body::Eliminated(elimination) => &elimination.payloads,
            _ => &[],
        }
    }
}

/// A fresh salt: 32 random bytes from the operating system, hexadecimal.
pub fn fresh_salt() -> Result<String, ring::error::Unspecified> {
    use ring::rand::SecureRandom;
    let mut salt = [0; 32];
    ring::rand::SystemRandom::new().fill(&mut salt)?;
    Ok(hex::encode(salt))
}

/// Reads an integer that canonical JSON can write: its numbers are doubles, exact up to 2^53 - 1 (RFC 7493 §2.2). One
/// beyond would come back as another.
pub(crate) fn safe_integer<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    const SAFE_MAX: u64 = (1 << 53) - 1;
    let number = u64::deserialize(deserializer)?;
    if number > SAFE_MAX {
        return Err(serde::de::Error::custom(format_args!("{number} dépasse 2^53 - 1")));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        Record {
            v: 1,
            time: "2026-11-23T20:06:13.042Z".into(),
            agency: "200040475".into(),
            actor: "token:t1".into(),
            id: Uuid::nil(),
            references: vec![],
            salt: "00".repeat(32),
            body: Body::Deposit(Deposit {
                title: "Délibération n° 12".into(),
                document_type: "deliberation".into(),
                rule: "permanent".into(),
                content: "ab".repeat(32),
                ..Deposit::default()
            }),
        }
    }

    #[test]
    fn canonical_form_is_sorted_and_reads_back() -> Result<(), RecordError> {
        let bytes = sample().to_canonical()?;
        assert!(bytes.starts_with(br#"{"actor":"token:t1","agency":"200040475","body":{"#));
        assert_eq!(Record::parse(&bytes)?, sample());
        Ok(())
    }

    #[test]
    fn a_record_from_the_future_is_refused() -> Result<(), RecordError> {
        let mut record = sample();
        record.v = 2;
        assert!(matches!(Record::parse(&record.to_canonical()?), Err(RecordError::Version(2))));
        Ok(())
    }

    #[test]
    fn entry_commits_to_both_digests() {
        let entry = entry_of(b"abc");
        assert_eq!(entry[0], 1);
        assert_eq!(entry[1..33], Digests::of(b"abc").sha256);
        assert_eq!(entry[33..], Digests::of(b"abc").sha512);
    }
}
