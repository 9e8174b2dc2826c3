//! A large payload on its way to an object of its own: digests, compression and upload each at their own pace, in bounded
//! memory.
//!
//! The object is a zstd file in the seekable format (`contrib/seekable_format` of the zstd project): independent frames
//! of 4 MiB of content and, last, a skippable frame that lists their sizes. `zstd -d` reads it as any other file.

use super::compress::compress_pieces;
use super::{Store, StoreError, key};
use crate::digest::{Digests, One};
use crate::package::Location;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use std::future::Future;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use uuid::Uuid;

/// Content bytes in each frame but the last.
pub const FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Bytes in each part of a multipart upload: above S3's minimum of 5 MiB, and 10,000 parts make 78 GiB.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Frames being compressed at once.
const COMPRESSIONS_MAX: usize = 2;

/// Parts being uploaded at once.
const PARTS_MAX: usize = 4;

const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;

/// Bytes of a seek table before and after its entries.
const TABLE_HEAD: u64 = 8;
const TABLE_FOOT: u64 = 9;
const TABLE_ENTRY: u64 = 8;

/// Pieces of content shorter than this are copied together, so that a frame is never made of crumbs.
const PIECE_BYTES_MIN: usize = 16 * 1024;

/// A frame's bytes, and the length of its content.
type CompressedFrame = (Vec<Bytes>, u32);

/// One large payload under way.
#[derive(Debug)]
pub(super) struct LargeUpload {
    store: Store,
    object: Path,
    /// Content not yet long enough for a frame.
    frame: Pieces,
    /// `None` once the last frame has been sent.
    hashing: Option<[mpsc::Sender<Vec<Bytes>>; 2]>,
    sha256: JoinHandle<[u8; 32]>,
    sha512: JoinHandle<[u8; 64]>,
    compressing: FuturesOrdered<JoinHandle<std::io::Result<CompressedFrame>>>,
    /// Compressed and content size of each frame done.
    table: Vec<(u32, u32)>,
    sink: Sink,
    size_bytes: u64,
}

/// Content as it came, uncopied where that is worth it.
#[derive(Debug, Default)]
struct Pieces {
    whole: Vec<Bytes>,
    crumbs: BytesMut,
    length: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() < PIECE_BYTES_MIN {
            self.crumbs.extend_from_slice(&piece);
            if self.crumbs.len() >= PIECE_BYTES_MIN {
                self.gather_crumbs();
            }
        } else {
            self.gather_crumbs();
            self.whole.push(piece);
        }
    }

    fn gather_crumbs(&mut self) {
        if !self.crumbs.is_empty() {
            self.whole.push(self.crumbs.split().freeze());
        }
    }

    fn into_vec(mut self) -> Vec<Bytes> {
        self.gather_crumbs();
        self.whole
    }
}

/// Where compressed bytes go: memory until they exceed one part, then a multipart upload.
#[derive(Debug)]
enum Sink {
    Held(Vec<Bytes>),
    Parts(Option<WriteMultipart>),
}

impl LargeUpload {
    pub(super) fn start(store: &Store, agency: &str) -> Self {
        let (to_sha256, sha256) = hash_aside(One::sha256());
        let (to_sha512, sha512) = hash_aside(One::sha512());
        Self {
            store: store.clone(),
            object: key::large_key(agency, Uuid::now_v7()),
            frame: Pieces::default(),
            hashing: Some([to_sha256, to_sha512]),
            sha256,
            sha512,
            compressing: FuturesOrdered::new(),
            table: Vec::new(),
            sink: Sink::Held(Vec::new()),
            size_bytes: 0,
        }
    }

    pub(super) async fn write(&mut self, mut chunk: Bytes) -> Result<(), StoreError> {
        self.size_bytes += chunk.len() as u64;
        while !chunk.is_empty() {
            let room = FRAME_BYTES - self.frame.length;
            self.frame.push(chunk.split_to(room.min(chunk.len())));
            if self.frame.length == FRAME_BYTES {
                let full = std::mem::take(&mut self.frame);
                self.dispatch(full).await?;
            }
        }
        Ok(())
    }

