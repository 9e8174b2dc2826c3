//! Promise: keys in a PKCS#11 token (SoftHSM here) stamp and seal like any other, ECDSA and RSA; when the token is absent,
//! locked, lost or stuck, nothing hangs, nothing else signs in its place, `/readyz` says so, and it goes on by itself once
//! the token is back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/issuer.rs"]
mod issuer;
mod support;

use daemon::{ARCHILAND, Archive, Daemon};
use issuer::{Algorithm, Issuer};
use reqwest::{Client, StatusCode};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{require_tool, run, run_ok, said};

const PIN: &str = "271828";
const SOFTHSM: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// An archive whose keys are in a SoftHSM token, behind a module that fails when told to.
struct WithToken {
    archive: Archive,
    fault: PathBuf,
}

impl WithToken {
    fn new(algorithm: Algorithm) -> Option<Self> {
        if !["softhsm2-util", "openssl", "cc"].into_iter().all(require_tool) {
            return None;
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let archive = Archive::init();
        let at = archive.path().to_owned();
        let module = SOFTHSM.iter().find(|path| Path::new(path).exists()).expect("libsofthsm2.so");
        fs::create_dir(at.join("tokens")).unwrap();
        fs::write(at.join("softhsm.conf"), format!("directories.tokendir = {}\n", at.join("tokens").display()))
            .unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hsm/faults.c");
        run_ok(&at, "cc", &["-shared", "-fPIC", "-o", "faults.so", source, "-ldl"]);
        let util = |arguments: &[&str]| {
            let mut command = std::process::Command::new("softhsm2-util");
            let output = command.args(arguments).env("SOFTHSM2_CONF", at.join("softhsm.conf")).output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
        };
        util(&["--init-token", "--free", "--label", "archive", "--pin", PIN, "--so-pin", "31415926"]);
        let issuer = Issuer::new(&at, "hsm-ca");
        for (name, purpose) in [("tsa", issuer::TIME_STAMPING), ("seal", issuer::SEAL)] {
            let (key, certificate) = issuer.issue(&format!("hsm-{name}"), algorithm, purpose, 365);
            let id = if name == "tsa" { "01" } else { "02" };
            let key = key.to_str().unwrap();
            util(&["--import", key, "--token", "archive", "--label", name, "--id", id, "--pin", PIN]);
            fs::copy(certificate, at.join(format!("keys/{name}.pem"))).unwrap();
            // The private key is in the token and nowhere else.
            fs::remove_file(key).unwrap();
            fs::remove_file(at.join(format!("keys/{name}.key"))).unwrap();
        }
        fs::copy(issuer.certificate(), at.join("keys/ca.pem")).unwrap();
        secret(&at.join("keys/hsm.pin"), PIN);
        let config = fs::read_to_string(at.join("archiland.toml")).unwrap();
        let section = "[keys.pkcs11]\nmodule = \"faults.so\"\ntoken = \"archive\"\ntsa = \"tsa\"\nseal = \"seal\"\ntimeout_ms_max = 1500\n";
        fs::write(at.join("archiland.toml"), format!("{config}\n{section}")).unwrap();
        Some(Self { archive, fault: at.join("fault") }.with_module(module))
    }

    fn with_module(self, module: &str) -> Self {
        fs::write(self.archive.path().join("module"), module).unwrap();
        self
    }

    fn environment(&self) -> Vec<String> {
        let at = self.archive.path();
        let module = fs::read_to_string(at.join("module")).unwrap();
        vec![
            "env".to_owned(),
            format!("SOFTHSM2_CONF={}", at.join("softhsm.conf").display()),
            format!("ARCHILAND_HSM_MODULE={module}"),
            format!("ARCHILAND_HSM_FAULT={}", self.fault.display()),
        ]
    }

    async fn started(&self) -> Daemon {
        let mut daemon = self.archive.serve(&self.environment());
        assert!(self.archive.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", self.archive.log());
        daemon
    }

    fn break_it(&self, fault: &str) {
        fs::write(&self.fault, format!("{fault}\n")).unwrap();
    }

    fn mend_it(&self) {
        fs::write(&self.fault, "").unwrap();
    }

    fn logins(&self) -> usize {
        fs::read(self.archive.path().join("fault.logins")).unwrap_or_default().len()
    }

    async fn readiness(&self) -> (u16, String) {
        let answer = Client::new().get(self.archive.url("/readyz")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn becomes(&self, status: u16) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (now, told) = self.readiness().await;
            if now == status {
                return told;
            }
            assert!(Instant::now() < deadline, "/readyz stays {now}: {told}\n{}", self.archive.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn deposit(&self, content: &str) -> reqwest::Response {
        let request = Client::new().post(self.archive.url("/v1/deposits")).bearer_auth(&self.archive.secret);
        let request = request.header("archiland-title", "Essai").header("archiland-type", "courrier-arrive");
        request.header("archiland-name", "a.txt").body(content.to_owned()).send().await.unwrap()
    }

    async fn stamp(&self, query: &[u8]) -> reqwest::Response {
        let request = Client::new().post(self.archive.url("/tsa")).bearer_auth(&self.archive.secret);
        request.header("content-type", "application/timestamp-query").body(query.to_vec()).send().await.unwrap()
    }

    /// openssl accepts the token and the seal of a receipt made now, and so do we.
    async fn openssl_accepts(&mut self) {
        let at = self.archive.path().to_owned();
        fs::write(at.join("a.txt"), "un").unwrap();
        let given = self.deposit("un").await;
        assert_eq!(given.status(), StatusCode::CREATED, "{}", self.archive.log());
        let given = given.bytes().await.unwrap();
        fs::write(at.join("receipt.json"), &given).unwrap();
        let trust = run_ok(
            &at,
            "env",
            &[
                &self.environment()[1..].iter().map(String::as_str).collect::<Vec<_>>()[..],
                &[ARCHILAND, "key", "trust", "--dir", at.to_str().unwrap()],
            ]
            .concat(),
        );
        fs::write(at.join("trust.toml"), trust).unwrap();
        let verified = run(&at, ARCHILAND, &["verify", "a.txt", "--receipt", "receipt.json", "--trust", "trust.toml"]);
        assert!(verified.status.success(), "{}", said(&verified));
        let receipt = archiland::receipt::Receipt::parse(&given).unwrap();
        fs::write(at.join("seal.p7s"), &receipt.seal).unwrap();
        let cms = ["cms", "-verify", "-inform", "DER", "-in", "seal.p7s", "-CAfile", "keys/ca.pem", "-purpose", "any"];
        assert_eq!(run_ok(&at, "openssl", &cms), receipt.checkpoint.as_bytes());
        run_ok(&at, "openssl", &["ts", "-query", "-data", "a.txt", "-sha512", "-cert", "-out", "q.tsq"]);
        let answer = self.stamp(&fs::read(at.join("q.tsq")).unwrap()).await.bytes().await.unwrap();
        fs::write(at.join("q.tsr"), &answer).unwrap();
        run_ok(&at, "openssl", &["ts", "-verify", "-queryfile", "q.tsq", "-in", "q.tsr", "-CAfile", "keys/ca.pem"]);
    }
}

fn secret(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stamps_and_seals_and_comes_back_after_a_loss() {
    let Some(mut with) = WithToken::new(Algorithm::P256) else { return };
    let mut daemon = with.started().await;
    with.archive.open_for_deposits().await;
    with.openssl_accepts().await;

    // The session goes: another is opened, and nobody notices.
    let logins = with.logins();
    with.break_it("session");
    assert_eq!(with.deposit("deux").await.status(), StatusCode::CREATED, "{}", with.archive.log());
    assert!(with.logins() > logins, "no new session");

    // The token is pulled out: said without being asked, refused at once, and mended by itself.
    with.break_it("removed");
    let told = with.becomes(503).await;
    assert!(told.contains("absent"), "{told}");
    let begun = Instant::now();
    assert!(with.deposit("trois").await.status().is_server_error());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let metrics = Client::new().get(with.archive.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("archiland_hsm_available 0"), "{metrics}");
    with.mend_it();
    with.becomes(200).await;
    assert_eq!(with.deposit("trois").await.status(), StatusCode::CREATED, "{}", with.archive.log());

    // The module hangs: whoever waits is told, and reading goes on.
    with.break_it("stall");
    let begun = Instant::now();
    assert!(with.deposit("quatre").await.status().is_server_error());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let (status, told) = with.readiness().await;
    assert!(status == 503 && told.contains("pas répondu"), "{told}");
    assert_eq!(Client::new().get(with.archive.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
    // A thread of ours is in the module for a while; the process ends all the same.
    with.mend_it();
    assert!(daemon.stop().success(), "{}", with.archive.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rsa_in_a_token() {
    let Some(mut with) = WithToken::new(Algorithm::Rsa3072) else { return };
    let _daemon = with.started().await;
    with.archive.open_for_deposits().await;
    with.openssl_accepts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_refused_or_absent_at_the_start_is_said_and_reading_goes_on() {
    let Some(mut with) = WithToken::new(Algorithm::P256) else { return };
    let mut daemon = with.started().await;
    with.archive.open_for_deposits().await;
    assert_eq!(with.deposit("un").await.status(), StatusCode::CREATED);
    with.archive.settled().await;
    assert!(daemon.stop().success());

    // A wrong PIN: tried once, however often anybody asks.
    secret(&with.archive.path().join("keys/hsm.pin"), "000000");
    let before = with.logins();
    let mut daemon = with.archive.serve(&with.environment());
    let told = loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(daemon.ended().is_none(), "{}", with.archive.log());
        let Ok(answer) = Client::new().get(with.archive.url("/readyz")).send().await else { continue };
        break answer.text().await.unwrap();
    };
    assert!(told.contains("PIN") && told.contains("refusé"), "{told}");
    for _ in 0..3 {
        assert!(with.deposit("deux").await.status().is_server_error());
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(with.logins(), before + 1, "a refused PIN was tried again");
    let read = Client::new().get(with.archive.url("/log/checkpoint")).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    assert!(daemon.stop().success(), "{}", with.archive.log());

    // Locked by its officer.
    secret(&with.archive.path().join("keys/hsm.pin"), PIN);
    with.break_it("locked");
    let mut daemon = with.archive.serve(&with.environment());
    assert!(!with.archive.ready(&mut daemon, Duration::from_secs(4)).await);
    let told = with.becomes(503).await;
    assert!(told.contains("verrouillé"), "{told}");
    // Unlocked: no restart is needed.
    with.mend_it();
    with.becomes(200).await;
    assert_eq!(with.deposit("deux").await.status(), StatusCode::CREATED, "{}", with.archive.log());
    assert!(daemon.stop().success());

    // Another key under the label: it is not the certificate's, and signs nothing.
    let config = with.archive.path().join("archiland.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\nseal = \"seal\"", "\nseal = \"tsa\"")).unwrap();
    let mut daemon = with.archive.serve(&with.environment());
    assert!(!with.archive.ready(&mut daemon, Duration::from_secs(4)).await);
    let told = with.becomes(503).await;
    assert!(told.contains("pas celle du certificat"), "{told}");
    assert!(with.deposit("trois").await.status().is_server_error());
    assert!(daemon.stop().success());
}
