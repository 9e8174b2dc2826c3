//! Writing an EvidenceRecord, in DER.

use super::record::ArchiveTimestamp;
use crate::spec::cms::algorithm::Digest;
use crate::spec::cms::asn1::{self, tag};

/// An EvidenceRecord of encoded [chains](chain), oldest first, made with these digests, in the order they came into use.
pub fn encode(digests: &[Digest], chains: &[Vec<u8>]) -> Vec<u8> {
    let algorithms: Vec<Vec<u8>> = digests.iter().map(|digest| asn1::sequence(&[&asn1::oid(&digest.oid())])).collect();
    asn1::sequence(&[&asn1::unsigned(&[1]), &sequence_of(&algorithms), &sequence_of(chains)])
}

/// An ArchiveTimeStampChain of encoded [time-stamps](ArchiveTimestamp::encode), oldest first.
pub fn chain(stamps: &[Vec<u8>]) -> Vec<u8> {
    sequence_of(stamps)
}

/// An ArchiveTimeStampSequence of encoded chains.
pub(super) fn sequence_of(elements: &[Vec<u8>]) -> Vec<u8> {
    let parts: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
    asn1::sequence(&parts)
}

impl ArchiveTimestamp<'_> {
    /// Its DER.
    pub fn encode(&self) -> Vec<u8> {
        let digest = self.digest.map(|digest| asn1::encode(tag::context(0), &[&asn1::oid(&digest.oid())]));
        let tree = (!self.tree.is_empty()).then(|| {
            let lists: Vec<Vec<u8>> = self
                .tree
                .iter()
                .map(|list| {
                    let hashes: Vec<Vec<u8>> =
                        list.iter().map(|hash| asn1::encode(tag::OCTET_STRING, &[hash])).collect();
                    sequence_of(&hashes)
                })
                .collect();
            let parts: Vec<&[u8]> = lists.iter().map(Vec::as_slice).collect();
            asn1::encode(tag::context(2), &parts)
        });
        asn1::sequence(&[&digest.unwrap_or_default(), &tree.unwrap_or_default(), self.token])
    }
}