    /// The last byte has passed: digests and length, while the last frames are still on their way.
    pub(super) async fn seal(&mut self) -> Result<(Digests, u64), StoreError> {
        let last = std::mem::take(&mut self.frame);
        if last.length > 0 {
            self.dispatch(last).await?;
        }
        self.hashing = None;
        let sha256 = (&mut self.sha256).await.map_err(|_| StoreError::Closed)?;
        let sha512 = (&mut self.sha512).await.map_err(|_| StoreError::Closed)?;
        Ok((Digests { sha256, sha512 }, self.size_bytes))
    }

    /// Sends what is left after [`LargeUpload::seal`] and makes the object visible.
    pub(super) async fn store(mut self: Box<Self>) -> Result<Location, StoreError> {
        while !self.compressing.is_empty() {
            self.upload_next().await?;
        }
        let table = encode_table(&self.table);
        let table_bytes = table.len() as u64;
        self.push(table.into()).await?;
        let length = self.table.iter().map(|&(compressed, _)| u64::from(compressed)).sum::<u64>() + table_bytes;
        self.close().await?;
        Ok(Location { object: self.object.to_string(), offset: 0, length })
    }

    /// Sends a frame's content to the hashers and a compressor; first makes room when too many are under way.
    async fn dispatch(&mut self, content: Pieces) -> Result<(), StoreError> {
        let content_bytes = u32::try_from(content.length).unwrap_or(u32::MAX);
        let content = content.into_vec();
        for hashing in self.hashing.iter().flatten() {
            hashing.send(content.clone()).await.map_err(|_| StoreError::Closed)?;
        }
        while self.compressing.len() >= COMPRESSIONS_MAX {
            self.upload_next().await?;
        }
        self.compressing.push_back(spawn_blocking(move || Ok((compress_pieces(&content)?, content_bytes))));
        Ok(())
    }

    async fn upload_next(&mut self) -> Result<(), StoreError> {
        let Some(joined) = self.compressing.next().await else { return Ok(()) };
        let (frame, content_bytes) = joined
            .map_err(|_| StoreError::Closed)?
            .map_err(|e| StoreError::corrupt(self.object.as_ref(), 0, e.to_string()))?;
        let frame_bytes: usize = frame.iter().map(Bytes::len).sum();
        self.table.push((u32::try_from(frame_bytes).unwrap_or(u32::MAX), content_bytes));
        for piece in frame {
            self.push(piece).await?;
        }
        Ok(())
    }

    async fn push(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if let Sink::Held(held) = &mut self.sink {
            held.push(bytes);
            if held.iter().map(Bytes::len).sum::<usize>() <= PART_BYTES {
                return Ok(());
            }
            let held = std::mem::take(held);
            let upload = limited(&self.store, &self.object, self.store.objects.put_multipart(&self.object)).await?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            for bytes in held {
                parts.put(bytes);
            }
            self.sink = Sink::Parts(Some(parts));
            return Ok(());
        }
        if let Sink::Parts(Some(parts)) = &mut self.sink {
            let wait = timeout(self.store.options.request_timeout, parts.wait_for_capacity(PARTS_MAX));
            wait.await
                .map_err(|_| StoreError::Timeout { key: self.object.to_string() })?
                .map_err(|e| StoreError::backend(self.object.as_ref(), e))?;
            parts.put(bytes);
        }
        Ok(())
    }

    /// Makes the object visible and durable.
    async fn close(&mut self) -> Result<(), StoreError> {
        match &mut self.sink {
            Sink::Held(held) => {
                let payload: PutPayload = std::mem::take(held).into_iter().collect();
                limited(&self.store, &self.object, self.store.objects.put(&self.object, payload)).await?;
            }
            Sink::Parts(parts) => {
                if let Some(parts) = parts.take() {
                    // Flushing the last parts of a large object may take longer than one request.
                    let limit = self.store.options.request_timeout * 4;
                    timeout(limit, parts.finish())
                        .await
                        .map_err(|_| StoreError::Timeout { key: self.object.to_string() })?
                        .map_err(|e| StoreError::backend(self.object.as_ref(), e))?;
                }
            }
        }
        Ok(())
    }
}

/// Computes one digest on a thread of its own, from frames sent in order.
fn hash_aside<const N: usize>(mut hash: One<N>) -> (mpsc::Sender<Vec<Bytes>>, JoinHandle<[u8; N]>) {
    let (sender, mut frames) = mpsc::channel::<Vec<Bytes>>(COMPRESSIONS_MAX);
    let hashed = spawn_blocking(move || {
        while let Some(frame) = frames.blocking_recv() {
            for piece in &frame {
                hash.update(piece);
            }
        }
        hash.finish()
    });
    (sender, hashed)
}

