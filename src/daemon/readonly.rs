//! A bucket that may be read and not written: that of an archive that went back in time, until an operator decides.

use super::bucket::Bucket;
use crate::sequencer::head::{HeadStore, Swap, Version};
use crate::store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::ops::Range;
use std::sync::Arc;

impl Bucket {
    /// The same bucket, to read.
    pub(super) fn read_only(self) -> Self {
        Self { objects: Arc::new(Closed(self.objects)), heads: Arc::new(ClosedHeads(self.heads)) }
    }
}

#[derive(Debug)]
struct Closed(Arc<dyn ObjectStore>);

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (lecture seule)", self.0)
    }
}

fn refused(location: &Path) -> Error {
    let source = "le compartiment est en lecture seule : il est revenu en arrière (voir /readyz)".into();
    Error::PermissionDenied { path: location.to_string(), source }
}

#[async_trait]
impl ObjectStore for Closed {
    async fn put_opts(&self, location: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(refused(location))
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(refused(location))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.map(|location| location.and_then(|location| Err(refused(&location)))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, to: &Path, _: CopyOptions) -> Result<()> {
        Err(refused(to))
    }
}

struct ClosedHeads(Arc<dyn HeadStore>);

#[async_trait]
impl HeadStore for ClosedHeads {
    async fn read(&self, key: &str) -> std::result::Result<Option<(Bytes, Version)>, StoreError> {
        self.0.read(key).await
    }

    async fn swap(&self, key: &str, _: Option<&Version>, _: Bytes) -> std::result::Result<Swap, StoreError> {
        Err(StoreError::backend(key, refused(&Path::from(key))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sequencer::head::ConditionalHead;
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    #[tokio::test]
    async fn what_is_there_is_read_and_nothing_changes() {
        let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let at = Path::from("a");
        memory.put(&at, PutPayload::from_static(b"1")).await.unwrap();
        let heads: Arc<dyn HeadStore> = Arc::new(ConditionalHead::new(memory.clone()));
        let closed = Bucket { objects: memory.clone(), heads }.read_only();
        assert_eq!(closed.objects.get(&at).await.unwrap().bytes().await.unwrap().as_ref(), b"1");
        assert!(closed.objects.put(&at, PutPayload::from_static(b"2")).await.is_err());
        assert!(closed.objects.put_multipart(&at).await.is_err());
        assert!(closed.objects.delete(&at).await.is_err());
        assert!(closed.objects.copy(&at, &Path::from("b")).await.is_err());
        assert!(closed.objects.rename(&at, &Path::from("b")).await.is_err());
        assert!(closed.heads.read("head").await.unwrap().is_none());
        assert!(closed.heads.swap("head", None, Bytes::from_static(b"x")).await.is_err());
        let listed: Vec<_> = memory.list(None).try_collect().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(memory.get(&at).await.unwrap().bytes().await.unwrap().as_ref(), b"1");
    }
}
