//! The object store: where payload bytes become durable, in open formats.
//!
//! Small payloads of one agency and retention rule share a pack, an ordinary `tar` compressed with zstd; a large one has
//! an object of its own. In both, a payload is one run of complete zstd frames, so that a ranged read returns it without
//! fetching its neighbours:
//!
//! - `payload/<agency>/<rule>-<uuid>.tar.zst`: for each member a frame with the tar header, then a frame with exactly the
//!   content, then a frame with padding; a member's name is the SHA-256 of its content;
//! - `payload/<agency>/<uuid>.zst`: frames of 4 MiB of content, then a seek table (the zstd seekable format).
//!
//! Large objects are named by a UUID and not by their digest, which is known only when the last byte has passed.

mod backend;
mod compress;
mod erase;
mod key;
mod large;
mod local;
mod pack;
mod packer;
mod payload;
mod raw_frame;
mod read;

pub use backend::{Backend, BackendError, S3Options, open as open_backend};
pub use compress::{compress, compress_brief, decompress};
pub use erase::Erased;
pub use key::{agency_is_valid, cosigned_key, external_key, seal_key, timestamp_key};
pub use large::FRAME_BYTES;
pub use pack::{Pack, PackBuilder};
pub use packer::GROUP_INTERVAL_MIN;
pub use payload::{PayloadWriter, SealedPayload, StoredPayload};
pub use read::PayloadStream;

use object_store::ObjectStore;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Sizes and waits of the store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Payloads below this many bytes go into packs.
    pub small_bytes_max: usize,
    /// A pack is closed at this many bytes of compressed content.
    pub pack_bytes_max: usize,
    /// A pack is closed at this many members.
    pub pack_members_max: usize,
    /// Payloads waiting for a pack; beyond, the depositor is asked to come back later.
    pub pack_queue_max: usize,
    /// The longest one request to the object store may take, retries included.
    pub request_timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            small_bytes_max: 1024 * 1024,
            pack_bytes_max: 16 * 1024 * 1024,
            pack_members_max: 4096,
            pack_queue_max: 8192,
            request_timeout: Duration::from_secs(60),
        }
    }
}

/// What went wrong with the store, by blame.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The object store answered with an error, or not in time.
    #[error("le stockage objet a échoué sur « {key} » : {source}")]
    Backend {
        /// The object concerned.
        key: String,
        /// What the store said.
        source: Arc<object_store::Error>,
    },
    /// No answer within the limit.
    #[error("le stockage objet n'a pas répondu à temps pour « {key} »")]
    Timeout {
        /// The object concerned.
        key: String,
    },
    /// The store gave an older state than it gave before.
    #[error("le stockage objet rend un état périmé de « {key} »")]
    Stale {
        /// The object concerned.
        key: String,
    },
    /// Bytes read are not the bytes written.
    #[error("contenu altéré dans « {key} » à l'octet {offset} : {reason}")]
    Corrupt {
        /// The object concerned.
        key: String,
        /// Where in the object.
        offset: u64,
        /// What does not match.
        reason: String,
    },
    /// The queue is full.
    #[error("trop de dépôts en attente de stockage : réessayez dans quelques secondes")]
    Busy,
    /// The store has been shut down.
    #[error("le stockage est en cours d'arrêt")]
    Closed,
    /// The disk or bucket has no room left.
    #[error("plus de place dans le stockage : prévenez l'exploitant")]
    Full,
    /// A request that the caller should not have made.
    #[error("demande de stockage invalide : {0}")]
    Usage(&'static str),
}

impl StoreError {
    /// Wraps an object store's error, recognising a full disk.
    pub(crate) fn backend(key: &str, source: object_store::Error) -> Self {
        if is_out_of_space(&source) {
            return Self::Full;
        }
        Self::Backend { key: key.to_owned(), source: Arc::new(source) }
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Backend { .. } | Self::Timeout { .. } | Self::Stale { .. } | Self::Full)
    }

    pub(crate) fn corrupt(key: &str, offset: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt { key: key.to_owned(), offset, reason: reason.into() }
    }
}

/// Walks an error's causes for the operating system's "no space left" or "quota exceeded".
fn is_out_of_space(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        cause = current.source();
    }
    false
}

/// The payload store.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    packer: packer::Packer,
    options: Arc<StoreOptions>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.objects)
    }
}

impl Store {
    /// A store over a bucket. Starts the packing task on the current tokio runtime; it ends when the last clone is gone.
    pub fn new(objects: Arc<dyn ObjectStore>, options: StoreOptions) -> Self {
        let options = Arc::new(options);
        let packer = packer::Packer::start(objects.clone(), options.clone());
        Self { objects, packer, options }
    }

    /// The bucket itself.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Begins to store one payload of an agency under a retention rule.
    pub fn payload(&self, agency: &str, rule: &str) -> Result<PayloadWriter, StoreError> {
        if !key::agency_is_valid(agency) || !key::agency_is_valid(rule) {
            return Err(StoreError::Usage("code d'organisme ou de règle impropre à une clé"));
        }
        Ok(PayloadWriter::new(self.clone(), agency.to_owned(), rule.to_owned()))
    }
}
