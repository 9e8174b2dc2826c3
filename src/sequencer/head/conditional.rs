//! Compare-and-swap by conditional PUT (`If-None-Match: *`, `If-Match: <etag>`).

use super::{CELL_BYTES_MAX, HeadStore, Swap, Version};
use crate::store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};
use std::sync::Arc;

/// Cells on a store with conditional writes.
#[derive(Debug, Clone)]
pub struct ConditionalHead {
    objects: Arc<dyn ObjectStore>,
}

impl ConditionalHead {
    /// Cells of this bucket.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }
}

#[async_trait]
impl HeadStore for ConditionalHead {
    async fn read(&self, key: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        let answer = match self.objects.get(&Path::from(key)).await {
            Ok(answer) => answer,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(StoreError::backend(key, error)),
        };
        let missing = || StoreError::corrupt(key, 0, "le stockage ne donne pas d'ETag");
        let version = Version(answer.meta.e_tag.clone().ok_or_else(missing)?);
        if answer.meta.size > CELL_BYTES_MAX as u64 {
            return Err(StoreError::corrupt(key, 0, "objet trop long"));
        }
        let content = answer.bytes().await.map_err(|e| StoreError::backend(key, e))?;
        Ok(Some((content, version)))
    }

    async fn swap(&self, key: &str, expected: Option<&Version>, content: Bytes) -> Result<Swap, StoreError> {
        let mode = match expected {
            None => PutMode::Create,
            Some(Version(etag)) => PutMode::Update(UpdateVersion { e_tag: Some(etag.clone()), version: None }),
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.objects.put_opts(&Path::from(key), PutPayload::from(content), options).await {
            Ok(_) => Ok(Swap::Taken),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. }) => Ok(Swap::Refused),
            Err(error) => Err(StoreError::backend(key, error)),
        }
    }
}
