//! Removing partial tiles and bundles once the full one is there (tlog-tiles allows it; a commit leaves about six).

use crate::spec::tlog::tile::{TileId, entries_path};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use std::sync::Arc;

use super::state::record_key;

/// Folders of the partial objects that a batch's full ones replace.
pub(super) fn replaced(full_tiles: &[TileId]) -> Vec<String> {
    let mut folders = Vec::new();
    for id in full_tiles {
        folders.push(format!("log/{}.p", id.path()));
        if id.level == 0 {
            folders.push(format!("log/{}.p", entries_path(id.index, id.width)));
            folders.push(format!("{}.p", record_key(id.index, id.width)));
        }
    }
    folders
}

/// Deletes what is in these folders, in the background: left behind, it only costs room.
pub(super) fn sweep(objects: &Arc<dyn ObjectStore>, folders: Vec<String>) {
    if folders.is_empty() {
        return;
    }
    let objects = objects.clone();
    tokio::spawn(async move {
        for folder in folders {
            let found = objects.list(Some(&Path::from(folder.as_str()))).map_ok(|meta| meta.location).boxed();
            if let Err(error) = objects.delete_stream(found).try_for_each(|_| async { Ok(()) }).await
                && !matches!(error, object_store::Error::NotFound { .. })
            {
                tracing::warn!(%error, folder, "des tuiles partielles remplacées n'ont pas pu être effacées");
            }
        }
    });
}
