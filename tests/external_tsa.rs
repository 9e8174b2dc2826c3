//! Promise: checkpoints are stamped by other authorities, in order of preference, and only good tokens count: a second
//! archive, an authority driven by openssl, and every way in which one may lie or stall.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
mod support;

use archiland::clock::system;
use archiland::config::ExternalTsaConfig;
use archiland::receipt::Receipt;
use archiland::spec::cms::Anchors;
use archiland::spec::tsp::verify_response;
use archiland::timestamp::ExternalTsas;
use daemon::Archive;
use reqwest::{Client, StatusCode};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{require_tool, run_ok};

/// How an authority behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    Garbage,
    Silent,
    /// Gives every client the answer it gave the first.
    Replays,
    Busy,
}

/// An authority driven by `openssl ts -reply`, with a PKI of its own.
struct OpensslTsa {
    directory: tempfile::TempDir,
    url: String,
    asked: Arc<AtomicUsize>,
}

impl OpensslTsa {
    fn start(manner: Manner) -> Self {
        let directory = tempfile::tempdir().unwrap();
        make_pki(directory.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/tsr", listener.local_addr().unwrap());
        let (asked, at) = (Arc::new(AtomicUsize::new(0)), directory.path().to_owned());
        let counter = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let at = at.clone();
                std::thread::spawn(move || answer(stream.unwrap(), manner, &at, number));
            }
        });
        Self { directory, url, asked }
    }

    fn anchors(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn config(&self) -> ExternalTsaConfig {
        ExternalTsaConfig { url: self.url.clone(), anchors: self.anchors(), timeout_ms_max: 1500 }
    }
}

fn make_pki(at: &Path) {
    let openssl = |command: &str| run_ok(at, "openssl", &command.split_whitespace().collect::<Vec<_>>());
    openssl("req -x509 -newkey rsa:3072 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=Autre-AC");
    openssl("req -newkey rsa:3072 -nodes -keyout tsa.key -out tsa.csr -subj /CN=Autre-TSA");
    std::fs::write(at.join("ext"), "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n")
        .unwrap();
    openssl("x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile ext -out tsa.pem");
    let config = "[t]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\ncerts=ca.pem\nsigner_digest=sha256\n\
                  default_policy=1.2.3\ndigests=sha256\naccuracy=secs:1\ness_cert_id_alg=sha256\n";
    std::fs::write(at.join("tsa.cnf"), config).unwrap();
}

