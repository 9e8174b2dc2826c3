//! Compare-and-swap on a local disk: an exclusive lock, a synced temporary file, a rename, a synced directory.
//!
//! The lock file sits beside the cell (`head.lock`), so that several processes of one machine may sequence in turn. On a
//! network file system use an S3 service instead: this relies on `flock`.

use super::{CELL_BYTES_MAX, HeadStore, Swap, Version};
use crate::digest::sha256;
use crate::store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// Cells in a directory.
#[derive(Debug, Clone)]
pub struct LocalHead {
    root: PathBuf,
}

impl LocalHead {
    /// Cells of the bucket in `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

#[async_trait]
impl HeadStore for LocalHead {
    async fn read(&self, key: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        let path = self.root.join(key);
        let read = spawn_blocking(move || read_cell(&path)).await.map_err(|_| StoreError::Closed)?;
        let content = read.map_err(|e| io_error(key, e))?;
        Ok(content.map(|content| (version_of(&content), content)).map(|(version, content)| (content.into(), version)))
    }

    async fn swap(&self, key: &str, expected: Option<&Version>, content: Bytes) -> Result<Swap, StoreError> {
        let (path, expected) = (self.root.join(key), expected.cloned());
        let swapped = spawn_blocking(move || swap_cell(&path, expected.as_ref(), &content)).await;
        swapped.map_err(|_| StoreError::Closed)?.map_err(|e| io_error(key, e))
    }
}

fn swap_cell(path: &Path, expected: Option<&Version>, content: &[u8]) -> io::Result<Swap> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(directory)?;
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.with_extension("lock"))?;
    lock.lock()?;
    if read_cell(path)?.as_deref().map(version_of).as_ref() != expected {
        return Ok(Swap::Refused);
    }
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    publish(&temporary, path)?;
    File::open(directory)?.sync_all()?;
    Ok(Swap::Taken)
}

/// Under the lock nobody else names this cell; the caller syncs the directory.
fn publish(temporary: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(temporary, path)
}

fn read_cell(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(CELL_BYTES_MAX as u64 + 1).read_to_end(&mut content)?;
    if content.len() > CELL_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "objet trop long"));
    }
    Ok(Some(content))
}

fn version_of(content: &[u8]) -> Version {
    Version(hex::encode(sha256(content)))
}

fn io_error(key: &str, source: io::Error) -> StoreError {
    StoreError::backend(key, object_store::Error::Generic { store: "disque local", source: Box::new(source) })
}
