//! What a node must know to extend the log: the right edge of the tree, and the bundles that are not full yet.

use super::LogError;
use super::head::{Head, Version};
use crate::spec::tlog::edge::Edge;
use crate::spec::tlog::tile::{TILE_WIDTH, decode_bundle, entries_path, group_path};
use crate::spec::tlog::tree::TileSet;
use crate::store::StoreError;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// The log as of one head.
#[derive(Debug, Clone, Default)]
pub(super) struct LogState {
    /// The head observed, with its version; `None` for a log not begun.
    pub(super) head: Option<(Head, Version)>,
    pub(super) edge: Edge,
    /// Entries of the last, partial bundle.
    pub(super) entries: Tail,
    /// zstd frames of the records of the last, partial bundle.
    pub(super) records: Tail,
}

/// The items of a bundle that is not full.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Number of the bundle.
    pub(super) bundle: u64,
    /// Fewer than 256 items.
    pub(super) items: Vec<Bytes>,
}

/// Key of a bundle of records: `records/x001/067[.p/5]`.
pub(crate) fn record_key(bundle: u64, width: u16) -> String {
    let path = group_path(bundle);
    if width == TILE_WIDTH { format!("records/{path}") } else { format!("records/{path}.p/{width}") }
}

impl LogState {
    /// Reads the state of an applied head back from the bucket, and checks that it is that head's.
    pub(super) async fn load(objects: &dyn ObjectStore, head: Head, version: Version) -> Result<Self, LogError> {
        let mut tiles = TileSet::default();
        for id in Edge::tiles_needed(head.size) {
            let key = format!("log/{}", id.path());
            tiles.insert(id, get(objects, &key).await?).map_err(|e| located(&key, &e.to_string()))?;
        }
        let edge = Edge::load(head.size, &tiles).map_err(|e| LogError::Inconsistent(e.to_string()))?;
        if edge.root() != head.root {
            return Err(LogError::Inconsistent("les tuiles ne donnent pas la racine de la tête".to_owned()));
        }
        let number = head.size / u64::from(TILE_WIDTH);
        let width = u16::try_from(head.size % u64::from(TILE_WIDTH)).unwrap_or(0);
        let (mut entries, mut records) = (Vec::new(), Vec::new());
        if width > 0 {
            let key = format!("log/{}", entries_path(number, width));
            let bundle = get(objects, &key).await?;
            let decoded = decode_bundle(&bundle, width).map_err(|e| located(&key, &e.to_string()))?;
            entries = decoded.into_iter().map(Bytes::copy_from_slice).collect();
            let key = record_key(number, width);
            records = split_frames(&get(objects, &key).await?).ok_or_else(|| located(&key, "trames illisibles"))?;
            if entries.len() != usize::from(width) || records.len() != usize::from(width) {
                return Err(located(&key, "nombre d'éléments inattendu"));
            }
        }
        Ok(Self {
            head: Some((head, version)),
            edge,
            entries: Tail { bundle: number, items: entries },
            records: Tail { bundle: number, items: records },
        })
    }

    /// Entries in the log.
    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }
}

fn located(key: &str, reason: &str) -> LogError {
    LogError::Inconsistent(format!("« {key} » : {reason}"))
}

/// Cuts a bundle into its zstd frames.
pub(crate) fn split_frames(bundle: &Bytes) -> Option<Vec<Bytes>> {
    let mut frames = Vec::new();
    let mut rest = bundle.clone();
    while !rest.is_empty() {
        let length = zstd::zstd_safe::find_frame_compressed_size(&rest).ok()?;
        if length == 0 || length > rest.len() {
            return None;
        }
        frames.push(rest.split_to(length));
    }
    Some(frames)
}

/// A whole object of the log.
pub(super) async fn get(objects: &dyn ObjectStore, key: &str) -> Result<Bytes, StoreError> {
    let answer = objects.get(&Path::from(key)).await.map_err(|e| StoreError::backend(key, e))?;
    answer.bytes().await.map_err(|e| StoreError::backend(key, e))
}
