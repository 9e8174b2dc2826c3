//! Writing a committed batch in place: the one function of the happy path, the restart and the helping neighbour.
//!
//! Idempotent: every object but the checkpoint has one content for ever, so whatever is already there must be the same
//! bytes; the checkpoint only ever grows.

use super::LogError;
use super::head::{CHECKPOINT_KEY, HeadStore, Version};
use super::staging::{Staged, checkpoint_of};
use super::state::get;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::store::StoreError;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

/// Objects written at once.
const WRITES_MAX: usize = 16;

/// Tries at publishing a checkpoint; each failed one has re-read what is there.
const PUBLISH_TRIES_MAX: usize = 8;

/// A published checkpoint and the version of its cell.
pub(super) type PublishedCell = Option<(Checkpoint, Version)>;

/// Makes a committed batch readable, then publishes its checkpoint. `cell` is what the caller last saw published, and
/// becomes what is published now.
pub(super) async fn apply(
    objects: &dyn ObjectStore,
    heads: &dyn HeadStore,
    staged: &Staged,
    cell: &mut PublishedCell,
) -> Result<(), LogError> {
    let writes: Vec<_> = staged.objects.iter().map(|(key, content)| write_once(objects, key, content)).collect();
    stream::iter(writes).buffer_unordered(WRITES_MAX).try_collect::<()>().await?;
    publish(heads, &staged.checkpoint, cell).await
}

/// Creates an object, or makes sure that what is there is the same and durable.
async fn write_once(objects: &dyn ObjectStore, key: &str, content: &Bytes) -> Result<(), LogError> {
    let (path, payload) = (Path::from(key), PutPayload::from(content.clone()));
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match objects.put_opts(&path, payload.clone(), create).await {
        Ok(_) => return Ok(()),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
        Err(error) => return Err(StoreError::backend(key, error).into()),
    }
    match get(objects, key).await {
        Ok(found) if found != *content => {
            return Err(LogError::Inconsistent(format!("« {key} » existe avec un autre contenu")));
        }
        // Missing after all: some services answer "exists" to a write that another one interrupted.
        Ok(_) | Err(StoreError::Backend { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // Whoever wrote it may have crashed before the write was durable: the same bytes again settle that.
    objects.put(&path, payload).await.map_err(|e| StoreError::backend(key, e))?;
    Ok(())
}

/// Replaces the checkpoint by a larger one; a published larger one stays.
async fn publish(heads: &dyn HeadStore, note: &Bytes, cell: &mut PublishedCell) -> Result<(), LogError> {
    let ours = checkpoint_of(note)?;
    let mut last_error = None;
    for _ in 0..PUBLISH_TRIES_MAX {
        match cell {
            Some((theirs, _)) if theirs.size > ours.size => return Ok(()),
            Some((theirs, _)) if theirs.size == ours.size && theirs.root == ours.root => return Ok(()),
            Some((theirs, _)) if theirs.size == ours.size => {
                return Err(LogError::Inconsistent(format!("deux racines pour {} entrées", ours.size)));
            }
            _ => {}
        }
        // The answer is a hint; what is read next decides.
        let version = cell.as_ref().map(|(_, version)| version);
        last_error = heads.swap(CHECKPOINT_KEY, version, note.clone()).await.err();
        *cell = published(heads).await?;
    }
    Err(last_error
        .map_or_else(|| LogError::Inconsistent("point de contrôle impossible à publier".to_owned()), Into::into))
}

/// The published checkpoint, if any.
pub(super) async fn published(heads: &dyn HeadStore) -> Result<PublishedCell, LogError> {
    match heads.read(CHECKPOINT_KEY).await? {
        Some((note, version)) => Ok(Some((checkpoint_of(&note)?, version))),
        None => Ok(None),
    }
}
