//! The time-stamps of a CAdES signature, and the octets each must be over (EN 319 122-1 § 5.2.8, § 5.3, § 5.5, annex A).

use super::hash_index::{self, HashIndex, IndexState};
use super::oid;
use crate::spec::ber::{BerError, Element};
use crate::spec::cms::received::{Attribute, Content, Digests, SignedData, SignerInfo};
use crate::spec::crypto::{DigestAlgorithm, Unsupported};
use crate::spec::tsp::received::{Token, TokenError};
use const_oid::ObjectIdentifier;
use time::OffsetDateTime;

/// Time-stamps of one signature looked at.
const MAX_STAMPS: usize = 128;

/// What a time-stamp is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// The content, before it was signed (content-time-stamp).
    Content,
    /// The signature value (signature-time-stamp).
    Signature,
    /// The value, the signature time-stamps and the references (CAdES-C-timestamp).
    SignatureAndReferences,
    /// The references (time-stamped-certs-crls-references).
    References,
    /// Everything, version 1 or 2.
    ArchiveV2,
    /// Everything, by way of a hash index.
    ArchiveV3,
}

/// One time-stamp attribute value.
#[derive(Debug, Clone)]
pub struct Stamped<'a> {
    /// What it is over.
    pub stamp: Stamp,
    /// The token's octets.
    pub der: &'a [u8],
    /// The token, read.
    pub token: Result<Token<'a>, TokenError>,
}

/// Whether an imprint is that of what it should be over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imprint {
    /// It is.
    Matches,
    /// It is not.
    Differs,
    /// What it is over is not at hand.
    Missing,
    /// Its digest is not computed here.
    Unsupported(String),
    /// It has no readable hash index.
    NoIndex,
    /// It is, but what its hash index covered has gone or changed.
    IndexFails(IndexState),
}

/// The time-stamps of a signer, in the order of the attributes, content time-stamps first.
pub fn stamps<'a>(signer: &SignerInfo<'a>) -> Vec<Stamped<'a>> {
    let signed = signer.signed.iter().flat_map(|set| &set.entries).filter(|entry| is(entry, &oid::CONTENT_TIME_STAMP));
    let unsigned = signer.unsigned.iter().flat_map(|set| &set.entries);
    signed
        .map(|entry| (Stamp::Content, entry))
        .chain(unsigned.filter_map(|entry| Some((kind_of(entry)?, entry))))
        .flat_map(|(stamp, entry)| entry.values.iter().map(move |value| (stamp, value)))
        .take(MAX_STAMPS)
        .map(|(stamp, value)| Stamped { stamp, der: value.raw, token: Token::parse(value.raw) })
        .collect()
}

fn kind_of(entry: &Attribute<'_>) -> Option<Stamp> {
    [
        (oid::SIGNATURE_TIME_STAMP, Stamp::Signature),
        (oid::SIGNATURE_TIME_STAMP_MICROSOFT, Stamp::Signature),
        (oid::CADES_C_TIME_STAMP, Stamp::SignatureAndReferences),
        (oid::REFERENCES_TIME_STAMP, Stamp::References),
        (oid::ARCHIVE_TIME_STAMP, Stamp::ArchiveV2),
        (oid::ARCHIVE_TIME_STAMP_V2, Stamp::ArchiveV2),
        (oid::ARCHIVE_TIME_STAMP_V3, Stamp::ArchiveV3),
    ]
    .into_iter()
    .find_map(|(kind, stamp)| is(entry, &kind).then_some(stamp))
}

fn is(entry: &Attribute<'_>, kind: &ObjectIdentifier) -> bool {
    entry.kind == kind.as_bytes()
}

/// Where a time-stamp is: the signature around it.
pub struct Around<'s, 'a, 'd> {
    /// The SignedData.
    pub signed: &'s SignedData<'a>,
    /// The signer that carries the time-stamp.
    pub signer: &'s SignerInfo<'a>,
    /// The signed content, inside or beside; `None` when it is not at hand.
    pub content: Option<&'s mut Digests<'d>>,
}

