//! Servers under test run in processes of their own, so that their memory can be told from the generator's.

use super::naive;
use crate::clock::system;
use crate::config::{Config, FILE_NAME, S3Config, StoreConfig};
use crate::daemon::{ADMIN_TOKEN_FILE, Node, init};
use anyhow::Context;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    Archive,
    Naive,
}

/// A server in a child process; it ends when this is dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// `Bearer …` of the administrator.
    pub(super) authorization: Option<String>,
    /// From the start of the process to the first answer.
    pub(super) ready_after: Duration,
}

impl Server {
    /// Starts a server over a directory; an archive must have been made there ([`make`]).
    pub(super) fn start(kind: Kind, directory: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("programme en cours")?;
        let name = match kind {
            Kind::Archive => "archive",
            Kind::Naive => "naive",
        };
        let began = Instant::now();
        let mut child = Command::new(program)
            .args(["bench", "serve", "--kind", name, "--dir"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("démarrage du serveur d'essai")?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let ready_after = began.elapsed();
        let address = line.trim().parse().context("le serveur d'essai n'a pas démarré")?;
        let authorization = match kind {
            Kind::Archive => Some(format!("Bearer {}", secret(directory)?)),
            Kind::Naive => None,
        };
        Ok(Self { child, address, authorization, ready_after })
    }

    /// Largest resident memory so far, in bytes; where the system tells.
    pub(super) fn memory_peak_bytes(&self) -> Option<u64> {
        self.memory("VmHWM:")
    }

    /// Resident memory now, in bytes.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Stops the server and waits until it has put everything down.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that was stopped is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The configuration of a test archive: development keys, any port, limits that do not get in the way.
pub(super) fn configuration(directory: &Path, store: Option<StoreConfig>) -> Config {
    let mut config = Config::for_directory(directory);
    config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.limits.agency_requests_per_second_max = 1_000_000;
    config.limits.agency_requests_burst_max = 1_000_000;
    config.limits.body_bytes_max = 16 << 30;
    config.limits.commit_ms_max = 600_000;
    if let Some(store) = store {
        config.store = store;
    }
    config
}

/// Makes a test archive.
pub(super) async fn make(config: &Config) -> anyhow::Result<()> {
    init(config, system()).await?;
    Ok(())
}

/// An archive on an S3 server that checks no signatures.
pub(super) fn s3_store(directory: &Path, endpoint: &str) -> anyhow::Result<StoreConfig> {
    std::fs::create_dir_all(directory)?;
    let key = |name: &str| -> anyhow::Result<PathBuf> {
        let file = directory.join(name);
        std::fs::write(&file, "essai\n")?;
        Ok(file)
    };
    let mut s3 = S3Config::new(endpoint, "archive");
    s3.allow_http = true;
    s3.access_key_file = Some(key("access")?);
    s3.secret_key_file = Some(key("secret")?);
    Ok(StoreConfig::S3(s3))
}

fn secret(directory: &Path) -> anyhow::Result<String> {
    let file = Config::load(&directory.join(FILE_NAME))?.keys.join(ADMIN_TOKEN_FILE);
    let secret = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    Ok(secret.trim().to_owned())
}

/// The child's side: serves, says where on standard output, ends when standard input does.
pub(super) async fn serve(kind: Kind, directory: &Path) -> anyhow::Result<()> {
    match kind {
        Kind::Naive => {
            crate::cli::terminal::say(naive::serve(directory).await?)?;
            tokio::task::spawn_blocking(wait_for_the_end).await??;
        }
        Kind::Archive => {
            let config = Config::load(&directory.join(FILE_NAME))?;
            let running = Node::boot(config, system()).await?.serve().await?;
            crate::cli::terminal::say(running.address())?;
            tokio::task::spawn_blocking(wait_for_the_end).await??;
            running.stop().await?;
        }
    }
    Ok(())
}

fn wait_for_the_end() -> std::io::Result<()> {
    std::io::stdin().lock().read_to_end(&mut Vec::new()).map(drop)
}

/// A directory that goes away.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one under `parent`, by default the system's temporary folder.
    pub(super) fn new(parent: Option<&Path>) -> anyhow::Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = parent.join(format!("archiland-bench-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
