//! Promise: one key follows another without breaking what the first one signed. The log tells the change under the old
//! key's signatures before the new one signs; receipts made before verify after; a revoked key does what the procedure
//! says; an expired one never signs, and is told long before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/issuer.rs"]
mod issuer;
mod support;

use archiland::config::Config;
use archiland::package::{Body, Record};
use archiland::receipt::Receipt;
use archiland::sequencer::LogReader;
use archiland::spec::cms::SignedData;
use archiland::spec::tsp::token_of;
use daemon::{ARCHILAND, Archive};
use issuer::{Algorithm, Issuer, SEAL, TIME_STAMPING};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::{require_tool, run, run_ok, said};

async fn receipt(archive: &Archive, content: &str) -> Vec<u8> {
    let answer = archive.deposit_text(content).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", archive.log());
    answer.bytes().await.unwrap().to_vec()
}

fn archiland(at: &Path, arguments: &[&str]) -> String {
    let arguments = [arguments, &["--dir", at.to_str().unwrap()]].concat();
    String::from_utf8(run_ok(at, ARCHILAND, &arguments)).unwrap()
}

/// Fingerprints by name and state.
fn listed(at: &Path) -> Vec<(String, String, String)> {
    let keys: Value = serde_json::from_str(&archiland(at, &["key", "list", "--json"])).unwrap();
    let text = |key: &Value, field: &str| key[field].as_str().unwrap().to_owned();
    keys.as_array()
        .unwrap()
        .iter()
        .map(|key| (text(key, "name"), text(key, "state"), text(key, "fingerprint")))
        .collect()
}

fn fingerprint(at: &Path, name: &str, state: &str) -> String {
    let found = listed(at).into_iter().find(|key| key.0 == name && key.1 == state);
    found.unwrap_or_else(|| panic!("no {state} {name}")).2
}

/// What `archiland verify` says of a receipt of « un ».
fn verdict(at: &Path, receipt: &[u8], trust: &str) -> (bool, String) {
    fs::write(at.join("a.txt"), "un").unwrap();
    fs::write(at.join("receipt.json"), receipt).unwrap();
    fs::write(at.join("trust.toml"), trust).unwrap();
    let output = run(at, ARCHILAND, &["verify", "a.txt", "--receipt", "receipt.json", "--trust", "trust.toml"]);
    (output.status.success(), said(&output))
}

/// Who signed: fingerprints of the certificates in a receipt's token and seal.
fn signers(receipt: &Receipt) -> (String, String) {
    let token = token_of(&receipt.timestamps[0]).unwrap();
    let of = |cms: &[u8]| SignedData::parse(cms).unwrap().usable_certificates()[0].fingerprint();
    (of(token), of(&receipt.seal))
}

