//! SignedData that others made (RFC 5652 § 5, PKCS #7), as tolerantly as twenty years of signing software demand.
//!
//! [`super::SignedData`] is the strict reader of our own seals and tokens; nothing here weakens it. This one accepts
//! BER, PEM and bare base64, content in pieces, unknown revocation formats, any version, several signers, signers
//! without attributes, and zeros or garbage after the end, which it reports. Every field keeps the bytes as received:
//! what archive time-stamps cover are those.
//!
//! * [`unarmour`] finds the binary inside PEM or base64;
//! * [`SignedData::parse`] takes it apart, under the limits below;
//! * [`check`] says of one signer what is digested, whether the arithmetic holds, and with which certificate.
//!
//! Nothing here trusts anybody: certificates are candidates for the arithmetic only.

mod armour;
pub mod check;
mod reference;
mod signer;

pub use armour::{Armour, unarmour};
pub use check::{Content, Digests};
pub use reference::CertificateReference;
pub use signer::{AlgorithmId, Attribute, Attributes, SignerId, SignerInfo};

use super::oid;
use crate::spec::ber::{BerError, CertificateFields, Element, Reader, tag};
use std::borrow::Cow;

/// Certificates of one SignedData.
pub const MAX_CERTIFICATES: usize = 512;
/// Revocation lists and answers of one SignedData.
pub const MAX_REVOCATIONS: usize = 1024;
/// Signers of one SignedData, or counter-signatures of one signer.
pub const MAX_SIGNERS: usize = 64;
/// Attributes of one signer, and values of one attribute.
pub const MAX_ATTRIBUTES: usize = 256;

/// Why bytes are not a SignedData one can look into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing at all.
    #[error("le fichier est vide")]
    Empty,
    /// Neither BER nor an armour around it.
    #[error("ce n'est ni du DER, ni du BER, ni du PEM, ni du base64")]
    NotCms,
    /// The base64 of an armour does not decode.
    #[error("base64 invalide")]
    Base64,
    /// Not BER, or not the BER of a SignedData.
    #[error(transparent)]
    Ber(#[from] BerError),
    /// CMS, but of another type.
    #[error("ce n'est pas une signature CMS : type de contenu {0}")]
    OtherType(String),
    /// More of something than is looked at.
    #[error("trop de {0}")]
    TooMany(&'static str),
}

/// A SignedData as received. Parsing proves nothing: see [`check`].
#[derive(Debug, Clone)]
pub struct SignedData<'a> {
    /// 1, 3, 4 or 5; anything else is found too, and said in the facts.
    pub version: u32,
    /// The version, tag included.
    pub version_raw: &'a [u8],
    /// The whole `digestAlgorithms` field.
    pub digest_algorithms_raw: &'a [u8],
    /// The digest algorithms announced for all signers.
    pub digest_algorithms: Vec<AlgorithmId<'a>>,
    /// The EncapsulatedContentInfo, whole.
    pub encapsulated_raw: &'a [u8],
    /// The eContentType, tag included.
    pub content_type_raw: &'a [u8],
    /// The eContentType, content octets.
    pub content_type: &'a [u8],
    /// The content, when it is inside.
    pub content: Option<Cow<'a, [u8]>>,
    /// The whole `certificates` field, with its context tag.
    pub certificates_raw: Option<&'a [u8]>,
    /// Every CertificateChoices in order, whatever its kind.
    pub certificates: Vec<Element<'a>>,
    /// The whole `crls` field, with its context tag.
    pub revocations_raw: Option<&'a [u8]>,
    /// Every RevocationInfoChoice in order: a CRL (SEQUENCE) or `[1]` another format.
    pub revocations: Vec<Element<'a>>,
    /// One per signature.
    pub signers: Vec<SignerInfo<'a>>,
    /// Whether a length was left indefinite somewhere at the top: BER, not DER.
    pub indefinite: bool,
    /// Octets after the structure that are not zero.
    pub garbage_bytes: usize,
    /// The structure itself, without what follows it.
    pub raw: &'a [u8],
}

