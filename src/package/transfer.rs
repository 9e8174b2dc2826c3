//! What a record says of a SEDA transfer and of its archive units.
//!
//! A transfer is a deposit of its messages (bordereau, acknowledgement, reply, report of the checks), and each of its
//! archive units a deposit of its own (description, objects): read, found, verified and given a receipt like any other.
//! The units' records come first and the transfer's last: a transfer without its record was not accepted.

use super::safe_integer;
use serde::{Deserialize, Serialize};

/// An archive unit, in the record of its deposit. Its payload 0 is its description: the bordereau's own XML for this unit,
/// without the units it contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The operation: `operation` of the transfer's record.
    pub transfer: String,
    /// The transfer's `MessageIdentifier`.
    pub message: String,
    /// Its identifier in the bordereau.
    pub id: String,
    /// Its place among the units of the bordereau, from 0, in the document's order.
    pub rank: u32,
    /// Identifiers in the bordereau of the units that contain it; none for one at the top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// Archives of earlier transfers that contain it (ARK).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached_to: Vec<String>,
    /// `DescriptionLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// `StartDate`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// `EndDate`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// `OriginatingAgencyIdentifier`: the unit's, or the package's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originating_agency: Option<String>,
    /// Rules that apply to it, inherited ones included, as computed when it was archived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<AppliedRule>,
    /// Its data objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<UnitObject>,
}

/// A rule that applies to a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRule {
    /// `AppraisalRule`, `AccessRule`, …
    pub category: String,
    /// Its identifier in the reference data.
    pub rule: String,
    /// `StartDate`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// When it ends, `YYYY-MM-DD`; none when that cannot be told, or never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// `FinalAction` said beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_action: Option<String>,
    /// Who bears it: the identifier in the bordereau of a unit, or nobody for the whole package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// A data object of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitObject {
    /// Its identifier in the bordereau.
    pub id: String,
    /// Its group, when it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Usage and version: `BinaryMaster_1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// Which payload of the record holds it; none for a physical object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<u32>,
    /// `Uri`: its place in the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// `PhysicalId`, for a physical object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
}

/// A transfer, in the record that makes it accepted or refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The operation's identifier: a UUID made from the agency and from the digest of what was sent.
    pub operation: String,
    /// `MessageIdentifier`, when the bordereau could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Version of the standard: `2.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `OK`, `WARNING` or `KO`; `Test OK`… for a transfer that only asked for the checks.
    pub outcome: String,
    /// `ArchivalAgency`, as the bordereau names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archival_agency: Option<String>,
    /// `TransferringAgency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferring_agency: Option<String>,
    /// `OriginatingAgencyIdentifier` of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originating_agency: Option<String>,
    /// `SubmissionAgencyIdentifier` of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission_agency: Option<String>,
    /// `ArchivalAgreement`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// `ArchivalProfile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What was received: the package, then the attachments when they came apart. Not kept as such: its content is.
    pub received: Vec<Received>,
    /// Archive units archived.
    pub units: u32,
    /// Data objects archived.
    pub objects: u32,
    /// Which payload is what.
    pub documents: TransferDocuments,
}

/// A file received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    #[serde(deserialize_with = "safe_integer")]
    pub size_bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Which payload of a transfer's record is what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferDocuments {
    /// The bordereau, byte for byte; only for a transfer accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<u32>,
    /// The units, a JSON line each in the bordereau's order ([`UnitLine`]); only for a transfer accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u32>,
    /// Every check and its outcome, JSON.
    pub report: u32,
    /// The acknowledgement, XML, where the version has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<u32>,
    /// The reply, XML.
    pub reply: u32,
    /// The archive's seal over the reply: CMS SignedData (DER) that carries it.
    pub seal: u32,
}

/// A unit of an accepted transfer, a line of the payload [`TransferDocuments::units`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitLine {
    /// Its identifier in the bordereau.
    pub id: String,
    /// Its archive (ARK): that of the existing unit for one that stands for it.
    pub archive: String,
    /// The archive's place in the log.
    #[serde(deserialize_with = "safe_integer")]
    pub index: u64,
    /// Identifiers of the units that contain it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// `DescriptionLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It stands for a unit of an earlier transfer, and was not archived again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
    /// First byte of its element in the bordereau, as UTF-8 without byte order mark.
    #[serde(deserialize_with = "safe_integer")]
    pub start: u64,
    /// The byte after its element.
    #[serde(deserialize_with = "safe_integer")]
    pub end: u64,
}
