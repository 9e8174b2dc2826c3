//! What was fetched, on disk: one file per key, whose first 32 bytes are the SHA-256 of the rest, so that a file cut short
//! by a crash is no file.

use crate::digest::sha256;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A folder of things fetched, bounded.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    bytes_max: u64,
    /// Held while room is made.
    writing: Mutex<()>,
}

const DIGEST_BYTES: usize = 32;

impl Cache {
    /// The cache in `folder`, which is made when it is not there.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), bytes_max, writing: Mutex::new(()) })
    }

    /// What is kept under a key.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let mut bytes = std::fs::read(self.place(key)).ok()?;
        let rest = bytes.split_off(bytes.len().min(DIGEST_BYTES));
        (sha256(&rest).as_slice() == bytes.as_slice()).then_some(rest)
    }

    /// Keeps `bytes` under a key; what was kept longest ago goes when there is too much.
    pub fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > self.bytes_max {
            return Ok(());
        }
        self.make_room(length)?;
        let mut whole = Vec::with_capacity(DIGEST_BYTES + bytes.len());
        whole.extend_from_slice(&sha256(bytes));
        whole.extend_from_slice(bytes);
        std::fs::write(self.place(key), whole)
    }

    fn make_room(&self, wanted: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_file() {
                files.push((about.modified()?, about.len(), entry.path()));
            }
        }
        let mut total = files.iter().map(|(_, length, _)| length).sum::<u64>().saturating_add(wanted);
        files.sort();
        for (_, length, path) in files {
            if total <= self.bytes_max {
                break;
            }
            std::fs::remove_file(path)?;
            total -= length;
        }
        Ok(())
    }

    fn place(&self, key: &str) -> PathBuf {
        self.folder.join(hex::encode(sha256(key.as_bytes())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_what_is_damaged_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), 1_000).unwrap();
        assert_eq!(cache.get("a"), None);
        cache.put("a", b"un").unwrap();
        cache.put("b", b"deux").unwrap();
        let again = Cache::open(folder.path(), 1_000).unwrap();
        assert_eq!((again.get("a").unwrap(), again.get("b").unwrap()), (b"un".to_vec(), b"deux".to_vec()));
        std::fs::write(cache.place("a"), b"coupe").unwrap();
        assert_eq!(cache.get("a"), None);
        let small = Cache::open(folder.path(), 60).unwrap();
        small.put("c", &[7; 50]).unwrap();
        assert_eq!((small.get("b"), small.get("c").map(|c| c.len())), (None, Some(50)));
        small.put("d", &[7; 61]).unwrap();
        assert_eq!(small.get("d"), None, "larger than the whole");
    }
}
