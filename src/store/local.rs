//! The bucket on a local disk: object_store's file system, but for large objects, which go past the page cache.
//!
//! An archive seldom reads again what it has just stored. Copying a large object into the page cache costs more than its
//! digests and pushes out what is worth keeping there; `O_DIRECT` hands aligned buffers to the disk instead. File systems
//! that refuse it get ordinary writes.
//!
//! As with object_store: a temporary file beside the object (`<name>#<number>`, which listings leave out), synced, put in
//! place by a link or a rename, and its folder synced.

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use rustix::fs::OFlags;
use std::cell::RefCell;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// Objects below this many bytes are written through the page cache: a single copy, and one request to the disk.
const DIRECT_BYTES_MIN: usize = 256 * 1024;

/// What offsets, lengths and buffers of direct writes are multiples of: as much as any disk asks.
const BLOCK_BYTES: usize = 4096;

/// Bytes in one direct write.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Names tried for a temporary file.
const NAMES_MAX: u32 = 1000;

/// A directory as a bucket; every write is synced before it is acknowledged.
#[derive(Debug)]
pub(super) struct LocalBucket(LocalFileSystem);

impl LocalBucket {
    /// The bucket in an existing directory.
    pub(super) fn new(root: &std::path::Path) -> Result<Self> {
        Ok(Self(LocalFileSystem::new_with_prefix(root)?.with_fsync(true)))
    }
}

impl fmt::Display for LocalBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for LocalBucket {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.0.put_opts(location, payload, options).await,
        };
        if payload.content_length() < DIRECT_BYTES_MIN {
            return self.0.put_opts(location, payload, options).await;
        }
        let path = self.0.path_to_filesystem(location)?;
        off_runtime(move || {
            let staged = Staged::new(path)?;
            staged.write_at(&payload, 0)?;
            staged.publish(create)
        })
        .await
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let path = self.0.path_to_filesystem(location)?;
        let staged = off_runtime(move || Staged::new(path)).await?;
        Ok(Box::new(Upload { staged: Arc::new(staged), offset: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}

async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(failed),
        Err(source) => Err(Error::JoinError { source }),
    }
}

fn failed(source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path: String::new(), source: Box::new(source) },
        _ => Error::Generic { store: "disque local", source: Box::new(source) },
    }
}

/// A multipart upload: parts land at their place, in any order.
#[derive(Debug)]
struct Upload {
    staged: Arc<Staged>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (staged, offset) = (self.staged.clone(), self.offset);
        self.offset += data.content_length() as u64;
        Box::pin(off_runtime(move || staged.write_at(&data, offset)))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.clone();
        off_runtime(move || staged.publish(false)).await
    }

    async fn abort(&mut self) -> Result<()> {
        let staged = self.staged.clone();
        off_runtime(move || staged.discard()).await
    }
}

/// An object being written, not visible yet. Goes away with its file unless it is published.
#[derive(Debug)]
struct Staged {
    path: PathBuf,
    temporary: PathBuf,
    /// Through the page cache: the last bytes, which fill no block, and everything where `direct` is refused.
    plain: File,
    direct: Option<File>,
    settled: AtomicBool,
}

impl Staged {
    fn new(path: PathBuf) -> io::Result<Self> {
        let (temporary, plain) = create_beside(&path)?;
        let flags = OFlags::DIRECT.bits().cast_signed();
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(&temporary).ok();
        Ok(Self { path, temporary, plain, direct, settled: AtomicBool::new(false) })
    }

    fn write_at(&self, payload: &PutPayload, mut offset: u64) -> io::Result<()> {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(BUFFER_BYTES + BLOCK_BYTES, 0);
            // Only an offset beyond the buffer could fail to align it, and then ordinary writes do.
            let skip = buffer.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES);
            let aligned = &mut buffer[skip..skip + BUFFER_BYTES];
            let mut filled = 0;
            for chunk in payload {
                let mut chunk = &chunk[..];
                while !chunk.is_empty() {
                    let (now, later) = chunk.split_at(chunk.len().min(BUFFER_BYTES - filled));
                    aligned[filled..filled + now.len()].copy_from_slice(now);
                    filled += now.len();
                    chunk = later;
                    if filled == BUFFER_BYTES {
                        self.write_block(aligned, offset)?;
                        offset += BUFFER_BYTES as u64;
                        filled = 0;
                    }
                }
            }
            let (blocks, rest) = aligned[..filled].split_at(filled / BLOCK_BYTES * BLOCK_BYTES);
            self.write_block(blocks, offset)?;
            self.plain.write_all_at(rest, offset + blocks.len() as u64)
        })
    }

    /// Writes an aligned buffer.
    fn write_block(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let aligned = offset.is_multiple_of(BLOCK_BYTES as u64);
        if let Some(direct) = self.direct.as_ref().filter(|_| aligned) {
            match direct.write_all_at(bytes, offset) {
                // The file system takes the flag and refuses the write: the same bytes the ordinary way.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                done => return done,
            }
        }
        self.plain.write_all_at(bytes, offset)
    }

    /// Makes the object durable, then visible.
    fn publish(&self, create: bool) -> io::Result<PutResult> {
        self.plain.sync_all()?;
        if create {
            std::fs::hard_link(&self.temporary, &self.path)?;
            self.discard()?;
        } else {
            std::fs::rename(&self.temporary, &self.path)?;
            self.settled.store(true, Ordering::Relaxed);
        }
        sync_folder_of(&self.path)?;
        Ok(PutResult { e_tag: None, version: None, extensions: Extensions::default() })
    }

    /// Removes the temporary file.
    fn discard(&self) -> io::Result<()> {
        self.settled.store(true, Ordering::Relaxed);
        std::fs::remove_file(&self.temporary)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if *self.settled.get_mut() {
            return;
        }
        // Freeing gigabytes takes a while. A file that stays is in no listing, and the audit of the disk names it.
        let temporary = std::mem::take(&mut self.temporary);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || std::fs::remove_file(temporary))),
            Err(_) => drop(std::fs::remove_file(temporary)),
        }
    }
}

