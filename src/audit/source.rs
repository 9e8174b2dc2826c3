//! Reading a bucket from worker threads: whole small objects, large ones by pieces. A local object is read from its file,
//! without a copy through the runtime.

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// A bucket, as the audit's threads see it.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
}

impl Bucket {
    /// Calls go through `runtime`; they block, so they must come from threads that are not its own.
    pub(super) fn new(store: Arc<dyn ObjectStore>, runtime: Handle) -> Self {
        Self { store, runtime }
    }

    /// Opens an object; `None` if there is none.
    pub(super) fn open(&self, key: &str) -> Result<Option<Object>, String> {
        let Ok(path) = Path::parse(key) else { return Ok(None) };
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.runtime.block_on(self.store.get_opts(&path, options)) {
            Ok(answer) => {
                let size_bytes = answer.meta.size;
                let access = match answer.payload {
                    GetResultPayload::File(file, _) => Access::File(file),
                    GetResultPayload::Stream(_) => Access::Remote(self.clone(), path),
                };
                Ok(Some(Object { size_bytes, access }))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads a whole object of at most `bytes_max` bytes; `None` if there is none.
    pub(super) fn get(&self, key: &str, bytes_max: u64) -> Result<Option<Bytes>, String> {
        let Some(object) = self.open(key)? else { return Ok(None) };
        if object.size_bytes > bytes_max {
            return Err(format!("{} octets, au-delà des {bytes_max} admis pour cet objet", object.size_bytes));
        }
        let mut content = vec![0; usize::try_from(object.size_bytes).map_err(|e| e.to_string())?];
        object.read_exact(0, &mut content)?;
        Ok(Some(content.into()))
    }

    /// Calls `visit` for every object under `prefix`, in the store's order.
    pub(super) fn list(&self, prefix: &str, visit: &mut dyn FnMut(ObjectMeta)) -> Result<(), String> {
        let prefix = (!prefix.is_empty()).then(|| Path::from(prefix));
        let mut objects = self.store.list(prefix.as_ref());
        // The visitor may read the bucket in its turn: it is called outside the runtime.
        while let Some(object) = self.runtime.block_on(objects.next()) {
            visit(object.map_err(|e| e.to_string())?);
        }
        Ok(())
    }
}

/// An object open for reading.
pub(super) struct Object {
    pub(super) size_bytes: u64,
    access: Access,
}

enum Access {
    File(File),
    Remote(Bucket, Path),
    Memory(Bytes),
}

impl Object {
    /// Bytes at hand, read as an object.
    pub(super) fn in_memory(bytes: Bytes) -> Self {
        Self { size_bytes: bytes.len() as u64, access: Access::Memory(bytes) }
    }

    /// Fills `buffer` from byte `offset` on; being short is an error.
    pub(super) fn read_exact(&self, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        if buffer.is_empty() {
            return Ok(());
        }
        match &self.access {
            Access::File(file) => file.read_exact_at(buffer, offset).map_err(|e| e.to_string()),
            Access::Remote(bucket, path) => {
                let range = offset..offset + buffer.len() as u64;
                let piece = bucket.runtime.block_on(bucket.store.get_range(path, range)).map_err(|e| e.to_string())?;
                if piece.len() != buffer.len() {
                    return Err(format!("{} octets reçus au lieu de {}", piece.len(), buffer.len()));
                }
                buffer.copy_from_slice(&piece);
                Ok(())
            }
            Access::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(|e| e.to_string())?;
                let piece =
                    bytes.get(start..).and_then(|b| b.get(..buffer.len())).ok_or("lecture au-delà de la fin")?;
                buffer.copy_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Whether reads go over a network.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.access, Access::Remote(..))
    }
}
