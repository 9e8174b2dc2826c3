//! Certificates and revocation data in unsigned attributes (EN 319 122-1, annex A), and Adobe's in a signed one.

use super::oid;
use crate::spec::ber::{BerError, Element, Reader, tag};
use crate::spec::cms::received::{MAX_CERTIFICATES, MAX_REVOCATIONS, SignerInfo};

/// What a signature carries for its own validation, as received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LongTerm<'a> {
    /// Certificates.
    pub certificates: Vec<&'a [u8]>,
    /// Certificate revocation lists.
    pub crls: Vec<&'a [u8]>,
    /// OCSP answers: BasicOCSPResponse, or OCSPResponse.
    pub ocsps: Vec<&'a [u8]>,
    /// References to certificates or to revocation data, without the data.
    pub has_references: bool,
    /// Attributes that could not be read, by name.
    pub unreadable: Vec<&'static str>,
}

/// Everything in the attributes of one signer.
pub fn long_term<'a>(signer: &SignerInfo<'a>) -> LongTerm<'a> {
    let mut found = LongTerm::default();
    for value in values(signer, &oid::CERTIFICATE_VALUES) {
        let read = elements(value.reader(), &mut found.certificates, MAX_CERTIFICATES);
        note(&mut found, read, "certificate-values");
    }
    for value in values(signer, &oid::REVOCATION_VALUES) {
        let read = revocation_values(value, &mut found);
        note(&mut found, read, "revocation-values");
    }
    for value in values(signer, &oid::LONG_TERM_VALIDATION) {
        let read = extra(value, &mut found);
        note(&mut found, read, "long-term-validation");
    }
    for value in signer.signed_attributes(&oid::ADOBE_REVOCATION).flat_map(|attribute| &attribute.values) {
        let read = adobe(value, &mut found);
        note(&mut found, read, "adbe-revocationInfoArchival");
    }
    found.has_references = signer.unsigned_attributes(&oid::REVOCATION_REFS).next().is_some()
        || signer.unsigned_attributes(&oid::CERTIFICATE_REFS).next().is_some();
    found
}

fn values<'s, 'a>(
    signer: &'s SignerInfo<'a>,
    kind: &const_oid::ObjectIdentifier,
) -> impl Iterator<Item = &'s Element<'a>> {
    signer.unsigned_attributes(kind).flat_map(|attribute| &attribute.values)
}

fn note(found: &mut LongTerm<'_>, read: Result<(), BerError>, name: &'static str) {
    if read.is_err() {
        found.unreadable.push(name);
    }
}

fn elements<'a>(mut list: Reader<'a>, into: &mut Vec<&'a [u8]>, max: usize) -> Result<(), BerError> {
    while !list.is_empty() && into.len() < max {
        into.push(list.any()?.raw);
    }
    Ok(())
}

/// `RevocationValues ::= SEQUENCE { [0] SEQUENCE OF CertificateList, [1] SEQUENCE OF BasicOCSPResponse, [2] other }`.
fn revocation_values<'a>(value: &Element<'a>, found: &mut LongTerm<'a>) -> Result<(), BerError> {
    let mut fields = value.reader();
    while !fields.is_empty() {
        let field = fields.any()?;
        match field.tag {
            0xa0 => elements(field.reader().sequence("des CRL")?, &mut found.crls, MAX_REVOCATIONS)?,
            0xa1 => elements(field.reader().sequence("des réponses OCSP")?, &mut found.ocsps, MAX_REVOCATIONS)?,
            _ => {}
        }
    }
    Ok(())
}

/// `LongTermValidation ::= SEQUENCE { poeDate, poeValue, [0] extraCertificates, [1] extraRevocation }`: the material.
fn extra<'a>(value: &Element<'a>, found: &mut LongTerm<'a>) -> Result<(), BerError> {
    let mut fields = value.reader();
    while !fields.is_empty() {
        let field = fields.any()?;
        if field.tag == 0xa0 && found.certificates.len() < MAX_CERTIFICATES {
            elements(field.reader(), &mut found.certificates, MAX_CERTIFICATES)?;
        } else if field.tag == 0xa1 {
            let mut list = field.reader();
            while !list.is_empty() && found.crls.len() < MAX_REVOCATIONS {
                let choice = list.any()?;
                if choice.tag == tag::SEQUENCE {
                    found.crls.push(choice.raw);
                }
            }
        }
    }
    Ok(())
}

/// `RevocationInfoArchival ::= SEQUENCE { [0] crl, [1] ocsp (OCSPResponse), [2] other }` (ISO 32000-1 § 12.8.3.3.2).
fn adobe<'a>(value: &Element<'a>, found: &mut LongTerm<'a>) -> Result<(), BerError> {
    revocation_values(value, found)
}
