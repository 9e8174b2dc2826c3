//! The largest checkpoint this node has seen, kept outside the bucket: a bucket restored from an old copy, or swapped for
//! another, is noticed at the next start and nothing is written to it until an operator decides.

use super::error::DaemonError;
use crate::sequencer::{LogReader, Published};
use crate::spec::tlog::proof::verify_consistency;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::path::Path;

const FILE: &str = "seen.json";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    size: u64,
    /// Hexadecimal.
    root: String,
}

/// Fails when the log does not extend what this node has seen.
pub(super) async fn check(state: &Path, log: &LogReader, found: Published) -> Result<(), DaemonError> {
    let path = state.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DaemonError::file(path, error)),
    };
    let mut root = [0; 32];
    let seen = serde_json::from_slice::<Seen>(&bytes).ok().filter(|s| hex::decode_to_slice(&s.root, &mut root).is_ok());
    let Some(seen) = seen else {
        // A crash while it was written, most likely: the bucket is not to blame.
        tracing::warn!(path = %path.display(), "mémoire du plus grand journal vu illisible ; elle est refaite");
        return Ok(());
    };
    let rollback = |forked| DaemonError::Rollback { seen: seen.size, found: found.size, forked, path: path.clone() };
    if found.size < seen.size {
        return Err(rollback(false));
    }
    let extends = match found.size {
        size if size == seen.size => found.root == root,
        _ if seen.size == 0 => true,
        size => {
            let proof = log.consistency(seen.size, size).await?;
            verify_consistency(seen.size, size, &proof, &root, &found.root).is_ok()
        }
    };
    if extends { Ok(()) } else { Err(rollback(true)) }
}

/// Remembers a checkpoint. Losing it in a crash costs a little vigilance, nothing else: it is not synced.
pub(super) fn remember(state: &Path, seen: Published) -> Result<(), DaemonError> {
    let path = state.join(FILE);
    let document = Seen { size: seen.size, root: hex::encode(seen.root) };
    let text = serde_json::to_vec(&document).map_err(|e| DaemonError::file(&path, e.into()))?;
    replace(&path, &text).map_err(|e| DaemonError::file(&path, e))
}

/// Written in place: only the next start reads it, and a text cut by a crash is noticed and made again.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    file.write_all(text)?;
    file.set_len(u64::try_from(text.len()).unwrap_or(0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_smaller_or_other_log_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let log = LogReader::new(Arc::new(InMemory::new()));
        let at = |size, byte| Published { size, root: [byte; 32] };
        check(state.path(), &log, at(3, 1)).await.unwrap();
        remember(state.path(), at(10, 1)).unwrap();
        remember(state.path(), at(9, 1)).unwrap();
        check(state.path(), &log, at(9, 1)).await.unwrap();
        assert!(matches!(
            check(state.path(), &log, at(8, 1)).await,
            Err(DaemonError::Rollback { seen: 9, found: 8, forked: false, .. })
        ));
        assert!(matches!(check(state.path(), &log, at(9, 2)).await, Err(DaemonError::Rollback { forked: true, .. })));
    }
}
