//! Promise: witnessing speaks to software that nobody here wrote. The witness of Go's torchwood (litewitness) cosigns our
//! log, proofs of consistency included, and refuses a fork of it; our cosignatures open in Go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
mod support;

use archiland::receipt::Receipt;
use archiland::spec::tlog::note::{KeyType, Note, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use daemon::{ARCHILAND, Archive};
use reqwest::{Client, StatusCode};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{require_tool, run_ok};
use tempfile::TempDir;

const ORIGIN: &str = "log.example/a";

/// litewitness, its key in an ssh-agent, its memory in a SQLite file.
struct LiteWitness {
    at: TempDir,
    port: u16,
    key: VerifierKey,
    children: Vec<Child>,
}

impl LiteWitness {
    fn start() -> Self {
        let at = tempfile::tempdir().unwrap();
        let path = |name: &str| at.path().join(name).to_str().unwrap().to_owned();
        run_ok(at.path(), "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"]);
        let said = run_ok(at.path(), "ssh-keygen", &["-l", "-f", "key.pub"]);
        let fingerprint = String::from_utf8(said).unwrap().split(' ').nth(1).unwrap().to_owned();
        let public = std::fs::read_to_string(at.path().join("key.pub")).unwrap();
        let blob = STANDARD.decode(public.split(' ').nth(1).unwrap()).unwrap();
        // The wire form of an OpenSSH key ends with the 32 bytes.
        let key = VerifierKey::new("lite.example/w", KeyType::CosignatureV1, *blob.last_chunk().unwrap()).unwrap();
        let start = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let agent = start("ssh-agent", &["-D", "-a", &path("agent")]);
        appears(&at.path().join("agent"));
        let added = Command::new("ssh-add").arg("-q").arg(path("key")).env("SSH_AUTH_SOCK", path("agent")).status();
        assert!(added.unwrap().success());
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        let (db, socket) = (path("witness.db"), path("agent"));
        let options =
            ["-name", key.name(), "-db", &db, "-ssh-agent", &socket, "-key", &fingerprint, "-listen", &listen];
        let witness = start("litewitness", &options);
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "litewitness does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { at, port, key, children: vec![agent, witness] }
    }

    /// What its own tool would write, which cannot be built without a module the proxy does not serve.
    fn watch(&self, log: &Archive) {
        let vkey = std::fs::read_to_string(log.path().join("keys/log.vkey")).unwrap();
        let empty = STANDARD.encode(archiland::spec::tlog::EMPTY_ROOT);
        let log = format!("INSERT INTO log (origin, tree_size, tree_hash) VALUES ('{ORIGIN}', 0, '{empty}');");
        let key = format!("INSERT INTO key (origin, key) VALUES ('{ORIGIN}', '{}');", vkey.trim());
        run_ok(self.at.path(), "sqlite3", &["witness.db", &(log + &key)]);
    }
}

impl Drop for LiteWitness {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn appears(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} never appears", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Opens a note with a Go program, with every key given.
fn opens_in_go(note: &str, keys: &[&str]) -> String {
    let mut child =
        Command::new("opennote").args(keys).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("opennote");
    child.stdin.take().unwrap().write_all(note.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "Go does not open:\n{note}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn litewitness_cosigns_our_log_and_refuses_its_fork() {
    if !["litewitness", "ssh-agent", "ssh-keygen", "sqlite3", "opennote"].into_iter().all(require_tool) {
        return;
    }
    let mut log = Archive::init_with(&["--origin", ORIGIN]);
    let witness = LiteWitness::start();
    witness.watch(&log);
    let policy = format!("witness L {} http://127.0.0.1:{}/\nquorum L\n", witness.key, witness.port);
    std::fs::write(log.path().join("temoins.txt"), policy).unwrap();
    let path = log.path().join("archiland.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config + "\n[witness]\npolicy = \"temoins.txt\"\nmode = \"closed\"\nevery_s = 0\n").unwrap();

    let mut running = log.started().await;
    log.open_for_deposits().await;
    let vkey = std::fs::read_to_string(log.path().join("keys/log.vkey")).unwrap();
    // One after the other: each checkpoint but the first needs a proof from the one before.
    for content in ["un", "deux", "trois", "quatre"] {
        let answer = log.deposit_text(content).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", log.log());
        let receipt = Receipt::parse(&answer.bytes().await.unwrap()).unwrap();
        let keys = [witness.key.clone()];
        assert_eq!(Note::parse(&receipt.checkpoint).unwrap().open(&keys).unwrap().len(), 1);
        let opened = opens_in_go(&receipt.checkpoint, &[vkey.trim(), &witness.key.to_string()]);
        assert!(opened.contains(ORIGIN) && opened.contains("lite.example/w"), "{opened}");
    }
    // Two ways from here: the second is refused by the Go witness, and we know why.
    log.settled().await;
    running.kill();
    let other = log.copy();
    let (_running, _other) = (log.started().await, other.started().await);
    assert_eq!(log.deposit_text("one history").await.status(), StatusCode::CREATED);
    let refused = tokio::time::timeout(Duration::from_secs(5), other.deposit_text("another")).await;
    assert!(refused.is_err(), "a receipt without the quorum");
    let ready = Client::new().get(other.url("/readyz")).send().await.unwrap();
    let (status, told) = (ready.status(), ready.text().await.unwrap());
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && told.contains("une autre histoire"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_cosignatures_open_in_go() {
    if !require_tool("opennote") {
        return;
    }
    let (log, witness) =
        (Archive::init_with(&["--origin", ORIGIN]), Archive::init_with(&["--origin", "one.example/w"]));
    let vkey = std::fs::read_to_string(log.path().join("keys/log.vkey")).unwrap();
    let dir = witness.path().to_str().unwrap();
    run_ok(witness.path(), ARCHILAND, &["witness", "add", ORIGIN, vkey.trim(), "--dir", dir]);
    let ours = std::fs::read_to_string(witness.path().join("keys/witness.vkey")).unwrap();
    let (_log, _witness) = (log.started().await, witness.started().await);
    let note = Client::new().get(log.url("/log/checkpoint")).send().await.unwrap().text().await.unwrap();
    let request = format!("old 0\n\n{note}");
    let line = Client::new().post(witness.url("/witness/add-checkpoint")).body(request).send().await.unwrap();
    let line = line.error_for_status().unwrap().text().await.unwrap();
    let opened = opens_in_go(&format!("{note}{line}"), &[vkey.trim(), ours.trim()]);
    assert!(opened.contains("one.example/w/temoin "), "{opened}");
}
