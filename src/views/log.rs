//! The node's own log as a source of records, checked on the way.
//!
//! Views hold what opens doors (tokens), so they believe no bucket: each record is hashed into its entry and its leaf, the
//! tree is grown from there, and the follower compares the root with the published one. That costs some microseconds a
//! record and reads nothing more.

use super::{Cursor, RecordSource, Run, SourceError};
use crate::package::entry_of;
use crate::sequencer::{LogError, LogReader};
use crate::spec::tlog::edge::Edge;
use crate::spec::tlog::leaf_hash;
use crate::spec::tlog::tile::TileId;
use crate::spec::tlog::tree::TileSet;
use crate::store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Records in a bundle object: reading less of one saves nothing, and a batch of more than one makes sled keep the garbage
/// of the whole batch (three times the memory, and half as fast again).
const BUNDLE: u64 = 256;

/// What a record is taken to weigh before any was seen.
const RECORD_BYTES_GUESS: usize = 1_024;

/// A log in a bucket, read in order.
#[derive(Debug)]
pub struct LogSource {
    reader: LogReader,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The log as last seen.
    head: Cursor,
    /// The tree after the records read last: the next ones continue it.
    edge: Edge,
    /// Mean weight of the records read last, to ask for about as much as is wanted.
    record_bytes: usize,
}

impl LogSource {
    /// Reads the log through `reader`.
    pub fn new(reader: LogReader) -> Self {
        let state = State { head: Cursor::start(), edge: Edge::empty(), record_bytes: RECORD_BYTES_GUESS };
        Self { reader, state: Mutex::new(state) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tree of the first `size` entries. Its tiles are cut from those of the log as it is now: the narrower ones of an
    /// earlier size were never written, or are gone.
    async fn edge_at(&self, size: u64) -> Result<Edge, SourceError> {
        let head = {
            let state = self.state();
            if state.edge.size() == size {
                return Ok(state.edge.clone());
            }
            state.head.size
        };
        let mut tiles = TileSet::new();
        for id in Edge::tiles_needed(size) {
            let Some(id) = TileId::at(id.level, id.index, head) else { continue };
            let bytes = self.reader.tile(id).await.map_err(|e| blame(&format!("log/{}", id.path()), e))?;
            tiles.insert(id, bytes).map_err(|e| damaged(&format!("log/{}", id.path()), &e))?;
        }
        Edge::load(size, &tiles).map_err(|e| damaged(&format!("arbre de {size} entrées"), &e))
    }
}

#[async_trait]
impl RecordSource for LogSource {
    async fn head(&self) -> Result<Cursor, SourceError> {
        let published = self.reader.published().await.map_err(|e| blame("log/checkpoint", e))?;
        let head = Cursor { size: published.size, root: published.root };
        self.state().head = head;
        Ok(head)
    }

    async fn root_at(&self, size: u64) -> Result<[u8; 32], SourceError> {
        Ok(self.edge_at(size).await?.root())
    }

    async fn records(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Run>, SourceError> {
        let answer = self.runs(range, bytes_max).await;
        if let Err(SourceError::Unavailable { .. }) = answer {
            // Most likely a partial object that the full one has replaced: the next try looks where the log is now.
            let _ = self.head().await;
        }
        answer
    }
}

impl LogSource {
    async fn runs(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Run>, SourceError> {
        let edge = self.edge_at(range.start).await?;
        let (head, record_bytes) = {
            let state = self.state();
            (state.head.size, state.record_bytes)
        };
        let fitting = u64::try_from(bytes_max / record_bytes.max(1)).unwrap_or(u64::MAX);
        let wanted = (range.start.saturating_add(fitting) / BUNDLE).saturating_add(1).saturating_mul(BUNDLE);
        let range = range.start..range.end.min(wanted);
        let what = || format!("enregistrements {}..{}", range.start, range.end);
        let records = self.reader.records(range.clone(), head).await.map_err(|e| blame(&what(), e))?;
        let first = range.start;
        let grown = tokio::task::spawn_blocking(move || cut(records, first, edge)).await;
        let (runs, edge) = grown.map_err(|e| SourceError::Unavailable { what: what(), cause: e.into() })?;
        let mut state = self.state();
        state.edge = edge;
        let read = runs.iter().flat_map(|run| &run.records);
        if let Some(mean) = read.clone().map(Bytes::len).sum::<usize>().checked_div(read.count()) {
            state.record_bytes = mean;
        }
        Ok(runs)
    }
}

/// Cuts records from index `first` on at the bundles' ends, and grows the tree by them.
fn cut(mut records: Vec<Bytes>, first: u64, mut edge: Edge) -> (Vec<Run>, Edge) {
    let mut runs = Vec::new();
    let mut fill = usize::try_from(BUNDLE - first % BUNDLE).unwrap_or(usize::MAX);
    while !records.is_empty() {
        let after = records.split_off(fill.min(records.len()));
        let leaves: Vec<_> = records.iter().map(|record| leaf_hash(&entry_of(record))).collect();
        edge.append(&leaves);
        runs.push(Run { records, root: edge.root() });
        records = after;
        fill = usize::try_from(BUNDLE).unwrap_or(usize::MAX);
    }
    (runs, edge)
}

/// A store that does not answer may answer later, and an object that is not there may have been replaced since the head
/// was read; what contradicts itself stays so.
fn blame(what: &str, error: LogError) -> SourceError {
    match error {
        LogError::Store(StoreError::Corrupt { .. }) | LogError::Inconsistent(_) => damaged(what, &error),
        other => SourceError::Unavailable { what: what.to_owned(), cause: other.into() },
    }
}

fn damaged(what: &str, cause: &dyn std::fmt::Display) -> SourceError {
    SourceError::Damaged { what: what.to_owned(), cause: cause.to_string() }
}
