//! OCSP responses (RFC 6960 § 4.2), our own reader.

use super::certificate::Certificate;
use super::extensions::EKU_OCSP_SIGNING;
use super::name;
use crate::spec::cms::asn1::{DerError, Reader, dotted, tag};
use crate::spec::crypto::{DigestAlgorithm, SignatureAlgorithm, SignatureForm, VerifyError};
use time::OffsetDateTime;

/// The largest response read, in bytes.
pub const OCSP_BYTES_MAX: usize = 4 << 20;
/// How many single responses are read: a response for a whole authority is an attack.
const RESPONSES_MAX: usize = 1024;
/// How many certificates of a response are tried as its signer.
const CERTIFICATES_MAX: usize = 16;

/// A basic response, over its own bytes.
#[derive(Debug)]
pub struct OcspResponse<'a> {
    /// Who answers.
    pub responder: Responder<'a>,
    /// When it was signed.
    pub produced_at: OffsetDateTime,
    /// What it says.
    pub singles: Vec<Single<'a>>,
    /// The certificates it brings.
    pub certificates: Vec<Certificate>,
    tbs: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

/// `ResponderID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responder<'a> {
    /// A distinguished name, DER.
    Name(&'a [u8]),
    /// SHA-1 of the key's octets.
    Key(&'a [u8]),
}

/// What is said of one certificate.
#[derive(Debug, Clone, Copy)]
pub struct Single<'a> {
    digest: Option<DigestAlgorithm>,
    issuer_name_hash: &'a [u8],
    issuer_key_hash: &'a [u8],
    serial: &'a [u8],
    /// What.
    pub status: Status,
    /// Since when this is known.
    pub this_update: OffsetDateTime,
    /// Until when it is current.
    pub next_update: Option<OffsetDateTime>,
    /// `archiveCutoff` (§ 4.4.4): certificates that expired since then are still answered for.
    pub archive_cutoff: Option<OffsetDateTime>,
}

/// `CertStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not revoked
    Good,
    /// Revoked since, for which `CRLReason`
    Revoked(OffsetDateTime, Option<u8>),
    /// The responder does not know it
    Unknown,
}

impl<'a> OcspResponse<'a> {
    /// Reads an `OCSPResponse` or a bare `BasicOCSPResponse`.
    pub fn parse(der: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Reader::new(der);
        if der.len() > OCSP_BYTES_MAX {
            return Err(outer.error("une réponse OCSP de 4 Mio au plus"));
        }
        let mut fields = outer.sequence("une réponse OCSP")?;
        // OCSPResponse begins with responseStatus, an ENUMERATED; BasicOCSPResponse with a SEQUENCE.
        if fields.peek_tag() != Some(0x0a) {
            return Self::basic(fields);
        }
        if fields.any()?.value != [0] {
            return Err(fields.error("une réponse OCSP réussie"));
        }
        let bytes = fields.expect(tag::context(0), "le corps d'une réponse OCSP")?.inner()?;
        let mut body = bytes.reader();
        if dotted(body.oid("le type d'une réponse OCSP")?) != "1.3.6.1.5.5.7.48.1.1" {
            return Err(body.error("une réponse OCSP de base"));
        }
        let basic = body.expect(tag::OCTET_STRING, "une réponse OCSP de base")?.value;
        Self::basic(Reader::new(basic).sequence("une réponse OCSP de base")?)
    }

    fn basic(mut fields: Reader<'a>) -> Result<Self, DerError> {
        let tbs = fields.expect(tag::SEQUENCE, "le contenu d'une réponse OCSP")?;
        let algorithm = fields.expect(tag::SEQUENCE, "un algorithme de signature")?.raw;
        let signature = fields.bit_string("une signature")?;
        let mut certificates = Vec::new();
        if let Some(field) = fields.optional(tag::context(0))? {
            let mut sequence = field.inner()?.reader();
            while !sequence.is_empty() && certificates.len() < CERTIFICATES_MAX {
                certificates.extend(Certificate::from_der(sequence.any()?.raw));
            }
        }
        let mut body = tbs.reader();
        body.optional(tag::context(0))?;
        let responder = body.any()?;
        let responder = match responder.tag {
            0xa1 => Responder::Name(responder.value),
            0xa2 => Responder::Key(responder.inner()?.value),
            _ => return Err(responder.error("un répondeur OCSP")),
        };
        let produced_at = body.any()?.time()?;
        let mut responses = body.sequence("des réponses OCSP")?;
        let mut singles = Vec::new();
        while !responses.is_empty() {
            if singles.len() == RESPONSES_MAX {
                return Err(responses.error("1024 réponses OCSP au plus"));
            }
            singles.push(single(&mut responses)?);
        }
        Ok(Self { responder, produced_at, singles, certificates, tbs: tbs.raw, algorithm, signature })
    }

