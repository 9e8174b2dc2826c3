//! What arrives goes to a file first, counted and digested as it passes: a package is read from its end (zip), twice
//! (tar), and never trusted for its size.

use crate::admission::{Reason, Refusal};
use crate::api::problem::Problem;
use bytes::Bytes;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// A file of the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::api) struct Spooled {
    /// Its name in the spool.
    pub(in crate::api) file: String,
    /// The name it was sent under.
    pub(in crate::api) name: String,
    /// Its length in bytes.
    pub(in crate::api) size_bytes: u64,
    /// SHA-256, hexadecimal.
    pub(in crate::api) sha256: String,
}

/// A file on its way to the spool; dropped before its end, it leaves nothing.
pub(in crate::api) struct Arriving {
    path: PathBuf,
    file: Option<File>,
    name: String,
    size_bytes: u64,
    digest: Context,
}

impl Arriving {
    /// Begins a file sent under `name`.
    pub(in crate::api) async fn begin(spool: &Path, name: &str) -> Result<Self, Problem> {
        tokio::fs::create_dir_all(spool).await.map_err(|e| full(&e))?;
        let path = spool.join(format!("{}.sip", Uuid::now_v7().simple()));
        let file = File::create(&path).await.map_err(|e| full(&e))?;
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(128).collect();
        let name = if name.is_empty() { "sip".to_owned() } else { name };
        Ok(Self { path, file: Some(file), name, size_bytes: 0, digest: Context::new(&SHA256) })
    }

    /// The next bytes.
    pub(in crate::api) async fn write(&mut self, bytes: &Bytes) -> Result<(), Problem> {
        self.size_bytes += bytes.len() as u64;
        self.digest.update(bytes);
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).await.map_err(|e| full(&e))
    }

    /// The end: durable when this returns. An empty file is refused.
    pub(in crate::api) async fn end(mut self) -> Result<Spooled, Arrival> {
        if self.size_bytes == 0 {
            return Err(Arrival::Refused(Refusal::new(Reason::EmptyPayload)));
        }
        if let Some(mut file) = self.file.take() {
            file.flush().await.map_err(|e| full(&e))?;
            file.sync_all().await.map_err(|e| full(&e))?;
        }
        let digest = std::mem::replace(&mut self.digest, Context::new(&SHA256)).finish();
        let path = std::mem::take(&mut self.path);
        Ok(Spooled {
            file: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            name: std::mem::take(&mut self.name),
            size_bytes: self.size_bytes,
            sha256: hex::encode(digest.as_ref()),
        })
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What cannot be deleted now is at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Files of the spool that go with this, unless they are kept: what is refused halfway leaves nothing.
#[derive(Debug)]
pub(in crate::api) struct Held {
    spool: PathBuf,
    files: Vec<String>,
}

impl Held {
    /// Holds nothing yet.
    pub(in crate::api) fn new(spool: &Path) -> Self {
        Self { spool: spool.to_owned(), files: Vec::new() }
    }

    /// Holds a file.
    pub(in crate::api) fn hold(&mut self, spooled: &Spooled) {
        self.files.push(spooled.file.clone());
    }

    /// Lets them stay.
    pub(in crate::api) fn keep(mut self) {
        self.files.clear();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for file in &self.files {
            // What cannot be deleted now is at the next start.
            let _ = std::fs::remove_file(self.spool.join(file));
        }
    }
}

/// Why what arrives is not kept.
#[derive(Debug)]
pub(in crate::api) enum Arrival {
    /// The sender's to mend.
    Refused(Refusal),
    /// The archive's.
    Failed(Problem),
}

impl From<Problem> for Arrival {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<Refusal> for Arrival {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Reason> for Arrival {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}

impl From<Arrival> for Problem {
    fn from(arrival: Arrival) -> Self {
        match arrival {
            Arrival::Refused(refusal) => refusal.into(),
            Arrival::Failed(problem) => problem,
        }
    }
}

/// The spool is on the state directory's disk.
pub(super) fn full(error: &io::Error) -> Problem {
    use crate::api::code::Code;
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        tracing::error!(%error, "plus de place pour recevoir un transfert");
        return Problem::new(
            Code::StoreFull,
            "Plus de place pour recevoir le transfert : rien n'est archivé. L'exploitant doit faire de la place.",
            "No room to receive the transfer: nothing is archived. The operator has to make room.",
        )
        .retry_after(60);
    }
    Problem::internal(error)
}
