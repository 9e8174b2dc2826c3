//! Checking an EvidenceRecord (RFC 4998 § 4.3, § 5.4) and what renewing it covers (§ 5.2, § 5.3).

use super::encode::sequence_of;
use super::record::{ArchiveTimestamp, Chain, EvidenceRecord};
use super::tree::root_of;
use super::{ErsError, Place};
use crate::spec::cms::algorithm::Digest;
use crate::spec::cms::{Anchors, Certificate};
use crate::spec::tsp::SignedToken;
use time::OffsetDateTime;

/// A document, or what is known of it.
#[derive(Debug, Clone, Copy)]
pub enum DataObject<'a> {
    /// Its bytes.
    Content(&'a [u8]),
    /// Its digests: one per algorithm that the record's chains use.
    Digests(&'a [(Digest, &'a [u8])]),
}

/// A record that holds.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Its time-stamps, oldest first.
    pub stamps: Vec<Stamp>,
    /// How many documents were checked against it; 0 means that nothing is known of what it proves.
    pub documents: usize,
}

/// A time-stamp that holds.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// Where it stands.
    pub place: Place,
    /// The digest of its tree.
    pub digest: Digest,
    /// The token.
    pub token: SignedToken,
    /// Who vouches for it; `None` when no anchor was given.
    pub anchor: Option<Certificate>,
}

impl Verified {
    /// Since when the documents are proved to exist.
    pub fn since(&self) -> Option<OffsetDateTime> {
        self.stamps.first().map(|stamp| stamp.token.time)
    }

    /// When the certificate behind the newest time-stamp ends: renewal is due before.
    pub fn until(&self) -> Option<OffsetDateTime> {
        self.stamps.last().map(|stamp| stamp.token.signer.not_after())
    }
}

impl DataObject<'_> {
    /// Its digest, if known.
    pub fn digest(&self, digest: Digest) -> Option<Vec<u8>> {
        match self {
            Self::Content(bytes) => Some(digest.of(bytes).as_ref().to_vec()),
            Self::Digests(known) => {
                known.iter().find(|(algorithm, _)| *algorithm == digest).map(|(_, value)| value.to_vec())
            }
        }
    }
}

