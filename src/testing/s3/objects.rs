//! The objects: one index under one lock, which is what makes a conditional write atomic.

use crate::clock::{Clock as _, SystemClock, format_record_time};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ring::digest::{Context, SHA256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{Bound, Range};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

/// What conditional headers are worth on this server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Conditions {
    /// Checked and carried out in one step, as on a store one can trust.
    #[default]
    Atomic,
    /// Not looked at, and no error either (Garage).
    Ignored,
    /// Checked, then carried out a little later: several writers win the same race (s3s-fs).
    Racy,
}

/// Bucket and key.
pub(super) type Id = (String, String);

/// The conditional headers of a write.
#[derive(Debug, Default, Clone)]
pub(super) struct Precondition {
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
}

/// Why a write did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 412.
    Precondition,
    /// 404.
    NoSuchKey,
    /// 404.
    NoSuchUpload,
    /// 400.
    InvalidPart,
}

/// A stored object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    chunks: Vec<Chunk>,
    /// Quoted.
    pub(super) etag: String,
    /// `Content-Type`, `x-amz-meta-…`: given back as they came.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    modified: OffsetDateTime,
}

/// Bytes received, in memory or in a file that goes with the last reference to it.
#[derive(Debug, Clone)]
pub(super) enum Chunk {
    Memory(Bytes),
    File { file: Arc<Blob>, len: u64 },
}

/// A file of the server's directory.
#[derive(Debug)]
pub(super) struct Blob(PathBuf);

impl Drop for Blob {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A part, as the client lists it on completion.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) number: u32,
    /// Without its quotes.
    pub(super) etag: String,
}

/// One page of a listing.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) contents: Vec<(String, Object)>,
    pub(super) common_prefixes: BTreeSet<String>,
    /// Where the next page starts: after this key.
    pub(super) next: Option<String>,
}

/// A body read whole and not yet an object.
#[derive(Debug)]
pub(super) struct Received {
    chunk: Chunk,
    /// Not quoted.
    pub(super) etag: String,
    pub(super) len: u64,
}

/// A multipart upload under way.
#[derive(Debug, Default)]
struct Upload {
    headers: Vec<(HeaderName, HeaderValue)>,
    parts: BTreeMap<u32, Received>,
}

/// All the objects of all the buckets.
#[derive(Debug)]
pub(super) struct Objects {
    directory: Option<PathBuf>,
    conditions: Conditions,
    next_name: AtomicU64,
    index: Mutex<BTreeMap<Id, Object>>,
    uploads: Mutex<BTreeMap<String, (Id, Upload)>>,
}

impl Objects {
    pub(super) fn new(directory: Option<PathBuf>, conditions: Conditions) -> io::Result<Self> {
        if let Some(directory) = &directory {
            std::fs::create_dir_all(directory)?;
        }
        let (index, uploads) = (Mutex::default(), Mutex::default());
        Ok(Self { directory, conditions, next_name: AtomicU64::new(0), index, uploads })
    }

