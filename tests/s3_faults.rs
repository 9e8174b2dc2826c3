//! Promises I1–I3 and I8 on the wire: two nodes over the real S3 client and an S3 server that refuses, cuts, lies, loses
//! answers, truncates, and lets writes land late. The client's own retries are part of what is tried.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/bucket.rs"]
mod bucket;
mod support;

use archiland::package::Payload;
use archiland::sequencer::{Sequencer, SequencerOptions, Submission, SubmitError};
use archiland::store::{Store, StoreOptions, StoredPayload};
use archiland::testing::s3::{Fault, Options};
use bucket::Bucket;
use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::fsck::read_log;
use support::unsigned::Unsigned;

const SEEDS: u64 = 6;
const RECORDS: u16 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_over_a_bad_network_loses_nothing_and_doubles_nothing() {
    for seed in 1..=SEEDS {
        let bucket = Bucket::s3(Options::default()).await;
        let server = bucket.server.as_ref().unwrap();
        let [one, two] = [node(&bucket).await, node(&bucket).await];
        let dice = Dice::new(seed, 2 + seed);
        server.inject(move |_| dice.roll());
        // Every record goes to either node, and every fifth to both: the retry that lands on another node.
        let one_keys: Vec<u16> = (0..RECORDS).filter(|key| key % 2 == 0 || key % 5 == 0).collect();
        let two_keys: Vec<u16> = (0..RECORDS).filter(|key| key % 2 == 1 || key % 5 == 0).collect();
        let (from_one, from_two) = tokio::join!(submit_all(&one, &one_keys), submit_all(&two, &two_keys));
        server.heal();
        // What lands late has landed after this.
        tokio::time::sleep(LATE * 3).await;

        let log = read_log(&*bucket.objects).await.unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (place, record) in log.records.iter().enumerate() {
            if let Some(first) = places.insert(record, place) {
                panic!("seed {seed}: the same record at {first} and {place}");
            }
        }
        for (key, index) in from_one.iter().chain(&from_two) {
            let index = usize::try_from(*index).unwrap();
            assert_eq!(places.get(record(*key).as_ref()), Some(&index), "seed {seed}: record {key} is not at {index}");
        }
        eprintln!("seed {seed}: {} records, {:?}", log.size, server.counts());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_over_a_bad_network_come_back_whole_or_not_at_all() {
    let bucket = Bucket::s3(Options::default()).await;
    let server = bucket.server.as_ref().unwrap();
    let store = Store::new(bucket.objects.clone(), StoreOptions::default());
    let dice = Dice::new(0xfeed, 4);
    server.inject(move |_| dice.roll());
    // Most share packs; some do not compress and are uploaded in parts.
    let contents: Vec<Bytes> = (0..60_u64)
        .map(|n| {
            let words = Dice::new(n, 1);
            let count = if n % 12 == 0 { 3 << 20 } else { 40 * n + 1 };
            (0..count).flat_map(|_| words.number().to_le_bytes()).collect()
        })
        .collect();
    let stored = join_all(contents.iter().map(|content| put(&store, content))).await;
    let kept = stored.iter().flatten().count();
    assert!(kept > contents.len() / 2, "only {kept} of {} were stored at all", contents.len());
    let mut wrong = 0;
    for (content, stored) in contents.iter().zip(&stored) {
        let Some(stored) = stored else { continue };
        match read(&store, stored).await {
            Ok(bytes) => assert!(bytes == *content, "another content came back"),
            Err(_) => wrong += 1,
        }
    }
    server.heal();
    for (content, stored) in contents.iter().zip(&stored) {
        let Some(stored) = stored else { continue };
        assert!(read(&store, stored).await.unwrap() == *content, "what was promised is not there");
    }
    eprintln!("{kept} stored, {wrong} unreadable while the network was bad");
}

async fn put(store: &Store, content: &Bytes) -> Option<StoredPayload> {
    let mut writer = store.payload("200040475", "dua-10").unwrap();
    for piece in content.chunks(256 << 10) {
        writer.write(content.slice_ref(piece)).await.ok()?;
    }
    writer.finish().await.ok()
}

async fn read(store: &Store, stored: &StoredPayload) -> Result<Vec<u8>, archiland::store::StoreError> {
    let payload = Payload {
        name: "document".to_owned(),
        size_bytes: stored.size_bytes,
        sha256: hex::encode(stored.digests.sha256),
        sha512: hex::encode(stored.digests.sha512),
        media_type: "text/plain".to_owned(),
        puid: None,
        location: stored.location.clone(),
    };
    let pieces: Vec<Bytes> = store.read(&payload, 0..stored.size_bytes).await?.boxed().try_collect().await?;
    Ok(pieces.concat())
}

async fn node(bucket: &Bucket) -> Sequencer {
    let options = SequencerOptions {
        commit_timeout: Duration::from_secs(10),
        follow_interval: Duration::from_millis(300),
        ..SequencerOptions::default()
    };
    Sequencer::start(bucket.objects.clone(), bucket.heads.clone(), Arc::new(Unsigned), options).await.unwrap().0
}

/// Each record, tried again until it is acknowledged or known to be in the log: its place.
async fn submit_all(node: &Sequencer, keys: &[u16]) -> Vec<(u16, u64)> {
    let one = async |key: u16| {
        // Spread over time, so that several batches are made.
        tokio::time::sleep(Duration::from_millis(u64::from(key) * 5)).await;
        let mut last = None;
        for _try in 0..100 {
            let submission = Submission { record: record(key), idempotency: Some(digest(key)) };
            match node.submit(submission).await {
                Ok(committed) => return (key, committed.index),
                Err(SubmitError::Duplicate { index }) => return (key, index),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("record {key} was never acknowledged: {last:?}");
    };
    join_all(keys.iter().map(|&key| one(key))).await
}

fn record(key: u16) -> Bytes {
    Bytes::from(format!("{{\"body\":{{\"idempotency\":\"{}\"}}}}", hex::encode(digest(key))))
}

fn digest(key: u16) -> [u8; 32] {
    let [high, low] = key.to_be_bytes();
    std::array::from_fn(|n| if n % 2 == 0 { high } else { low })
}

const LATE: Duration = Duration::from_millis(400);

/// Draws faults, for one request in `one_in`; the same seed draws the same sequence, though not always for the same
/// requests.
struct Dice {
    state: AtomicU64,
    one_in: u64,
}

impl Dice {
    fn new(seed: u64, one_in: u64) -> Self {
        Self { state: AtomicU64::new(seed), one_in }
    }

    /// splitmix64
    fn number(&self) -> u64 {
        let mut z = self.state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn roll(&self) -> Fault {
        let drawn = self.number();
        if !drawn.is_multiple_of(self.one_in) {
            return Fault::None;
        }
        match drawn / self.one_in % 8 {
            0 => Fault::Refuse(500),
            1 => Fault::Refuse(503),
            2 => Fault::LieAfter(500),
            3 => Fault::Cut,
            4 => Fault::LoseAnswer,
            5 => Fault::LandLate(LATE),
            6 => Fault::Delay(LATE / 2),
            _ => Fault::Truncate(5),
        }
    }
}
