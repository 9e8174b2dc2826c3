//! The evidence of a batch as kept in the bucket: one JSON object, from which the RFC 4998 record of each of its archives
//! is put together. Base64 and hexadecimal aside, every part of it is a part of those records:
//!
//! ```json
//! {"v":1, "first":0, "size":4096,
//!  "chains":[{"digest":"sha256", "archives":[[0,4096]], "nodes":"…", "stamps":[{"token":"…", "above":[["…"]]}]}]}
//! ```
//!
//! `nodes` holds the leaf of each archive of `archives` (runs: first index, count), one after the other: the digest of its
//! documents' digests, or the digest itself of a single one. `token` is the CMS token over the root; `above` are the lists
//! of hash values that lead further up where a token covers more than this batch. The first stamp of a chain covers the
//! tree, each next one the token before it.

use super::{ENTRIES_MAX, EvidenceError};
use crate::spec::cms::algorithm::Digest;
use crate::spec::ers::{ArchiveTimestamp, EvidenceRecord, HashTree, chain, encode, root_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The evidence of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceBatch {
    /// Format version: 1.
    pub v: u8,
    /// First entry looked at.
    pub first: u64,
    /// Entries of the log up to which it looked.
    pub size: u64,
    /// Oldest first.
    pub chains: Vec<BatchChain>,
}

/// A hash tree and its time-stamps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchChain {
    /// `sha256`, `sha384`, `sha512`.
    pub digest: String,
    /// Runs of entries that are archives: first index, count.
    pub archives: Vec<(u64, u64)>,
    /// Their leaves, base64.
    pub nodes: String,
    /// Oldest first.
    pub stamps: Vec<BatchStamp>,
}

/// A time-stamp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchStamp {
    /// CMS token, base64.
    pub token: String,
    /// Lists of hash values (base64) from what this batch brings up to what the token covers. For a renewal, the first
    /// list holds the digest of the token renewed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Vec<String>>,
}

/// The digests of an archive's documents.
pub(super) type Leaves = Vec<Vec<u8>>;

impl EvidenceBatch {
    /// A batch without evidence yet.
    pub(super) fn new(first: u64, size: u64) -> Self {
        Self { v: 1, first, size, chains: Vec::new() }
    }

