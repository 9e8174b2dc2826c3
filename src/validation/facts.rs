//! The facts: everything known about one input before anybody judges it.
//!
//! Gatherers ([`super::gather()`]) fill these types and decide nothing beyond the arithmetic; [`super::verdict`] reads
//! them with a policy, trust material and a time. They serialise to the diagnostic report as they are (DER in base64,
//! digests in hexadecimal, times in RFC 3339).

use crate::spec::crypto::{DigestAlgorithm, SignatureAlgorithm};
use serde::{Serialize, Serializer};
use std::fmt;
use time::OffsetDateTime;

/// Everything known about one input.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Facts {
    /// What the input is, by its content.
    pub kind: InputKind,
    /// Its signatures, in the order of the file.
    pub signatures: Vec<SignatureFacts>,
    /// Time-stamps that belong to no single signature: a lone token, a PDF document time-stamp, an ASiC container's.
    pub timestamps: Vec<TimestampFacts>,
    /// Evidence records that belong to no single signature.
    pub evidence_records: Vec<EvidenceRecordFacts>,
    /// A container's or a PDF's own material, usable by every signature (`/DSS`, ASiC-E archive manifests).
    pub material: Material,
    /// The members of a container, or the units of a PES: what there is to be covered.
    pub members: Vec<Coverage>,
    /// What is wrong or noteworthy about the input as a whole.
    pub faults: Vec<Fault>,
}

/// What an input is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// XML with or without signatures
    Xml,
    /// A PES v2 (`PES_Aller`)
    Pes,
    /// CMS SignedData, DER, BER or PEM
    Cms,
    /// PDF
    Pdf,
    /// A ZIP container with `META-INF` signatures, OpenDocument included
    Asic,
    /// RFC 3161 token or response
    Timestamp,
    /// RFC 4998 evidence record
    EvidenceRecord,
    /// RFC 6283 evidence record
    XmlEvidenceRecord,
    /// Nothing this room reads
    #[default]
    Unknown,
}

/// One signature.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SignatureFacts {
    /// Unique in the report: the `Id` of the XML signature, or `S1`, `S2`…
    pub id: String,
    /// Its format.
    pub format: Format,
    /// Where the signed content is.
    pub packaging: Packaging,
    /// Where it is, for people: an XPath-like path, a PDF field, a container's member.
    pub location: String,
    /// Its algorithm, when it is recognised.
    pub algorithm: Option<SignatureAlgorithm>,
    /// The algorithm as it is written (URI or dotted identifier).
    pub algorithm_name: String,
    /// What its value is worth.
    pub value: ValueState,
    /// Each thing it signs, signed properties included.
    pub references: Vec<ReferenceFacts>,
    /// The certificate whose key it was checked with, DER. `None` when it is not at hand.
    pub signing_certificate: Option<Der>,
    /// What the signature says of its certificate, in a signed place.
    pub certificate_reference: CertificateReference,
    /// The time its signer claims.
    #[serde(with = "time::serde::rfc3339::option")]
    pub claimed_signing_time: Option<OffsetDateTime>,
    /// The signature policy it names.
    pub policy: Option<PolicyFacts>,
    /// Roles, claimed or certified, as text.
    pub roles: Vec<String>,
    /// The place of production, on one line.
    pub place: Option<String>,
    /// Commitment identifiers (`proofOfApproval`…), as written.
    pub commitments: Vec<String>,
    /// Its time-stamps, in the order of the properties.
    pub timestamps: Vec<TimestampFacts>,
    /// Signatures over this signature's value.
    pub counter_signatures: Vec<SignatureFacts>,
    /// Evidence records among its unsigned properties.
    pub evidence_records: Vec<EvidenceRecordFacts>,
    /// Certificates, CRLs and OCSP responses it carries.
    pub material: Material,
    /// What it covers, and what it leaves out.
    pub covers: Vec<Coverage>,
    /// What is wrong or noteworthy.
    pub faults: Vec<Fault>,
    /// The value's octets: reports and evidence name it by its digest.
    #[serde(serialize_with = "hexadecimal")]
    pub signature_value: Vec<u8>,
}

/// The format of a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Format {
    /// XMLDSig without ETSI properties
    #[serde(rename = "XMLDSig")]
    XmlDsig,
    /// XAdES, any version
    #[serde(rename = "XAdES")]
    Xades,
    /// CMS without the attributes of CAdES
    #[serde(rename = "PKCS7")]
    #[default]
    Pkcs7,
    /// CAdES
    #[serde(rename = "CAdES")]
    Cades,
    /// CMS in a PDF: `adbe.pkcs7.detached`, `adbe.pkcs7.sha1`…
    #[serde(rename = "PDF-PKCS7")]
    PdfPkcs7,
    /// PAdES: `ETSI.CAdES.detached`
    #[serde(rename = "PAdES")]
    Pades,
    /// An RFC 3161 token's own signature
    #[serde(rename = "RFC3161")]
    Rfc3161,
}