/// Every record of a stopped archive that tells of keys, with its place.
async fn key_records(archive: &Archive) -> Vec<(u64, Body)> {
    let config = Config::load(&archive.path().join("archiland.toml")).unwrap();
    let log = LogReader::new(archiland::daemon::open_bucket(&config).unwrap());
    let size = log.published().await.unwrap().size;
    let mut found = Vec::new();
    for index in 0..size {
        let record = log.record(index, size).await.unwrap().unwrap();
        let body = Record::parse(&record).unwrap().body;
        if matches!(body, Body::KeyChanged(_) | Body::KeyRevoked(_)) {
            found.push((index, body));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_tells_a_new_key_before_it_signs_and_old_receipts_stay_good() {
    let mut archive = Archive::init();
    let at = archive.path().to_owned();
    let mut daemon = archive.started().await;
    archive.open_for_deposits().await;
    let before = receipt(&archive, "un").await;
    assert!(daemon.stop().success());
    let old_trust = archiland(&at, &["key", "trust"]);
    assert!(!old_trust.contains("[[keys]]"), "{old_trust}");
    let (old_tsa, old_seal) = (fingerprint(&at, "tsa", "current"), fingerprint(&at, "seal", "current"));

    archiland(&at, &["key", "rotate", "tsa"]);
    archiland(&at, &["key", "rotate", "seal"]);
    let (next_tsa, next_seal) = (fingerprint(&at, "tsa", "next"), fingerprint(&at, "seal", "next"));
    // A second one waits for the first.
    assert!(!run(&at, ARCHILAND, &["key", "rotate", "tsa", "--dir", at.to_str().unwrap()]).status.success());

    let mut daemon = archive.started().await;
    let after = receipt(&archive, "un").await;
    assert_eq!(signers(&Receipt::parse(&after).unwrap()), (next_tsa.clone(), next_seal.clone()));
    assert!(daemon.stop().success());
    let records = key_records(&archive).await;
    let told: Vec<_> = records
        .iter()
        .map(|(_, body)| match body {
            Body::KeyChanged(changed) => {
                assert!(changed.overlap);
                (changed.key_use.as_str(), changed.fingerprint.as_str(), changed.replaces.as_str())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [("tsa", next_tsa.as_str(), old_tsa.as_str()), ("seal", next_seal.as_str(), old_seal.as_str())]);
    // Each is under a checkpoint that the old key signed; nothing was signed by the new one before.
    let config = Config::load(&at.join("archiland.toml")).unwrap();
    let log = LogReader::new(archiland::daemon::open_bucket(&config).unwrap());
    for (index, tsa, seal) in [(records[0].0, &old_tsa, &old_seal), (records[1].0, &next_tsa, &old_seal)] {
        let covering = log.evidence_for(index).await.unwrap().unwrap();
        let of = |cms: &[u8]| SignedData::parse(cms).unwrap().usable_certificates()[0].fingerprint();
        let signed = (of(token_of(&covering.evidence.tsr).unwrap()), of(&covering.evidence.seal));
        assert_eq!(signed, (tsa.clone(), seal.clone()), "the record at {index}");
    }

    let trust = archiland(&at, &["key", "trust"]);
    assert_eq!(trust.matches("[[keys]]").count(), 4, "{trust}");
    assert_eq!(fs::read_to_string(at.join("keys/trust.toml")).unwrap().trim(), trust.trim());
    for (receipt, trust) in [(&before, &old_trust), (&before, &trust), (&after, &trust)] {
        let (good, said) = verdict(&at, receipt, trust);
        assert!(good, "{said}");
    }
    // Whoever has the old file only knows the old authorities.
    assert!(!verdict(&at, &after, &old_trust).0);
    let states: Vec<_> = listed(&at).into_iter().filter(|key| key.0 == "tsa").map(|key| key.1).collect();
    assert_eq!(states, ["retired", "current"]);
    // Nothing more to tell.
    let mut daemon = archive.started().await;
    assert!(daemon.stop().success());
    assert_eq!(key_records(&archive).await.len(), 2);
    archiland(&at, &["audit", "--full"]);
    // What was about to be signed over the log is on this machine's disk, by whose key.
    let journal = fs::read_dir(at.join("state/signatures")).unwrap().next().unwrap().unwrap().path();
    let journal = fs::read_to_string(journal).unwrap();
    assert!(journal.contains(&old_tsa) && journal.contains(&next_seal), "{journal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compromised_key_loses_its_word() {
    let mut archive = Archive::init();
    let at = archive.path().to_owned();
    let mut daemon = archive.started().await;
    archive.open_for_deposits().await;
    let before = receipt(&archive, "un").await;
    assert!(daemon.stop().success());
    let dir = at.to_str().unwrap().to_owned();
    let old = fingerprint(&at, "tsa", "current");
    archiland(&at, &["key", "revoke", &old[..16], "--since", "2100-01-01T00:00:00Z", "--reason", "compromise"]);
    // A revoked key does not go on, and says what to do.
    let mut daemon = archive.serve(&[]);
    assert!(!archive.ready(&mut daemon, Duration::from_secs(10)).await);
    assert!(archive.log().contains("archiland key rotate tsa"), "{}", archive.log());
    drop(daemon);
    // Not softened afterwards.
    let softer = ["key", "revoke", &old, "--since", "2100-01-01T00:00:00Z", "--reason", "superseded", "--dir", &dir];
    assert!(!run(&at, ARCHILAND, &softer).status.success());

    archiland(&at, &["key", "rotate", "tsa"]);
    let mut daemon = archive.started().await;
    let after = receipt(&archive, "un").await;
    assert!(daemon.stop().success());
    // The revoked key signed nothing any more: the record is the first thing that the new one stamps, and says so.
    let records = key_records(&archive).await;
    assert!(
        matches!(&records[0].1, Body::KeyRevoked(revoked) if revoked.fingerprint == old && revoked.reason == "compromise")
    );
    assert!(matches!(&records[1].1, Body::KeyChanged(changed) if changed.replaces == old && !changed.overlap));
    let trust = archiland(&at, &["key", "trust"]);
    let (good, said) = verdict(&at, &after, &trust);
    assert!(good, "{said}");
    // Its date is before, and nothing else says so.
    let (good, said) = verdict(&at, &before, &trust);
    assert!(!good && said.contains("rien d'autre ne date"), "{said}");
    assert_eq!(fingerprint(&at, "tsa", "revoked"), old);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rsa_keys_of_another_authority_take_over() {
    if !require_tool("openssl") {
        return;
    }
    let mut archive = Archive::init();
    let at = archive.path().to_owned();
    let issuer = Issuer::new(&at, "other");
    for (name, usage) in [("tsa", TIME_STAMPING), ("seal", SEAL)] {
        let (key, certificate) = issuer.issue(&format!("rsa-{name}"), Algorithm::Rsa3072, usage, 30);
        let (key, certificate) = (key.to_str().unwrap().to_owned(), certificate.to_str().unwrap().to_owned());
        let rotate = ["key", "rotate", name, "--certificate", &certificate, "--private-key", &key];
        // Its authority is not known here yet.
        let refused = run(&at, ARCHILAND, &[&rotate[..], &["--dir", at.to_str().unwrap()]].concat());
        assert!(name == "seal" || !refused.status.success(), "{}", said(&refused));
        if name == "tsa" {
            archiland(&at, &[&rotate[..], &["--authority", issuer.certificate().to_str().unwrap()]].concat());
        }
    }
    let _daemon = archive.started().await;
    archive.open_for_deposits().await;
    let given = receipt(&archive, "un").await;
    let (good, told) = verdict(&at, &given, &archiland(&at, &["key", "trust"]));
    assert!(good, "{told}");
    let parsed = Receipt::parse(&given).unwrap();
    fs::write(at.join("seal.p7s"), &parsed.seal).unwrap();
    let cms = ["cms", "-verify", "-inform", "DER", "-in", "seal.p7s", "-CAfile", "other.pem", "-purpose", "any"];
    assert_eq!(run_ok(&at, "openssl", &cms), parsed.checkpoint.as_bytes());
    fs::write(at.join("token.tsr"), &parsed.timestamps[0]).unwrap();
    let text = parsed.checkpoint.split("\n\n").next().unwrap().to_owned() + "\n";
    fs::write(at.join("checkpoint.txt"), text).unwrap();
    run_ok(&at, "openssl", &["ts", "-verify", "-data", "checkpoint.txt", "-in", "token.tsr", "-CAfile", "other.pem"]);

    // Thirty days are fewer than sixty.
    let ready: Value =
        serde_json::from_str(&Client::new().get(archive.url("/readyz")).send().await.unwrap().text().await.unwrap())
            .unwrap();
    assert_eq!(ready["ready"], true);
    let warnings = ready["warnings"].to_string();
    assert!(
        warnings.contains("rsa-tsa") && warnings.contains("rsa-seal") && warnings.contains("expire dans"),
        "{warnings}"
    );
    let metrics = Client::new().get(archive.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let gauge =
        metrics.lines().find(|line| line.starts_with("archiland_key_expiry_seconds{key=\"tsa\",state=\"current\""));
    let left: i64 = gauge.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((29 * 86_400..=30 * 86_400).contains(&left), "{left}");
    assert!(listed(&at).iter().any(|key| key.0 == "tsa" && key.1 == "retired"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_key_never_signs() {
    if !require_tool("openssl") {
        return;
    }
    let mut archive = Archive::init();
    let at = archive.path().to_owned();
    let mut daemon = archive.started().await;
    archive.open_for_deposits().await;
    assert!(daemon.stop().success());
    let issuer = Issuer::new(&at, "short");
    let (key, certificate) = issuer.issue("over", Algorithm::P256, TIME_STAMPING, 0);
    fs::copy(&key, at.join("keys/tsa.key")).unwrap();
    fs::copy(certificate, at.join("keys/tsa.pem")).unwrap();
    let authorities = fs::read_to_string(at.join("keys/ca.pem")).unwrap();
    fs::write(at.join("keys/ca.pem"), authorities + &fs::read_to_string(issuer.certificate()).unwrap()).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut daemon = archive.serve(&[]);
    assert!(!archive.ready(&mut daemon, Duration::from_secs(5)).await);
    let answer = Client::new().get(archive.url("/readyz")).send().await.unwrap();
    let (status, told) = (answer.status(), answer.text().await.unwrap());
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && told.contains("a expiré"), "{told}");
    assert!(archive.deposit_text("un").await.status().is_server_error());
    run_ok(&at, "openssl", &["ts", "-query", "-data", "keys/ca.pem", "-sha256", "-out", "q.tsq"]);
    let request = Client::new().post(archive.url("/tsa")).bearer_auth(&archive.secret);
    let request =
        request.header("content-type", "application/timestamp-query").body(fs::read(at.join("q.tsq")).unwrap());
    let answer = request.send().await.unwrap().bytes().await.unwrap();
    assert!(token_of(&answer).is_err(), "an expired key signed a token");
    assert!(daemon.stop().success());
}

#[test]
fn keys_that_cannot_serve_are_refused_and_nothing_is_kept_of_them() {
    if !require_tool("openssl") {
        return;
    }
    let archive = Archive::init();
    let at = archive.path().to_owned();
    let issuer = Issuer::new(&at, "other");
    let authority = issuer.certificate();
    let before = fs::read_dir(at.join("keys")).unwrap().count();
    let cases = [
        (Algorithm::Rsa2048, TIME_STAMPING, 30, "RSA de 3072"),
        (Algorithm::P384, TIME_STAMPING, 30, "P-256"),
        (Algorithm::P256, SEAL, 30, "timeStamping"),
        (Algorithm::P256, "extendedKeyUsage=timeStamping\n", 30, "critique"),
        (Algorithm::P256, TIME_STAMPING, 0, "valable"),
    ];
    for (number, (algorithm, usage, days, expected)) in cases.into_iter().enumerate() {
        let (key, certificate) = issuer.issue(&format!("case{number}"), algorithm, usage, days);
        if days == 0 {
            std::thread::sleep(Duration::from_millis(1100));
        }
        let files = [key, certificate, authority.clone()].map(|path| path.to_str().unwrap().to_owned());
        let [key, certificate, authority] = &files;
        let rotate =
            ["key", "rotate", "tsa", "--private-key", key, "--certificate", certificate, "--authority", authority];
        let output = run(&at, ARCHILAND, &[&rotate[..], &["--dir", at.to_str().unwrap()]].concat());
        assert!(!output.status.success() && said(&output).contains(expected), "{expected}: {}", said(&output));
    }
    // Somebody else's certificate.
    let (_, certificate) = issuer.issue("one", Algorithm::P256, TIME_STAMPING, 30);
    let (key, _) = issuer.issue("two", Algorithm::P256, TIME_STAMPING, 30);
    let files = [key, certificate, authority].map(|path| path.to_str().unwrap().to_owned());
    let [key, certificate, authority] = &files;
    let rotate = ["key", "rotate", "tsa", "--private-key", key, "--certificate", certificate, "--authority", authority];
    let output = run(&at, ARCHILAND, &[&rotate[..], &["--dir", at.to_str().unwrap()]].concat());
    assert!(!output.status.success() && said(&output).contains("ne correspond pas"), "{}", said(&output));
    assert_eq!(fs::read_dir(at.join("keys")).unwrap().count(), before);

    // A file of generations that makes no sense is said, not guessed at.
    for (text, expected) in [("generation = 3", "keys.toml"), ("", "une génération courante")] {
        fs::write(at.join("keys/keys.toml"), text).unwrap();
        let output = run(&at, ARCHILAND, &["key", "list", "--dir", at.to_str().unwrap()]);
        assert!(!output.status.success() && said(&output).contains(expected), "{}", said(&output));
    }
}