    /// Reads a batch object.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let batch: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if batch.v != 1 {
            return Err(format!("version {} inconnue", batch.v));
        }
        if batch.first >= batch.size || batch.chains.iter().any(|chain| chain.stamps.is_empty()) {
            return Err("lot sans étendue ou chaîne sans horodatage".to_owned());
        }
        let within = |(first, count): &(u64, u64)| {
            *first >= batch.first && first.checked_add(*count).is_some_and(|end| end <= batch.size)
        };
        let all_within = batch.chains.iter().all(|chain| chain.archives.iter().all(within));
        if batch.size - batch.first > ENTRIES_MAX || !all_within {
            return Err(format!("plus de {ENTRIES_MAX} entrées, ou des archives hors du lot"));
        }
        Ok(batch)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Numbers and strings always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The evidence record (DER) of the archive at `index`; `None` when it is not among them. `documents` gives the
    /// digests of its documents under an algorithm, as far as they are known.
    pub fn record_of(
        &self,
        index: u64,
        documents: &dyn Fn(Digest) -> Option<Leaves>,
    ) -> Result<Option<Vec<u8>>, EvidenceError> {
        self.record_within(self.chains.len(), index, documents)
    }

    /// [`EvidenceBatch::record_of`] with its first `count` chains only.
    pub(super) fn record_within(
        &self,
        count: usize,
        index: u64,
        documents: &dyn Fn(Digest) -> Option<Leaves>,
    ) -> Result<Option<Vec<u8>>, EvidenceError> {
        let (mut digests, mut chains): (Vec<Digest>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
        for own in self.chains.iter().take(count) {
            let digest = own.digest().ok_or_else(|| self.corrupt("condensat inconnu"))?;
            let Some(place) = own.place_of(index) else { return Ok(None) };
            let mut leaves = documents(digest).ok_or(EvidenceError::Mismatch { index })?;
            if !chains.is_empty() {
                let so_far = encode(&digests, &chains);
                let so_far = EvidenceRecord::parse(&so_far)?;
                leaves = leaves.iter().map(|leaf| so_far.rehash(chains.len(), digest, leaf)).collect();
            }
            chains.push(self.chain_of(own, digest, place, index, leaves)?);
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        Ok(Some(encode(&digests, &chains)))
    }

    fn chain_of(
        &self,
        own: &BatchChain,
        digest: Digest,
        place: usize,
        index: u64,
        mut leaves: Leaves,
    ) -> Result<Vec<u8>, EvidenceError> {
        leaves.sort_unstable();
        leaves.dedup();
        let nodes = own.nodes().ok_or_else(|| self.corrupt("nœuds illisibles"))?;
        let group: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
        if root_of(digest, std::slice::from_ref(&group)).as_ref() != nodes.get(place) {
            return Err(EvidenceError::Mismatch { index });
        }
        let tree = tree_of(digest, nodes).ok_or_else(|| self.corrupt("arbre vide"))?;
        let mut lists = tree.reduced(place).unwrap_or_default();
        if lists.is_empty() {
            lists.push(Vec::new());
        }
        lists[0] = group;
        let mut stamps = Vec::new();
        for (rank, stamp) in own.stamps.iter().enumerate() {
            let token = decode(&stamp.token).ok_or_else(|| self.corrupt("jeton illisible"))?;
            let above = stamp.above.iter().map(|list| list.iter().map(|hash| decode(hash)).collect::<Option<Vec<_>>>());
            let above =
                above.collect::<Option<Vec<_>>>().ok_or_else(|| self.corrupt("liste de condensats illisible"))?;
            let mut path: Vec<Vec<&[u8]>> = if rank == 0 { lists.clone() } else { Vec::new() };
            path.extend(above.iter().map(|list| list.iter().map(Vec::as_slice).collect()));
            // A token over a single digest covers it directly (§ 4.2).
            let path = if let [only] = path.as_slice()
                && only.len() == 1
            {
                Vec::new()
            } else {
                path
            };
            stamps.push(ArchiveTimestamp { digest: Some(digest), tree: path, token: &token }.encode());
        }
        Ok(chain(&stamps))
    }

    pub(super) fn corrupt(&self, reason: &str) -> EvidenceError {
        EvidenceError::Corrupt { key: super::evidence_key(self.size), reason: reason.to_owned() }
    }
}

impl BatchChain {
    /// A chain over archives in the order of their indices, not stamped yet, and its root. `None` without archives.
    pub(super) fn build(digest: Digest, archives: &[(u64, Leaves)]) -> Option<(Self, Vec<u8>)> {
        let mut nodes = Vec::with_capacity(archives.len());
        for (_, leaves) in archives {
            let mut group: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
            group.sort_unstable();
            group.dedup();
            nodes.push(root_of(digest, &[group])?);
        }
        let text = STANDARD.encode(nodes.concat());
        let root = tree_of(digest, nodes)?.root().to_vec();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (index, _) in archives {
            match runs.last_mut() {
                Some((first, count)) if *first + *count == *index => *count += 1,
                _ => runs.push((*index, 1)),
            }
        }
        Some((Self { digest: name_of(digest).to_owned(), archives: runs, nodes: text, stamps: Vec::new() }, root))
    }

    /// The algorithm of its tree.
    pub fn digest(&self) -> Option<Digest> {
        [Digest::Sha256, Digest::Sha384, Digest::Sha512].into_iter().find(|digest| name_of(*digest) == self.digest)
    }

    /// Every archive's index, in order.
    pub fn indices(&self) -> impl Iterator<Item = u64> + '_ {
        self.archives.iter().flat_map(|(first, count)| *first..first.saturating_add(*count))
    }

    fn place_of(&self, index: u64) -> Option<usize> {
        let mut before = 0_u64;
        for (first, count) in &self.archives {
            if let Some(within) = index.checked_sub(*first).filter(|within| within < count) {
                return usize::try_from(before.checked_add(within)?).ok();
            }
            before = before.saturating_add(*count);
        }
        None
    }

    fn nodes(&self) -> Option<Vec<Vec<u8>>> {
        let size = self.digest()?.size();
        let bytes = decode(&self.nodes)?;
        (bytes.len() % size == 0).then(|| bytes.chunks(size).map(<[u8]>::to_vec).collect())
    }
}

impl BatchStamp {
    pub(super) fn new(token: &[u8], above: &[Vec<&[u8]>]) -> Self {
        let above = above.iter().map(|list| list.iter().map(|hash| STANDARD.encode(hash)).collect()).collect();
        Self { token: STANDARD.encode(token), above }
    }

    /// The token.
    pub fn token(&self) -> Option<Vec<u8>> {
        decode(&self.token)
    }
}

/// The tree over nodes: each is a leaf by itself.
fn tree_of(digest: Digest, nodes: Vec<Vec<u8>>) -> Option<HashTree> {
    HashTree::new(digest, nodes.into_iter().map(|node| vec![node]).collect())
}

/// How a digest is named in JSON.
pub(super) fn name_of(digest: Digest) -> &'static str {
    match digest {
        Digest::Sha256 => "sha256",
        Digest::Sha384 => "sha384",
        Digest::Sha512 => "sha512",
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
