//! Reading the properties (EN 319 132-1 §5, TS 101 903 §7).

use super::timestamp::{self, Kind};
use super::{Properties, VALUES_MAX, XADESEN_NS, child, children, is};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::xml::{Element, unbase64};
use crate::spec::xmldsig::{DSIG_NS, algorithm_of};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What names a certificate: its digest, and perhaps its serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateId {
    /// The digest algorithm; `None` when it is not recognised.
    pub digest: Option<DigestAlgorithm>,
    /// The digest of the certificate's DER.
    pub value: Vec<u8>,
    /// The serial number in decimal, from `IssuerSerial`.
    pub serial: Option<String>,
}

/// A signature policy (EN 319 132-1 §5.2.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// `SignaturePolicyImplied`.
    Implied,
    /// `SignaturePolicyId`.
    Named {
        /// The identifier, without `urn:oid:`.
        id: String,
        /// Digest algorithm of the policy document.
        digest: Option<DigestAlgorithm>,
        /// Its digest.
        hash: Vec<u8>,
        /// Where it is said to be.
        uri: Option<String>,
    },
}

/// A commitment, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// The identifier, without `urn:oid:`.
    pub id: String,
    /// The references (`#id`) it is about; empty for all signed data.
    pub objects: Vec<String>,
}

/// What a signed thing is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataObject {
    /// The reference it describes, `#id`.
    pub reference: String,
    /// Its media type.
    pub mime_type: Option<String>,
}

pub(super) fn properties<'d>(element: Element<'d>, signed: Option<Element<'d>>) -> Properties<'d> {
    let mut read = Properties {
        element,
        signed,
        signing_time: None,
        certificates: Vec::new(),
        policy: None,
        roles: Vec::new(),
        place: None,
        commitments: Vec::new(),
        data_objects: Vec::new(),
        timestamps: Vec::new(),
        counter_signatures: Vec::new(),
        certificate_values: Vec::new(),
        crl_values: Vec::new(),
        ocsp_values: Vec::new(),
        has_references: false,
        evidence_records: Vec::new(),
        unreadable: Vec::new(),
    };
    if let Some(signed) = signed {
        if let Some(properties) = child(&signed, "SignedSignatureProperties") {
            signed_signature(&mut read, &properties);
        }
        if let Some(properties) = child(&signed, "SignedDataObjectProperties") {
            signed_data(&mut read, &properties);
        }
    }
    if let Some(properties) =
        child(&element, "UnsignedProperties").and_then(|unsigned| child(&unsigned, "UnsignedSignatureProperties"))
    {
        for property in properties.children().take(VALUES_MAX) {
            unsigned(&mut read, property);
        }
    }
    read
}

fn signed_signature(read: &mut Properties<'_>, properties: &Element<'_>) {
    for property in properties.children() {
        match property.name().as_ref() {
            "SigningTime" => {
                read.signing_time = date_time(property.text().trim());
                if read.signing_time.is_none() {
                    read.unreadable.push("SigningTime n'est pas une date".to_owned());
                }
            }
            "SigningCertificate" | "SigningCertificateV2" => {
                let ids = children(&property, "Cert").take(VALUES_MAX).filter_map(|cert| certificate_id(&cert));
                read.certificates.extend(ids);
            }
            "SignaturePolicyIdentifier" => read.policy = policy(&property),
            "SignatureProductionPlace" | "SignatureProductionPlaceV2" => {
                let parts = property.children().map(|part| tidy(&part.text())).filter(|part| !part.is_empty());
                read.place = Some(parts.take(16).collect::<Vec<_>>().join(", ")).filter(|place| !place.is_empty());
            }
            "SignerRole" | "SignerRoleV2" => roles(read, &property),
            _ => {}
        }
    }
}

fn signed_data<'d>(read: &mut Properties<'d>, properties: &Element<'d>) {
    for property in properties.children().take(VALUES_MAX) {
        match property.name().as_ref() {
            "DataObjectFormat" => read.data_objects.push(DataObject {
                reference: property.attribute("ObjectReference").map(Into::into).unwrap_or_default(),
                mime_type: child(&property, "MimeType").map(|mime| tidy(&mime.text())),
            }),
            "CommitmentTypeIndication" => {
                let id = child(&property, "CommitmentTypeId").and_then(|id| child(&id, "Identifier"));
                if let Some(id) = id {
                    let objects = children(&property, "ObjectReference").map(|object| tidy(&object.text())).collect();
                    read.commitments.push(Commitment { id: identifier(&id.text()), objects });
                }
            }
            "AllDataObjectsTimeStamp" => timestamp::read(property, Kind::AllDataObjects, &mut read.timestamps),
            "IndividualDataObjectsTimeStamp" => {
                timestamp::read(property, Kind::IndividualDataObjects, &mut read.timestamps);
            }
            _ => {}
        }
    }
}

