//! A disk that is full, or a store that answers with errors, for payloads only: the switch is in the test's hand.

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

pub(crate) const NONE: u8 = 0;
pub(crate) const FULL: u8 = 1;
pub(crate) const BROKEN: u8 = 2;

#[derive(Debug, Default)]
pub(crate) struct Trouble(AtomicU8);

impl Trouble {
    pub(crate) fn set(&self, kind: u8) {
        self.0.store(kind, Ordering::SeqCst);
    }

    fn meets(&self, location: &Path) -> Result<()> {
        let error =
            |kind: ErrorKind| Err(Error::Generic { store: "test", source: Box::new(std::io::Error::from(kind)) });
        match self.0.load(Ordering::SeqCst) {
            _ if !location.as_ref().starts_with("payload/") => Ok(()),
            FULL => error(ErrorKind::StorageFull),
            BROKEN => error(ErrorKind::ConnectionReset),
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct FullDisk {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) trouble: Arc<Trouble>,
}

impl std::fmt::Display for FullDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FullDisk({})", self.objects)
    }
}

#[async_trait]
impl ObjectStore for FullDisk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.trouble.meets(location)?;
        self.objects.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.trouble.meets(location)?;
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
