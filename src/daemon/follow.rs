//! The log as the views read it.

use crate::sequencer::{LogError, LogReader, Published};
use crate::spec::tlog::tile::TileId;
use crate::spec::tlog::tree::{TileSet, root, tiles_for_root};
use crate::views::{Cursor, RecordSource, SourceError};
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use tokio::sync::watch;

/// Bytes of one hash in a tile.
const HASH_BYTES: usize = 32;

/// Records of the log of this node, under the checkpoint it has published or seen last.
#[derive(Debug, Clone)]
pub(super) struct LogSource {
    log: LogReader,
    published: watch::Receiver<Published>,
}

impl LogSource {
    pub(super) fn new(log: LogReader, published: watch::Receiver<Published>) -> Self {
        Self { log, published }
    }

    fn now(&self) -> Published {
        *self.published.borrow()
    }
}

#[async_trait]
impl RecordSource for LogSource {
    async fn head(&self) -> Result<Cursor, SourceError> {
        let Published { size, root } = self.now();
        Ok(Cursor { size, root })
    }

    async fn root_at(&self, size: u64) -> Result<[u8; 32], SourceError> {
        let published = self.now();
        if size == published.size {
            return Ok(published.root);
        }
        let what = || format!("racine à {size} entrées");
        let mut tiles = TileSet::default();
        for id in tiles_for_root(size) {
            // That size may never have been published: its narrower tile is the beginning of today's.
            let Some(wider) = TileId::at(id.level, id.index, published.size) else {
                return Err(SourceError::Damaged { what: what(), cause: format!("tuile {} absente", id.path()) });
            };
            let bytes = self.log.tile(wider).await.map_err(|e| blame(what(), e))?;
            let bytes = bytes.slice(..bytes.len().min(usize::from(id.width) * HASH_BYTES));
            tiles.insert(id, bytes).map_err(|e| SourceError::Damaged { what: what(), cause: e.to_string() })?;
        }
        root(size, &tiles).map_err(|e| SourceError::Damaged { what: what(), cause: e.to_string() })
    }

    async fn records(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Bytes>, SourceError> {
        let size = self.now().size;
        let what = || format!("enregistrements {}..{}", range.start, range.end);
        let mut records = self.log.records(range.clone(), size).await.map_err(|e| blame(what(), e))?;
        let mut bytes = 0;
        let fits = records.iter().take_while(|record| {
            let before = bytes;
            bytes += record.len();
            before < bytes_max
        });
        let fits = fits.count().max(1);
        records.truncate(fits);
        Ok(records)
    }
}

fn blame(what: String, error: LogError) -> SourceError {
    match error {
        LogError::Store(error) if error.is_transient() => SourceError::Unavailable { what, cause: Box::new(error) },
        error => SourceError::Damaged { what, cause: error.to_string() },
    }
}
