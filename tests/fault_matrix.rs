//! Promises I1–I3 and I8 under every single fault at every step of the commit protocol.
//!
//! A healthy run of a scenario tells how many requests it makes; then the scenario runs once per request and per fate.
//! Whatever happened, every acknowledged record is in the log at its place, once, and a checker that shares nothing with
//! the writer finds the bucket whole.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use archiland::sequencer::head::{self, HeadStore};
use archiland::sequencer::{Sequencer, SequencerOptions, Submission, SubmitError};
use archiland::store::{Backend, open_backend};
use bytes::Bytes;
use object_store::ObjectStore;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::faults::{Fate, FaultyHeads, FaultyStore, Plan};
use support::fsck::read_log;
use support::unsigned::Unsigned;

/// Gives the request number `at` its fate; all others work.
struct Once {
    at: usize,
    fate: Fate,
    seen: AtomicUsize,
    trace: Mutex<Vec<String>>,
    crashed: Arc<tokio::sync::Notify>,
    dead: AtomicBool,
}

impl Once {
    fn new(at: usize, fate: Fate) -> Arc<Self> {
        Arc::new(Self {
            at,
            fate,
            seen: AtomicUsize::new(0),
            trace: Mutex::default(),
            crashed: Arc::default(),
            dead: AtomicBool::new(false),
        })
    }
}

impl Plan for Once {
    fn fate(&self, operation: &'static str, key: &str, _write: bool) -> Fate {
        if self.dead.load(Ordering::SeqCst) {
            return Fate::CrashBefore;
        }
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        self.trace.lock().unwrap().push(format!("{operation} {key}"));
        if number == self.at { self.fate } else { Fate::Works }
    }

    fn crash(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.crashed.notify_one();
    }
}

struct Bucket {
    objects: Arc<dyn ObjectStore>,
    heads: Arc<dyn HeadStore>,
}

impl Bucket {
    fn new(backend: &Backend) -> Self {
        let objects = open_backend(backend).unwrap();
        let heads = head::open(backend, &objects);
        Self { objects, heads }
    }

    async fn node(&self, plan: Arc<Once>) -> Option<(Sequencer, tokio::task::JoinHandle<()>)> {
        let objects = Arc::new(FaultyStore::new(self.objects.clone(), plan.clone()));
        let heads = Arc::new(FaultyHeads::new(self.heads.clone(), plan));
        let options = SequencerOptions {
            commit_timeout: Duration::from_secs(5),
            follow_interval: Duration::from_secs(3600),
            ..SequencerOptions::default()
        };
        Sequencer::start(objects, heads, Arc::new(Unsigned), options).await.ok()
    }
}

/// Two batches that cross a tile boundary, from whichever node is alive, each record tried until it is acknowledged.
async fn scenario(bucket: &Bucket, plan: Arc<Once>) -> BTreeMap<u16, u64> {
    let mut acknowledged = BTreeMap::new();
    let mut node = start(bucket, &plan).await;
    for batch in [0..2u16, 2..270] {
        let mut waiting: Vec<u16> = batch.collect();
        for _try in 0..20 {
            let answers = tokio::select! {
                answers = submit_all(&node.0, &waiting) => answers,
                () = plan.crashed.notified() => {
                    node.1.abort();
                    node = start(bucket, &Once::new(usize::MAX, Fate::Works)).await;
                    continue;
                }
            };
            acknowledged.extend(answers);
            waiting.retain(|key| !acknowledged.contains_key(key));
            if waiting.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(waiting.is_empty(), "{} records were never acknowledged", waiting.len());
    }
    // What lands late has landed after this.
    tokio::time::sleep(Duration::from_secs(30)).await;
    acknowledged
}

/// A node that is alive: one that dies while it starts is started again.
async fn start(bucket: &Bucket, plan: &Arc<Once>) -> (Sequencer, tokio::task::JoinHandle<()>) {
    let started = tokio::select! {
        started = bucket.node(plan.clone()) => started,
        () = plan.crashed.notified() => None,
    };
    match started {
        Some(node) => node,
        None => bucket.node(Once::new(usize::MAX, Fate::Works)).await.unwrap(),
    }
}

fn digest_of(key: u16) -> [u8; 32] {
    let [high, low] = key.to_be_bytes();
    std::array::from_fn(|n| if n % 2 == 0 { high } else { low })
}

async fn submit_all(sequencer: &Sequencer, keys: &[u16]) -> Vec<(u16, u64)> {
    let submits = keys.iter().map(|&key| async move {
        let record = Bytes::from(format!("{{\"body\":{{\"idempotency\":\"{}\"}}}}", hex::encode(digest_of(key))));
        match sequencer.submit(Submission { record, idempotency: Some(digest_of(key)) }).await {
            Ok(committed) => Some((key, committed.index)),
            Err(SubmitError::Duplicate { index }) => Some((key, index)),
            Err(_) => None,
        }
    });
    futures::future::join_all(submits).await.into_iter().flatten().collect()
}

async fn check(bucket: &Bucket, acknowledged: &BTreeMap<u16, u64>) -> Result<(), String> {
    let log = read_log(&*bucket.objects).await?;
    for (key, index) in acknowledged {
        let wanted = hex::encode(digest_of(*key));
        let places: Vec<u64> = (0..)
            .zip(&log.records)
            .filter(|(_, record)| String::from_utf8_lossy(record).contains(&wanted))
            .map(|(place, _)| place)
            .collect();
        if places != [*index] {
            return Err(format!("key {key} acknowledged at {index}, found at {places:?}"));
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_fault_at_every_step() {
    let bucket = Bucket::new(&Backend::Memory);
    let healthy = Once::new(usize::MAX, Fate::Works);
    let acknowledged = scenario(&bucket, healthy.clone()).await;
    check(&bucket, &acknowledged).await.unwrap();
    let trace = healthy.trace.lock().unwrap().clone();
    assert!(trace.len() >= 25, "{trace:#?}");

    let late = Duration::from_secs(2);
    let fates = [
        Fate::Slow(late),
        Fate::Fails,
        Fate::AnswerLost,
        Fate::Twice,
        Fate::LandsLate(late),
        Fate::LandsLate(Duration::from_secs(20)),
        Fate::CrashBefore,
        Fate::CrashAfter,
    ];
    for (at, request) in trace.iter().enumerate() {
        for fate in fates {
            let bucket = Bucket::new(&Backend::Memory);
            let acknowledged = scenario(&bucket, Once::new(at, fate)).await;
            if let Err(error) = check(&bucket, &acknowledged).await {
                panic!("{fate:?} at request {at} ({request}): {error}");
            }
        }
    }
}
