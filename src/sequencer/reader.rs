//! Reading the log back from the bucket: what every node, view and auditor can do without the sequencer.

use super::head::CHECKPOINT_KEY;
use super::newest::Newest;
use super::staging::checkpoint_of;
use super::state::{get, record_key, split_frames};
use super::{LogError, Published};
use crate::package::{ENTRY_LEN, RECORD_BYTES_MAX};
use crate::spec::tlog::Hash;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::tile::{TILE_WIDTH, TileId, entries_path};
use crate::spec::tlog::tree::{TileSet, consistency, inclusion, tiles_for_consistency, tiles_for_inclusion};
use crate::store::{StoreError, decompress};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Full tiles and bundles kept in memory; each is at most a few hundred KiB, most are 8 KiB.
const CACHED_MAX: usize = 256;

/// Entries in a full bundle.
const BUNDLE: u64 = TILE_WIDTH as u64;

/// Objects fetched at once.
const READS_MAX: usize = 8;

/// Reads checkpoints, tiles, records and proofs.
#[derive(Debug, Clone)]
pub struct LogReader {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Full tiles never change: read once.
    full: Arc<Mutex<HashMap<String, Bytes>>>,
    pub(super) newest: Newest,
}

impl LogReader {
    /// Reads the log of this bucket.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, full: Arc::default(), newest: Newest::default() }
    }

    /// The published signed note and its checkpoint; `None` for a log not begun.
    pub async fn checkpoint(&self) -> Result<Option<(String, Checkpoint)>, LogError> {
        let note = match get(&*self.objects, CHECKPOINT_KEY).await {
            Ok(note) => note,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let checkpoint = checkpoint_of(&note)?;
        Ok(Some((String::from_utf8_lossy(&note).into_owned(), checkpoint)))
    }

    /// Size and root of the published log.
    pub async fn published(&self) -> Result<Published, LogError> {
        let found = self.checkpoint().await?;
        Ok(found.map_or(Published { size: 0, root: crate::spec::tlog::EMPTY_ROOT }, |(_, checkpoint)| Published {
            size: checkpoint.size,
            root: checkpoint.root,
        }))
    }

    /// The bytes of a tile.
    pub async fn tile(&self, id: TileId) -> Result<Bytes, LogError> {
        let full = TileId { width: TILE_WIDTH, ..id };
        let partial = (!id.is_full()).then(|| format!("log/{}", id.path()));
        let bytes = self.fetch(format!("log/{}", full.path()), partial).await?;
        if bytes.len() < id.byte_len() {
            return Err(located(&id.path(), "tuile trop courte"));
        }
        Ok(bytes.slice(..id.byte_len()))
    }

    /// The records of the entries `range`, in order. `size` is a published size not below `range.end`: it tells which
    /// bundles are partial.
    pub async fn records(&self, range: Range<u64>, size: u64) -> Result<Vec<Bytes>, LogError> {
        if range.start >= range.end || range.end > size {
            return Ok(Vec::new());
        }
        if let Some(records) = self.newest.get(&range) {
            return Ok(records);
        }
        let bundles = range.start / BUNDLE..(range.end - 1) / BUNDLE + 1;
        let reads: Vec<_> = bundles.map(|bundle| self.bundle(bundle, size)).collect();
        let bundles: Vec<Vec<Bytes>> = stream::iter(reads).buffered(READS_MAX).try_collect().await?;
        let skip = usize::try_from(range.start % BUNDLE).unwrap_or(0);
        let take = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let frames: Vec<Bytes> = bundles.into_iter().flatten().skip(skip).take(take).collect();
        frames.iter().zip(range.start..).map(|(frame, index)| unframe(frame, index)).collect()
    }

    /// The record of one entry; `None` beyond the published log.
    pub async fn record(&self, index: u64, size: u64) -> Result<Option<Bytes>, LogError> {
        if index >= size {
            return Ok(None);
        }
        let frames = self.bundle(index / BUNDLE, size).await?;
        let place = usize::try_from(index % BUNDLE).unwrap_or(usize::MAX);
        frames.get(place).map(|frame| unframe(frame, index)).transpose()
    }

    /// Whether the entries from `first` on are these, in this order, in the log of `size` entries.
    pub(super) async fn holds(&self, first: u64, entries: &[&[u8]], size: u64) -> Result<bool, LogError> {
        let (mut index, mut rest) = (first, entries);
        while !rest.is_empty() {
            if index >= size {
                return Ok(false);
            }
            let bundle = self.entry_bundle(index / BUNDLE, size).await?;
            let end = (index / BUNDLE * BUNDLE + BUNDLE).min(size);
            let (here, later) = rest.split_at(rest.len().min(usize::try_from(end - index).unwrap_or(usize::MAX)));
            for (ours, index) in here.iter().zip(index..) {
                if entry_at(&bundle, index)? != *ours {
                    return Ok(false);
                }
            }
            (index, rest) = (end, later);
        }
        Ok(true)
    }

    /// A C2SP entry bundle, at least as wide as it is in the log of `size` entries.
    async fn entry_bundle(&self, bundle: u64, size: u64) -> Result<Bytes, LogError> {
        let width = width_of(bundle, size);
        let key = |width| format!("log/{}", entries_path(bundle, width));
        self.fetch(key(TILE_WIDTH), (width < TILE_WIDTH).then(|| key(width))).await
    }

    /// Inclusion proof of an entry in the log of `size` entries.
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        let tiles = self.tiles(tiles_for_inclusion(index, size)).await?;
        inclusion(index, size, &tiles).map_err(|e| LogError::Inconsistent(e.to_string()))
    }

    /// Consistency proof between the logs of `old` and `new` entries.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        let tiles = self.tiles(tiles_for_consistency(old, new)).await?;
        consistency(old, new, &tiles).map_err(|e| LogError::Inconsistent(e.to_string()))
    }

    async fn tiles(&self, ids: Vec<TileId>) -> Result<TileSet, LogError> {
        let reads: Vec<_> = ids.into_iter().map(async |id| Ok::<_, LogError>((id, self.tile(id).await?))).collect();
        let read: Vec<(TileId, Bytes)> = stream::iter(reads).buffered(READS_MAX).try_collect().await?;
        let mut tiles = TileSet::default();
        for (id, bytes) in read {
            tiles.insert(id, bytes).map_err(|e| LogError::Inconsistent(e.to_string()))?;
        }
        Ok(tiles)
    }

    /// The zstd frames of a bundle of records, those of a log of `size` entries.
    async fn bundle(&self, bundle: u64, size: u64) -> Result<Vec<Bytes>, LogError> {
        let width = width_of(bundle, size);
        let partial = (width < TILE_WIDTH).then(|| record_key(bundle, width));
        let key = record_key(bundle, width);
        let bytes = self.fetch(record_key(bundle, TILE_WIDTH), partial).await?;
        let mut frames = split_frames(&bytes).ok_or_else(|| located(&key, "trames illisibles"))?;
        if frames.len() < usize::from(width) {
            return Err(located(&key, "enregistrements manquants"));
        }
        frames.truncate(usize::from(width));
        Ok(frames)
    }

    /// A tile or bundle by the key of its full form and, where it is partial at the size asked for, of its partial form.
    /// A partial one may have been replaced by the full one since: the caller takes what it needs of it.
    async fn fetch(&self, full: String, partial: Option<String>) -> Result<Bytes, LogError> {
        if let Some(bytes) = self.cached().get(&full) {
            return Ok(bytes.clone());
        }
        if let Some(partial) = partial {
            match get(&*self.objects, &partial).await {
                Err(error) if is_missing(&error) => {}
                found => return Ok(found?),
            }
        }
        let bytes = get(&*self.objects, &full).await?;
        let mut cache = self.cached();
        if cache.len() >= CACHED_MAX {
            cache.clear();
        }
        cache.insert(full, bytes.clone());
        Ok(bytes)
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, HashMap<String, Bytes>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One entry of the bundle it is in. Every entry here has one length; a bundle prefixes each with two bytes.
fn entry_at(bundle: &[u8], index: u64) -> Result<&[u8], LogError> {
    let place = usize::try_from(index % BUNDLE).unwrap_or(usize::MAX) * (ENTRY_LEN + 2);
    let missing = || located(&format!("entrée {index}"), "entrée manquante");
    bundle.get(place + 2..place + 2 + ENTRY_LEN).ok_or_else(missing)
}

/// A bundle's width in a log of `size` entries.
fn width_of(bundle: u64, size: u64) -> u16 {
    let entries = size.saturating_sub(bundle.saturating_mul(BUNDLE)).min(BUNDLE);
    u16::try_from(entries).unwrap_or(TILE_WIDTH)
}

fn unframe(frame: &Bytes, index: u64) -> Result<Bytes, LogError> {
    let content = decompress(frame, RECORD_BYTES_MAX);
    content.map(Bytes::from).map_err(|e| LogError::Inconsistent(format!("enregistrement {index} : {e}")))
}

pub(super) fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::Backend { source, .. } if matches!(**source, object_store::Error::NotFound { .. }))
}

pub(super) fn located(key: &str, reason: &str) -> LogError {
    LogError::Inconsistent(format!("« {key} » : {reason}"))
}

/// The idempotency digest of a record, when it has one.
pub(super) fn idempotency_of(record: &[u8]) -> Option<[u8; 32]> {
    #[derive(serde::Deserialize)]
    struct Outer {
        body: Inner,
    }
    #[derive(serde::Deserialize)]
    struct Inner {
        idempotency: Option<String>,
    }
    let outer: Outer = serde_json::from_slice(record).ok()?;
    let mut digest = [0; 32];
    hex::decode_to_slice(outer.body.idempotency?, &mut digest).ok()?;
    Some(digest)
}
