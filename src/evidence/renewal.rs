//! Renewing evidence before what it rests on ends.
//!
//! Every batch object is looked at. Those that are due are taken together: one tree over what each of them needs covered,
//! one token over its root, and each object is written again with its own way up that tree. Stopped in the middle, what
//! was not written is still due, and the next pass takes it.

use super::batch::{BatchChain, BatchStamp, EvidenceBatch, Leaves, name_of};
use super::maker::{Stamper, leaves_of, read};
use super::{EvidenceError, ROOT, RenewalPolicy, evidence_key};
use crate::package::{EvidenceRenewal, Record};
use crate::sequencer::LogReader;
use crate::spec::cms::algorithm::Digest;
use crate::spec::ers::{EvidenceRecord, HashTree};
use crate::spec::tsp::SignedToken;
use crate::store::StoreError;
use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::collections::BTreeSet;
use std::sync::Arc;
use time::OffsetDateTime;

/// Batches renewed by one token.
pub const GROUP_MAX: usize = 256;

/// A pass over the evidence of a bucket.
pub struct Renewal {
    /// The log.
    pub log: LogReader,
    /// Its bucket.
    pub objects: Arc<dyn ObjectStore>,
    /// Who stamps.
    pub stamper: Arc<dyn Stamper>,
    /// When renewal is due.
    pub policy: RenewalPolicy,
    /// Who is told beforehand.
    pub journal: Arc<dyn Journal>,
    /// Fingerprints of certificates whose key was compromised: what rests on one is renewed.
    pub distrusted: BTreeSet<String>,
}

/// Puts the intent of a renewal into the log.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Returns once it is durable.
    async fn record(&self, renewal: EvidenceRenewal) -> Result<(), EvidenceError>;
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Batches looked at.
    pub seen: usize,
    /// Sizes of the batches whose time-stamp was renewed.
    pub restamped: Vec<u64>,
    /// Sizes of the batches that have a new tree.
    pub rehashed: Vec<u64>,
    /// Sizes of the batches that are due, and for which our own certificate would do no better.
    pub waiting: Vec<u64>,
}

/// What a batch needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Stamp,
    Tree,
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Renewal({})", self.objects)
    }
}

impl Renewal {
    /// Renews what is due at `now`. `until`: when the certificate of our own authority ends; a token that would end no
    /// later than the one it renews is not made.
    pub async fn pass(&self, now: OffsetDateTime, until: OffsetDateTime) -> Result<Renewed, EvidenceError> {
        let mut renewed = Renewed::default();
        let mut due: [Vec<u64>; 2] = Default::default();
        let mut listed = self.objects.list(Some(&Path::from(ROOT)));
        while let Some(found) = listed.try_next().await.map_err(|error| StoreError::backend(ROOT, error))? {
            let batch = read(&*self.objects, found.location.as_ref()).await?;
            renewed.seen += 1;
            match self.need(&batch, now)? {
                (Need::Nothing, _) => {}
                (_, end) if end >= until => renewed.waiting.push(batch.size),
                (Need::Stamp, _) => due[0].push(batch.size),
                (Need::Tree, _) => due[1].push(batch.size),
            }
        }
        renewed.waiting.sort_unstable();
        for sizes in &mut due {
            sizes.sort_unstable();
        }
        for group in due[0].chunks(GROUP_MAX) {
            self.restamp(group).await?;
            renewed.restamped.extend(group);
        }
        // A tree is built from records read again: smaller groups, so that a stop loses little.
        for group in due[1].chunks(GROUP_MAX / 16) {
            self.rehash(group).await?;
            renewed.rehashed.extend(group);
        }
        Ok(renewed)
    }

    /// What a batch needs, and when its newest certificate ends.
    fn need(&self, batch: &EvidenceBatch, now: OffsetDateTime) -> Result<(Need, OffsetDateTime), EvidenceError> {
        let (chain, token) = newest(batch)?;
        let token = SignedToken::open(&token, &[]).map_err(|error| batch.corrupt(&error.to_string()))?;
        let digest = chain.digest().ok_or_else(|| batch.corrupt("condensat inconnu"))?;
        let end = token.signer.not_after();
        if self.policy.digest_is_due(digest, now) && digest != self.policy.successor() {
            return Ok((Need::Tree, OffsetDateTime::UNIX_EPOCH));
        }
        if self.distrusted.contains(&token.signer.fingerprint()) {
            // Whatever ours does, it does better.
            return Ok((Need::Stamp, OffsetDateTime::UNIX_EPOCH));
        }
        let due = self.policy.stamp_is_due(&token.signer.key_algorithm(), end, now);
        Ok((if due { Need::Stamp } else { Need::Nothing }, end))
    }