    /// What it says of `certificate`, issued by `issuer`: the newest statement.
    pub fn about(&self, certificate: &Certificate, issuer: &Certificate) -> Option<&Single<'a>> {
        self.singles
            .iter()
            .filter(|single| single.is_about(certificate, issuer))
            .max_by_key(|single| single.this_update)
    }

    /// The certificate that signed it, if it may speak for `issuer`: the authority itself, or whoever the authority
    /// delegated, or one of the `local` responders relied on by configuration (§ 4.2.2.2). `others` are more certificates
    /// to look among for a delegate.
    pub fn signer(&self, issuer: &Certificate, others: &[Certificate], local: &[Certificate]) -> Option<Certificate> {
        if self.is_from(issuer) && self.is_signed_by(issuer).is_ok() {
            return Some(issuer.clone());
        }
        let mut relied_on = local.iter().filter(|responder| self.is_from(responder));
        if let Some(responder) = relied_on.find(|responder| self.is_signed_by(responder).is_ok()) {
            return Some(responder.clone());
        }
        let candidates = self.certificates.iter().chain(others).filter(|candidate| self.is_from(candidate));
        candidates
            .take(CERTIFICATES_MAX)
            .find(|candidate| {
                let usages = candidate.extensions().extended_usage.as_ref();
                usages.is_some_and(|usages| usages.iter().any(|usage| usage == EKU_OCSP_SIGNING))
                    && name::same(candidate.issuer_der(), issuer.subject_der())
                    && self.is_signed_by(candidate).is_ok()
                    && candidate.is_signed_by(issuer).is_ok()
            })
            .cloned()
    }

    /// The algorithm it is signed with.
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        SignatureAlgorithm::from_der(self.algorithm, None).ok()
    }

    /// Checks that `certificate`'s key signed the response.
    pub fn is_signed_by(&self, certificate: &Certificate) -> Result<(), VerifyError> {
        let algorithm = SignatureAlgorithm::from_der(self.algorithm, None)?;
        let key = certificate.public_key().map_err(|_| VerifyError::Mismatch)?;
        key.verify(&algorithm, self.tbs, self.signature, SignatureForm::of(self.algorithm))
    }

    fn is_from(&self, candidate: &Certificate) -> bool {
        match self.responder {
            Responder::Name(der) => name::same(der, candidate.subject_der()),
            Responder::Key(hash) => key_octets(candidate)
                .and_then(|key| DigestAlgorithm::Sha1.digest(key).ok())
                .is_some_and(|own| own == hash),
        }
    }
}

impl Single<'_> {
    fn is_about(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let Some(digest) = self.digest else { return false };
        let named = |data: &[u8], hash: &[u8]| digest.digest(data).is_ok_and(|own| own == hash);
        self.serial == certificate.serial()
            && named(certificate.issuer_der(), self.issuer_name_hash)
            && key_octets(issuer).is_some_and(|key| named(key, self.issuer_key_hash))
    }
}

fn single<'a>(responses: &mut Reader<'a>) -> Result<Single<'a>, DerError> {
    let mut fields = responses.sequence("une réponse OCSP")?;
    let mut id = fields.sequence("un certificat désigné")?;
    let digest = DigestAlgorithm::from_oid(id.sequence("un algorithme de condensat")?.oid("un condensat")?);
    let issuer_name_hash = id.expect(tag::OCTET_STRING, "le condensat d'un nom")?.value;
    let issuer_key_hash = id.expect(tag::OCTET_STRING, "le condensat d'une clé")?.value;
    let serial = id.expect(tag::INTEGER, "un numéro de série")?.value;
    let status = fields.any()?;
    let status = match status.tag {
        0x80 => Status::Good,
        0xa1 => {
            let mut revoked = status.reader();
            let at = revoked.any()?.time()?;
            let reason = match revoked.optional(tag::context(0))? {
                Some(field) => field.inner()?.value.first().copied(),
                None => None,
            };
            Status::Revoked(at, reason)
        }
        _ => Status::Unknown,
    };
    let this_update = fields.any()?.time()?;
    let next_update = match fields.optional(tag::context(0))? {
        Some(field) => Some(field.inner()?.time()?),
        None => None,
    };
    let mut archive_cutoff = None;
    if let Some(extensions) = fields.optional(tag::context(1))? {
        let mut extensions = extensions.inner()?.reader();
        while !extensions.is_empty() {
            let mut extension = extensions.sequence("une extension")?;
            let oid = dotted(extension.oid("l'identifiant d'une extension")?);
            extension.optional(tag::BOOLEAN)?;
            let value = extension.expect(tag::OCTET_STRING, "la valeur d'une extension")?.value;
            if oid == "1.3.6.1.5.5.7.48.1.6" {
                archive_cutoff = Reader::new(value).any()?.time().ok();
            }
        }
    }
    Ok(Single { digest, issuer_name_hash, issuer_key_hash, serial, status, this_update, next_update, archive_cutoff })
}

/// The octets of a certificate's public key: the BIT STRING without its header.
fn key_octets(certificate: &Certificate) -> Option<&[u8]> {
    let mut fields = Reader::new(certificate.spki_der()).sequence("").ok()?;
    fields.any().ok()?;
    fields.bit_string("").ok()
}

#[cfg(test)]
mod tests;
