//! Promise: `/tsa` is an RFC 3161 authority that programs nobody here wrote can use, and every token it ever gave is in
//! the log, with a serial number of its own, whatever happens to the process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
mod support;

use archiland::config::Config;
use archiland::package::{Body, Record};
use archiland::sequencer::LogReader;
use archiland::spec::cms::algorithm::Digest;
use archiland::spec::cms::{Anchors, Certificate};
use archiland::spec::tsp::{Request, SignedToken, TspError, token_of};
use daemon::{ARCHILAND, Archive};
use reqwest::{Client, StatusCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{require_tool, run, run_ok, said};

/// Makes the authority of an archive open to everyone.
fn open_to_all(archive: &Archive) {
    let path = archive.path().join("archiland.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("# open = false"), "no line to change in archiland.toml");
    std::fs::write(&path, text.replace("# open = false", "open = true")).unwrap();
}

async fn started(archive: &Archive) -> daemon::Daemon {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut daemon = archive.serve(&[]);
    assert!(archive.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", archive.log());
    daemon
}

fn openssl(archive: &Archive, command: &str) -> Vec<u8> {
    run_ok(archive.path(), "openssl", &command.split_whitespace().collect::<Vec<_>>())
}

/// `curl` as a client of the authority.
fn curl(archive: &Archive, query: &str, answer: &str, more: &[&str]) {
    let (url, data) = (archive.url("/tsa"), format!("@{query}"));
    let arguments =
        ["-sS", "-f", "-H", "Content-Type: application/timestamp-query", "--data-binary", &data, "-o", answer];
    run_ok(archive.path(), "curl", &[&arguments[..], more, &[&url]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_and_curl_are_clients() {
    if !require_tool("openssl") || !require_tool("curl") {
        return;
    }
    let archive = Archive::init();
    open_to_all(&archive);
    let _daemon = started(&archive).await;
    std::fs::write(archive.path().join("message"), b"deliberation").unwrap();
    for digest in ["sha256", "sha384", "sha512"] {
        openssl(&archive, &format!("ts -query -data message -{digest} -cert -out query.tsq"));
        curl(&archive, "query.tsq", "answer.tsr", &[]);
        openssl(&archive, "ts -verify -queryfile query.tsq -in answer.tsr -CAfile keys/ca.pem");
        openssl(&archive, "ts -verify -data message -in answer.tsr -CAfile keys/ca.pem");
    }
    openssl(&archive, "ts -query -data message -sha256 -out query.tsq");
    curl(&archive, "query.tsq", "bare.tsr", &[]);
    openssl(&archive, "ts -verify -queryfile query.tsq -in bare.tsr -CAfile keys/ca.pem -untrusted keys/tsa.pem");

    for (query, failure) in [
        ("ts -query -data message -sha1 -out query.tsq", "unrecognized or unsupported algorithm"),
        ("ts -query -data message -md5 -out query.tsq", "unrecognized or unsupported algorithm"),
        ("ts -query -data message -sha256 -tspolicy 1.2.3.4 -out query.tsq", "policy"),
    ] {
        openssl(&archive, query);
        curl(&archive, "query.tsq", "refusal.tsr", &[]);
        let text = openssl(&archive, "ts -reply -in refusal.tsr -text");
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains("Status: Rejected") && text.contains(failure), "{text}");
    }
    for (bytes, failure) in [
        (b"garbage".to_vec(), "wrong format"),
        (Request::encode(Digest::Sha512, &[0; 32], None), "wrong format"),
        (Vec::new(), "wrong format"),
    ] {
        std::fs::write(archive.path().join("query.tsq"), bytes).unwrap();
        curl(&archive, "query.tsq", "refusal.tsr", &[]);
        let text = openssl(&archive, "ts -reply -in refusal.tsr -text");
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains("Status: Rejected") && text.contains(failure), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_ask_and_how() {
    let mut archive = Archive::init();
    let _daemon = started(&archive).await;
    archive.open_for_deposits().await;
    let client = Client::new();
    let query = Request::encode(Digest::Sha256, &[7; 32], Some(&[1]));
    let ask = async |kind: &'static str, body: Vec<u8>, secret: &str| {
        let request = client.post(archive.url("/tsa")).header("content-type", kind).body(body);
        let request = if secret.is_empty() { request } else { request.bearer_auth(secret) };
        request.send().await.unwrap().status()
    };
    let kind = "application/timestamp-query";
    assert_eq!(ask(kind, query.clone(), "").await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(kind, query.clone(), "archi_wrong").await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(kind, query.clone(), &archive.secret).await, StatusCode::OK);
    assert_eq!(ask("text/plain", query.clone(), &archive.secret).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(ask(kind, vec![0x30; 5000], &archive.secret).await, StatusCode::PAYLOAD_TOO_LARGE);
    // The same question again, nonce and all, is another question: another token, under another number.
    let certificate = Certificate::from_pem(&std::fs::read(archive.path().join("keys/tsa.pem")).unwrap()).unwrap();
    let again = async || {
        let request = client.post(archive.url("/tsa")).header("content-type", kind).body(query.clone());
        let answer = request.bearer_auth(&archive.secret).send().await.unwrap().bytes().await.unwrap();
        SignedToken::open(token_of(&answer).unwrap(), &certificate).unwrap()
    };
    let (one, other) = (again().await, again().await);
    assert_eq!((one.nonce.as_deref(), other.nonce.as_deref()), (Some(&[1][..]), Some(&[1][..])));
    assert!(one.serial != other.serial && one.time <= other.time);
    let metrics = client.get(archive.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("archiland_timestamps_total 3") && metrics.contains("archiland_clock_trusted 1"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_token_given_is_in_the_log_whatever_happens_to_the_process() {
    let archive = Archive::init();
    open_to_all(&archive);
    let anchors = Anchors::from_pem(&std::fs::read(archive.path().join("keys/ca.pem")).unwrap()).unwrap();
    let archive = Arc::new(archive);
    let mut given: Vec<SignedToken> = Vec::new();
    for round in 0_u8..3 {
        let mut daemon = started(&archive).await;
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> =
            (0_u8..16).map(|n| tokio::spawn(stamps(archive.clone(), stop.clone(), [round, n]))).collect();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        // Without warning, in the middle of batches.
        daemon.kill();
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            given.extend(client.await.unwrap());
        }
    }
    assert!(given.len() > 50, "only {} tokens", given.len());
    let journal = journal(&archive).await;
    let mut serials = std::collections::BTreeSet::new();
    for token in &given {
        token.vouched(&anchors).unwrap();
        let serial = token.serial.trim_start_matches('0').to_owned();
        assert!(serials.insert(serial.clone()), "serial number {serial} given twice");
        let (imprint, time) = journal.get(&serial).unwrap_or_else(|| panic!("token {serial} is not in the log"));
        assert_eq!(*imprint, format!("sha256:{}", hex::encode(&token.imprint)));
        assert_eq!(*time, archiland::clock::format_record_time(token.time));
    }
    assert!(journal.len() >= given.len());
    eprintln!("{} tokens given, {} journalled", given.len(), journal.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordered_tokens_have_times_of_their_own_in_the_order_of_asking_across_a_restart() {
    let archive = Archive::init();
    open_to_all(&archive);
    let path = archive.path().join("archiland.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("# ordering = true"));
    std::fs::write(&path, text.replace("# ordering = true", "ordering = true")).unwrap();
    let archive = Arc::new(archive);
    let mut all: Vec<SignedToken> = Vec::new();
    for round in 10_u8..12 {
        let mut daemon = started(&archive).await;
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> =
            (0_u8..16).map(|n| tokio::spawn(stamps(archive.clone(), stop.clone(), [round, n]))).collect();
        let mut round_tokens = Vec::new();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            let given = client.await.unwrap();
            // Each was asked for once the one before it was there.
            assert!(given.windows(2).all(|pair| pair[0].time < pair[1].time));
            round_tokens.extend(given);
        }
        // After the restart, all of them are later than all of those before it.
        let latest = all.iter().map(|token| token.time).max();
        assert!(round_tokens.iter().all(|token| latest.is_none_or(|latest| token.time > latest)));
        all.extend(round_tokens);
        daemon.kill();
    }
    let times: std::collections::BTreeSet<_> = all.iter().map(|token| token.time).collect();
    assert_eq!(times.len(), all.len(), "two tokens of one time among {}", all.len());
    assert!(all.len() > 50);
    if require_tool("openssl") && require_tool("curl") {
        let _daemon = started(&archive).await;
        std::fs::write(archive.path().join("message"), b"deliberation").unwrap();
        openssl(&archive, "ts -query -data message -sha256 -cert -out query.tsq");
        curl(&archive, "query.tsq", "answer.tsr", &[]);
        openssl(&archive, "ts -verify -queryfile query.tsq -in answer.tsr -CAfile keys/ca.pem");
        let told = String::from_utf8(openssl(&archive, "ts -reply -in answer.tsr -text")).unwrap();
        assert!(told.contains("Ordering: yes"), "{told}");
    }
}

/// A client that asks for tokens until told to stop, and the tokens it got.
async fn stamps(archive: Arc<Archive>, stop: Arc<AtomicBool>, seed: [u8; 2]) -> Vec<SignedToken> {
    let client = Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let mut given = Vec::new();
    for n in 0_u32.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let imprint = Digest::Sha256.of(&[&seed[..], &n.to_be_bytes()].concat());
        let nonce = [&[1][..], &seed, &n.to_be_bytes()].concat();
        let query = Request::encode(Digest::Sha256, imprint.as_ref(), Some(&nonce));
        let request =
            client.post(archive.url("/tsa")).header("content-type", "application/timestamp-query").body(query);
        let Ok(answer) = request.send().await else { continue };
        let (status, Ok(bytes)) = (answer.status(), answer.bytes().await) else { continue };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            continue;
        }
        match token_of(&bytes).and_then(|token| SignedToken::open(token, &[])) {
            Ok(token) => {
                assert_eq!((token.imprint.as_slice(), token.nonce.as_deref()), (imprint.as_ref(), Some(&nonce[..])));
                given.push(token);
            }
            // The log was stopped under it: the authority says that it cannot.
            Err(TspError::Refused { status: 2, .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    given
}

/// Every token the log knows: by serial number (hexadecimal, without leading zeros), its imprint and time.
async fn journal(archive: &Archive) -> BTreeMap<String, (String, String)> {
    // What a killed process left is finished by the next start.
    let mut daemon = started(archive).await;
    assert!(daemon.stop().success(), "{}", archive.log());
    let config = Config::load(&archive.path().join("archiland.toml")).unwrap();
    let log = LogReader::new(archiland::daemon::open_bucket(&config).unwrap());
    let size = log.published().await.unwrap().size;
    let mut journal = BTreeMap::new();
    for record in log.records(0..size, size).await.unwrap() {
        let record = Record::parse(&record).unwrap();
        let Body::Timestamps(stamps) = record.body else { continue };
        let first = hex::decode(&stamps.serial).unwrap();
        assert_eq!(&first[..16], record.id.as_bytes());
        for (imprint, rank) in stamps.imprints.into_iter().zip(0_u16..) {
            let serial = hex::encode([&first[..16], &rank.to_be_bytes()].concat());
            let known = journal.insert(serial.trim_start_matches('0').to_owned(), (imprint, record.time.clone()));
            assert!(known.is_none());
        }
    }
    journal
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_stamps_and_checks() {
    let archive = Archive::init();
    let _daemon = started(&archive).await;
    let at = archive.path();
    std::fs::write(at.join("acte.pdf"), b"acte").unwrap();
    std::fs::write(at.join("autre.pdf"), b"autre").unwrap();
    let dir = at.to_str().unwrap();
    run_ok(at, ARCHILAND, &["timestamp", "acte.pdf", "--digest", "sha512", "--dir", dir]);
    let verify = |file: &str, token: &str| {
        run(at, ARCHILAND, &["timestamp", "verify", file, "--token", token, "--anchors", "keys/ca.pem"])
    };
    let good = verify("acte.pdf", "acte.pdf.tsr");
    assert!(good.status.success() && said(&good).contains("horodatage valide"), "{}", said(&good));
    assert_eq!(verify("autre.pdf", "acte.pdf.tsr").status.code(), Some(1));
    assert_eq!(verify("acte.pdf", "autre.pdf").status.code(), Some(1));
    assert_eq!(verify("acte.pdf", "absent").status.code(), Some(2));
    if require_tool("openssl") {
        openssl(&archive, "ts -verify -data acte.pdf -in acte.pdf.tsr -CAfile keys/ca.pem");
    }
}

/// Evidence made by the daemon, fetched and checked with the commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_gets_its_evidence_soon_after_its_deposit() {
    let mut archive = Archive::init();
    let path = archive.path().join("archiland.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("# every_s = 5\n"), "no line to change in archiland.toml");
    std::fs::write(&path, text.replace("# every_s = 5\n", "every_s = 0\n")).unwrap();
    let mut daemon = started(&archive).await;
    archive.open_for_deposits().await;
    let at = archive.path().to_owned();
    let dir = at.to_str().unwrap().to_owned();
    std::fs::write(at.join("acte.pdf"), b"acte").unwrap();
    let request = Client::new().post(archive.url("/v1/deposits")).bearer_auth(&archive.secret);
    let request = request.header("archiland-title", "Acte").header("archiland-type", "courrier-arrive");
    let answer = request.header("archiland-name", "acte.pdf").body("acte").send().await.unwrap();
    let receipt: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let id = receipt["archive"].as_str().unwrap().to_owned();
    let got =
        |id: &str| run(&at, ARCHILAND, &["evidence", "get", id, "-o", "acte.ers", "--dir", &dir]).status.success();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !got(&id) {
        assert!(std::time::Instant::now() < deadline, "no evidence: {}", archive.log());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let verify = |file: &str| {
        run(&at, ARCHILAND, &["evidence", "verify", file, "--evidence", "acte.ers", "--anchors", "keys/ca.pem"])
    };
    let good = verify("acte.pdf");
    assert!(good.status.success() && said(&good).contains("preuve valide"), "{}", said(&good));
    assert_eq!(verify("keys/ca.pem").status.code(), Some(1));
    let renewed = run_ok(&at, ARCHILAND, &["evidence", "renew", "--dir", &dir]);
    assert!(String::from_utf8_lossy(&renewed).contains("horodatage renouvelé : 0"), "{renewed:?}");
    // Not for the public: digests of documents could be guessed.
    let public = Client::new().get(archive.url("/log/evidence/005.json")).send().await.unwrap();
    assert_eq!(public.status(), StatusCode::NOT_FOUND);
    assert!(daemon.stop().success(), "{}", archive.log());
    run_ok(&at, ARCHILAND, &["audit", "--full", "--dir", &dir]);
}