    /// Reads a request's body whole; what the client cut short is an error, and leaves nothing.
    pub(super) async fn receive(&self, mut body: Incoming) -> io::Result<Received> {
        let mut hash = Context::new(&SHA256);
        let (chunk, len) = if let Some(directory) = &self.directory {
            let path = directory.join(format!("{:012}", self.fresh()));
            let mut out = tokio::io::BufWriter::with_capacity(256 << 10, tokio::fs::File::create(&path).await?);
            let file = Arc::new(Blob(path));
            let mut len = 0;
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
                hash.update(&data);
                len += data.len() as u64;
                out.write_all(&data).await?;
            }
            out.flush().await?;
            (Chunk::File { file, len }, len)
        } else {
            let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
            hash.update(&bytes);
            let len = bytes.len() as u64;
            (Chunk::Memory(bytes), len)
        };
        Ok(Received { chunk, etag: hex::encode(&hash.finish().as_ref()[..16]), len })
    }

    /// Stores a body under a key; its ETag, quoted.
    pub(super) async fn put(
        &self,
        id: &Id,
        received: Received,
        headers: Vec<(HeaderName, HeaderValue)>,
        when: &Precondition,
    ) -> Result<String, Refusal> {
        let etag = format!("\"{}\"", received.etag);
        let object = Object { chunks: vec![received.chunk], etag, headers, modified: SystemClock.now() };
        self.insert(id, object, when).await
    }

    /// Stores another object's bytes under a key.
    pub(super) async fn copy(&self, from: &Id, to: &Id, when: &Precondition) -> Result<Object, Refusal> {
        let mut object = self.get(from).ok_or(Refusal::NoSuchKey)?;
        object.modified = SystemClock.now();
        self.insert(to, object.clone(), when).await?;
        Ok(object)
    }

    pub(super) fn get(&self, id: &Id) -> Option<Object> {
        lock(&self.index).get(id).cloned()
    }

    pub(super) fn delete(&self, id: &Id) {
        lock(&self.index).remove(id);
    }

    /// Keys under `prefix` after `after`, at most `max` of them and of their common prefixes.
    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<&str>,
        max: usize,
    ) -> Listing {
        let mut page = Listing::default();
        let mut last = None;
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded((bucket.to_owned(), after.to_owned())),
            _ => Bound::Included((bucket.to_owned(), prefix.to_owned())),
        };
        for ((_, key), object) in lock(&self.index).range((start, Bound::Unbounded)) {
            if !key.starts_with(prefix) {
                break;
            }
            let folded =
                delimiter.and_then(|d| key[prefix.len()..].find(d).map(|at| &key[..prefix.len() + at + d.len()]));
            let known = folded.is_some_and(|p| page.common_prefixes.contains(p));
            // A page that ended inside a common prefix was told its last key, not the prefix: do not tell it twice.
            if known || folded.is_some_and(|p| after.is_some_and(|after| after.starts_with(p))) {
                continue;
            }
            if page.contents.len() + page.common_prefixes.len() == max {
                page.next = last;
                break;
            }
            last = Some(key.clone());
            match folded {
                Some(p) => _ = page.common_prefixes.insert(p.to_owned()),
                None => page.contents.push((key.clone(), object.clone())),
            }
        }
        page
    }

    pub(super) fn create_upload(&self, id: Id, headers: Vec<(HeaderName, HeaderValue)>) -> String {
        let name = format!("upload-{:012}", self.fresh());
        lock(&self.uploads).insert(name.clone(), (id, Upload { headers, ..Upload::default() }));
        name
    }

    /// Keeps a part; its ETag, quoted.
    pub(super) fn put_part(&self, upload: &str, number: u32, received: Received) -> Result<String, Refusal> {
        let etag = format!("\"{}\"", received.etag);
        let mut uploads = lock(&self.uploads);
        let (_, upload) = uploads.get_mut(upload).ok_or(Refusal::NoSuchUpload)?;
        upload.parts.insert(number, received);
        Ok(etag)
    }

    /// Makes one object of the parts listed; its ETag, quoted. Only a success ends the upload.
    pub(super) async fn complete_upload(
        &self,
        id: &Id,
        upload: &str,
        parts: &[Part],
        when: &Precondition,
    ) -> Result<String, Refusal> {
        let mut hash = Context::new(&SHA256);
        let object = {
            let uploads = lock(&self.uploads);
            let (_, upload) = uploads.get(upload).filter(|(of, _)| of == id).ok_or(Refusal::NoSuchUpload)?;
            let mut chunks = Vec::with_capacity(parts.len());
            for part in parts {
                let kept = upload.parts.get(&part.number).filter(|kept| kept.etag == part.etag);
                let kept = kept.ok_or(Refusal::InvalidPart)?;
                hash.update(kept.etag.as_bytes());
                chunks.push(kept.chunk.clone());
            }
            let ordered = parts.windows(2).all(|pair| pair[0].number < pair[1].number);
            if chunks.is_empty() || !ordered {
                return Err(Refusal::InvalidPart);
            }
            let etag = format!("\"{}-{}\"", hex::encode(&hash.finish().as_ref()[..16]), chunks.len());
            Object { chunks, etag, headers: upload.headers.clone(), modified: SystemClock.now() }
        };
        let etag = self.insert(id, object, when).await?;
        lock(&self.uploads).remove(upload);
        Ok(etag)
    }

    pub(super) fn abort_upload(&self, upload: &str) -> Result<(), Refusal> {
        lock(&self.uploads).remove(upload).map(|_| ()).ok_or(Refusal::NoSuchUpload)
    }

    pub(super) fn keys(&self, bucket: &str) -> Vec<String> {
        lock(&self.index).keys().filter(|(b, _)| b == bucket).map(|(_, key)| key.clone()).collect()
    }

    pub(super) fn corrupt(&self, bucket: &str, key: &str, bytes: Bytes) -> bool {
        let mut index = lock(&self.index);
        let Some(object) = index.get_mut(&(bucket.to_owned(), key.to_owned())) else { return false };
        object.chunks = vec![Chunk::Memory(bytes)];
        true
    }

    pub(super) fn open_uploads(&self) -> usize {
        lock(&self.uploads).len()
    }

    async fn insert(&self, id: &Id, object: Object, when: &Precondition) -> Result<String, Refusal> {
        let etag = object.etag.clone();
        if self.conditions == Conditions::Racy {
            when.check(lock(&self.index).get(id))?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut index = lock(&self.index);
        if self.conditions == Conditions::Atomic {
            when.check(index.get(id))?;
        }
        index.insert(id.clone(), object);
        Ok(etag)
    }

    fn fresh(&self) -> u64 {
        self.next_name.fetch_add(1, Ordering::Relaxed)
    }
}

