//! A bucket that is read, never written, and that counts: how much of the log a proof needs is promised, and asserted.

use crate::package::safe_integer;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reads {
    /// Objects asked for.
    #[serde(deserialize_with = "safe_integer")]
    pub objects: u64,
    /// Folders listed: a thousand names each at most.
    #[serde(deserialize_with = "safe_integer")]
    pub lists: u64,
}

#[derive(Debug)]
pub(super) struct Counted {
    inner: Arc<dyn ObjectStore>,
    objects: AtomicU64,
    lists: AtomicU64,
}

impl Counted {
    pub(super) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, objects: AtomicU64::new(0), lists: AtomicU64::new(0) }
    }

    /// What was read since the start.
    pub(super) fn reads(&self) -> Reads {
        Reads { objects: self.objects.load(Ordering::Relaxed), lists: self.lists.load(Ordering::Relaxed) }
    }

    fn object(&self) {
        self.objects.fetch_add(1, Ordering::Relaxed);
    }

    fn folder(&self) {
        self.lists.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (pour un rapport)", self.inner)
    }
}

fn refused(location: &Path) -> Error {
    Error::PermissionDenied { path: location.to_string(), source: "un rapport n'écrit rien".into() }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(refused(location))
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(refused(location))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.object();
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.object();
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.map(|location| location.and_then(|location| Err(refused(&location)))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.folder();
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.folder();
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, to: &Path, _: CopyOptions) -> Result<()> {
        Err(refused(to))
    }
}