impl Stamped<'_> {
    /// Compares the imprint with the signature around it.
    pub fn imprint(&self, around: &mut Around<'_, '_, '_>) -> Imprint {
        let Ok(token) = &self.token else { return Imprint::Missing };
        let Some(digest) = token.info.digest else { return Imprint::Unsupported(token.info.digest_oid.clone()) };
        let computed = match self.stamp {
            Stamp::Content => match around.content.as_deref_mut() {
                Some(content) => content.by(digest).map(|value| vec![value]),
                None => return Imprint::Missing,
            },
            Stamp::Signature => digest.digest(&around.signer.signature).map(|value| vec![value]),
            Stamp::SignatureAndReferences => signature_and_references(digest, around.signer),
            Stamp::References => references(digest, around.signer),
            Stamp::ArchiveV2 => match archive_v2(digest, around, token.info.time, self.der) {
                Some(computed) => computed,
                None => return Imprint::Missing,
            },
            Stamp::ArchiveV3 => return archive_v3(digest, around, token),
        };
        match computed {
            Err(unsupported) => Imprint::Unsupported(unsupported.0),
            Ok(candidates) if candidates.contains(&token.info.imprint) => Imprint::Matches,
            Ok(_) => Imprint::Differs,
        }
    }

    /// Whether it is an archive time-stamp.
    pub fn is_archive(&self) -> bool {
        matches!(self.stamp, Stamp::ArchiveV2 | Stamp::ArchiveV3)
    }
}

fn digest_of(digest: DigestAlgorithm, pieces: &[&[u8]]) -> Result<Vec<u8>, Unsupported> {
    let mut hasher = digest.hasher()?;
    for piece in pieces {
        hasher.update(piece);
    }
    Ok(hasher.finish())
}

/// § A.1.5.1: the signature value's octets, then type and values of the signature time-stamps and of both references.
fn signature_and_references(digest: DigestAlgorithm, signer: &SignerInfo<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let kinds = [oid::SIGNATURE_TIME_STAMP, oid::CERTIFICATE_REFS, oid::REVOCATION_REFS];
    over_attributes(digest, &signer.signature, signer, &kinds)
}

/// § A.1.5.2: type and values of both references.
fn references(digest: DigestAlgorithm, signer: &SignerInfo<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    over_attributes(digest, &[], signer, &[oid::CERTIFICATE_REFS, oid::REVOCATION_REFS])
}

/// The digests of `head` and the attributes of these kinds: in the order the standard lists them, and in the order they
/// stand, which some producers took.
fn over_attributes(
    digest: DigestAlgorithm,
    head: &[u8],
    signer: &SignerInfo<'_>,
    kinds: &[ObjectIdentifier],
) -> Result<Vec<Vec<u8>>, Unsupported> {
    let listed = kinds.iter().flat_map(|kind| signer.unsigned_attributes(kind));
    let standing = signer.unsigned.iter().flat_map(|set| &set.entries);
    let standing = standing.filter(|entry| kinds.iter().any(|kind| is(entry, kind)));
    let listed: Vec<&[u8]> = [head].into_iter().chain(listed.map(|entry| entry.content)).collect();
    let standing: Vec<&[u8]> = [head].into_iter().chain(standing.map(|entry| entry.content)).collect();
    Ok(vec![digest_of(digest, &listed)?, digest_of(digest, &standing)?])
}