impl Precondition {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { if_match: text("if-match"), if_none_match: text("if-none-match") }
    }

    pub(super) fn is_some(&self) -> bool {
        self.if_match.is_some() || self.if_none_match.is_some()
    }

    fn check(&self, current: Option<&Object>) -> Result<(), Refusal> {
        if let (Some(expected), Some(current)) = (&self.if_none_match, current)
            && matches(expected, current)
        {
            return Err(Refusal::Precondition);
        }
        match (&self.if_match, current) {
            (Some(_), None) => Err(Refusal::NoSuchKey),
            (Some(expected), Some(current)) if !matches(expected, current) => Err(Refusal::Precondition),
            _ => Ok(()),
        }
    }
}

/// Whether an `If-Match` or `If-None-Match` value names this object.
pub(super) fn matches(expected: &str, object: &Object) -> bool {
    let bare = |tag: &str| tag.trim().trim_matches('"').to_owned();
    expected.split(',').any(|tag| tag.trim() == "*" || bare(tag) == bare(&object.etag))
}

impl Object {
    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.chunks.iter().map(Chunk::len).sum()
    }

    /// `2026-11-23T20:06:13.042Z`, for XML.
    pub(super) fn modified_iso(&self) -> String {
        format_record_time(self.modified)
    }

    /// `Mon, 23 Nov 2026 20:06:13 GMT`, for headers.
    pub(super) fn modified_http(&self) -> String {
        let format = time::macros::format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        self.modified.format(format).unwrap_or_default()
    }

    /// The bytes of a range that lies within the object.
    pub(super) fn stream(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let mut pieces = Vec::new();
        let mut at = 0;
        for chunk in &self.chunks {
            let (from, to) = (range.start.max(at), range.end.min(at + chunk.len()));
            if from < to {
                pieces.push((chunk.clone(), from - at..to - at));
            }
            at += chunk.len();
        }
        stream::iter(pieces).flat_map(|(chunk, range)| chunk.stream(range)).boxed()
    }
}

impl Chunk {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    fn stream(self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        match self {
            Self::Memory(bytes) => {
                let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                stream::iter([Ok(bytes.slice(at(range.start)..at(range.end)))]).boxed()
            }
            Self::File { file, .. } => stream::once(async move {
                let mut opened = tokio::fs::File::open(&file.0).await?;
                opened.seek(io::SeekFrom::Start(range.start)).await?;
                let bytes =
                    tokio_util::io::ReaderStream::with_capacity(opened.take(range.end - range.start), 256 << 10);
                // The file stays as long as somebody reads it, even when the object is replaced meanwhile.
                Ok::<_, io::Error>(bytes.map(move |piece| (&file, piece).1))
            })
            .flat_map(|opened| match opened {
                Ok(bytes) => bytes.boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .boxed(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