/// Where the signed content is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packaging {
    /// The signature is inside what it signs
    Enveloped,
    /// The signature contains what it signs (CMS: encapsulated)
    Enveloping,
    /// In another file
    #[default]
    Detached,
    /// Elsewhere in the same file
    InternallyDetached,
    /// In a container, beside the content
    Container,
}

/// What a signature's value is worth, by arithmetic alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "kebab-case")]
pub enum ValueState {
    /// It is the certificate's over the signed bytes.
    Intact,
    /// It is not.
    Broken,
    /// It cannot be computed: the algorithm's name.
    Unsupported(String),
    /// The certificate is not at hand.
    #[default]
    NoCertificate,
    /// It cannot be read: why.
    Malformed(String),
}

/// One signed thing.
#[derive(Debug, Clone, Serialize)]
pub struct ReferenceFacts {
    /// The reference as written (`#Id`, a URI, a member's name), `None` when it has none.
    pub uri: Option<String>,
    /// What it is.
    pub kind: ReferenceKind,
    /// Digest algorithm, when it is recognised.
    pub digest: Option<DigestAlgorithm>,
    /// The digest that is signed; empty when there is none.
    #[serde(serialize_with = "hexadecimal")]
    pub digest_value: Vec<u8>,
    /// Whether the digest is that of the content.
    pub state: ReferenceState,
    /// What it covers, for people.
    pub covers: String,
}

/// What a reference points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceKind {
    /// The document or a part of it
    Document,
    /// XAdES SignedProperties
    SignedProperties,
    /// The message-digest attribute of CMS: the content
    MessageDigest,
    /// A `ds:Manifest`
    Manifest,
    /// An entry of a manifest, `ds:` or ASiC
    ManifestEntry,
    /// `ds:KeyInfo`
    KeyInfo,
    /// A `ds:Object`
    Object,
    /// Another signature's value: a counter-signature
    SignatureValue,
    /// What a time-stamp's imprint is over
    Imprint,
}

/// Whether the content is the one that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "kebab-case")]
pub enum ReferenceState {
    /// The digest is that of the content.
    Intact,
    /// It is not.
    Broken,
    /// The content is not at hand.
    Missing,
    /// It cannot be computed: the algorithm or transform.
    Unsupported(String),
    /// It is refused rather than followed: an external URI, XSLT, a thousand transforms.
    Refused(String),
}

/// What the signature says of its certificate in a signed attribute (`SigningCertificate`, V2, `ESSCertID`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateReference {
    /// Nothing.
    #[default]
    Absent,
    /// It names the certificate used.
    Matches,
    /// It names another one.
    Differs,
    /// It cannot be checked (no certificate, unknown digest).
    Unchecked,
}

/// The signature policy named by a signature.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PolicyFacts {
    /// `SignaturePolicyImplied`: no identifier.
    pub implied: bool,
    /// Dotted object identifier or URI, without `urn:oid:`.
    pub id: String,
    /// Digest algorithm of the policy document.
    pub digest: Option<DigestAlgorithm>,
    /// Its digest.
    #[serde(serialize_with = "hexadecimal")]
    pub hash: Vec<u8>,
    /// Where the policy is said to be.
    pub uri: Option<String>,
}

/// One time-stamp.
#[derive(Debug, Clone, Serialize)]
pub struct TimestampFacts {
    /// Unique in the report.
    pub id: String,
    /// What it stamps.
    pub kind: TimestampKind,
    /// Its time (`genTime`).
    #[serde(with = "time::serde::rfc3339::option")]
    pub time: Option<OffsetDateTime>,
    /// Accuracy claimed, in microseconds.
    pub accuracy_us: Option<u64>,
    /// Its policy, dotted.
    pub policy: Option<String>,
    /// Serial number, hexadecimal.
    pub serial: Option<String>,
    /// Digest algorithm of the imprint.
    pub imprint_digest: Option<DigestAlgorithm>,
    /// Whether the imprint is that of what it should cover.
    pub imprint: ReferenceState,
    /// What it covers, for people.
    pub covers: Vec<String>,
    /// The signatures it covers, by their identifiers, when it stands outside of them (PDF document time-stamps, ASiC
    /// containers' time-stamps).
    pub signatures: Vec<String>,
    /// The token's own signature; `None` when it cannot be read.
    pub token: Option<Box<SignatureFacts>>,
    /// The token, DER.
    pub der: Der,
    /// What is wrong or noteworthy.
    pub faults: Vec<Fault>,
}

