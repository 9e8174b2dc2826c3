//! Making a SignedData: one signature (ECDSA P-256 or RSA, SHA-256) with signed attributes, the certificates inside.
//!
//! Everything that does not depend on the content is encoded once, when the signer is built, and certificates are
//! copied as they are: an authority's bytes must not be re-encoded.

use super::algorithm::Digest;
use super::asn1::{self, tag};
use super::certificate::Certificate;
use super::key::{KeyKind, LocalKey, SigningKey};
use super::{CmsError, oid};
use const_oid::ObjectIdentifier;
use std::fmt;
use time::OffsetDateTime;

/// A private key and its certificate.
pub struct CmsSigner {
    key: Box<dyn SigningKey>,
    certificate: Certificate,
    /// `certificates [0]`, encoded.
    certificates: Vec<u8>,
    /// `sid`, encoded.
    sid: Vec<u8>,
    /// The signing-certificate-v2 attribute, encoded.
    reference: Vec<u8>,
    /// `signatureAlgorithm`, encoded.
    algorithm: Vec<u8>,
}

/// Whether a signature carries the signer's certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// It can be checked with an anchor alone.
    Included,
    /// Whoever checks it must have them (RFC 3161 requests without `certReq`).
    Omitted,
}

/// Why a key cannot sign with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Neither a P-256 key nor an RSA key that is long enough.
    #[error("la clé privée n'est ni une clé ECDSA P-256, ni une clé RSA de 3072 à 4096 bits, au format PKCS#8")]
    Key,
    /// Another key's certificate.
    #[error("la clé privée ne correspond pas au certificat « {subject} »")]
    KeyMismatch {
        /// Whose certificate.
        subject: String,
    },
    /// The certificate's key is not what we sign with.
    #[error("le certificat « {subject} » n'est pas celui d'une clé ECDSA P-256, ou RSA de 3072 bits au moins")]
    KeyKind {
        /// Whose certificate.
        subject: String,
    },
}

impl CmsSigner {
    /// A signer from a PKCS#8 private key, its certificate, and the intermediate certificates to send along.
    pub fn new(pkcs8: &[u8], certificate: Certificate, intermediates: &[Certificate]) -> Result<Self, SignerError> {
        Self::with_key(Box::new(LocalKey::from_pkcs8(pkcs8)?), certificate, intermediates)
    }

    /// A signer whose key is anywhere. A key that cannot say yet whose it is must check by itself, before it signs, that it
    /// is the certificate's.
    pub fn with_key(
        key: Box<dyn SigningKey>,
        certificate: Certificate,
        intermediates: &[Certificate],
    ) -> Result<Self, SignerError> {
        let (kind, public) = KeyKind::of(&certificate)?;
        if key.kind() != kind || key.public_key().is_some_and(|key| key != public) {
            return Err(SignerError::KeyMismatch { subject: certificate.subject().to_owned() });
        }
        let sent = std::iter::once(&certificate).chain(intermediates).map(|sent| sent.der().to_vec()).collect();
        let mut certificates = asn1::set_of(sent);
        certificates[0] = tag::context(0);
        let sid = asn1::sequence(&[certificate.issuer_der(), &asn1::encode(tag::INTEGER, &[certificate.serial()])]);
        let digest = Digest::Sha256.of(certificate.der());
        // SigningCertificateV2 { certs { ESSCertIDv2 { certHash } } }: SHA-256 is the default, so it is not written.
        let hash = asn1::sequence(&[&asn1::encode(tag::OCTET_STRING, &[digest.as_ref()])]);
        let reference = attribute(&oid::SIGNING_CERTIFICATE_V2, &asn1::sequence(&[&asn1::sequence(&[&hash])]));
        Ok(Self { key, certificate, certificates, sid, reference, algorithm: kind.algorithm() })
    }

    /// The certificate it signs with.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// A DER ContentInfo of a SignedData around `content`, which is of type `content_type`.
    ///
    /// `signing_time` becomes a signed attribute; `certificates` says whether they are sent along.
    pub fn sign(
        &self,
        content_type: &ObjectIdentifier,
        content: &[u8],
        signing_time: Option<OffsetDateTime>,
        certificates: Certificates,
    ) -> Result<Vec<u8>, CmsError> {
        let octets = asn1::encode(tag::OCTET_STRING, &[content]);
        self.make(content_type, content, signing_time, certificates, &asn1::encode(tag::context(0), &[&octets]))
    }

    /// [`CmsSigner::sign`] beside the content, which is left out (RFC 5652 § 5.2: `eContent` absent).
    pub fn sign_detached(
        &self,
        content_type: &ObjectIdentifier,
        content: &[u8],
        signing_time: Option<OffsetDateTime>,
        certificates: Certificates,
    ) -> Result<Vec<u8>, CmsError> {
        self.make(content_type, content, signing_time, certificates, &[])
    }

    /// `enclosed`: the encoded `eContent`, or nothing.
    fn make(
        &self,
        content_type: &ObjectIdentifier,
        content: &[u8],
        signing_time: Option<OffsetDateTime>,
        certificates: Certificates,
        enclosed: &[u8],
    ) -> Result<Vec<u8>, CmsError> {
        let digest = Digest::Sha256.of(content);
        let mut attributes = vec![
            attribute(&oid::CONTENT_TYPE, &asn1::oid(content_type)),
            attribute(&oid::MESSAGE_DIGEST, &asn1::encode(tag::OCTET_STRING, &[digest.as_ref()])),
            self.reference.clone(),
        ];
        attributes.extend(signing_time.map(|at| attribute(&oid::SIGNING_TIME, &asn1::signing_time(at))));
        let mut attributes = asn1::set_of(attributes);
        let signature = self.key.sign(&attributes)?;
        attributes[0] = tag::context(0);
        let sha256 = asn1::sequence(&[&asn1::oid(&oid::SHA256)]);
        let signer = asn1::sequence(&[
            &asn1::unsigned(&[1]),
            &self.sid,
            &sha256,
            &attributes,
            &self.algorithm,
            &asn1::encode(tag::OCTET_STRING, &[&signature]),
        ]);
        // RFC 5652 § 5.1: version 3 as soon as the content is not plain data.
        let version = if *content_type == oid::DATA { 1 } else { 3 };
        let signed_data = asn1::sequence(&[
            &asn1::unsigned(&[version]),
            &asn1::encode(tag::SET, &[&sha256]),
            &asn1::sequence(&[&asn1::oid(content_type), enclosed]),
            match certificates {
                Certificates::Included => &self.certificates,
                Certificates::Omitted => &[],
            },
            &asn1::encode(tag::SET, &[&signer]),
        ]);
        Ok(asn1::sequence(&[&asn1::oid(&oid::SIGNED_DATA), &asn1::encode(tag::context(0), &[&signed_data])]))
    }
}

impl fmt::Debug for CmsSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CmsSigner").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn attribute(identifier: &ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    asn1::sequence(&[&asn1::oid(identifier), &asn1::encode(tag::SET, &[value])])
}
