//! An X.509 certificate (RFC 5280), parsed once, with what a signature check looks at.

use super::MAX_DER_BYTES;
use super::algorithm::{AlgorithmId, Digest, PublicKey, SignatureError};
use super::asn1::{DerError, Tlv, tag};
use super::oid;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;
use std::ops::Range;
use time::OffsetDateTime;
use x509_parser::extensions::{KeyUsage, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why bytes are not a certificate one can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER.
    #[error("certificat illisible : {0}")]
    Der(#[from] DerError),
    /// DER, but not a certificate.
    #[error("certificat X.509 mal formé : {0}")]
    Malformed(&'static str),
    /// A PEM file that cannot be read.
    #[error("fichier PEM illisible : {0}")]
    Pem(String),
}

/// A certificate. It owns its bytes, which are never re-encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    serial: Vec<u8>,
    subject_text: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    pub(super) authority: Option<Authority>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(super) subject_key_id: Option<Vec<u8>>,
    pub(super) unknown_critical: Option<String>,
}

/// `basicConstraints` with `cA` true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) path_len: Option<u32>,
}

/// `extKeyUsage`: dotted identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExtendedKeyUsage {
    pub(super) critical: bool,
    pub(super) purposes: Vec<String>,
}

impl Certificate {
    /// Parses one DER certificate, without anything after it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_DER_BYTES {
            return Err(CertificateError::Malformed("plus de 256 Kio"));
        }
        Tlv::only(der)?;
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed("structure inattendue"))?;
        let tbs = parsed.tbs_certificate.as_ref();
        let mut outer = Tlv::only(der)?.reader();
        outer.any()?;
        if AlgorithmId::read(&mut outer)? != signature_inside(tbs)? {
            return Err(CertificateError::Malformed("deux algorithmes de signature différents"));
        }
        let mut certificate = Self {
            tbs: range(der, tbs)?,
            issuer: range(der, parsed.issuer().as_raw())?,
            subject: range(der, parsed.subject().as_raw())?,
            spki: range(der, parsed.public_key().raw)?,
            serial: parsed.raw_serial().to_vec(),
            subject_text: printable(&parsed.subject().to_string()),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            der: der.to_vec(),
            authority: None,
            key_usage: None,
            extended_key_usage: None,
            subject_key_id: None,
            unknown_critical: None,
        };
        parsed.extensions_map().map_err(|_| CertificateError::Malformed("une extension en double"))?;
        for extension in parsed.extensions() {
            certificate.note(extension.parsed_extension(), extension.critical, &extension.oid)?;
        }
        Ok(certificate)
    }

    /// Every certificate of a PEM text, in order. Text between the blocks is ignored.
    pub fn from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        CertificateDer::pem_slice_iter(pem)
            .map(|der| Self::from_der(&der.map_err(|error| CertificateError::Pem(error.to_string()))?))
            .collect()
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject's distinguished name, readable: `C=FR, O=…, CN=…`.
    pub fn subject(&self) -> &str {
        &self.subject_text
    }

    /// The subject's distinguished name, DER.
    pub fn subject_der(&self) -> &[u8] {
        &self.der[self.subject.clone()]
    }

    /// The issuer's distinguished name, DER.
    pub fn issuer_der(&self) -> &[u8] {
        &self.der[self.issuer.clone()]
    }

    /// The serial number: content octets of the INTEGER.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The SubjectPublicKeyInfo, DER.
    pub fn public_key_der(&self) -> &[u8] {
        &self.der[self.spki.clone()]
    }

    /// First instant of validity.
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// Last instant of validity.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// SHA-256 of the DER: what people compare by eye, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        hex::encode(Digest::Sha256.of(&self.der))
    }

    /// The kind of its key, readable: `ECDSA P-256`, `RSA`, `Ed25519`, or a dotted identifier.
    pub fn key_algorithm(&self) -> String {
        PublicKey::parse(self.public_key_der()).map_or_else(|_| "inconnu".to_owned(), |key| key.name())
    }

    /// Whether it may sign other certificates.
    pub fn is_authority(&self) -> bool {
        self.authority.is_some()
    }

    /// Checks a signature made with this certificate's key.
    pub fn verify(
        &self,
        algorithm: &AlgorithmId<'_>,
        digest: Option<Digest>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        PublicKey::parse(self.public_key_der())?.verify(algorithm, digest, message, signature)
    }

    /// Checks that `issuer`'s key signed this certificate. Says nothing of `issuer`'s right to do so.
    pub fn is_signed_by(&self, issuer: &Certificate) -> Result<(), SignatureError> {
        let mut fields = Tlv::only(&self.der)?.reader();
        fields.any()?;
        let algorithm = AlgorithmId::read(&mut fields)?;
        let signature = fields.bit_string("la signature du certificat")?;
        issuer.verify(&algorithm, None, &self.der[self.tbs.clone()], signature)
    }

    fn note(
        &mut self,
        extension: &ParsedExtension<'_>,
        critical: bool,
        identifier: &x509_parser::der_parser::Oid<'_>,
    ) -> Result<(), CertificateError> {
        match extension {
            ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
                self.authority = Some(Authority { path_len: constraints.path_len_constraint });
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(*usage),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let named = [
                    (usage.any, oid::ANY_USAGE),
                    (usage.time_stamping, oid::TIME_STAMPING),
                    (usage.email_protection, oid::EMAIL_PROTECTION),
                ];
                let mut purposes: Vec<String> =
                    named.iter().filter(|(present, _)| *present).map(|(_, id)| id.to_string()).collect();
                let others = [usage.server_auth, usage.client_auth, usage.code_signing, usage.ocsp_signing];
                purposes.extend(others.iter().filter(|present| **present).map(|_| "autre".to_owned()));
                purposes.extend(usage.other.iter().map(x509_parser::der_parser::Oid::to_id_string));
                self.extended_key_usage = Some(ExtendedKeyUsage { critical, purposes });
            }
            ParsedExtension::SubjectKeyIdentifier(key) => self.subject_key_id = Some(key.0.to_vec()),
            // Neither says anything about whether this key may sign what it signed.
            ParsedExtension::BasicConstraints(_)
            | ParsedExtension::AuthorityKeyIdentifier(_)
            | ParsedExtension::SubjectAlternativeName(_)
            | ParsedExtension::CertificatePolicies(_) => {}
            ParsedExtension::ParseError { .. } => {
                let used = [oid::BASIC_CONSTRAINTS, oid::KEY_USAGE, oid::EXTENDED_KEY_USAGE];
                if critical || used.iter().any(|known| known.as_bytes() == identifier.as_bytes()) {
                    return Err(CertificateError::Malformed("une extension illisible"));
                }
            }
            // RFC 5280 § 4.2: a critical extension that is not understood makes the certificate unusable. Name
            // constraints are among them: no authority we rely on needs them, and half-checking them would be worse.
            _ if critical => self.unknown_critical = Some(identifier.to_id_string()),
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Certificate");
        shown.field("subject", &self.subject_text).field("sha256", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// The certificates one relies on without proof: authorities, or a single signer's own certificate.
#[derive(Debug, Clone, Default)]
pub struct Anchors(Vec<Certificate>);

impl Anchors {
    /// Relies on these.
    pub fn new(certificates: Vec<Certificate>) -> Self {
        Self(certificates)
    }

    /// Relies on every certificate of a PEM text; refuses a text without any.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let certificates = Certificate::from_pem(pem)?;
        if certificates.is_empty() {
            return Err(CertificateError::Pem("aucun bloc « BEGIN CERTIFICATE »".to_owned()));
        }
        Ok(Self(certificates))
    }

    /// The certificates.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// Relies on these too.
    pub fn extend(&mut self, more: &[Certificate]) {
        self.0.extend_from_slice(more);
    }
}

/// The `signature` field of a TBSCertificate.
fn signature_inside(tbs: &[u8]) -> Result<AlgorithmId<'_>, DerError> {
    let mut fields = Tlv::only(tbs)?.reader();
    fields.optional(tag::context(0))?;
    fields.integer("un numéro de série")?;
    AlgorithmId::read(&mut fields)
}

/// Where `part`, a slice of `whole`, lies in it.
fn range(whole: &[u8], part: &[u8]) -> Result<Range<usize>, CertificateError> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
    start
        .map(|start| start..start + part.len())
        .filter(|range| whole.get(range.clone()) == Some(part))
        .ok_or(CertificateError::Malformed("structure inattendue"))
}

/// Names come from strangers and end up on terminals: no control characters.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
