//! A daemon killed without warning in the middle of transfers: started again, it ends each one that it took, archives each
//! unit once, and shows nothing by halves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/sip.rs"]
mod sip;
mod support;

use daemon::Archive;
use reqwest::Client;
use serde_json::Value;
use std::time::Duration;

const LETTERS: usize = 40;
const TRANSFERS: usize = 6;

fn package(n: usize) -> Vec<u8> {
    sip::Sip { message: format!("KILL-{n}"), letters: LETTERS, ..sip::Sip::default() }.zip()
}

async fn send(client: &Client, archive: &Archive, n: usize) -> Option<Value> {
    let request = client.post(archive.url("/v1/transfers")).bearer_auth(&archive.secret).body(package(n));
    let response = request.send().await.ok()?;
    assert!(response.status().as_u16() < 500 || response.status() == 503, "{}", response.status());
    if response.status().is_success() { response.json().await.ok() } else { None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transfer_taken_ends_and_nothing_is_half_there() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut archive = Archive::init();
    let mut daemon = archive.serve(&[]);
    assert!(archive.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", archive.log());
    archive.open_for_deposits().await;
    let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();

    let mut operations = Vec::new();
    for n in 0..TRANSFERS {
        // Taken, then killed a little later each time: on reception, in the checks, in the middle of the units, at the end.
        let taken = send(&client, &archive, n).await.expect("a transfer taken");
        operations.push(taken["operation"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(60 * n as u64)).await;
        daemon.kill();
        daemon = archive.serve(&[]);
        assert!(archive.ready(&mut daemon, Duration::from_secs(60)).await, "no restart: {}", archive.log());
    }
    for (n, operation) in operations.iter().enumerate() {
        let state = ended(&client, &archive, operation).await;
        assert_eq!((&state["outcome"], &state["units"]), (&"OK".into(), &(LETTERS as u64 + 1).into()), "{state}");
        // Sent again, it is the same one.
        let again = send(&client, &archive, n).await.expect("the same transfer");
        assert_eq!(again["operation"], operation.as_str());
    }
    // Each unit once.
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    let mut after = String::new();
    tokio::time::sleep(Duration::from_secs(3)).await;
    loop {
        let path = format!("/v1/archives?type=unite-archives&order=oldest&limit=1000{after}");
        let page: Value =
            client.get(archive.url(&path)).bearer_auth(&archive.secret).send().await.unwrap().json().await.unwrap();
        for unit in page["archives"].as_array().unwrap() {
            *seen.entry(unit["external_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let Some(next) = page["next"].as_u64() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen.len(), TRANSFERS * (LETTERS + 1));
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    assert!(daemon.stop().success(), "unclean end: {}", archive.log());
    let path = archive.path().to_str().unwrap();
    support::run_ok(archive.path(), daemon::ARCHILAND, &["audit", "--full", "--dir", path]);
}

async fn ended(client: &Client, archive: &Archive, operation: &str) -> Value {
    let mut last = Value::Null;
    for _ in 0..600 {
        let url = archive.url(&format!("/v1/transfers/{operation}"));
        let response = client.get(url).bearer_auth(&archive.secret).send().await.unwrap();
        if response.status().is_success() {
            last = response.json().await.unwrap();
            if last["archive"].is_string() {
                return last;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{operation}: never ended: {last}");
}
