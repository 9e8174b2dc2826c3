//! Records waiting for their place in the log.

use super::{Evidence, SubmitError};
use crate::package::ENTRY_LEN;
use crate::spec::tlog::Hash;
use crate::spec::tlog::tree::TileSet;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A record ready to be sequenced: everything that costs time was done by the depositor's own task.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) entry: [u8; ENTRY_LEN],
    pub(super) leaf: Hash,
    /// The record's bytes.
    pub(super) record: Bytes,
    /// The same as a zstd frame.
    pub(super) frame: Bytes,
    pub(super) idempotency: Option<[u8; 32]>,
    pub(super) answer: oneshot::Sender<Result<Placed, SubmitError>>,
}

/// A record's place under a published checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) index: u64,
    pub(super) batch: Arc<CommittedBatch>,
}

/// What the records of one batch share.
#[derive(Debug)]
pub(super) struct CommittedBatch {
    pub(super) size: u64,
    /// Enough of the tree to prove each of the batch's entries.
    pub(super) tiles: TileSet,
    pub(super) evidence: Arc<Evidence>,
}
