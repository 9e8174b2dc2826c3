//! The real binary, started, loaded and killed by tests.
#![allow(dead_code, unreachable_pub, clippy::panic, clippy::expect_used, clippy::unwrap_used)]

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program under test.
pub const ARCHILAND: &str = env!("CARGO_BIN_EXE_archiland");

/// The agency the tests deposit for.
pub const AGENCY: &str = "200040475";

/// An archive in a directory of its own, and the address it is served at.
pub struct Archive {
    directory: TempDir,
    port: u16,
    /// A token that may deposit and read for [`AGENCY`]; empty until [`Archive::open_for_deposits`].
    pub secret: String,
}

impl Archive {
    /// `archiland init` in a new directory.
    pub fn init() -> Self {
        Self::init_with(&[])
    }

    /// `archiland init` with more arguments.
    pub fn init_with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let archive = Self { directory, port: free_port(), secret: String::new() };
        let path = archive.path().to_str().expect("a UTF-8 path").to_owned();
        crate::support::run_ok(archive.path(), ARCHILAND, &[&["init", "--dir", &path], arguments].concat());
        archive.listen_at(archive.port);
        archive
    }

    /// The same archive, files and token, in another directory and at another port.
    pub fn copy(&self) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let from = format!("{}/.", self.path().display());
        let to = directory.path().to_str().expect("a UTF-8 path").to_owned();
        crate::support::run_ok(self.path(), "cp", &["-a", &from, &to]);
        let copy = Self { directory, port: free_port(), secret: self.secret.clone() };
        copy.listen_at(copy.port);
        copy
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn bucket(&self) -> PathBuf {
        self.path().join("bucket")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Starts the daemon, under `wrapper` (a program and its arguments) if there is one.
    pub fn serve(&self, wrapper: &[String]) -> Daemon {
        let mut command = match wrapper {
            [] => Command::new(ARCHILAND),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(ARCHILAND);
                command
            }
        };
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path().join("daemon.log"));
        let log = log.expect("a log file");
        let child = command
            .args(["serve", "--dir"])
            .arg(self.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log)
            // A group of its own, so that wrapper and daemon are killed together.
            .process_group(0)
            .spawn()
            .expect("the daemon starts");
        Daemon { child, lock: self.path().join("state/daemon.lock") }
    }

    /// Serves it until it is ready.
    pub async fn started(&self) -> Daemon {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut daemon = self.serve(&[]);
        assert!(self.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", self.log());
        daemon
    }

    /// Deposits a small text, with the credential that [`Archive::open_for_deposits`] gave.
    pub async fn deposit_text(&self, content: &str) -> reqwest::Response {
        let request = Client::new().post(self.url("/v1/deposits")).bearer_auth(&self.secret);
        let request = request.header("archiland-title", "Essai").header("archiland-type", "courrier-arrive");
        request.header("archiland-name", "a.txt").body(content.to_owned()).send().await.unwrap()
    }

    /// Waits until the daemon says it is ready; false when it ended, or is not ready in time.
    pub async fn ready(&self, daemon: &mut Daemon, within: Duration) -> bool {
        let client = Client::builder().timeout(Duration::from_secs(2)).build().expect("a client");
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if daemon.ended().is_some() {
                return false;
            }
            let answer = client.get(self.url("/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        false
    }

    /// Registers [`AGENCY`] and obtains a token for it, from the ready daemon.
    pub async fn open_for_deposits(&mut self) {
        let admin = std::fs::read_to_string(self.path().join("keys/admin.token")).expect("the admin token");
        let post = async |path: &str, body: Value| -> Value {
            let request = Client::new().post(self.url(path)).bearer_auth(admin.trim());
            let answer = request.header("content-type", "application/json").body(body.to_string()).send().await;
            let answer = answer.expect("an answer");
            let status = answer.status();
            let text = answer.text().await.expect("a body");
            assert!(status.is_success(), "{path}: {status} {text}");
            serde_json::from_str(&text).expect("JSON")
        };
        post("/v1/agencies", json!({"code": AGENCY, "name": "Commune d'essai"})).await;
        let token = json!({"agency": AGENCY, "scopes": ["deposit", "read"], "label": "essais"});
        let issued = post("/v1/tokens", token).await;
        issued["secret"].as_str().expect("a secret").clone_into(&mut self.secret);
    }

    /// Waits until the log has stood still for a while: evidence of what was deposited is made seconds later, and that
    /// is journalled too.
    pub async fn settled(&self) {
        let client = Client::new();
        let size = async || {
            let note = client.get(self.url("/log/checkpoint")).send().await.expect("an answer").text().await;
            note.expect("a checkpoint").lines().nth(1).unwrap_or_default().to_owned()
        };
        let (mut known, mut since) = (size().await, Instant::now());
        while since.elapsed() < Duration::from_secs(6) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = size().await;
            if now != known {
                (known, since) = (now, Instant::now());
            }
        }
    }

    /// What the daemon said, for a message.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.path().join("daemon.log")).unwrap_or_default();
        log.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn listen_at(&self, port: u16) {
        let path = self.path().join("archiland.toml");
        let text = std::fs::read_to_string(&path).expect("archiland.toml");
        assert!(text.lines().any(|line| line.starts_with("listen = ")), "no line to change in archiland.toml");
        let lines = text.lines().map(|line| {
            if line.starts_with("listen = ") { format!("listen = \"127.0.0.1:{port}\"") } else { line.to_owned() }
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        let mut file = std::fs::File::create(&path).expect("archiland.toml");
        file.write_all(text.as_bytes()).expect("archiland.toml");
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    lock: PathBuf,
}

impl Daemon {
    /// SIGKILL, to the whole group.
    pub fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The wrapper is gone; the daemon under it is dead, but may still be dying.
        let Ok(lock) = std::fs::File::open(&self.lock) else { return };
        let deadline = Instant::now() + Duration::from_secs(10);
        while lock.try_lock().is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        let _ = Command::new("kill").args(["-TERM", "--", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the daemon does not stop within 30 s of SIGTERM");
    }

    /// The process started: the daemon, or its wrapper.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
