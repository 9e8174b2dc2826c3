//! Removing partial tiles and bundles once the full one is there (tlog-tiles allows it; a commit leaves about six).

use crate::spec::tlog::tile::{TileId, entries_path};
use futures::stream::{self, BoxStream};
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

/// Objects and folders waiting for a quiet moment to be deleted: deletions compete with depositors for the disk, and what
/// is left behind only costs room (the audit reports it, whatever a crash makes of this list).
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    objects: Vec<String>,
    folders: Vec<String>,
}

/// Under lasting load, deletions start at this many.
const WAITING_MAX: usize = 4096;

impl Sweeper {
    /// Remembers a staging that has been applied, and the folders its full tiles replace.
    pub(super) fn add(&mut self, staging: String, folders: Vec<String>) {
        self.objects.push(staging);
        self.folders.extend(folders);
    }

    /// Whether deletions should no longer wait for a quiet moment.
    pub(super) fn is_full(&self) -> bool {
        self.objects.len() + self.folders.len() >= WAITING_MAX
    }

    /// Deletes all that waits, in the background.
    pub(super) fn sweep(&mut self, store: &Arc<dyn ObjectStore>) {
        if self.objects.is_empty() && self.folders.is_empty() {
            return;
        }
        let Self { objects, folders } = std::mem::take(self);
        let store = store.clone();
        tokio::spawn(async move {
            let paths: Vec<_> = objects.iter().map(|key| Ok(Path::from(key.as_str()))).collect();
            delete(&*store, stream::iter(paths).boxed()).await;
            for folder in folders {
                let found = store.list(Some(&Path::from(folder.as_str()))).map_ok(|meta| meta.location).boxed();
                delete(&*store, found).await;
            }
        });
    }
}

async fn delete(store: &dyn ObjectStore, paths: BoxStream<'static, object_store::Result<Path>>) {
    let mut deletions = store.delete_stream(paths);
    while let Some(deleted) = deletions.next().await {
        if let Err(error) = deleted
            && !matches!(error, object_store::Error::NotFound { .. })
        {
            tracing::warn!(%error, "un objet remplacé n'a pas pu être effacé ; l'audit le signalera");
        }
    }
}
