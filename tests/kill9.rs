//! I1, I2, I8 on the real binary: killed without warning, again and again, under load. Whatever it acknowledged is there
//! afterwards, verifies with no network, and is there once.
//!
//! `ARCHILAND_KILLS` sets the number of kills: 5 by default, 60 under `CI=true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/deposits.rs"]
mod deposits;
mod support;

use daemon::Archive;
use deposits::{Acknowledged, Asked, Attempt};
use reqwest::Client;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Depositors at work at the same time.
const DEPOSITORS: u64 = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kills = kills();
    let mut archive = Archive::init();
    let mut daemon = archive.serve(&[]);
    assert!(archive.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", archive.log());
    archive.open_for_deposits().await;
    let archive = Arc::new(archive);

    let load = Load::start(&archive);
    let mut wait = Uneven(0x5eed);
    for kill in 1..=kills {
        let acknowledged = load.acknowledged();
        tokio::time::sleep(Duration::from_millis(40 + wait.next() % 700)).await;
        daemon.kill();
        daemon = archive.serve(&[]);
        assert!(
            archive.ready(&mut daemon, Duration::from_secs(60)).await,
            "kill {kill}: no restart: {}",
            archive.log()
        );
        eprintln!("kill {kill}: {} acknowledged since the last", load.acknowledged() - acknowledged);
    }
    let acknowledged = load.finish().await;
    eprintln!("{kills} kills, {} deposits acknowledged", acknowledged.len());
    assert!(acknowledged.len() as u64 > u64::from(kills) * 2, "too little was acknowledged for the kills to mean much");

    deposits::documents_come_back(&archive, &acknowledged[acknowledged.len().saturating_sub(100)..]).await;
    assert!(daemon.stop().success(), "unclean end: {}", archive.log());
    deposits::receipts_verify(&archive, &acknowledged);
    deposits::nothing_is_missing(&archive, &acknowledged).await;
    let path = archive.path().to_str().unwrap();
    support::run_ok(archive.path(), daemon::ARCHILAND, &["audit", "--full", "--dir", path]);
}

/// Depositors that never give up: each deposit is tried with the same key until it is acknowledged.
struct Load {
    stopping: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    depositors: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(archive: &Arc<Archive>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let next = Arc::new(AtomicU64::new(0));
        let depositor = |_| {
            let (archive, stopping) = (Arc::clone(archive), Arc::clone(&stopping));
            let (acknowledged, next) = (Arc::clone(&acknowledged), Arc::clone(&next));
            tokio::spawn(async move {
                let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
                while !stopping.load(Ordering::Relaxed) {
                    let asked = Asked::number(next.fetch_add(1, Ordering::Relaxed));
                    let receipt = until_acknowledged(&asked, &client, &archive).await;
                    acknowledged.lock().unwrap().push(Acknowledged { asked, receipt });
                }
            })
        };
        let depositors = (0..DEPOSITORS).map(depositor).collect();
        Self { stopping, acknowledged, depositors }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Lets each depositor obtain the receipt it is waiting for.
    async fn finish(self) -> Vec<Acknowledged> {
        self.stopping.store(true, Ordering::Relaxed);
        for depositor in self.depositors {
            depositor.await.expect("a depositor that was never refused");
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

async fn until_acknowledged(asked: &Asked, client: &Client, archive: &Archive) -> Vec<u8> {
    let mut last = String::new();
    for _ in 0..600 {
        match asked.deposit(client, archive).await {
            Attempt::Acknowledged(receipt) => return receipt,
            Attempt::Again(why) => last = why,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}: never acknowledged: {last}", asked.key);
}

fn kills() -> u32 {
    let asked = std::env::var("ARCHILAND_KILLS").ok().and_then(|kills| kills.parse().ok());
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    asked.unwrap_or(if ci { 60 } else { 5 })
}

/// Numbers that look random and are the same each time (xorshift64).
struct Uneven(u64);

impl Uneven {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
