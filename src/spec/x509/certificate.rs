//! One certificate, read once, with what validation looks at. It owns its bytes, which are never re-encoded.

use super::extensions::Extensions;
use crate::spec::cms::asn1::DerError;
use crate::spec::crypto::{DigestAlgorithm, PublicKey, SignatureAlgorithm, SignatureForm, VerifyError};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The largest certificate looked at.
const MAX_BYTES: usize = 256 * 1024;

/// Why bytes are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Over 256 KiB.
    #[error("certificat de plus de 256 Kio")]
    TooLarge,
    /// Not the DER of a certificate.
    #[error("certificat X.509 illisible")]
    Malformed,
}

/// A certificate. Cheap to clone.
#[derive(Clone)]
pub struct Certificate(Arc<Fields>);

struct Fields {
    der: Vec<u8>,
    tbs: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    signature_algorithm: Range<usize>,
    signature: Vec<u8>,
    serial: Vec<u8>,
    subject_text: String,
    issuer_text: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    extensions: Extensions,
}

impl Certificate {
    /// Parses one DER certificate. Bytes after it are ignored.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_BYTES {
            return Err(CertificateError::TooLarge);
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        let der = &der[..der.len() - rest.len()];
        let range = |part: &[u8]| range(der, part).ok_or(CertificateError::Malformed);
        let algorithm = outer_algorithm(der).map_err(|_| CertificateError::Malformed)?;
        Ok(Self(Arc::new(Fields {
            tbs: range(parsed.tbs_certificate.as_ref())?,
            issuer: range(parsed.issuer().as_raw())?,
            subject: range(parsed.subject().as_raw())?,
            spki: range(parsed.public_key().raw)?,
            signature_algorithm: range(algorithm)?,
            signature: parsed.signature_value.data.to_vec(),
            serial: parsed.raw_serial().to_vec(),
            subject_text: printable(&parsed.subject().to_string()),
            issuer_text: printable(&parsed.issuer().to_string()),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            extensions: Extensions::read(parsed.extensions()),
            der: der.to_vec(),
        })))
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The part its issuer signed.
    pub fn tbs(&self) -> &[u8] {
        &self.0.der[self.0.tbs.clone()]
    }

    /// The subject's distinguished name, readable, without control characters.
    pub fn subject(&self) -> &str {
        &self.0.subject_text
    }

    /// The issuer's distinguished name, readable.
    pub fn issuer(&self) -> &str {
        &self.0.issuer_text
    }

    /// The subject's distinguished name, DER.
    pub fn subject_der(&self) -> &[u8] {
        &self.0.der[self.0.subject.clone()]
    }

    /// The issuer's distinguished name, DER.
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.der[self.0.issuer.clone()]
    }

    /// The serial number: content octets of the INTEGER, as received.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The SubjectPublicKeyInfo, DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.0.der[self.0.spki.clone()]
    }

    /// The subject key identifier, when it has the extension (RFC 5280 § 4.2.1.2).
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.0.extensions.subject_key_id.as_deref()
    }

    /// What its extensions say.
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// First instant of validity.
    pub fn not_before(&self) -> OffsetDateTime {
        self.0.not_before
    }

    /// Last instant of validity.
    pub fn not_after(&self) -> OffsetDateTime {
        self.0.not_after
    }

    /// Its public key.
    pub fn public_key(&self) -> Result<PublicKey, DerError> {
        PublicKey::from_spki(self.spki_der())
    }

    /// SHA-256 of the DER, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        DigestAlgorithm::Sha256.digest(self.der()).map(hex::encode).unwrap_or_default()
    }

    /// Whether it names itself as its issuer.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der() == self.issuer_der()
    }

    /// The algorithm its issuer signed it with.
    pub fn signature_algorithm(&self) -> Result<SignatureAlgorithm, VerifyError> {
        Ok(SignatureAlgorithm::from_der(&self.0.der[self.0.signature_algorithm.clone()], None)?)
    }

    /// Checks that `issuer`'s key signed this certificate. Says nothing of `issuer`'s right to do so.
    pub fn is_signed_by(&self, issuer: &Certificate) -> Result<(), VerifyError> {
        let key = issuer.public_key().map_err(|_| VerifyError::Mismatch)?;
        let form = SignatureForm::of(&self.0.der[self.0.signature_algorithm.clone()]);
        key.verify(&self.signature_algorithm()?, self.tbs(), &self.0.signature, form)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("subject", &self.subject()).finish_non_exhaustive()
    }
}

/// The `signatureAlgorithm` of the outer sequence, DER.
fn outer_algorithm(der: &[u8]) -> Result<&[u8], DerError> {
    let mut fields = crate::spec::cms::asn1::Reader::new(der).sequence("un certificat")?;
    fields.any()?;
    Ok(fields.any()?.raw)
}

/// Where `part`, a slice of `whole`, lies in it.
fn range(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let range = start..start.checked_add(part.len())?;
    (whole.get(range.clone()) == Some(part)).then_some(range)
}

/// Names come from strangers and end up on terminals: no control characters.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
