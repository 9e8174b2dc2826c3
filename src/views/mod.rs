//! Views: what the node keeps beside the log to answer quickly. Never the truth, always rebuildable.
//!
//! A [`View`] holds a [`Cursor`] (size and root of the log it has taken in) and takes [`Batch`]es of parsed records, each
//! parsed once for all views. A [`Follower`] brings views from wherever they are to the end of the log and keeps them
//! there: the same function at start, in steady state and in `archiland rebuild`. A view whose cursor does not belong to
//! the log it finds (a fork, a rollback, another archive's directory) is emptied and rebuilt; a view that cannot be opened
//! is set aside with the reason ([`Shelf`]) and rebuilt.

mod batch;
mod follow;
mod log;
mod shelf;

pub use batch::{Batch, Deposited, Entry, Event, Tally, Transmitted};
pub use follow::{FollowError, Follower, Pace, Progress};
pub use log::LogSource;
pub use shelf::{OpenError, Opened, Shelf, ShelfError, is_environment};

use crate::digest::sha256;
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use thiserror::Error;

/// How much of which log: a size and the Merkle root of that many entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Entries taken in, from index 0.
    pub size: u64,
    /// Root of the tree of those entries (RFC 6962 §2.1).
    pub root: [u8; 32],
}

impl Cursor {
    /// Nothing taken in yet; the root of an empty tree is the hash of nothing.
    pub fn start() -> Self {
        Self { size: 0, root: sha256(b"") }
    }
}

/// Where records come from: the log of this node, or a generator in a bench.
#[async_trait]
pub trait RecordSource: Send + Sync + 'static {
    /// Size and root of the log as last published. Everything below `size` is readable (invariant I3).
    async fn head(&self) -> Result<Cursor, SourceError>;

    /// Root of the tree of the first `size` entries, for any size up to the head's.
    async fn root_at(&self, size: u64) -> Result<[u8; 32], SourceError>;

    /// The records from `range.start` on, in consecutive runs: together a prefix of the range, never empty for a range that
    /// is not, cut once it is longer than about `bytes_max`. A run is taken in as one [`Batch`]: some hundreds of records
    /// at most. The source reads objects ahead or in parallel as it sees fit within the range.
    async fn records(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Run>, SourceError>;
}

/// Consecutive records.
#[derive(Debug, Clone)]
pub struct Run {
    /// Their bytes.
    pub records: Vec<Bytes>,
    /// Root of the tree that ends with the last of them, computed from the records themselves and the tree before them: at
    /// the head it must be the published one.
    pub root: [u8; 32],
}

/// Why records cannot be had.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The store did not answer or answered badly: worth another try.
    #[error("journal momentanément illisible ({what}) : {cause}")]
    Unavailable {
        /// What was asked for.
        what: String,
        /// The store's own words.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was read is not what was written; another try gives the same.
    #[error("journal endommagé ({what}) : {cause} ; lancer « archiland audit »")]
    Damaged {
        /// What was asked for: an index, a range, an object's key.
        what: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// A projection of the log that answers some kind of question.
///
/// All methods may block on the disk: the [`Follower`] calls them off the runtime.
pub trait View: Send + Sync + 'static {
    /// A short name for directories, logs and metrics.
    fn name(&self) -> &'static str;

    /// What has been taken in. After a crash it may be an earlier one: that of the last [`View::flush`].
    fn cursor(&self) -> Cursor;

    /// Takes in what the batch has beyond the view's cursor; the cursor becomes the batch's. Atomic: after a crash the
    /// view has a whole number of batches.
    fn apply(&self, batch: &Batch) -> Result<(), ViewError>;

    /// Makes everything taken in so far durable and visible.
    fn flush(&self) -> Result<(), ViewError>;

    /// Forgets everything; the cursor is [`Cursor::start`] again.
    fn reset(&self) -> Result<(), ViewError>;
}

/// Why a view cannot go on. All of them end at a restart, which repairs or rebuilds.
#[derive(Debug, Error)]
pub enum ViewError {
    /// The machine: disk full, no permission, too many open files.
    #[error("vue {view} : {cause} ; libérer de la place ou corriger les droits du répertoire d'état, puis redémarrer")]
    Environment {
        /// The view.
        view: &'static str,
        /// The system's own words.
        cause: String,
    },
    /// What the view has on disk is damaged. It has been marked: the next start sets it aside and rebuilds it.
    #[error("vue {view} endommagée : {cause} ; redémarrer : elle sera mise de côté et reconstruite")]
    Damaged {
        /// The view.
        view: &'static str,
        /// What the engine said.
        cause: String,
    },
    /// A batch that does not continue the cursor: a fault of ours.
    #[error("vue {view} : lot commençant à {first} alors que la vue s'arrête à {size}")]
    Gap {
        /// The view.
        view: &'static str,
        /// First index of the batch.
        first: u64,
        /// Size of the view's cursor.
        size: u64,
    },
}
