//! What evidence (RFC 4998) adds to a commit: a batch of 4,096 deposits brought into a log on local disk, fsync on, then the
//! evidence of the same 4,096 as the daemon makes it afterwards: records read back, tree, token journalled and signed, object
//! written. In turn, in one run; the ratio is what counts.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use archiland::clock::{SharedClock, SystemClock, format_record_time};
use archiland::daemon::KeyringSigner;
use archiland::evidence::{ENTRIES_MAX, Maker};
use archiland::package::{Body, Deposit, Location, Payload, Record, fresh_salt};
use archiland::sequencer::{LogReader, Sequencer, SequencerOptions, Submission, head};
use archiland::store::{Backend, open_backend};
use archiland::timestamp::{ClockTrust, Intents, Keyring, TimestampService};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rounds; the median is told.
const ROUNDS: usize = 9;

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
    let log = LogReader::new(objects.clone());
    let maker = Maker::new(log.clone(), objects, Arc::new(stamping));
    let (mut commits, mut evidences) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS as u64 {
        let records: Vec<Bytes> = (0..ENTRIES_MAX).map(|n| record(round * ENTRIES_MAX + n)).collect();
        let before = log.published().await.unwrap().size;
        let began = Instant::now();
        let submitted = records.into_iter().map(|record| sequencer.submit(Submission { record, idempotency: None }));
        for placed in futures::future::join_all(submitted).await {
            placed.unwrap();
        }
        let commit = began.elapsed();
        let size = log.published().await.unwrap().size;
        assert_eq!(size, before + ENTRIES_MAX);
        let began = Instant::now();
        assert_eq!(maker.advance(before, size).await.unwrap(), size);
        let evidence = began.elapsed();
        // The first round warms everything up.
        if round > 0 {
            commits.push(commit);
            evidences.push(evidence);
        }
    }
    let (commit, evidence) = (median(commits), median(evidences));
    println!("commit of {ENTRIES_MAX} deposits       {:>9.1} ms", commit.as_secs_f64() * 1e3);
    println!("their evidence, afterwards    {:>9.1} ms", evidence.as_secs_f64() * 1e3);
    println!(
        "evidence / commit             {:>9.3}  (asked: under 0.100)",
        evidence.as_secs_f64() / commit.as_secs_f64()
    );
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}
