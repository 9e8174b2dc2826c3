//! Compare-and-swap on a local disk: an exclusive lock, a synced temporary file, a rename, a synced directory.
//!
//! The lock file sits beside the cell (`head.lock`), so that several processes of one machine may sequence in turn. On a
//! network file system use an S3 service instead: this relies on `flock`.

use super::{CELL_BYTES_MAX, HeadStore, Swap, Version};
use crate::digest::sha256;
use crate::store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::spawn_blocking;

/// Cells in a directory.
#[derive(Debug, Clone)]
pub struct LocalHead {
    root: PathBuf,
    /// Cells whose last swap failed, perhaps after its rename: what can be read of them may not be on the disk.
    doubtful: Arc<Mutex<HashSet<PathBuf>>>,
}

impl LocalHead {
    /// Cells of the bucket in `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root, doubtful: Arc::default() }
    }
}

#[async_trait]
impl HeadStore for LocalHead {
    async fn read(&self, key: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        let (path, doubtful) = (self.root.join(key), self.doubtful.clone());
        let read = spawn_blocking(move || {
            let doubted = of(&doubtful).contains(&path);
            if doubted {
                settle(&path)?;
                of(&doubtful).remove(&path);
            }
            read_cell(&path)
        });
        let read = read.await.map_err(|_| StoreError::Closed)?;
        let content = read.map_err(|e| io_error(key, e))?;
        Ok(content.map(|content| (version_of(&content), content)).map(|(version, content)| (content.into(), version)))
    }

    async fn swap(&self, key: &str, expected: Option<&Version>, content: Bytes) -> Result<Swap, StoreError> {
        let (path, expected, doubtful) = (self.root.join(key), expected.cloned(), self.doubtful.clone());
        let swapped = spawn_blocking(move || {
            let swapped = swap_cell(&path, expected.as_ref(), &content);
            if swapped.is_err() {
                of(&doubtful).insert(path);
            }
            swapped
        });
        swapped.await.map_err(|_| StoreError::Closed)?.map_err(|e| io_error(key, e))
    }
}

fn of(doubtful: &Mutex<HashSet<PathBuf>>) -> MutexGuard<'_, HashSet<PathBuf>> {
    doubtful.lock().unwrap_or_else(PoisonError::into_inner)
}

fn swap_cell(path: &Path, expected: Option<&Version>, content: &[u8]) -> io::Result<Swap> {
    let _lock = lock(path)?;
    if read_cell(path)?.as_deref().map(version_of).as_ref() != expected {
        return Ok(Swap::Refused);
    }
    write_cell(path, content)?;
    Ok(Swap::Taken)
}

/// Writes a cell again as it is: after a failed sync, a second sync of the same pages may succeed without writing them.
fn settle(path: &Path) -> io::Result<()> {
    let _lock = lock(path)?;
    read_cell(path)?.map_or(Ok(()), |content| write_cell(path, &content))
}

/// Held until dropped.
fn lock(path: &Path) -> io::Result<File> {
    std::fs::create_dir_all(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.with_extension("lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Under the lock.
fn write_cell(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[tokio::test]
    async fn a_cell_in_doubt_is_written_again_before_it_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        let heads = LocalHead::new(directory.path().to_owned());
        heads.swap("head", None, "one".into()).await.unwrap();
        let path = directory.path().join("head");
        let file = || path.metadata().unwrap().ino();
        let first = file();
        let version = heads.read("head").await.unwrap().unwrap().1;
        assert_eq!(file(), first, "an ordinary read writes nothing");

        // The temporary file cannot be made: the swap fails, and who knows how far it went.
        std::fs::create_dir(path.with_extension("tmp")).unwrap();
        heads.swap("head", Some(&version), "two".into()).await.unwrap_err();
        heads.read("head").await.unwrap_err();
        std::fs::remove_dir(path.with_extension("tmp")).unwrap();

        assert_eq!(heads.read("head").await.unwrap().unwrap(), ("one".into(), version));
        assert_ne!(file(), first, "believed without being written again");
        let second = file();
        heads.read("head").await.unwrap();
        assert_eq!(file(), second, "the doubt is settled once");
    }
}