/// What a time-stamp stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimestampKind {
    /// The content, before signing
    Content,
    /// The signature value
    Signature,
    /// The value and the references to validation material (`SigAndRefsTimeStamp`, `CAdES-C-Timestamp`)
    SignatureAndRefs,
    /// The references alone
    Refs,
    /// Everything, for the long term
    Archive,
    /// A PDF document time-stamp
    Document,
    /// A container's archive time-stamp
    Container,
    /// A lone token over a file, or inside an evidence record
    Standalone,
}

/// One evidence record.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceRecordFacts {
    /// Unique in the report.
    pub id: String,
    /// Where it is.
    pub location: String,
    /// `RFC4998` or `RFC6283`.
    pub syntax: &'static str,
    /// Whether the data, the hash trees and the chains belong together.
    pub state: ReferenceState,
    /// Its first archive time-stamp's time: what it proves existed then.
    #[serde(with = "time::serde::rfc3339::option")]
    pub first_time: Option<OffsetDateTime>,
    /// Its archive time-stamps, oldest first.
    pub timestamps: Vec<TimestampFacts>,
    /// What it covers, for people.
    pub covers: Vec<String>,
    /// What is wrong or noteworthy.
    pub faults: Vec<Fault>,
}

/// Validation material found in a place, DER.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Material {
    /// Certificates
    pub certificates: Vec<Der>,
    /// CRLs
    pub crls: Vec<Der>,
    /// OCSP responses: `OCSPResponse` or bare `BasicOCSPResponse`
    pub ocsps: Vec<Der>,
    /// Whether there are references to revocation data without the data (levels C, X).
    pub has_references: bool,
}

/// A unit that may be covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// What kind of unit.
    pub kind: CoverageKind,
    /// Its name: a bordereau's `IdBord`, a member's path, an element's path.
    pub name: String,
    /// Whether the signature covers it, or (in [`Facts::members`]) whether any does.
    pub covered: bool,
    /// More, for people: byte range, size, why not.
    pub detail: Option<String>,
}

/// The kinds of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoverageKind {
    /// The whole file
    File,
    /// A PES `Bordereau`
    PesBordereau,
    /// A PES `EnTetePES` and `Enveloppe`
    PesHeader,
    /// A PES `PES_PJ`/`PJ`
    PesAttachment,
    /// An XML element
    XmlElement,
    /// A revision of a PDF: from the first byte to the end of the revision
    PdfRevision,
    /// A container's member
    Member,
    /// Content supplied beside the signature
    Content,
}

/// Something wrong or noteworthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What kind; the verdict goes by it.
    pub kind: FaultKind,
    /// For people, in French, with the place.
    pub detail: String,
}

impl Fault {
    /// A fault of this kind.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// The kinds of faults, and what the verdict makes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The format is not followed: TOTAL-FAILED / FORMAT_FAILURE.
    Malformed,
    /// Refused before being read: DOCTYPE, entity, depth, size, number. TOTAL-FAILED / FORMAT_FAILURE.
    Refused,
    /// What is signed is not what a reader would take for signed (wrapping, duplicate Id, shadow content): never passed.
    /// INDETERMINATE / SIGNED_DATA_NOT_FOUND.
    Wrapping,
    /// The structure contradicts itself about its algorithms (RFC 6211, `digestAlgorithm`): TOTAL-FAILED /
    /// SIG_CRYPTO_FAILURE.
    AlgorithmMismatch,
    /// A mandatory signed property is missing or contradicts the signature: INDETERMINATE / SIG_CONSTRAINTS_FAILURE.
    Constraint,
    /// Visible content changed after this signature (pages, fields, shadow attack): partial. The overall indication is
    /// not passed.
    LaterChange,
    /// Something that ought to be covered is not (a second bordereau, an unsigned file): partial.
    Uncovered,
    /// To be shown, without consequence.
    Note,
}

/// DER octets: base64 in the diagnostic report.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Der(
    /// The octets.
    pub Vec<u8>,
);

impl Serialize for Der {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for Der {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Der({} octets)", self.0.len())
    }
}

impl From<Vec<u8>> for Der {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

impl From<&[u8]> for Der {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

fn hexadecimal<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(octets))
}