fn unsigned<'d>(read: &mut Properties<'d>, property: Element<'d>) {
    let name = property.name();
    if property.namespace() == XADESEN_NS {
        if name == "SealingEvidenceRecords" {
            evidence_records(read, property);
        }
        return;
    }
    if !is(&property, &name) {
        return;
    }
    match name.as_ref() {
        "SignatureTimeStamp" => timestamp::read(property, Kind::Signature, &mut read.timestamps),
        "SigAndRefsTimeStamp" | "SigAndRefsTimeStampV2" => {
            timestamp::read(property, Kind::SignatureAndRefs, &mut read.timestamps);
        }
        "RefsOnlyTimeStamp" | "RefsOnlyTimeStampV2" => timestamp::read(property, Kind::Refs, &mut read.timestamps),
        "ArchiveTimeStamp" => timestamp::read(property, Kind::Archive, &mut read.timestamps),
        "CounterSignature" => {
            read.counter_signatures.extend(property.children().filter(|child| child.is(DSIG_NS, "Signature")));
        }
        "CompleteCertificateRefs" | "CompleteCertificateRefsV2" | "CompleteRevocationRefs" => {
            read.has_references = true;
        }
        "CertificateValues" | "AttrAuthoritiesCertValues" | "RevocationValues" | "AttributeRevocationValues" => {
            values(read, &property);
        }
        "TimeStampValidationData" | "AnyValidationData" => {
            for inner in property.children().take(VALUES_MAX) {
                values(read, &inner);
            }
        }
        _ => {}
    }
}

/// `CertificateValues`, `RevocationValues` and their like.
fn values(read: &mut Properties<'_>, property: &Element<'_>) {
    // Directly, or within CRLValues and OCSPValues.
    for value in property.children().flat_map(|child| std::iter::once(child).chain(child.children())) {
        let list = match value.name().as_ref() {
            "EncapsulatedX509Certificate" => &mut read.certificate_values,
            "EncapsulatedCRLValue" => &mut read.crl_values,
            "EncapsulatedOCSPValue" => &mut read.ocsp_values,
            _ => continue,
        };
        match unbase64(&value.text()) {
            Some(der) if list.len() < VALUES_MAX => list.push(der),
            Some(_) => {}
            None => read.unreadable.push(format!("{} n'est pas du base64", value.name())),
        }
    }
}

fn evidence_records<'d>(read: &mut Properties<'d>, property: Element<'d>) {
    for record in property.children().take(64) {
        match record.name().as_ref() {
            "ASN1EvidenceRecord" => match unbase64(&record.text()) {
                Some(der) => read.evidence_records.push((property, der)),
                None => read.unreadable.push("ASN1EvidenceRecord n'est pas du base64".to_owned()),
            },
            "EvidenceRecord" => {
                // RFC 6283: an element of its own namespace, as a document.
                let method = crate::spec::xml::c14n::Method {
                    rules: crate::spec::xml::c14n::Rules::Inclusive10,
                    comments: true,
                    prefixes: Vec::new(),
                };
                read.evidence_records.push((property, crate::spec::xml::c14n::element_to_vec(&record, &method)));
            }
            _ => {}
        }
    }
}

fn certificate_id(cert: &Element<'_>) -> Option<CertificateId> {
    let (digest, value) = digest(&child(cert, "CertDigest")?)?;
    let serial = match (child(cert, "IssuerSerial"), child(cert, "IssuerSerialV2")) {
        (Some(issuer_serial), _) => {
            let number = issuer_serial.children().find(|child| child.name() == "X509SerialNumber");
            number.map(|number| number.text().trim().trim_start_matches('0').to_owned())
        }
        (None, Some(der)) => unbase64(&der.text()).and_then(|der| serial_of(&der)),
        (None, None) => None,
    };
    Some(CertificateId { digest, value, serial })
}

/// The serial number, in decimal, of an `IssuerSerial` (RFC 5035 §5.4.1).
fn serial_of(der: &[u8]) -> Option<String> {
    use crate::spec::cms::asn1::Reader;
    let mut fields = Reader::new(der).sequence("IssuerSerial").ok()?;
    fields.any().ok()?;
    let number = fields.any().ok()?;
    decimal(number.value)
}