impl<'a> SignedData<'a> {
    /// Parses a ContentInfo of type id-signedData. Zeros after it are the padding of a PDF's `/Contents`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ReadError> {
        if bytes.is_empty() {
            return Err(ReadError::Empty);
        }
        let (info, after) = Element::first(bytes)?;
        if info.tag != tag::SEQUENCE {
            return Err(ReadError::NotCms);
        }
        let mut fields = info.reader();
        let kind = fields.oid("un type de contenu CMS")?;
        if kind != oid::SIGNED_DATA.as_bytes() {
            return Err(ReadError::OtherType(super::asn1::dotted(kind)));
        }
        let explicit = fields.expect(tag::context(0), "le contenu CMS")?;
        fields.finish()?;
        let inner = explicit.inner()?;
        if inner.tag != tag::SEQUENCE {
            return Err(inner.error("un SignedData").into());
        }
        let mut signed = Self::fields(inner.reader())?;
        signed.indefinite = !(info.definite && explicit.definite && inner.definite);
        signed.garbage_bytes = if after.iter().all(|octet| *octet == 0) { 0 } else { after.len() };
        signed.raw = info.raw;
        Ok(signed)
    }

    fn fields(mut fields: Reader<'a>) -> Result<Self, ReadError> {
        let version_raw = fields.clone().any()?.raw;
        let version = fields.small("une version CMS")?;
        let announced = fields.expect(tag::SET, "les algorithmes de condensat")?;
        let mut algorithms = announced.reader();
        let mut digest_algorithms = Vec::new();
        while !algorithms.is_empty() {
            if digest_algorithms.len() == MAX_SIGNERS {
                return Err(ReadError::TooMany("algorithmes de condensat"));
            }
            digest_algorithms.push(AlgorithmId::read(&mut algorithms)?);
        }
        let encapsulated = fields.expect(tag::SEQUENCE, "le contenu encapsulé")?;
        let (content_type, content) = encapsulated_content(&encapsulated)?;
        let certificates = fields.optional(tag::context(0))?;
        let revocations = fields.optional(tag::context(1))?;
        let mut set = fields.expect(tag::SET, "les signataires")?.reader();
        fields.finish()?;
        let mut signers = Vec::new();
        while !set.is_empty() {
            if signers.len() == MAX_SIGNERS {
                return Err(ReadError::TooMany("signataires"));
            }
            signers.push(SignerInfo::read(&set.any()?)?);
        }
        Ok(Self {
            version,
            version_raw,
            digest_algorithms_raw: announced.raw,
            digest_algorithms,
            encapsulated_raw: encapsulated.raw,
            content_type_raw: content_type.raw,
            content_type: content_type.value,
            content,
            certificates: choices(certificates, MAX_CERTIFICATES, "certificats")?,
            certificates_raw: certificates.map(|field| field.raw),
            revocations: choices(revocations, MAX_REVOCATIONS, "données de révocation")?,
            revocations_raw: revocations.map(|field| field.raw),
            signers,
            indefinite: false,
            garbage_bytes: 0,
            raw: &[],
        })
    }

    /// The X.509 certificates that came along, as received. Attribute certificates and old forms are left out.
    pub fn x509(&self) -> impl Iterator<Item = &'a [u8]> {
        self.certificates.iter().filter(|choice| choice.tag == tag::SEQUENCE).map(|choice| choice.raw)
    }

    /// The CRLs that came along, DER.
    pub fn crls(&self) -> impl Iterator<Item = &'a [u8]> {
        self.revocations.iter().filter(|choice| choice.tag == tag::SEQUENCE).map(|choice| choice.raw)
    }

    /// The OCSP answers that came along: OtherRevocationInfoFormat of type id-ri-ocsp-response (RFC 5940 § 2.1, an
    /// OCSPResponse) or id-pkix-ocsp-basic (a BasicOCSPResponse, as ETSI TS 101 733 § 6.3.4 has them).
    pub fn ocsp(&self) -> impl Iterator<Item = &'a [u8]> {
        self.revocations.iter().filter(|choice| choice.tag == tag::context(1)).filter_map(|choice| {
            let mut fields = choice.reader();
            let kind = fields.oid("").ok()?;
            let known = kind == oid::OCSP_RESPONSE.as_bytes() || kind == oid::OCSP_BASIC.as_bytes();
            let value = fields.any().ok()?;
            known.then_some(value.raw)
        })
    }

    /// The certificates that came along, their fields read; those that cannot be read are left out.
    pub fn candidates(&self) -> Vec<CertificateFields<'a>> {
        self.x509().filter_map(|raw| CertificateFields::read(raw).ok()).collect()
    }
}

type TypeAndContent<'a> = (Element<'a>, Option<Cow<'a, [u8]>>);

/// The type, tag included, and the content. PKCS #7 allowed any type where CMS wants an OCTET STRING; what is digested
/// is then the value without its tag (RFC 2315 § 9.3).
fn encapsulated_content<'a>(encapsulated: &Element<'a>) -> Result<TypeAndContent<'a>, ReadError> {
    let mut fields = encapsulated.reader();
    let content_type = fields.expect(tag::OID, "le type du contenu signé")?;
    let content = match fields.optional(tag::context(0))? {
        None => None,
        Some(explicit) => {
            let inner = explicit.inner()?;
            Some(match inner.tag {
                0x04 | 0x24 => inner.octets()?,
                _ => Cow::Borrowed(inner.value),
            })
        }
    };
    fields.finish()?;
    Ok((content_type, content))
}

fn choices<'a>(field: Option<Element<'a>>, max: usize, what: &'static str) -> Result<Vec<Element<'a>>, ReadError> {
    let mut found = Vec::new();
    let Some(field) = field else { return Ok(found) };
    let mut set = field.reader();
    while !set.is_empty() {
        if found.len() == max {
            return Err(ReadError::TooMany(what));
        }
        found.push(set.any()?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