/// A new file `<path>#<number>`.
fn create_beside(path: &std::path::Path) -> io::Result<(PathBuf, File)> {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{number}"));
        let temporary = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) => match error.kind() {
                io::ErrorKind::AlreadyExists if number < NAMES_MAX => number += 1,
                io::ErrorKind::NotFound => create_folders(path.parent().ok_or(error)?)?,
                _ => return Err(error),
            },
        }
    }
}

/// Makes a folder and those above it; each is durable before anything is put into it.
fn create_folders(folder: &std::path::Path) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) => match error.kind() {
            io::ErrorKind::AlreadyExists => {}
            io::ErrorKind::NotFound => {
                create_folders(folder.parent().ok_or(error)?)?;
                return create_folders(folder);
            }
            _ => return Err(error),
        },
    }
    sync_folder_of(folder)
}

fn sync_folder_of(path: &std::path::Path) -> io::Result<()> {
    File::open(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;
    use object_store::ObjectStoreExt;
    use proptest::prelude::*;

    fn pattern(length: usize) -> Bytes {
        (0..length).map(|i| u8::try_from((i * 31 + i / 4096) % 251).unwrap()).collect()
    }

    /// The content in pieces of a length.
    fn payload(content: &Bytes, piece: usize) -> PutPayload {
        (0..content.len()).step_by(piece).map(|at| content.slice(at..content.len().min(at + piece))).collect()
    }

    fn names(folder: &std::path::Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn an_object_is_created_once_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let bucket = LocalBucket::new(folder.path()).unwrap();
        let (at, content) = (Path::from("a/b/c"), pattern(DIRECT_BYTES_MIN + 5));
        let create = PutOptions::from(PutMode::Create);
        bucket.put_opts(&at, payload(&content, 70_000), create.clone()).await.unwrap();
        let again = bucket.put_opts(&at, payload(&content, 9), create).await.unwrap_err();
        assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
        let longer = pattern(3 * BUFFER_BYTES + 1);
        bucket.put(&at, payload(&longer, 8 << 20)).await.unwrap();
        assert_eq!(bucket.get(&at).await.unwrap().bytes().await.unwrap(), longer);
        assert_eq!(names(&folder.path().join("a/b")), ["c"], "temporary files are gone");
    }

    #[tokio::test]
    async fn an_abandoned_upload_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let bucket = LocalBucket::new(folder.path()).unwrap();
        let mut upload = bucket.put_multipart(&Path::from("x/y")).await.unwrap();
        upload.put_part(pattern(5000).into()).await.unwrap();
        assert_eq!(names(&folder.path().join("x")), ["y#1"]);
        upload.abort().await.unwrap();
        assert_eq!(names(&folder.path().join("x")), [""; 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn parts_of_any_size_land_in_place(sizes in prop::collection::vec(1usize..2_500_000, 1..5), piece in 1000usize..300_000) {
            let folder = tempfile::tempdir().unwrap();
            let bucket = LocalBucket::new(folder.path()).unwrap();
            let content = pattern(sizes.iter().sum());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let stored = runtime.block_on(async {
                let mut upload = bucket.put_multipart(&Path::from("p")).await.unwrap();
                let mut at = 0;
                let parts: Vec<_> = sizes.iter().map(|&size| {
                    let part = content.slice(at..at + size);
                    at += size;
                    upload.put_part(payload(&part, piece))
                }).collect();
                futures::future::try_join_all(parts.into_iter().rev()).await.unwrap();
                upload.complete().await.unwrap();
                bucket.get(&Path::from("p")).await.unwrap().bytes().await.unwrap()
            });
            prop_assert!(stored == content);
        }
    }
}
