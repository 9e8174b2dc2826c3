//! Promise: what the sequencer acknowledges is in the log, provable, and read back the same, on every kind of bucket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use archiland::package::entry_of;
use archiland::sequencer::head::{self, HeadStore, Swap, Version};
use archiland::sequencer::{LogReader, Sequencer, SequencerOptions, Submission, SubmitError};
use archiland::spec::tlog::checkpoint::Checkpoint;
use archiland::spec::tlog::leaf_hash;
use archiland::spec::tlog::proof::{verify_consistency, verify_inclusion};
use archiland::store::{Backend, StoreError, open_backend};
use bytes::Bytes;
use object_store::ObjectStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::unsigned::Unsigned;

type Bucket = (Arc<dyn ObjectStore>, Arc<dyn HeadStore>);

fn bucket(backend: &Backend) -> Bucket {
    let objects = open_backend(backend).unwrap();
    let heads = head::open(backend, &objects);
    (objects, heads)
}

async fn node((objects, heads): &Bucket) -> Sequencer {
    let options = SequencerOptions::default();
    Sequencer::start(objects.clone(), heads.clone(), Arc::new(Unsigned), options).await.unwrap().0
}

fn submission(n: usize) -> Submission {
    Submission { record: Bytes::from(format!("{{\"n\":{n}}}")), idempotency: None }
}

async fn deposits_are_provable(backend: Backend) {
    let bucket = bucket(&backend);
    let sequencer = node(&bucket).await;
    let reader = LogReader::new(bucket.0.clone());
    let mut checkpoints = Vec::new();
    for round in [1usize, 3, 250, 300, 700] {
        let submits = (0..round).map(|n| sequencer.submit(submission(n)));
        for committed in futures::future::join_all(submits).await {
            let committed = committed.unwrap();
            let root = archiland_root(&committed.evidence.note);
            let leaf = leaf_hash(&entry_of(&committed.record));
            verify_inclusion(committed.index, &leaf, committed.size, &committed.proof, &root).unwrap();
            checkpoints.push((committed.size, root));
            let read = reader.record(committed.index, committed.size).await.unwrap().unwrap();
            assert_eq!(read, committed.record);
            assert_eq!(reader.inclusion(committed.index, committed.size).await.unwrap(), committed.proof);
        }
    }
    let published = reader.published().await.unwrap();
    assert_eq!(published.size, 1254);
    checkpoints.dedup();
    for (size, root) in checkpoints {
        let proof = reader.consistency(size, published.size).await.unwrap();
        verify_consistency(size, published.size, &proof, &root, &published.root).unwrap();
    }
    // A node that starts from the bucket alone continues the same log.
    let second = node(&bucket).await;
    let committed = second.submit(submission(0)).await.unwrap();
    assert_eq!((committed.index, committed.size), (1254, 1255));
    // The first one has not seen it: it must rebase.
    assert_eq!(sequencer.submit(submission(1)).await.unwrap().index, 1255);
    assert_eq!(reader.records(1250..1256, 1256).await.unwrap().len(), 6);
}

fn archiland_root(note: &str) -> [u8; 32] {
    Checkpoint::parse(&format!("{}\n", note.split_once("\n\n").unwrap().0)).unwrap().root
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_are_provable_in_memory() {
    deposits_are_provable(Backend::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_are_provable_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    deposits_are_provable(Backend::Local(folder.path().to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_share_one_log_and_one_archive_per_key() {
    let bucket = bucket(&Backend::Memory);
    let nodes = [node(&bucket).await, node(&bucket).await, node(&bucket).await];
    let mut tasks = Vec::new();
    for key in 0..40u8 {
        for sequencer in nodes.clone() {
            let record = Bytes::from(format!(
                "{{\"body\":{{\"idempotency\":\"{}\"}},\"salt\":\"{}\"}}",
                hex::encode([key; 32]),
                uuid::Uuid::new_v4()
            ));
            tasks.push(tokio::spawn(async move {
                match sequencer.submit(Submission { record, idempotency: Some([key; 32]) }).await {
                    Ok(committed) => committed.index,
                    Err(SubmitError::Duplicate { index }) => index,
                    Err(error) => panic!("{error}"),
                }
            }));
        }
    }
    let mut indexes = std::collections::HashSet::new();
    for task in tasks {
        indexes.insert(task.await.unwrap());
    }
    assert_eq!(indexes.len(), 40, "one archive per key, whichever node it went to");
    let published = LogReader::new(bucket.0.clone()).published().await.unwrap();
    assert_eq!(published.size, 40);
}

/// Another node commits just before the first swap of this one.
struct Overtaken {
    heads: Arc<dyn HeadStore>,
    other: Sequencer,
    first_of_both: Submission,
    done: AtomicBool,
}

#[async_trait::async_trait]
impl HeadStore for Overtaken {
    async fn read(&self, key: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        self.heads.read(key).await
    }

    async fn swap(&self, key: &str, expected: Option<&Version>, content: Bytes) -> Result<Swap, StoreError> {
        if key == head::HEAD_KEY && !self.done.swap(true, Ordering::SeqCst) {
            assert_eq!(self.other.submit(self.first_of_both.clone()).await.unwrap().index, 0);
        }
        self.heads.swap(key, expected, content).await
    }
}

/// A record sent to two nodes begins a batch of each: the batch that lost is not taken for the one that is there.
#[tokio::test]
async fn a_batch_that_begins_like_the_winner_is_not_it() {
    let (objects, heads) = bucket(&Backend::Memory);
    let other = node(&(objects.clone(), heads.clone())).await;
    let overtaken = Overtaken { heads, other, first_of_both: submission(0), done: AtomicBool::new(false) };
    let bucket: Bucket = (objects, Arc::new(overtaken));
    let sequencer = node(&bucket).await;
    let reader = LogReader::new(bucket.0.clone());
    for committed in futures::future::join_all([0, 1].map(|n| sequencer.submit(submission(n)))).await {
        let committed = committed.unwrap();
        let read = reader.record(committed.index, committed.size).await.unwrap();
        assert_eq!(read.as_ref(), Some(&committed.record), "at {}", committed.index);
    }
}
