//! The daemon fetches revocation data and trusted lists from the hosts it is told, and nobody else; keeps them; is never
//! kept waiting; and archives every list it relies on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/list_maker.rs"]
mod list_maker;
#[path = "support/node.rs"]
mod node;

use archiland::receipt::Receipt;
use archiland::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use list_maker::{GRANTED, List, NATIONAL, Pointer, Scheme};
use node::{Archive, Kind};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CrlDistributionPoint, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// A server of a few paths, which may be slow.
#[derive(Clone)]
struct Server {
    address: String,
    asked: Arc<AtomicUsize>,
    paths: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Server {
    fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self { address, asked: Arc::default(), paths: Arc::default() };
        let this = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                this.asked.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4096];
                let length = stream.read(&mut head).unwrap();
                let path = String::from_utf8_lossy(&head[..length]).split(' ').nth(1).unwrap_or("").to_owned();
                std::thread::sleep(delay);
                let found = this.paths.lock().unwrap().get(&path).cloned();
                let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
                let body = found.unwrap_or_default();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // A client that has given up is gone.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn put(&self, path: &str, body: Vec<u8>) {
        self.paths.lock().unwrap().insert(path.to_owned(), body);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// An authority, its list, and a signature whose certificate names the list's address.
struct Signed {
    authority: Vec<u8>,
    pem: String,
    list: Vec<u8>,
    signature: Vec<u8>,
}

fn signed(list_at: &str) -> Signed {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let list = CertificateRevocationListParams {
        this_update: now - time::Duration::hours(1),
        next_update: now + time::Duration::days(1),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&authority).unwrap().der().to_vec();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(300);
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![list_at.to_owned()] }];
    let key = KeyPair::generate().unwrap();
    let certificate = Certificate::from_der(params.signed_by(&key, &authority).unwrap().der()).unwrap();
    let signer = CmsSigner::new(key.serialized_der(), certificate, &[]).unwrap();
    let signature = signer.sign(&oid::DATA, b"Acte", Some(now), Certificates::Included).unwrap();
    Signed { authority: authority.der().to_vec(), pem: authority.pem(), list, signature }
}

async fn archive(pem: &str, adjust: impl FnOnce(&mut archiland::config::Config)) -> Archive {
    let set = |config: &mut archiland::config::Config| {
        let folder = config.base.join("certs");
        std::fs::create_dir_all(folder.join("lists/signers")).unwrap();
        if !pem.is_empty() {
            std::fs::write(folder.join("autorite.pem"), pem).unwrap();
        }
        config.policies.certificates = Some(folder);
        adjust(config);
    };
    Archive::start_with(Kind::Memory, set, |objects| objects).await
}

