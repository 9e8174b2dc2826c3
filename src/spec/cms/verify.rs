//! Checking a SignedData: the content, the signature, the signer's certificate, and who vouches for it.

use super::asn1::{DerError, Reader, dotted, tag};
use super::certificate::{Anchors, Certificate};
use super::path::{self, Purpose};
use super::signed_data::{SignedData, SignerInfo};
use super::{CmsError, oid};
use crate::spec::cms::algorithm::{AlgorithmId, Digest};
use ring::digest;
use time::OffsetDateTime;

/// A signature that holds.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What is signed.
    pub content: Vec<u8>,
    /// Its type, dotted.
    pub content_type: String,
    /// The time the signer claims.
    pub signing_time: Option<OffsetDateTime>,
    /// Who signed.
    pub signer: Certificate,
    /// The anchor the path leads to.
    pub anchor: Certificate,
}

/// Checks a CMS SignedData that carries its content and exactly one signature, its certificates valid at `at`.
pub fn verify_attached(der: &[u8], anchors: &Anchors, at: OffsetDateTime) -> Result<Verified, CmsError> {
    let signed = SignedData::parse(der)?;
    let content = signed.content.ok_or(CmsError::Structure("la signature ne contient pas le document signé"))?;
    verify_one(&signed, content, anchors, at)
}

/// Checks a CMS SignedData with exactly one signature over `content`, which stands beside it.
pub fn verify_detached(
    der: &[u8],
    content: &[u8],
    anchors: &Anchors,
    at: OffsetDateTime,
) -> Result<Verified, CmsError> {
    let signed = SignedData::parse(der)?;
    if signed.content.is_some() {
        return Err(CmsError::Structure("la signature contient un document au lieu d'en accompagner un"));
    }
    verify_one(&signed, content, anchors, at)
}

/// Checks one signature over `content`: digest, signed attributes, signature, and that the signed reference to the
/// certificate, if there is one, names it. Returns the signer's certificate, about which nothing is proved yet.
///
/// Signed attributes are required: without them, a signature over attributes could be passed off as a signature over a
/// document made of their bytes (RFC 5652 § 5.4 keeps the two forms apart by nothing but their presence).
pub fn verify_signer<'c>(
    signed: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    content: &[u8],
    certificates: &'c [Certificate],
) -> Result<&'c Certificate, CmsError> {
    let attributes = signer.signed.as_ref().ok_or(CmsError::Structure("la signature n'a pas d'attributs signés"))?;
    let content_type = signer.signed_attribute(&oid::CONTENT_TYPE)?;
    if content_type.map(|value| (value.tag, value.value)) != Some((tag::OID, signed.content_type)) {
        return Err(CmsError::Structure("l'attribut content-type ne correspond pas au contenu"));
    }
    let announced = signer
        .signed_attribute(&oid::MESSAGE_DIGEST)?
        .filter(|value| value.tag == tag::OCTET_STRING)
        .ok_or(CmsError::Structure("l'attribut message-digest manque"))?;
    if announced.value != signer.digest.of(content).as_ref() {
        return Err(CmsError::ContentAltered);
    }
    let message = attributes.to_be_signed();
    let mut refusal = CmsError::SignerMissing;
    for certificate in certificates.iter().filter(|certificate| signer.sid.names(certificate)) {
        // Several certificates may answer to one name: the signed reference and the signature decide.
        let verdict = check_reference(signer, certificate).and_then(|_| {
            Ok(certificate.verify(&signer.algorithm, Some(signer.digest), &message, signer.signature)?)
        });
        match verdict {
            Ok(()) => return Ok(certificate),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Checks the signed reference to the certificate (RFC 2634 § 5.4, RFC 5035 § 3). Says whether there is one.
pub fn check_reference(signer: &SignerInfo<'_>, certificate: &Certificate) -> Result<bool, CmsError> {
    let newer = signer.signed_attribute(&oid::SIGNING_CERTIFICATE_V2)?;
    let older = signer.signed_attribute(&oid::SIGNING_CERTIFICATE)?;
    for (value, default) in [(newer, Some(Digest::Sha256)), (older, None)] {
        let Some(value) = value else { continue };
        if value.tag != tag::SEQUENCE {
            return Err(value.error("une référence de certificat").into());
        }
        // The first reference is the signer's own; the others restrict the chain, which anchors already do.
        let mut first =
            value.reader().sequence("des références de certificats")?.sequence("une référence de certificat")?;
        let matches = match default {
            Some(default) => {
                let digest = match first.peek_tag() {
                    Some(tag::SEQUENCE) => Digest::from_oid(AlgorithmId::read(&mut first)?.oid)?,
                    _ => default,
                };
                first.expect(tag::OCTET_STRING, "un condensat de certificat")?.value
                    == digest.of(certificate.der()).as_ref()
            }
            // SHA-1 only says here which of the certificates in hand is meant; the signature itself never rests on it.
            None => {
                first.expect(tag::OCTET_STRING, "un condensat de certificat")?.value
                    == digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der()).as_ref()
            }
        };
        if !matches || !names_issuer(first, certificate)? {
            return Err(CmsError::WrongReference);
        }
    }
    Ok(newer.is_some() || older.is_some())
}

fn verify_one(
    signed: &SignedData<'_>,
    content: &[u8],
    anchors: &Anchors,
    at: OffsetDateTime,
) -> Result<Verified, CmsError> {
    let [signer] = signed.signers.as_slice() else {
        return Err(CmsError::Structure("un signataire, et un seul, est attendu"));
    };
    let certificates = signed.usable_certificates();
    let mut candidates = certificates.clone();
    candidates.extend_from_slice(anchors.certificates());
    let certificate = verify_signer(signed, signer, content, &candidates)?;
    let path = path::find(certificate, &certificates, anchors, at, Purpose::Signature)?;
    let anchor = path.last().copied().unwrap_or(certificate);
    Ok(Verified {
        content: content.to_vec(),
        content_type: dotted(signed.content_type),
        signing_time: signer.signing_time()?,
        signer: certificate.clone(),
        anchor: anchor.clone(),
    })
}

/// The optional IssuerSerial of a reference: `SEQUENCE { SEQUENCE { [4] Name }, INTEGER }`.
fn names_issuer(mut reference: Reader<'_>, certificate: &Certificate) -> Result<bool, DerError> {
    if reference.is_empty() {
        return Ok(true);
    }
    let mut fields = reference.sequence("un émetteur et un numéro de série")?;
    reference.finish()?;
    let mut names = fields.sequence("le nom d'un émetteur")?;
    let issuer = names.expect(tag::context(4), "un nom d'annuaire")?.value;
    let serial = fields.integer("un numéro de série")?;
    Ok(names.is_empty() && issuer == certificate.issuer_der() && serial == certificate.serial())
}
