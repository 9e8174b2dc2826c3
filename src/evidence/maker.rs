//! Making evidence for what is in the log, and finding it again.

use super::batch::{BatchChain, BatchStamp, EvidenceBatch, Leaves};
use super::{ENTRIES_MAX, EvidenceError, OBJECT_BYTES_MAX, ROOT, SUFFIX, evidence_key};
use crate::package::{Deposit, Record};
use crate::sequencer::LogReader;
use crate::spec::cms::algorithm::Digest;
use crate::store::StoreError;
use crate::timestamp::{TimestampError, TimestampService};
use async_trait::async_trait;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Whoever stamps roots.
#[async_trait]
pub trait Stamper: Send + Sync {
    /// A CMS token over a digest.
    async fn stamp(&self, digest: Digest, imprint: &[u8]) -> Result<Vec<u8>, TimestampError>;
}

#[async_trait]
impl Stamper for TimestampService {
    async fn stamp(&self, digest: Digest, imprint: &[u8]) -> Result<Vec<u8>, TimestampError> {
        self.token_over(digest, imprint).await
    }
}

/// Makes the evidence of a log.
pub struct Maker {
    log: LogReader,
    objects: Arc<dyn ObjectStore>,
    stamper: Arc<dyn Stamper>,
}

impl std::fmt::Debug for Maker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Maker({})", self.objects)
    }
}

impl Maker {
    /// Reads `log`, writes into its bucket.
    pub fn new(log: LogReader, objects: Arc<dyn ObjectStore>, stamper: Arc<dyn Stamper>) -> Self {
        Self { log, objects, stamper }
    }

    /// Up to where evidence was made.
    pub async fn resume(&self) -> Result<u64, EvidenceError> {
        Ok(self.log.last_size(ROOT, SUFFIX).await?.unwrap_or(0))
    }

    /// Makes the evidence of the entries from `first` on, at most [`ENTRIES_MAX`], in a log of `size` entries. Returns
    /// the size reached. Entries without documents need none: a stretch of them leaves no object.
    pub async fn advance(&self, first: u64, size: u64) -> Result<u64, EvidenceError> {
        let end = size.min(first.saturating_add(ENTRIES_MAX));
        let records = self.log.records(first..end, size).await?;
        let built = tokio::task::spawn_blocking(move || {
            let archives: Vec<(u64, Leaves)> = records
                .iter()
                .zip(first..)
                .filter_map(|(record, index)| Some((index, sha256_leaves(record)?)))
                .collect();
            BatchChain::build(Digest::Sha256, &archives)
        });
        let built = built.await.map_err(|error| EvidenceError::Corrupt {
            key: evidence_key(end),
            reason: format!("arbre inachevé : {error}"),
        })?;
        let Some((mut chain, root)) = built else { return Ok(end) };
        let token = self.stamper.stamp(Digest::Sha256, &root).await?;
        chain.stamps.push(BatchStamp::new(&token, &[]));
        let batch = EvidenceBatch { chains: vec![chain], ..EvidenceBatch::new(first, end) };
        let key = evidence_key(end);
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects.put_opts(&Path::from(key.as_str()), PutPayload::from(batch.to_bytes()), create).await {
            // Another node was first; its batch may begin elsewhere, and covers the same end.
            Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(end),
            Err(error) => Err(StoreError::backend(&key, error).into()),
        }
    }
}

/// The evidence record (DER) of an archive, from the batch that covers it. `None` while there is none, or for an entry
/// without documents.
pub async fn evidence_for(
    log: &LogReader,
    objects: &dyn ObjectStore,
    index: u64,
    record: &Record,
) -> Result<Option<Vec<u8>>, EvidenceError> {
    let Some(size) = log.size_above(ROOT, SUFFIX, index).await? else { return Ok(None) };
    let batch = read(objects, &evidence_key(size)).await?;
    let documents = |digest| leaves_of(record, digest);
    batch.record_of(index, &documents)
}

/// Reads a batch object.
pub(super) async fn read(objects: &dyn ObjectStore, key: &str) -> Result<EvidenceBatch, EvidenceError> {
    let backend = |error| StoreError::backend(key, error);
    let corrupt = |reason: String| EvidenceError::Corrupt { key: key.to_owned(), reason };
    let found = objects.get(&Path::from(key)).await.map_err(backend)?;
    if found.meta.size > OBJECT_BYTES_MAX {
        return Err(corrupt("objet trop long".to_owned()));
    }
    let bytes = found.bytes().await.map_err(backend)?;
    EvidenceBatch::parse(&bytes).map_err(corrupt)
}

/// [`leaves_of`] under SHA-256, from the record's bytes: of the thousands of records of a batch, what names a document's digest
/// is all that is read.
fn sha256_leaves(record: &[u8]) -> Option<Leaves> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        #[serde(borrow)]
        body: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Body {
        payloads: Vec<Digests>,
    }
    #[derive(Deserialize)]
    struct Digests {
        sha256: String,
    }
    let outer: Outer<'_> = serde_json::from_slice(record).ok()?;
    if outer.kind != "deposit" {
        return None;
    }
    let body: Body = serde_json::from_str(outer.body.get()).ok()?;
    let leaves = body.payloads.iter().map(|payload| hex::decode(&payload.sha256).ok().filter(|leaf| leaf.len() == 32));
    leaves.collect::<Option<Leaves>>().filter(|leaves| !leaves.is_empty())
}

/// The digests of an archive's documents; `None` for a record that is no deposit, or under an algorithm that records do
/// not carry.
pub(super) fn leaves_of(record: &Record, digest: Digest) -> Option<Leaves> {
    let deposit: &Deposit = record.deposit()?;
    let of = |payload: &crate::package::Payload| match digest {
        Digest::Sha256 => hex::decode(&payload.sha256).ok(),
        Digest::Sha512 => hex::decode(&payload.sha512).ok(),
        Digest::Sha384 => None,
    };
    let leaves: Option<Leaves> = deposit.payloads.iter().map(of).collect();
    leaves.filter(|leaves| !leaves.is_empty() && leaves.iter().all(|leaf| leaf.len() == digest.size()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_read_of_a_record_is_what_the_record_says() {
        let payload = |sha256: &str| {
            format!(
                r#"{{"name":"é \"a\"","size_bytes":1,"sha256":"{sha256}","sha512":"{}","media_type":"x","location":{{"object":"o","offset":0,"length":1}}}}"#,
                "cd".repeat(64)
            )
        };
        let record = |kind: &str, payloads: &[String]| {
            format!(
                r#"{{"v":1,"time":"t","agency":"a","actor":"b","id":"{}","salt":"00","type":"{kind}","body":{{"title":"t","document_type":"d","rule":"r","content":"c","payloads":[{}]}}}}"#,
                uuid::Uuid::nil(),
                payloads.join(",")
            )
        };
        let ab = "ab".repeat(32);
        for (kind, payloads) in [
            ("deposit", vec![payload(&ab), payload(&"01".repeat(32))]),
            ("deposit", vec![]),
            ("deposit", vec![payload("ab")]),
        ] {
            let bytes = record(kind, &payloads).into_bytes();
            let whole = leaves_of(&Record::parse(&bytes).unwrap(), Digest::Sha256);
            assert_eq!(sha256_leaves(&bytes), whole);
        }
        assert!(sha256_leaves(record("refusal", &[payload(&ab)]).as_bytes()).is_none());
        assert!(sha256_leaves(b"{}").is_none() && sha256_leaves(b"").is_none());
    }
}