/// A positive big-endian number in decimal. `None` beyond what a serial number may have.
pub(super) fn decimal(octets: &[u8]) -> Option<String> {
    if octets.len() > 64 {
        return None;
    }
    let mut digits = vec![0_u8];
    for &octet in octets {
        let mut carry = u32::from(octet);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(value % 10).unwrap_or(0);
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or(0));
            carry /= 10;
        }
    }
    let text: String = digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
    Some(text.trim_start_matches('0').to_owned())
}

impl CertificateId {
    /// Whether it is this certificate's digest; `None` when the algorithm is not computed here.
    pub fn names(&self, certificate: &[u8]) -> Option<bool> {
        Some(self.digest?.digest(certificate).ok()? == self.value)
    }

    /// Whether it has this serial number (content octets of an INTEGER); `true` when it has none.
    pub fn has_serial(&self, serial: &[u8]) -> bool {
        self.serial.as_deref().is_none_or(|written| decimal(serial).as_deref() == Some(written))
    }
}

/// A digest algorithm and value, in the namespace of XMLDSig or of XAdES.
fn digest(parent: &Element<'_>) -> Option<(Option<DigestAlgorithm>, Vec<u8>)> {
    let find = |name: &str| {
        parent.children().find(|child| child.name() == name && (child.namespace() == DSIG_NS || is(child, name)))
    };
    let algorithm = DigestAlgorithm::from_uri(&algorithm_of(&find("DigestMethod")?));
    Some((algorithm, unbase64(&find("DigestValue")?.text())?))
}

fn policy(property: &Element<'_>) -> Option<Policy> {
    if child(property, "SignaturePolicyImplied").is_some() {
        return Some(Policy::Implied);
    }
    let named = child(property, "SignaturePolicyId")?;
    let id = child(&named, "SigPolicyId").and_then(|id| child(&id, "Identifier"))?;
    let (digest, hash) = child(&named, "SigPolicyHash").and_then(|hash| digest(&hash)).unwrap_or_default();
    let qualifiers = child(&named, "SigPolicyQualifiers");
    let uri = qualifiers
        .and_then(|list| children(&list, "SigPolicyQualifier").find_map(|qualifier| child(&qualifier, "SPURI")));
    Some(Policy::Named { id: identifier(&id.text()), digest, hash, uri: uri.map(|uri| tidy(&uri.text())) })
}

fn roles(read: &mut Properties<'_>, property: &Element<'_>) {
    for list in property.children() {
        match list.name().as_ref() {
            "ClaimedRoles" => {
                let roles = children(&list, "ClaimedRole").take(64).map(|role| tidy(&role.text()));
                read.roles.extend(roles.filter(|role| !role.is_empty()));
            }
            "CertifiedRoles" | "CertifiedRolesV2" | "SignedAssertions" => {
                read.roles.extend(list.children().take(64).map(|_| "rôle certifié".to_owned()));
            }
            _ => {}
        }
    }
}

/// An object identifier or URI, without what wraps it.
fn identifier(text: &str) -> String {
    let text = tidy(text);
    text.strip_prefix("urn:oid:").or_else(|| text.strip_prefix("OID.")).unwrap_or(&text).to_owned()
}

/// A stranger's text for a report: on one line, without control characters, not too long.
pub(super) fn tidy(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.chars().filter(|c| !c.is_control()).take(512).collect()
}

/// An `xs:dateTime`. Without zone, it is taken as UTC.
fn date_time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_in_decimal() {
        assert_eq!(decimal(&[0]).as_deref(), Some(""));
        assert_eq!(decimal(&[0, 0xFF, 0xFF]).as_deref(), Some("65535"));
        let long = [
            0x4a, 0xd6, 0xff, 0xf9, 0x32, 0xa2, 0x21, 0x48, 0xf6, 0x4c, 0x36, 0x60, 0xab, 0xeb, 0x95, 0x1a, 0xd5, 0x1b,
            0x3f, 0x73,
        ];
        assert_eq!(decimal(&long).as_deref(), Some("427259974943974867302612086964623560387531063155"));
    }

    #[test]
    fn a_time_without_zone_is_utc() {
        assert_eq!(date_time("2018-07-05T15:45:17Z"), date_time("2018-07-05T15:45:17.000"));
        assert!(date_time("hier").is_none());
    }
}
