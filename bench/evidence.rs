//! What evidence (RFC 4998) adds to a commit, on local disk, fsync on. Two ways of looking, in one run:
//!
//! * **together**: commits of 4,096 deposits one after the other, without evidence and with it made behind them as the daemon
//!   makes it (digests, tree, token journalled and signed, object written), until all of it is made. What is added is the
//!   difference: the project asks for less than a tenth;
//! * **alone**: the evidence of 4,096 entries while nothing else goes on. Most of that is waiting for the disk: the token is
//!   journalled in a commit of its own, which other records would share.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use archiland::clock::{SharedClock, SystemClock, format_record_time};
use archiland::daemon::KeyringSigner;
use archiland::evidence::{ENTRIES_MAX, Maker};
use archiland::package::{Body, Deposit, Location, Payload, Record, fresh_salt};
use archiland::sequencer::{Sequencer, SequencerOptions, Submission, head};
use archiland::store::{Backend, open_backend};
use archiland::timestamp::{ClockTrust, Intents, Keyring, TimestampService};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Rounds; the median is told.
const ROUNDS: usize = 9;

/// Commits of a stretch.
const COMMITS: u32 = 12;

fn record(number: u64) -> Bytes {
    let digest = archiland::digest::Digests::of(&number.to_be_bytes());
    let record = Record {
        v: 1,
        time: format_record_time(archiland::clock::system().now()),
        agency: "214000010".to_owned(),
        actor: "token:banc".to_owned(),
        id: uuid::Uuid::now_v7(),
        references: Vec::new(),
        salt: fresh_salt().unwrap(),
        body: Body::Deposit(Deposit {
            title: format!("Délibération n° {number} du conseil municipal"),
            document_type: "deliberation".to_owned(),
            rule: "deliberation".to_owned(),
            external_id: Some(format!("DEL-2026-{number}")),
            content: hex::encode(digest.sha256),
            payloads: vec![Payload {
                name: "deliberation.pdf".to_owned(),
                size_bytes: 4096,
                sha256: hex::encode(digest.sha256),
                sha512: hex::encode(digest.sha512),
                media_type: "application/pdf".to_owned(),
                puid: Some("fmt/276".to_owned()),
                location: Location {
                    object: "payload/214000010/paquet.tar.zst".to_owned(),
                    offset: number,
                    length: 4000,
                },
            }],
            ..Deposit::default()
        }),
    };
    record.to_canonical().unwrap().into()
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(std::env::var_os("ARCHILAND_BENCH_DIR").unwrap_or_else(|| "/var/tmp".into()));
    let directory = directory.unwrap();
    let keys = Keyring::create_development(&directory.path().join("keys"), "bench.example/log", &SystemClock).unwrap();
    let (keys, clock): (_, SharedClock) = (Arc::new(keys), Arc::new(SystemClock));
    let backend = Backend::Local(directory.path().join("bucket"));
    let objects = open_backend(&backend).unwrap();
    let intents = Arc::new(Intents::new(directory.path()));
    let signer = Arc::new(KeyringSigner::new(keys.clone(), clock.clone()).announcing(intents));
    let heads = head::open(&backend, &objects);
    let options = SequencerOptions::default();
    let (sequencer, _task) = Sequencer::start(objects.clone(), heads, signer, options).await.unwrap();
    let stamping = TimestampService::start(keys, sequencer.clone(), clock, ClockTrust::blind(), "exploitant");
    let log = sequencer.reader();
    let maker = Arc::new(Maker::new(log, objects, Arc::new(stamping)));
    let (mut reached, mut number) = (0, 0);
    let (mut without, mut with, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let stretch = records(&mut number);
        let began = Instant::now();
        let size = commit(&sequencer, stretch).await;
        let bare = began.elapsed();
        while reached < size {
            let (first, began) = (reached, Instant::now());
            reached = maker.advance(first, size).await.unwrap();
            if round > 0 && reached - first == ENTRIES_MAX {
                alone.push(began.elapsed());
            }
        }
        let stretch = records(&mut number);
        let began = Instant::now();
        let end = Arc::new(AtomicU64::new(u64::MAX));
        let behind = tokio::spawn(preserve(maker.clone(), sequencer.clone(), reached, end.clone()));
        end.store(commit(&sequencer, stretch).await, Ordering::Release);
        reached = behind.await.unwrap();
        // The first round warms everything up.
        if round > 0 {
            without.push(bare);
            with.push(began.elapsed());
        }
    }
    let per_commit = |all| median(all).as_secs_f64() * 1e3 / f64::from(COMMITS);
    let (without, with) = (per_commit(without), per_commit(with));
    println!("commit of {ENTRIES_MAX} deposits               {without:>9.1} ms");
    println!("the same, evidence made behind it     {with:>9.1} ms");
    println!("evidence of {ENTRIES_MAX} entries, alone       {:>9.1} ms", median(alone).as_secs_f64() * 1e3);
    println!("added by evidence                     {:>9.3}  (asked: under 0.100)", with / without - 1.0);
}

/// The records of a stretch.
fn records(number: &mut u64) -> Vec<Vec<Bytes>> {
    let mut next = || {
        *number += 1;
        record(*number)
    };
    (0..COMMITS).map(|_| (0..ENTRIES_MAX).map(|_| next()).collect()).collect()
}

/// Commits one batch after the other; the size of the log after that.
async fn commit(sequencer: &Sequencer, stretch: Vec<Vec<Bytes>>) -> u64 {
    for batch in stretch {
        let submitted = batch.into_iter().map(|record| sequencer.submit(Submission { record, idempotency: None }));
        for placed in futures::future::join_all(submitted).await {
            placed.unwrap();
        }
    }
    let published = *sequencer.published().borrow();
    published.size
}

/// Makes evidence of whole batches as they come, until all entries up to `end` have theirs.
async fn preserve(maker: Arc<Maker>, sequencer: Sequencer, mut reached: u64, end: Arc<AtomicU64>) -> u64 {
    let mut published = sequencer.published();
    loop {
        let size = published.borrow_and_update().size;
        let end = end.load(Ordering::Acquire);
        if reached >= end {
            return reached;
        }
        if size >= reached + ENTRIES_MAX || size >= end {
            reached = maker.advance(reached, size).await.unwrap();
        } else {
            let _ = tokio::time::timeout(Duration::from_millis(5), published.changed()).await;
        }
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}
