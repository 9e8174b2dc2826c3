//! References to certificates inside signed attributes: ESSCertID (RFC 2634 § 5.4), ESSCertIDv2 (RFC 5035 § 4), and the
//! OtherCertID of complete references (ETSI EN 319 122-1 § A.1.1), which has the same shape.

use super::MAX_CERTIFICATES;
use super::signer::AlgorithmId;
use crate::spec::ber::{BerError, CertificateFields, Element, Reader, same_name, tag};
use crate::spec::crypto::DigestAlgorithm;

/// One reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateReference<'a> {
    /// Content octets of the digest's identifier.
    pub digest_oid: &'a [u8],
    /// The digest, when it is one that is known here.
    pub digest: Option<DigestAlgorithm>,
    /// The digest of the certificate.
    pub value: &'a [u8],
    /// The issuer's name (tag included) and the serial number (content octets), when given. The name is `None` when the
    /// reference gives another form of name than a directory name.
    pub issuer_serial: Option<(Option<&'a [u8]>, &'a [u8])>,
}

/// How a reference fits a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Whether the digest is the certificate's; `None` when its algorithm is not computed here.
    pub digest: Option<bool>,
    /// Whether issuer and serial number are the certificate's, when the reference has them.
    pub issuer_serial: Option<bool>,
}

impl<'a> CertificateReference<'a> {
    /// Every reference of a SigningCertificate (`default` SHA-1) or SigningCertificateV2 (`default` SHA-256) attribute.
    pub fn read_all(value: &Element<'a>, default: DigestAlgorithm) -> Result<Vec<Self>, BerError> {
        if value.tag != tag::SEQUENCE {
            return Err(value.error("une référence de certificat"));
        }
        Self::list(value.reader().sequence("des références de certificats")?, default)
    }

    /// Every reference of a CompleteCertificateRefs attribute (§ A.1.1.1): `SEQUENCE OF OtherCertID`.
    pub fn read_complete(value: &Element<'a>) -> Result<Vec<Self>, BerError> {
        Self::list(value.reader(), DigestAlgorithm::Sha1)
    }

    fn list(mut list: Reader<'a>, default: DigestAlgorithm) -> Result<Vec<Self>, BerError> {
        let mut found = Vec::new();
        while !list.is_empty() && found.len() < MAX_CERTIFICATES {
            found.push(Self::read(list.sequence("une référence de certificat")?, default)?);
        }
        Ok(found)
    }

    fn read(mut fields: Reader<'a>, default: DigestAlgorithm) -> Result<Self, BerError> {
        let (digest_oid, digest, value) = other_hash(&mut fields, default)?;
        let issuer_serial = if fields.is_empty() { None } else { Some(issuer_serial(&mut fields)?) };
        Ok(Self { digest_oid, digest, value, issuer_serial })
    }

    /// How it fits a certificate.
    pub fn fit(&self, certificate: &CertificateFields<'_>) -> Fit {
        let computed = self.digest.and_then(|digest| digest.digest(certificate.raw).ok());
        Fit {
            digest: computed.map(|computed| computed == self.value),
            issuer_serial: self.issuer_serial.map(|(issuer, serial)| {
                serial == certificate.serial && issuer.is_some_and(|issuer| same_name(issuer, certificate.issuer))
            }),
        }
    }
}

type Hash<'a> = (&'a [u8], Option<DigestAlgorithm>, &'a [u8]);

/// A digest with its algorithm (identifier, algorithm, value), in the three ways in use: `AlgorithmIdentifier, OCTET STRING` (ESSCertIDv2), a bare
/// OCTET STRING (ESSCertID, OtherHash), `SEQUENCE { AlgorithmIdentifier, OCTET STRING }` (OtherHashAlgAndValue).
fn other_hash<'a>(fields: &mut Reader<'a>, default: DigestAlgorithm) -> Result<Hash<'a>, BerError> {
    if fields.peek() == Some(tag::OCTET_STRING) {
        return Ok((&[], Some(default), fields.any()?.value));
    }
    let mut inside = fields.clone().sequence("un algorithme de condensat")?;
    if inside.peek() == Some(tag::SEQUENCE) {
        fields.any()?;
        let algorithm = AlgorithmId::read(&mut inside)?;
        let value = inside.expect(tag::OCTET_STRING, "un condensat de certificat")?.value;
        return Ok((algorithm.oid, DigestAlgorithm::from_oid(algorithm.oid), value));
    }
    let algorithm = AlgorithmId::read(fields)?;
    let value = fields.expect(tag::OCTET_STRING, "un condensat de certificat")?.value;
    Ok((algorithm.oid, DigestAlgorithm::from_oid(algorithm.oid), value))
}

/// `SEQUENCE { SEQUENCE { [4] Name }, INTEGER }`.
fn issuer_serial<'a>(fields: &mut Reader<'a>) -> Result<(Option<&'a [u8]>, &'a [u8]), BerError> {
    let mut inside = fields.sequence("un émetteur et un numéro de série")?;
    let names = inside.expect(tag::SEQUENCE, "le nom d'un émetteur")?;
    let issuer = match names.reader().optional(tag::context(4))? {
        Some(name) => Some(name.value),
        // A Name where GeneralNames belong: some producers write it so.
        None if names.reader().peek() == Some(tag::SET) => Some(names.raw),
        None => None,
    };
    Ok((issuer, inside.integer("un numéro de série")?))
}
