//! ATSHashIndex (EN 319 122-1 § 5.5.2, TS 101 733 § 6.4.2): the digests of everything around a signature that an archive
//! time-stamp of the third version covers.

use super::long_term::long_term;
use super::oid;
use crate::spec::ber::{BerError, Element, Reader, tag};
use crate::spec::cms::received::{AlgorithmId, SignedData, SignerInfo};
use crate::spec::crypto::{DigestAlgorithm, Unsupported};
use std::collections::BTreeSet;

/// Digests in one index, at most.
const MAX_DIGESTS: usize = 4096;

/// An index as received.
#[derive(Debug, Clone)]
pub struct HashIndex<'a> {
    /// The attribute's value, whole: the imprint is over it.
    pub raw: &'a [u8],
    digest: Option<DigestAlgorithm>,
    certificates: Vec<&'a [u8]>,
    revocations: Vec<&'a [u8]>,
    attributes: Vec<&'a [u8]>,
    third: bool,
}

/// What an index says about the signature as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexState {
    /// Certificates that were there when the time-stamp was made and are not any more.
    pub missing_certificates: usize,
    /// Revocation data likewise.
    pub missing_revocations: usize,
    /// Unsigned attributes (or their values) likewise.
    pub missing_attributes: usize,
    /// Certificates, revocation data and attributes there now that it does not cover: added later.
    pub uncovered: usize,
}

impl IndexState {
    /// Whether nothing that was covered has gone or changed.
    pub fn holds(&self) -> bool {
        self.missing_certificates + self.missing_revocations + self.missing_attributes == 0
    }
}

/// The index of an archive time-stamp token: the newest kind among the unsigned attributes of the token's signer.
pub fn of_token<'a>(token: &SignedData<'a>) -> Option<Result<HashIndex<'a>, BerError>> {
    let signer = token.signers.first()?;
    [(oid::HASH_INDEX_V3, true), (oid::HASH_INDEX_V2, false), (oid::HASH_INDEX, false)].into_iter().find_map(
        |(kind, third)| {
            let value = signer.unsigned_attributes(&kind).find_map(|attribute| attribute.values.first().copied())?;
            Some(read(&value, third))
        },
    )
}

/// `SEQUENCE { hashIndAlgorithm DEFAULT sha-256, certificates, crls, unsigned attributes: SEQUENCE OF OCTET STRING }`.
fn read<'a>(value: &Element<'a>, third: bool) -> Result<HashIndex<'a>, BerError> {
    let mut fields = value.reader();
    // An AlgorithmIdentifier begins with an identifier, a list of digests with a string, or is empty.
    let first = fields.clone().any()?;
    let digest = if first.reader().peek() == Some(tag::OID) {
        DigestAlgorithm::from_oid(AlgorithmId::read(&mut fields)?.oid)
    } else {
        Some(DigestAlgorithm::Sha256)
    };
    let certificates = digests(&mut fields)?;
    let revocations = digests(&mut fields)?;
    let attributes = digests(&mut fields)?;
    Ok(HashIndex { raw: value.raw, digest, certificates, revocations, attributes, third })
}

fn digests<'a>(fields: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, BerError> {
    let mut list = fields.sequence("des condensats")?;
    let mut found = Vec::new();
    while !list.is_empty() {
        if found.len() == MAX_DIGESTS {
            return Err(list.error("au plus 4096 condensats"));
        }
        found.push(list.expect(tag::OCTET_STRING, "un condensat")?.value);
    }
    Ok(found)
}

impl HashIndex<'_> {
    /// Compares it with the signature around the time-stamp.
    pub fn compare(&self, signed: &SignedData<'_>, signer: &SignerInfo<'_>) -> Result<IndexState, Unsupported> {
        let digest = self.digest.ok_or_else(|| Unsupported("condensat de l'index".to_owned()))?;
        let certificates = digest_all(digest, signed.certificates.iter().map(|choice| vec![choice.raw]))?;
        let revocations = digest_all(digest, signed.revocations.iter().map(|choice| vec![choice.raw]))?;
        // Some producers index what stands in unsigned attributes too; as long as it is there, nothing has gone.
        let carried = long_term(signer);
        let more_certificates = digest_all(digest, carried.certificates.iter().map(|raw| vec![*raw]))?;
        let more_revocations = digest_all(digest, carried.crls.iter().chain(&carried.ocsps).map(|raw| vec![*raw]))?;
        let entries = signer.unsigned.as_ref().map(|set| set.entries.as_slice()).unwrap_or_default();
        // Third version: type and one value, each of them; before: the attribute whole. Both occur under either name.
        let by_value = digest_all(
            digest,
            entries.iter().flat_map(|entry| entry.values.iter().map(|value| vec![entry.kind_raw, value.raw])),
        )?;
        let whole = digest_all(digest, entries.iter().map(|entry| vec![entry.raw]))?;
        let present: BTreeSet<&Vec<u8>> = if self.third { by_value.iter().collect() } else { whole.iter().collect() };
        let either: BTreeSet<&Vec<u8>> = by_value.iter().chain(&whole).collect();
        let uncovered = added(&self.certificates, &certificates.iter().collect())
            + added(&self.revocations, &revocations.iter().collect())
            + added(&self.attributes, &present);
        Ok(IndexState {
            missing_certificates: gone(&self.certificates, &certificates.iter().chain(&more_certificates).collect()),
            missing_revocations: gone(&self.revocations, &revocations.iter().chain(&more_revocations).collect()),
            missing_attributes: gone(&self.attributes, &either),
            uncovered,
        })
    }
}

fn digest_all<'x>(
    digest: DigestAlgorithm,
    items: impl Iterator<Item = Vec<&'x [u8]>>,
) -> Result<Vec<Vec<u8>>, Unsupported> {
    items
        .map(|pieces| {
            let mut hasher = digest.hasher()?;
            for piece in pieces {
                hasher.update(piece);
            }
            Ok(hasher.finish())
        })
        .collect()
}

/// How many of the `indexed` are not `present`.
fn gone(indexed: &[&[u8]], present: &BTreeSet<&Vec<u8>>) -> usize {
    let there: BTreeSet<&[u8]> = present.iter().map(|digest| digest.as_slice()).collect();
    indexed.iter().collect::<BTreeSet<_>>().into_iter().filter(|digest| !there.contains(*digest)).count()
}

/// How many `present` are not indexed.
fn added(indexed: &[&[u8]], present: &BTreeSet<&Vec<u8>>) -> usize {
    let indexed: BTreeSet<&[u8]> = indexed.iter().copied().collect();
    present.iter().filter(|digest| !indexed.contains(digest.as_slice())).count()
}