fn answer(mut stream: TcpStream, manner: Manner, at: &Path, number: usize) {
    let query = read_body(&mut stream);
    let file = |name: &str| format!("{name}{number}");
    let body = match manner {
        Manner::Silent => {
            std::thread::sleep(Duration::from_secs(5));
            return;
        }
        Manner::Busy => {
            let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        Manner::Garbage => vec![0x30; 100],
        Manner::Replays if number > 0 => std::fs::read(at.join("answer0")).unwrap(),
        Manner::Honest | Manner::Replays => {
            std::fs::write(at.join(file("query")), query).unwrap();
            let (query, answer) = (file("query"), file("answer"));
            run_ok(
                at,
                "openssl",
                &["ts", "-reply", "-section", "t", "-config", "tsa.cnf", "-queryfile", &query, "-out", &answer],
            );
            std::fs::read(at.join(answer)).unwrap()
        }
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

fn read_body(stream: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the client hung up");
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        assert!(head.contains("content-type: application/timestamp-query"), "{head}");
        let length: usize =
            head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
        if bytes.len() >= end + 4 + length {
            return bytes[end + 4..].to_vec();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_good_token_counts_and_the_next_authority_is_asked() {
    if !require_tool("openssl") {
        return;
    }
    let honest = OpensslTsa::start(Manner::Honest);
    let anchors = Anchors::from_pem(&std::fs::read(honest.anchors()).unwrap()).unwrap();
    let alone = ExternalTsas::load(&[honest.config()], system()).unwrap();
    verify_response(&alone.stamp(b"checkpoint").await.unwrap().response, b"checkpoint", &anchors).unwrap();

    let liars: Vec<OpensslTsa> =
        [Manner::Garbage, Manner::Silent, Manner::Busy].into_iter().map(OpensslTsa::start).collect();
    let mut list: Vec<ExternalTsaConfig> = liars.iter().map(OpensslTsa::config).collect();
    // A good token of an authority under somebody else's anchors.
    list.push(ExternalTsaConfig { anchors: liars[0].anchors(), ..honest.config() });
    let liars_only = ExternalTsas::load(&list, system()).unwrap();
    let told = liars_only.stamp(b"checkpoint").await.unwrap_err().to_string();
    assert!(told.contains("1500 ms") && told.contains("503") && told.contains("la signature du certificat"), "{told}");
    list.push(honest.config());
    let all = ExternalTsas::load(&list, system()).unwrap();
    for _ in 0..4 {
        assert_eq!(all.stamp(b"checkpoint").await.unwrap().url, honest.url);
    }
    // After three failures the silent one is not waited for any more.
    let began = Instant::now();
    all.stamp(b"checkpoint").await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(1400), "{:?}", began.elapsed());
    assert_eq!(liars[1].asked.load(Ordering::SeqCst), 1 + 3);

    let replaying = OpensslTsa::start(Manner::Replays);
    let replayed = ExternalTsas::load(&[replaying.config()], system()).unwrap();
    replayed.stamp(b"checkpoint").await.unwrap();
    let told = replayed.stamp(b"checkpoint").await.unwrap_err().to_string();
    assert!(told.contains("nonce"), "{told}");
}

/// Adds lines to an archive's configuration.
fn configure(archive: &Archive, mode: &str, tsas: &[(&str, &Path)]) {
    let path = archive.path().join("archiland.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    writeln!(text, "\n[timestamp.external]\nmode = \"{mode}\"\nevery_s = 0").unwrap();
    for (url, anchors) in tsas {
        let anchors = anchors.display();
        writeln!(text, "[[timestamp.external.tsa]]\nurl = \"{url}\"\nanchors = \"{anchors}\"\ntimeout_ms_max = 3000")
            .unwrap();
    }
    std::fs::write(&path, text).unwrap();
}

async fn started(archive: &Archive) -> daemon::Daemon {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut daemon = archive.serve(&[]);
    assert!(archive.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", archive.log());
    daemon
}

async fn deposit(archive: &Archive, n: u8) -> reqwest::Response {
    let request = Client::new().post(archive.url("/v1/deposits")).bearer_auth(&archive.secret);
    let request = request.header("archiland-title", "Essai").header("archiland-type", "courrier-arrive");
    request
        .header("archiland-name", "a.txt")
        .header("idempotency-key", n.to_string())
        .body(vec![n; 100])
        .send()
        .await
        .unwrap()
}

/// A receipt's tokens that lead to these anchors.
fn tokens_under(receipt: &Receipt, anchors: &Path) -> usize {
    let anchors = Anchors::from_pem(&std::fs::read(anchors).unwrap()).unwrap();
    let text = receipt.checkpoint.split("\n\n").next().unwrap().to_owned() + "\n";
    receipt.timestamps.iter().filter(|token| verify_response(token, text.as_bytes(), &anchors).is_ok()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_archive_stamps_ours_and_receipts_wait_for_it_when_they_must() {
    let other = Archive::init();
    let path = other.path().join("archiland.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("# open = false", "open = true")).unwrap();
    let mut other_daemon = started(&other).await;
    let anchors = other.path().join("keys/ca.pem");

    let mut archive = Archive::init();
    configure(&archive, "require", &[(&other.url("/tsa"), &anchors)]);
    let mut daemon = started(&archive).await;
    archive.open_for_deposits().await;
    let given = deposit(&archive, 1).await;
    assert_eq!(given.status(), StatusCode::CREATED);
    let given = given.bytes().await.unwrap();
    let receipt = Receipt::parse(&given).unwrap();
    assert_eq!((receipt.timestamps.len(), tokens_under(&receipt, &anchors)), (2, 1));
    // Our own trust file does not know the other's authority: the receipt is none the worse for it.
    std::fs::write(archive.path().join("receipt.json"), &given).unwrap();
    std::fs::write(archive.path().join("a.txt"), [1; 100]).unwrap();
    run_ok(
        archive.path(),
        daemon::ARCHILAND,
        &["verify", "a.txt", "--receipt", "receipt.json", "--trust", "keys/trust.toml"],
    );
    // The same deposit again: the same receipt.
    let again = deposit(&archive, 1).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.bytes().await.unwrap(), given);

    other_daemon.kill();
    let waiting = tokio::time::timeout(Duration::from_secs(3), deposit(&archive, 2)).await;
    assert!(waiting.is_err(), "a receipt was given without the token that is required");
    assert!(daemon.stop().success() || daemon.ended().is_some());
    let full = archive.path().to_str().unwrap().to_owned();
    run_ok(archive.path(), daemon::ARCHILAND, &["audit", "--full", "--dir", &full]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_attached_later_to_receipts_fetched_later() {
    if !require_tool("openssl") {
        return;
    }
    let tsa = OpensslTsa::start(Manner::Honest);
    let mut archive = Archive::init();
    configure(&archive, "attach", &[(&tsa.url, &tsa.anchors())]);
    let _daemon = started(&archive).await;
    archive.open_for_deposits().await;
    let given = Receipt::parse(&deposit(&archive, 1).await.bytes().await.unwrap()).unwrap();
    assert_eq!(given.timestamps.len(), 1);
    let name = given.archive.to_string().rsplit('/').next().unwrap().to_owned();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let request = Client::new().get(archive.url(&format!("/v1/receipts/{name}"))).bearer_auth(&archive.secret);
        let receipt = Receipt::parse(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
        assert_eq!((&receipt.archive, &receipt.record), (&given.archive, &given.record));
        if tokens_under(&receipt, &tsa.anchors()) == 1 {
            break;
        }
        assert!(Instant::now() < deadline, "no external token: {}", archive.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