/// One request within the time limit. (Not a method: a future that holds `&LargeUpload` could not move between threads.)
async fn limited<T>(
    store: &Store,
    object: &Path,
    request: impl Future<Output = object_store::Result<T>>,
) -> Result<T, StoreError> {
    match timeout(store.options.request_timeout, request).await {
        Ok(answer) => answer.map_err(|e| StoreError::backend(object.as_ref(), e)),
        Err(_) => Err(StoreError::Timeout { key: object.to_string() }),
    }
}

/// An interrupted upload gives its parts back to the store.
impl Drop for LargeUpload {
    fn drop(&mut self) {
        if let Sink::Parts(parts) = &mut self.sink
            && let Some(parts) = parts.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                if let Err(error) = parts.abort().await {
                    tracing::warn!(%error, "un envoi interrompu n'a pas pu être annulé ; le stockage le purgera");
                }
            });
        }
    }
}

fn encode_table(frames: &[(u32, u32)]) -> Vec<u8> {
    let entries = u32::try_from(frames.len()).unwrap_or(u32::MAX);
    let mut table = Vec::with_capacity(frames.len() * 8 + 17);
    table.extend_from_slice(&SKIPPABLE_MAGIC.to_le_bytes());
    table.extend_from_slice(&(entries * 8 + 9).to_le_bytes());
    for (compressed, content) in frames {
        table.extend_from_slice(&compressed.to_le_bytes());
        table.extend_from_slice(&content.to_le_bytes());
    }
    table.extend_from_slice(&entries.to_le_bytes());
    table.push(0);
    table.extend_from_slice(&SEEKABLE_MAGIC.to_le_bytes());
    table
}

/// Length in bytes of the seek table of a payload of `size_bytes`.
pub(super) fn table_bytes(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(FRAME_BYTES as u64) * TABLE_ENTRY + TABLE_HEAD + TABLE_FOOT
}

/// Compressed length of each frame, from the seek table of a payload of `size_bytes` in an object of `length` bytes.
pub(super) fn decode_table(table: &[u8], size_bytes: u64, length: u64) -> Option<Vec<u32>> {
    let frames = usize::try_from(size_bytes.div_ceil(FRAME_BYTES as u64)).ok()?;
    if table.len() as u64 != table_bytes(size_bytes) {
        return None;
    }
    let (head, rest) = table.split_at(8);
    let (entries, foot) = rest.split_at(frames * 8);
    let word = |bytes: &[u8]| bytes.first_chunk::<4>().map(|b| u32::from_le_bytes(*b));
    let expected_foot = word(foot)? as usize == frames && foot.get(5..).and_then(word)? == SEEKABLE_MAGIC;
    if word(head)? != SKIPPABLE_MAGIC || !expected_foot {
        return None;
    }
    let mut lengths = Vec::with_capacity(frames);
    let mut left = size_bytes;
    for entry in entries.chunks_exact(8) {
        if u64::from(word(&entry[4..])?) != left.min(FRAME_BYTES as u64) {
            return None;
        }
        left -= left.min(FRAME_BYTES as u64);
        lengths.push(word(entry)?);
    }
    let total = lengths.iter().map(|&l| u64::from(l)).sum::<u64>() + table.len() as u64;
    (total == length).then_some(lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_round_trip_and_refusals() {
        let size = FRAME_BYTES as u64 * 2 + 10;
        let full = u32::try_from(FRAME_BYTES).unwrap_or(0);
        let frames = [(100, full), (200, full), (30, 10)];
        let table = encode_table(&frames);
        let length = 330 + table.len() as u64;
        assert_eq!(table.len() as u64, table_bytes(size));
        assert_eq!(decode_table(&table, size, length), Some(vec![100, 200, 30]));
        assert_eq!(decode_table(&table, size, length + 1), None);
        assert_eq!(decode_table(&table, size + 1, length), None);
        for i in 0..table.len() {
            let mut bad = table.clone();
            bad[i] ^= 1;
            let _ = decode_table(&bad, size, length);
        }
    }
}