/// TS 101 733 § 6.4.1: the encapsulated content, the external one, certificates and CRLs, then the signer's fields; of
/// its unsigned attributes those that were there. The text leaves open whether the tag of the unsigned attributes
/// counts, and producers differ: both are candidates.
fn archive_v2(
    digest: DigestAlgorithm,
    around: &mut Around<'_, '_, '_>,
    time: OffsetDateTime,
    der: &[u8],
) -> Option<Result<Vec<Vec<u8>>, Unsupported>> {
    let (signed, signer) = (around.signed, around.signer);
    let external: Vec<&[u8]> = match (&signed.content, around.content.as_deref()) {
        (Some(_), _) => Vec::new(),
        (None, Some(content)) => content.content().0.clone(),
        (None, None) => return None,
    };
    let mut head: Vec<&[u8]> = vec![signed.encapsulated_raw];
    head.extend(external);
    head.extend(signed.certificates_raw);
    head.extend(signed.revocations_raw);
    head.extend([signer.version_raw, signer.sid_raw, signer.digest.raw]);
    head.extend(signer.signed.as_ref().map(|set| set.element.raw));
    head.extend([signer.algorithm.raw, signer.signature_raw]);
    let older: Vec<&[u8]> = signer
        .unsigned
        .iter()
        .flat_map(|set| &set.entries)
        .filter(|entry| !entry.values.iter().any(|value| is_later_archive(entry, value, time, der)))
        .map(|entry| entry.raw)
        .collect();
    let tagged = crate::spec::cms::asn1::encode(0xa1, &older);
    let mut plain = head.clone();
    plain.extend(&older);
    head.push(&tagged);
    Some(digest_of(digest, &plain).and_then(|first| Ok(vec![first, digest_of(digest, &head)?])))
}

fn is_later_archive(entry: &Attribute<'_>, value: &Element<'_>, time: OffsetDateTime, der: &[u8]) -> bool {
    let archive = matches!(kind_of(entry), Some(Stamp::ArchiveV2 | Stamp::ArchiveV3));
    archive && (value.raw == der || Token::parse(value.raw).is_ok_and(|token| token.info.time >= time))
}

/// EN 319 122-1 § 5.5.3: the content's type, the content's digest, the signer's fields, the hash index.
fn archive_v3(digest: DigestAlgorithm, around: &mut Around<'_, '_, '_>, token: &Token<'_>) -> Imprint {
    let Some(Ok(index)) = hash_index::of_token(&token.signed) else { return Imprint::NoIndex };
    let Some(content) = around.content.as_deref_mut() else { return Imprint::Missing };
    let computed = content.by(digest).and_then(|content| {
        let candidates = v3_candidates(around.signed, around.signer, &content, &index);
        let found = candidates.iter().map(|pieces| digest_of(digest, pieces)).collect::<Result<Vec<_>, _>>()?;
        Ok((found, index.compare(around.signed, around.signer)?))
    });
    match computed {
        Err(unsupported) => Imprint::Unsupported(unsupported.0),
        Ok((candidates, _)) if !candidates.contains(&token.info.imprint) => Imprint::Differs,
        Ok((_, state)) if !state.holds() => Imprint::IndexFails(state),
        Ok(_) => Imprint::Matches,
    }
}

fn v3_candidates<'x>(
    signed: &SignedData<'x>,
    signer: &SignerInfo<'x>,
    content: &'x [u8],
    index: &HashIndex<'x>,
) -> Vec<Vec<&'x [u8]>> {
    let mut pieces: Vec<&[u8]> = vec![signed.content_type_raw, content, signer.version_raw, signer.sid_raw];
    pieces.push(signer.digest.raw);
    pieces.extend(signer.signed.as_ref().map(|set| set.element.raw));
    pieces.extend([signer.algorithm.raw, signer.signature_raw, index.raw]);
    vec![pieces]
}

/// What an unreadable index would say, for the facts.
pub fn index_error(token: &Token<'_>) -> Option<BerError> {
    hash_index::of_token(&token.signed).and_then(Result::err)
}

/// The content of a signature as digests, from inside or beside.
pub fn content_of<'d>(signed: &'d SignedData<'_>, beside: Option<Content<'d>>) -> Option<Digests<'d>> {
    match (&signed.content, beside) {
        (Some(inside), _) => Some(Digests::new(Content::whole(inside))),
        (None, Some(beside)) => Some(Digests::new(beside)),
        (None, None) => None,
    }
}