    /// One more time-stamp for each (§ 5.2). Batches under different digests take different tokens.
    async fn restamp(&self, sizes: &[u64]) -> Result<(), EvidenceError> {
        for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
            let (mut batches, mut leaves) = (Vec::new(), Vec::new());
            for size in sizes {
                let batch = read(&*self.objects, &evidence_key(*size)).await?;
                let (chain, token) = newest(&batch)?;
                if chain.digest() == Some(digest) {
                    leaves.push(vec![digest.of(&token).as_ref().to_vec()]);
                    batches.push(batch);
                }
            }
            let Some(tree) = HashTree::new(digest, leaves) else { continue };
            self.announce("timestamp", &tree, batches.iter()).await?;
            let token = self.stamper.stamp(digest, tree.root()).await?;
            for (place, mut batch) in batches.into_iter().enumerate() {
                let above = tree.reduced(place).unwrap_or_default();
                if let Some(chain) = batch.chains.last_mut() {
                    chain.stamps.push(BatchStamp::new(&token, &above));
                }
                self.write(&batch).await?;
            }
        }
        Ok(())
    }

    /// A new tree for each (§ 5.3), under the successor of its digest.
    async fn rehash(&self, sizes: &[u64]) -> Result<(), EvidenceError> {
        let digest = self.policy.successor();
        let mut built = Vec::new();
        for size in sizes {
            let batch = read(&*self.objects, &evidence_key(*size)).await?;
            let archives = self.archives(&batch, digest).await?;
            // Every document of the batch may have been eliminated since: nothing is left to prove.
            let Some((chain, root)) = BatchChain::build(digest, &archives) else { continue };
            built.push((batch, chain, root));
        }
        let Some(tree) = HashTree::new(digest, built.iter().map(|(_, _, root)| vec![root.clone()]).collect()) else {
            return Ok(());
        };
        self.announce("tree", &tree, built.iter().map(|(batch, _, _)| batch)).await?;
        let token = self.stamper.stamp(digest, tree.root()).await?;
        for (place, (mut batch, mut chain, _)) in built.into_iter().enumerate() {
            // The first list is the root itself, which each record brings with its own lists.
            let above: Vec<Vec<&[u8]>> = tree.reduced(place).unwrap_or_default().into_iter().skip(1).collect();
            chain.stamps.push(BatchStamp::new(&token, &above));
            batch.chains.push(chain);
            self.write(&batch).await?;
        }
        Ok(())
    }

    async fn announce(
        &self,
        kind: &str,
        tree: &HashTree,
        batches: impl Iterator<Item = &EvidenceBatch>,
    ) -> Result<(), EvidenceError> {
        let renewal = EvidenceRenewal {
            kind: kind.to_owned(),
            digest: name_of(tree.digest()).to_owned(),
            root: hex::encode(tree.root()),
            batches: batches.map(|batch| batch.size).collect(),
        };
        self.journal.record(renewal).await
    }

    /// The leaves of a batch's archives in a new tree: their documents' digests, each with what proved it so far. Archives
    /// whose record was erased, or says something else, are left out.
    async fn archives(&self, batch: &EvidenceBatch, digest: Digest) -> Result<Vec<(u64, Leaves)>, EvidenceError> {
        let size = self.log.published().await?.size;
        let records = self.log.records(batch.first..batch.size.min(size), size).await?;
        let last = batch.chains.last().ok_or_else(|| batch.corrupt("aucune chaîne"))?;
        let mut archives = Vec::new();
        for index in last.indices() {
            let place = usize::try_from(index.saturating_sub(batch.first)).unwrap_or(usize::MAX);
            let Some(record) = records.get(place).and_then(|record| Record::parse(record).ok()) else { continue };
            let documents = |digest| leaves_of(&record, digest);
            let (Some(leaves), Ok(Some(proof))) = (documents(digest), batch.record_of(index, &documents)) else {
                continue;
            };
            let proof = EvidenceRecord::parse(&proof)?;
            let chains = batch.chains.len();
            archives.push((index, leaves.iter().map(|leaf| proof.rehash(chains, digest, leaf)).collect()));
        }
        Ok(archives)
    }

    async fn write(&self, batch: &EvidenceBatch) -> Result<(), EvidenceError> {
        let key = evidence_key(batch.size);
        let put = self.objects.put(&Path::from(key.as_str()), PutPayload::from(batch.to_bytes())).await;
        put.map(drop).map_err(|error| StoreError::backend(&key, error).into())
    }
}

/// The newest chain of a batch, and its newest token.
fn newest(batch: &EvidenceBatch) -> Result<(&BatchChain, Vec<u8>), EvidenceError> {
    let chain = batch.chains.last().ok_or_else(|| batch.corrupt("aucune chaîne"))?;
    let token = chain.stamps.last().and_then(BatchStamp::token).ok_or_else(|| batch.corrupt("jeton illisible"))?;
    Ok((chain, token))
}
