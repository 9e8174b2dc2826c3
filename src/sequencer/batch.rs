//! Building a batch: from the right edge of the tree and new records to everything that must be written.

use super::LogError;
use super::head::Head;
use super::pool::{CommittedBatch, Item};
use super::staging::{Staged, staging_key};
use super::state::{LogState, Tail, record_key};
use super::sweep::replaced;
use crate::spec::tlog::Hash;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::tile::{TILE_WIDTH, TileId, encode_bundle, entries_path};
use crate::spec::tlog::tree::TileSet;
use crate::store::{seal_key, timestamp_key};
use bytes::Bytes;
use std::sync::Arc;
use thiserror::Error;

/// A checkpoint and what was made over it. Stored once per batch, in every receipt of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The signed note.
    pub note: String,
    /// RFC 3161 response (DER) over the checkpoint's text.
    pub tsr: Bytes,
    /// CMS SignedData (DER) that carries the whole note.
    pub seal: Bytes,
}

/// The checkpoint could not be signed: a clock that went backward, a key that is gone.
#[derive(Debug, Clone, Error)]
#[error("{0}")]
pub struct SignError(pub String);

/// Signs, timestamps and seals checkpoints.
pub trait CheckpointSigner: Send + Sync + 'static {
    /// The log's origin: first line of its checkpoints.
    fn origin(&self) -> &str;

    /// Whether signing may wait, for a disk or a module: it is then done on a thread that may.
    fn may_wait(&self) -> bool {
        false
    }

    /// Everything a batch carries over its checkpoint.
    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError>;
}

/// A batch ready to be staged.
pub(super) struct Built {
    pub(super) head: Head,
    pub(super) staged: Staged,
    /// The log's state once the batch is committed.
    pub(super) next: LogState,
    pub(super) shared: Arc<CommittedBatch>,
    /// Folders of partial objects that the batch's full ones replace.
    pub(super) replaced: Vec<String>,
}

/// A batch that wants its checkpoint signed.
pub(super) struct Draft {
    pub(super) checkpoint: Checkpoint,
    generation: u64,
    tiles_before: Vec<(TileId, Bytes)>,
    new_tiles: Vec<(TileId, Bytes)>,
    /// Tiles, entries and records, by key.
    objects: Vec<(String, Bytes)>,
    next: LogState,
}

/// Extends `state` by `items`, in order.
pub(super) fn draft(state: &LogState, items: &[Item], origin: &str) -> Result<Draft, LogError> {
    let mut edge = state.edge.clone();
    let leaves: Vec<Hash> = items.iter().map(|item| item.leaf).collect();
    let new_tiles: Vec<(TileId, Bytes)> = edge.append(&leaves).into_iter().map(|(id, b)| (id, b.into())).collect();
    let new_entries = items.iter().map(|item| Bytes::copy_from_slice(&item.entry));
    let entry_key = |bundle, width| format!("log/{}", entries_path(bundle, width));
    let (entry_objects, entries) = grow(&state.entries, new_entries, entry_key, encode_entries)?;
    let new_records = items.iter().map(|item| item.frame.clone());
    let (record_objects, records) = grow(&state.records, new_records, record_key, |chunk| Ok(chunk.concat().into()))?;
    let mut objects: Vec<(String, Bytes)> =
        new_tiles.iter().map(|(id, bytes)| (format!("log/{}", id.path()), bytes.clone())).collect();
    objects.extend(entry_objects);
    objects.extend(record_objects);
    Ok(Draft {
        checkpoint: Checkpoint { origin: origin.to_owned(), size: edge.size(), root: edge.root() },
        generation: state.head.as_ref().map_or(1, |(head, _)| head.generation + 1),
        tiles_before: edge.tiles().collect(),
        new_tiles,
        objects,
        next: LogState { head: None, edge, entries, records },
    })
}

impl Draft {
    /// Everything that must be written, with what was made over the checkpoint.
    pub(super) fn signed(self, evidence: Evidence) -> Result<Built, LogError> {
        let Self { checkpoint, generation, tiles_before, new_tiles, mut objects, next } = self;
        objects.push((timestamp_key(checkpoint.size), evidence.tsr.clone()));
        objects.push((seal_key(checkpoint.size), evidence.seal.clone()));
        let full: Vec<TileId> = new_tiles.iter().map(|(id, _)| *id).filter(TileId::is_full).collect();
        let mut tiles = TileSet::default();
        for (id, bytes) in tiles_before.into_iter().chain(new_tiles) {
            tiles.insert(id, bytes).map_err(|e| LogError::Inconsistent(e.to_string()))?;
        }
        Ok(Built {
            head: Head {
                v: 1,
                generation,
                size: checkpoint.size,
                root: checkpoint.root,
                staging: staging_key(checkpoint.size, &checkpoint.root),
            },
            staged: Staged { objects, checkpoint: Bytes::from(evidence.note.clone()) },
            next,
            replaced: replaced(&full),
            shared: Arc::new(CommittedBatch { size: checkpoint.size, tiles, evidence: Arc::new(evidence) }),
        })
    }
}

/// Appends items to a tail of fewer than 256 and cuts the result into objects of 256 items, the last one partial.
fn grow(
    tail: &Tail,
    items: impl Iterator<Item = Bytes>,
    key: impl Fn(u64, u16) -> String,
    encode: impl Fn(&[Bytes]) -> Result<Bytes, LogError>,
) -> Result<(Vec<(String, Bytes)>, Tail), LogError> {
    let all: Vec<Bytes> = tail.items.iter().cloned().chain(items).collect();
    let mut next = Tail { bundle: tail.bundle, items: Vec::new() };
    let mut objects = Vec::new();
    for chunk in all.chunks(usize::from(TILE_WIDTH)) {
        let width = u16::try_from(chunk.len()).unwrap_or(TILE_WIDTH);
        objects.push((key(next.bundle, width), encode(chunk)?));
        if width == TILE_WIDTH {
            next.bundle += 1;
        } else {
            next.items = chunk.to_vec();
        }
    }
    Ok((objects, next))
}

/// A C2SP entry bundle.
fn encode_entries(entries: &[Bytes]) -> Result<Bytes, LogError> {
    encode_bundle(entries).map(Bytes::from).map_err(|e| LogError::Inconsistent(e.to_string()))
}
