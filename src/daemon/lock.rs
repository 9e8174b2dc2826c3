//! One daemon per archive and machine: a lock on the state folder, and beside it the address where the daemon answers.

use super::error::DaemonError;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

const LOCK: &str = "daemon.lock";
const ADDRESS: &str = "daemon.json";

/// Where a running daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Its process.
    pub pid: u32,
    /// `http://127.0.0.1:8470`.
    pub url: String,
}

/// The lock; the address file goes with it.
#[derive(Debug)]
pub(super) struct Lock {
    state: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the state folder, which is made if need be.
    pub(super) fn take(state: &Path) -> Result<Self, DaemonError> {
        fs::create_dir_all(state).map_err(|e| DaemonError::file(state, e))?;
        let path = state.join(LOCK);
        let file = File::options().create(true).append(true).open(&path).map_err(|e| DaemonError::file(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DaemonError::Running { url: read(state).map(|address| address.url) });
            }
            Err(TryLockError::Error(error)) => return Err(DaemonError::file(path, error)),
        }
        Ok(Self { state: state.to_owned(), _file: file })
    }

    /// Says where the daemon answers.
    pub(super) fn announce(&self, url: &str) -> Result<(), DaemonError> {
        let path = self.state.join(ADDRESS);
        let address = Address { pid: std::process::id(), url: url.to_owned() };
        let text = serde_json::to_vec(&address).map_err(|e| DaemonError::file(&path, e.into()))?;
        fs::write(&path, text).map_err(|e| DaemonError::file(&path, e))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Left behind, it would only be ignored: nobody holds the lock any more.
        let _ = fs::remove_file(self.state.join(ADDRESS));
    }
}

/// The daemon that serves an archive on this machine now, from the archive's state folder.
pub fn running(state: &Path) -> Option<Address> {
    let file = File::options().append(true).open(state.join(LOCK)).ok()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => read(state),
        _ => None,
    }
}

fn read(state: &Path) -> Option<Address> {
    serde_json::from_slice(&fs::read(state.join(ADDRESS)).ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_daemon_at_a_time_and_it_can_be_found() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(running(state.path()), None);
        let lock = Lock::take(state.path()).unwrap();
        lock.announce("http://127.0.0.1:1").unwrap();
        assert_eq!(running(state.path()).unwrap().url, "http://127.0.0.1:1");
        assert!(matches!(Lock::take(state.path()), Err(DaemonError::Running { url: Some(_) })));
        drop(lock);
        assert_eq!(running(state.path()), None);
        assert!(Lock::take(state.path()).is_ok());
    }
}
