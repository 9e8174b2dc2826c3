//! Compare-and-swap cells of the bucket: the only coordination between nodes.
//!
//! Two objects change in place, `head` and `log/checkpoint`. Both do so through [`HeadStore`], whose answers are hints:
//! the caller re-reads before it believes anything (a lost answer is neither success nor failure).

mod conditional;
mod local;
mod probe;

pub use conditional::ConditionalHead;
pub use local::LocalHead;
pub use probe::{ProbeError, probe};

use crate::package::safe_integer;
use crate::spec::tlog::Hash;
use crate::store::{Backend, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Key of the head.
pub const HEAD_KEY: &str = "head";

/// Key of the published checkpoint.
pub const CHECKPOINT_KEY: &str = "log/checkpoint";

/// Longest head or checkpoint accepted, in bytes.
pub const CELL_BYTES_MAX: usize = 64 * 1024;

/// What a cell held when it was read: an ETag, or the content itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// What became of a swap, as far as the store says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// The store says it took the new content.
    Taken,
    /// The store says the cell no longer held the expected version.
    Refused,
}

/// Cells with atomic compare-and-swap and durable writes.
#[async_trait]
pub trait HeadStore: Send + Sync + 'static {
    /// The cell's content and version; `None` when it was never written.
    async fn read(&self, key: &str) -> Result<Option<(Bytes, Version)>, StoreError>;

    /// Replaces the content if the cell still holds `expected` (`None`: if it was never written).
    async fn swap(&self, key: &str, expected: Option<&Version>, content: Bytes) -> Result<Swap, StoreError>;
}

/// The compare-and-swap that goes with a backend.
pub fn open(backend: &Backend, objects: &Arc<dyn ObjectStore>) -> Arc<dyn HeadStore> {
    match backend {
        Backend::Local(path) => Arc::new(LocalHead::new(path.clone())),
        Backend::S3(_) | Backend::Memory => Arc::new(ConditionalHead::new(objects.clone())),
    }
}

/// The committed state of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Format version: 1.
    pub v: u8,
    /// Counts the swaps: no two heads are ever the same bytes.
    #[serde(deserialize_with = "safe_integer")]
    pub generation: u64,
    /// Entries in the log.
    #[serde(deserialize_with = "safe_integer")]
    pub size: u64,
    /// Root of the tree of that size, hexadecimal.
    #[serde(with = "hex_hash")]
    pub root: Hash,
    /// Key of the batch that led here; it holds all that must be written before the next swap.
    pub staging: String,
}

impl Head {
    /// The object's bytes: one line of canonical JSON.
    pub fn to_bytes(&self) -> Bytes {
        // A struct of numbers and strings always serialises.
        let mut bytes = serde_json_canonicalizer::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes.into()
    }

    /// Reads the object's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt { key: HEAD_KEY.to_owned(), offset: 0, reason };
        if bytes.len() > CELL_BYTES_MAX {
            return Err(corrupt("tête de journal trop longue".to_owned()));
        }
        let head: Self = serde_json::from_slice(bytes).map_err(|e| corrupt(e.to_string()))?;
        if head.v != 1 {
            return Err(corrupt(format!("version {} inconnue : ce logiciel est trop ancien", head.v)));
        }
        Ok(head)
    }
}

mod hex_hash {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(hash))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(D::Error::custom)?;
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn head_round_trip_and_refusals() {
        let head = Head { v: 1, generation: 3, size: 7, root: [9; 32], staging: "staging/7-09".into() };
        assert_eq!(Head::parse(&head.to_bytes()).unwrap(), head);
        for bad in ["", "{}", "[]", r#"{"v":2,"generation":1,"size":1,"root":"00","staging":""}"#] {
            assert!(Head::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
