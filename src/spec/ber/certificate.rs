//! The fields of an X.509 certificate that a signature points at, read without judging the certificate.

use super::{BerError, Element, Reader, tag};
use time::OffsetDateTime;

/// `subjectKeyIdentifier` (RFC 5280 § 4.2.1.2), content octets of 2.5.29.14.
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
/// Extensions looked at, at most.
const MAX_EXTENSIONS: usize = 128;

/// What a signer identifier and a key check look at. Nothing here says that the certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateFields<'a> {
    /// The whole certificate as received.
    pub raw: &'a [u8],
    /// Content octets of the serial number.
    pub serial: &'a [u8],
    /// The issuer's name, tag included.
    pub issuer: &'a [u8],
    /// First instant of validity.
    pub not_before: Option<OffsetDateTime>,
    /// Last instant of validity.
    pub not_after: Option<OffsetDateTime>,
    /// The subject's name, tag included.
    pub subject: &'a [u8],
    /// The SubjectPublicKeyInfo, tag included.
    pub public_key: &'a [u8],
    /// The subject key identifier, when the certificate has one.
    pub subject_key_id: Option<&'a [u8]>,
}

impl<'a> CertificateFields<'a> {
    /// Reads them (RFC 5280 § 4.1).
    pub fn read(certificate: &'a [u8]) -> Result<Self, BerError> {
        let mut outer = Reader::new(certificate).sequence("un certificat")?;
        let mut tbs = outer.sequence("le contenu d'un certificat")?;
        tbs.optional(tag::context(0))?;
        let serial = tbs.integer("un numéro de série")?;
        tbs.expect(tag::SEQUENCE, "l'algorithme de signature")?;
        let issuer = tbs.expect(tag::SEQUENCE, "l'émetteur")?.raw;
        let mut validity = tbs.sequence("la période de validité")?;
        let (not_before, not_after) = (validity.any()?.time().ok(), validity.any()?.time().ok());
        let subject = tbs.expect(tag::SEQUENCE, "le sujet")?.raw;
        let public_key = tbs.expect(tag::SEQUENCE, "la clé publique")?.raw;
        let mut subject_key_id = None;
        while !tbs.is_empty() {
            let element = tbs.any()?;
            if element.tag == tag::context(3) {
                subject_key_id = key_identifier(&element)?;
            }
        }
        Ok(Self { raw: certificate, serial, issuer, not_before, not_after, subject, public_key, subject_key_id })
    }
}

fn key_identifier<'a>(extensions: &Element<'a>) -> Result<Option<&'a [u8]>, BerError> {
    let mut list = extensions.reader().sequence("des extensions")?;
    for _ in 0..MAX_EXTENSIONS {
        if list.is_empty() {
            break;
        }
        let mut extension = list.sequence("une extension")?;
        if extension.oid("le type d'une extension")? == SUBJECT_KEY_ID {
            extension.optional(tag::BOOLEAN)?;
            let value = extension.expect(tag::OCTET_STRING, "la valeur d'une extension")?;
            return Ok(value.inner().ok().filter(|inner| inner.tag == tag::OCTET_STRING).map(|inner| inner.value));
        }
    }
    Ok(None)
}