impl<'a> EvidenceRecord<'a> {
    /// Checks every time-stamp, every tree and every renewal, and that each of `documents` is among what the first
    /// time-stamp of each chain covers.
    ///
    /// With anchors, each token's signer must be vouched for at the token's time, and its certificate must not have ended
    /// when the next token was made (§ 5.4). Without, the answer is about cryptography alone. Without documents, a
    /// record with a hash-tree renewal cannot be checked whole ([`ErsError::DocumentsNeeded`]).
    pub fn verify(&self, documents: &[DataObject<'_>], anchors: Option<&Anchors>) -> Result<Verified, ErsError> {
        let mut stamps: Vec<Stamp> = Vec::new();
        for (rank, chain) in self.chains.iter().enumerate() {
            for (position, archived) in chain.stamps.iter().enumerate() {
                let place = Place { chain: rank, stamp: position };
                let (token, anchor) = open(archived, anchors, place)?;
                let digest = archived.digest.unwrap_or(token.digest);
                if let Some(previous) = stamps.last() {
                    follows(previous, &token, anchors.is_some(), place)?;
                    if position > 0 && previous.digest != digest {
                        return Err(ErsError::Structure("les horodatages d'une chaîne n'ont pas le même condensat"));
                    }
                }
                let objects = match position {
                    0 => self.objects(rank, digest, documents)?,
                    _ => vec![self.renewal_digest(Place { stamp: position - 1, ..place }, digest)],
                };
                covers(archived, digest, &token, &objects, place)?;
                stamps.push(Stamp { place, digest, token, anchor });
            }
        }
        Ok(Verified { stamps, documents: documents.len() })
    }

    /// What a new time-stamp in the same chain covers (§ 5.2): the digest of the old one's token.
    pub fn renewal_digest(&self, renewed: Place, digest: Digest) -> Vec<u8> {
        let stamp = self.chains.get(renewed.chain).and_then(|chain: &Chain<'a>| chain.stamps.get(renewed.stamp));
        digest.of(stamp.map_or(&[], |stamp| stamp.token)).as_ref().to_vec()
    }

    /// What stands for a document in the tree of a new chain (§ 5.3): the digest of its digest and of that of the first
    /// `chains` chains, which it replaces as proof.
    pub fn rehash(&self, chains: usize, digest: Digest, document: &[u8]) -> Vec<u8> {
        let before: Vec<Vec<u8>> = self.chains.iter().take(chains).map(|chain| chain.raw.to_vec()).collect();
        let sequence = digest.of(&sequence_of(&before));
        digest.of(&[document, sequence.as_ref()].concat()).as_ref().to_vec()
    }

    /// The hash values of the documents in the tree of a chain.
    fn objects(&self, chain: usize, digest: Digest, documents: &[DataObject<'_>]) -> Result<Vec<Vec<u8>>, ErsError> {
        let place = Place { chain, stamp: 0 };
        if documents.is_empty() && chain > 0 {
            return Err(ErsError::DocumentsNeeded(place));
        }
        let hashes = documents.iter().enumerate().map(|(document, object)| {
            let hash = object.digest(digest).ok_or(ErsError::DigestMissing { document, place })?;
            Ok(if chain == 0 { hash } else { self.rehash(chain, digest, &hash) })
        });
        hashes.collect()
    }
}

pub(super) fn open(
    archived: &ArchiveTimestamp<'_>,
    anchors: Option<&Anchors>,
    place: Place,
) -> Result<(SignedToken, Option<Certificate>), ErsError> {
    let known = anchors.map_or(&[][..], Anchors::certificates);
    // Authorities of others answer in BER too. The DER of a token says the same; its own octets stay what is digested.
    let definite = crate::spec::ber::Element::first(archived.token).is_ok_and(|(token, _)| token.definite);
    let der = if definite { None } else { crate::spec::ber::canonical(archived.token).ok() };
    let token = SignedToken::open(der.as_deref().unwrap_or(archived.token), known)
        .map_err(|source| ErsError::Stamp { place, source })?;
    let anchor = anchors.map(|anchors| token.vouched(anchors)).transpose();
    Ok((token, anchor.map_err(|source| ErsError::Stamp { place, source })?))
}

/// Whether a token may come after another.
pub(super) fn follows(previous: &Stamp, token: &SignedToken, trusted: bool, place: Place) -> Result<(), ErsError> {
    if token.time < previous.token.time {
        return Err(ErsError::Order(place));
    }
    if trusted && previous.token.signer.not_after() < token.time {
        return Err(ErsError::Late(previous.place));
    }
    Ok(())
}

/// Whether the tree leads from `objects` to what the token covers.
pub(super) fn covers(
    archived: &ArchiveTimestamp<'_>,
    digest: Digest,
    token: &SignedToken,
    objects: &[Vec<u8>],
    place: Place,
) -> Result<(), ErsError> {
    let missing = |rank: usize| match place {
        Place { chain: 0, stamp: 0 } => ErsError::NotCovered(rank),
        Place { stamp: 0, .. } if objects.len() > 1 => ErsError::NotCovered(rank),
        place => ErsError::Renewal(place),
    };
    if token.digest != digest {
        return Err(ErsError::Root(place));
    }
    let Some(first) = archived.tree.first() else {
        return match objects {
            [only] if *only != token.imprint => Err(missing(0)),
            // Without an object, the token alone says nothing that could be wrong.
            [] | [_] => Ok(()),
            _ => Err(missing(1)),
        };
    };
    if archived.tree.iter().flatten().any(|hash| hash.len() != digest.size()) {
        return Err(ErsError::Structure("un condensat de l'arbre n'a pas la longueur de son algorithme"));
    }
    if root_of(digest, &archived.tree).as_deref() != Some(token.imprint.as_slice()) {
        return Err(ErsError::Root(place));
    }
    match objects.iter().position(|object| !first.contains(&object.as_slice())) {
        Some(rank) => Err(missing(rank)),
        None => Ok(()),
    }
}