/// Deposits a signature; the record's summary of it.
async fn deposited(archive: &Archive, token: &str, signature: &[u8]) -> (String, Option<String>, String) {
    let response = archive.deposit(token, "acte.p7m", signature.to_vec()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
    let receipt = Receipt::parse(&response.bytes().await.unwrap()).unwrap();
    let record = receipt.record().unwrap();
    let signatures = record.deposit().unwrap().signatures.clone().unwrap();
    (signatures.indication, signatures.sub_indication, node::percent(&receipt.archive.to_string()))
}

#[tokio::test]
async fn revocation_data_is_fetched_from_the_hosts_told_and_kept() {
    let server = Server::start(Duration::ZERO);
    let made = signed(&server.url("/ca.crl"));
    server.put("/ca.crl", made.list.clone());

    let mut closed = archive(&made.pem, |_| {}).await;
    let (token, _) = closed.agency("aa", &["deposit", "read"]).await;
    let (indication, sub, _) = deposited(&closed, &token, &made.signature).await;
    assert_eq!((indication.as_str(), sub.as_deref()), ("INDETERMINATE", Some("TRY_LATER")));
    assert_eq!(server.asked(), 0, "nobody is called by default");
    closed.stop().await;

    let mut open = archive(&made.pem, |config| config.trust.hosts = vec!["127.0.0.1".into()]).await;
    let (token, _) = open.agency("aa", &["deposit", "read"]).await;
    let (indication, _, id) = deposited(&open, &token, &made.signature).await;
    assert_eq!((indication.as_str(), server.asked()), ("TOTAL-PASSED", 1));
    // What was fetched is archived with the report: it can be said again without the network.
    let path = format!("/v1/archives/{id}/payloads/1");
    let report: Value = open.get(&path, &token).await.json().await.unwrap();
    assert_eq!(report["fetched"]["material"]["crls"].as_array().unwrap().len(), 1);
    open.restart().await;
    let (indication, _, _) = deposited(&open, &token, &made.signature).await;
    assert_eq!((indication.as_str(), server.asked()), ("TOTAL-PASSED", 1), "kept over a restart");
    open.stop().await;
}

#[tokio::test]
async fn a_slow_host_does_not_keep_a_deposit_waiting() {
    let server = Server::start(Duration::from_secs(20));
    let made = signed(&server.url("/ca.crl"));
    let mut archive = archive(&made.pem, |config| {
        config.trust.hosts = vec!["127.0.0.1".into()];
        config.trust.deposit_ms_max = 500;
    })
    .await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    let began = Instant::now();
    let (indication, sub, _) = deposited(&archive, &token, &made.signature).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!((indication.as_str(), sub.as_deref(), server.asked()), ("INDETERMINATE", Some("TRY_LATER"), 1));
    archive.stop().await;
}

#[tokio::test]
async fn thirty_years_later_the_archive_still_says_so() {
    let server = Server::start(Duration::ZERO);
    let made = signed(&server.url("/ca.crl"));
    server.put("/ca.crl", made.list.clone());
    let mut archive = archive(&made.pem, |config| config.trust.hosts = vec!["127.0.0.1".into()]).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    let (_, _, id) = deposited(&archive, &token, &made.signature).await;
    let path = format!("/v1/archives/{id}/validations?at=2056-01-01T00:00:00Z");
    let response = archive.request(Method::POST, &path, &token).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let answer: Value = response.json().await.unwrap();
    let verdict = &answer["files"][0]["verdict"];
    assert_eq!(verdict["indication"], "TOTAL-PASSED", "{}", answer["files"][0]["simple"]);
    assert_eq!(verdict["signatures"][0]["best_signature_time_source"], "journal de l'archive");
    // The same signature, which nothing proves to be that old.
    let path = "/v1/validations?at=2056-01-01T00:00:00Z";
    let alone = archive.request(Method::POST, path, &token).body(made.signature.clone()).send().await.unwrap();
    assert_eq!(alone.json::<Value>().await.unwrap()["indication"], "INDETERMINATE");
    // The same offline, with the receipt; and without it.
    let receipt = archive.get(&format!("/v1/receipts/{id}"), &token).await.bytes().await.unwrap();
    let folder = archive.dir.path().to_owned();
    std::fs::write(folder.join("acte.json"), receipt).unwrap();
    std::fs::write(folder.join("acte.p7m"), &made.signature).unwrap();
    std::fs::write(folder.join("autre.p7m"), signed(&server.url("/ca.crl")).signature).unwrap();
    std::fs::create_dir_all(folder.join("certs/crl")).unwrap();
    std::fs::write(folder.join("certs/crl/ca.crl"), &made.list).unwrap();
    let validate = |file: &str, more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_archiland"));
        let common = ["validate", file, "--certs", "certs", "--at", "2056-01-01T00:00:00Z"];
        command.current_dir(&folder).args(common).args(more).output().unwrap().status.code().unwrap()
    };
    let proof = ["--receipt", "acte.json", "--trust", "keys/trust.toml"];
    assert_eq!((validate("acte.p7m", &[]), validate("acte.p7m", &proof)), (2, 0));
    assert_eq!(validate("autre.p7m", &proof), 4, "the receipt of another document proves nothing");
    // Another agency sees nothing of it.
    let (other, _) = archive.agency("bb", &["read"]).await;
    let path = format!("/v1/archives/{id}/validations");
    assert_eq!(archive.request(Method::POST, &path, &other).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    archive.stop().await;
}

/// The lists that the archive has archived, newest first, once they are `expected`: look-ups are seconds behind.
async fn archived_lists(archive: &Archive, expected: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let path = "/v1/archives?type=liste-de-confiance";
        let page: Value = archive.get(path, &archive.admin).await.json().await.unwrap();
        let hits = page["archives"].as_array().unwrap();
        if hits.len() >= expected || Instant::now() > deadline {
            return hits.iter().map(|hit| hit["title"].as_str().unwrap().to_owned()).collect();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the archive says `wanted` of a signature.
async fn until(archive: &Archive, token: &str, signature: &[u8], wanted: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let request = archive.request(Method::POST, "/v1/validations", token).body(signature.to_vec());
        let verdict: Value = request.send().await.unwrap().json().await.unwrap();
        if verdict["indication"] == wanted {
            return verdict;
        }
        assert!(Instant::now() < deadline, "{verdict:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn lists_are_fetched_relied_on_and_archived_once() {
    let server = Server::start(Duration::ZERO);
    let made = signed(&server.url("/ca.crl"));
    let (union, paris, stranger) = (Scheme::new("Union"), Scheme::new("Paris"), Scheme::new("Autre"));
    let pointer = |territory: &'static str, path: &str| Pointer {
        location: server.url(path),
        territory,
        kind: NATIONAL,
        signer: &paris.certificate,
    };
    let lotl = union.sign(&List::of_lists(vec![pointer("FR", "/fr.xml"), pointer("DE", "/de.xml")]));
    let services = || vec![(made.authority.clone(), GRANTED, "2017-01-01T00:00:00Z")];
    server.put("/lotl.xml", lotl);
    server.put("/fr.xml", paris.sign(&List { services: services(), ..List::default() }));
    // Signed by nobody who may.
    server.put("/de.xml", stranger.sign(&List { territory: "DE", services: services(), ..List::default() }));
    let policy = include_str!("../policies/signature-sans-revocation.toml");
    let mut archive = archive("", |config| {
        let folder = config.policies.certificates.clone().unwrap();
        std::fs::write(folder.join("lists/signers/union.pem"), union.pem()).unwrap();
        std::fs::write(config.base.join("signature.toml"), policy).unwrap();
        config.policies.signature = Some(config.base.join("signature.toml"));
        config.trust.hosts = vec!["127.0.0.1".into()];
        config.trust.lists = vec![server.url("/lotl.xml")];
        config.trust.every_s = 3600;
    })
    .await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    let verdict = until(&archive, &token, &made.signature, "TOTAL-PASSED").await;
    let used: Vec<_> = verdict["trusted_lists"].as_array().unwrap().iter().collect();
    assert_eq!(used.len(), 2, "the union's and France's, not the one of a stranger");
    let mut titles = archived_lists(&archive, 2).await;
    titles.sort();
    assert_eq!(titles, ["Liste de confiance EU n° 1 du 2026-01-01", "Liste de confiance FR n° 1 du 2026-01-01"]);
    // The record holds the very list that the report names.
    let digest = used[1]["sha256"].as_str().unwrap();
    let found: Value =
        archive.get(&format!("/v1/archives?sha256={digest}"), &archive.admin).await.json().await.unwrap();
    assert_eq!(found["archives"].as_array().unwrap().len(), 1);

    // After a restart, with nobody to call: the lists kept are in force, and not archived again.
    server.paths.lock().unwrap().clear();
    archive.restart().await;
    until(&archive, &token, &made.signature, "TOTAL-PASSED").await;
    assert_eq!(archived_lists(&archive, 2).await.len(), 2);
    archive.stop().await;
}
