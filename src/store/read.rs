//! Reading a payload back: only the frames asked for, checked again before they leave.

use super::large::{FRAME_BYTES, decode_table, table_bytes};
use super::pack::read_member;
use super::{Store, StoreError, compress, key};
use crate::package::{Location, Payload};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use ring::digest::{Context, SHA256};
use std::ops::Range;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Original bytes, in order.
pub type PayloadStream = BoxStream<'static, Result<Bytes, StoreError>>;

impl Store {
    /// The bytes `range` of a payload's original content (an empty stream where the range is empty).
    ///
    /// A whole payload is hashed as it passes, and the stream ends in [`StoreError::Corrupt`] if the digest of the record
    /// is not met; a part of a large one is covered by the checksum of its frames.
    pub async fn read(&self, payload: &Payload, range: Range<u64>) -> Result<PayloadStream, StoreError> {
        let location = &payload.location;
        if range.start > range.end || range.end > payload.size_bytes {
            return Err(StoreError::Usage("plage hors du document"));
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(&payload.sha256, &mut digest)
            .map_err(|_| StoreError::corrupt(&location.object, location.offset, "empreinte illisible"))?;
        if key::is_pack(&location.object) {
            let content = self.read_small(location, payload.size_bytes, digest).await?;
            return Ok(stream::once(async move { Ok(slice(&content, range)) }).boxed());
        }
        let frames = self.read_large(location, payload.size_bytes, range.clone()).await?;
        if range == (0..payload.size_bytes) {
            return Ok(checked(frames, digest, location.object.clone()));
        }
        Ok(frames)
    }

    /// One ranged request of the bucket within the time limit; a short answer is an error.
    pub(crate) async fn get_range(&self, object: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        let path = Path::parse(object).map_err(|e| StoreError::backend(object, e.into()))?;
        let wanted = range.end.saturating_sub(range.start);
        let start = range.start;
        match timeout(self.options.request_timeout, self.objects.get_range(&path, range)).await {
            Ok(Ok(bytes)) if bytes.len() as u64 == wanted => Ok(bytes),
            Ok(Ok(_)) => Err(StoreError::corrupt(object, start, "objet plus court que prévu")),
            Ok(Err(source)) => Err(StoreError::backend(object, source)),
            Err(_) => Err(StoreError::Timeout { key: object.to_owned() }),
        }
    }

    async fn read_small(&self, place: &Location, size_bytes: u64, digest: [u8; 32]) -> Result<Bytes, StoreError> {
        if size_bytes > self.options.pack_bytes_max as u64 {
            return Err(StoreError::corrupt(&place.object, place.offset, "membre de paquet trop grand"));
        }
        let end = place.offset.saturating_add(place.length);
        let frame = self.get_range(&place.object, place.offset..end).await?;
        let corrupt = |e: std::io::Error| StoreError::corrupt(&place.object, place.offset, e.to_string());
        read_member(&frame, size_bytes, Some(&digest)).map(Bytes::from).map_err(corrupt)
    }

    async fn read_large(
        &self,
        place: &Location,
        size_bytes: u64,
        range: Range<u64>,
    ) -> Result<PayloadStream, StoreError> {
        let table_start = place.length.checked_sub(table_bytes(size_bytes));
        let Some(table_start) = table_start else {
            return Err(StoreError::corrupt(&place.object, 0, "objet plus court que sa table"));
        };
        let table = self.get_range(&place.object, table_start..place.length).await?;
        let lengths = decode_table(&table, size_bytes, place.length)
            .ok_or_else(|| StoreError::corrupt(&place.object, table_start, "table des trames illisible"))?;
        let reader = FrameReader { store: self.clone(), object: place.object.clone(), size_bytes };
        let wanted = frames_of(&lengths, range.clone());
        let contents = stream::iter(wanted).map(move |frame| reader.clone().read(frame)).buffered(2);
        Ok(contents.map_ok(move |(start, content)| clip(start, &content, &range)).boxed())
    }
}

/// A frame to read.
struct Frame {
    /// First byte of its content within the payload.
    content_start: u64,
    /// Its compressed bytes within the object.
    bytes: Range<u64>,
}

/// The frames that hold any byte of `range`.
fn frames_of(lengths: &[u32], range: Range<u64>) -> Vec<Frame> {
    let mut offset = 0;
    let mut frames = Vec::new();
    for (&length, number) in lengths.iter().zip(0u64..) {
        let content_start = number * FRAME_BYTES as u64;
        let bytes = offset..offset + u64::from(length);
        offset = bytes.end;
        if content_start < range.end && content_start + FRAME_BYTES as u64 > range.start {
            frames.push(Frame { content_start, bytes });
        }
    }
    frames
}

#[derive(Clone)]
struct FrameReader {
    store: Store,
    object: String,
    size_bytes: u64,
}

impl FrameReader {
    async fn read(self, frame: Frame) -> Result<(u64, Bytes), StoreError> {
        let offset = frame.bytes.start;
        let bytes = self.store.get_range(&self.object, frame.bytes).await?;
        let expected = usize::try_from((self.size_bytes - frame.content_start).min(FRAME_BYTES as u64)).unwrap_or(0);
        let content = spawn_blocking(move || compress::decompress(&bytes, expected))
            .await
            .map_err(|_| StoreError::Closed)?
            .map_err(|e| StoreError::corrupt(&self.object, offset, e.to_string()))?;
        if content.len() != expected {
            return Err(StoreError::corrupt(&self.object, offset, "trame d'une autre taille que prévu"));
        }
        Ok((frame.content_start, content.into()))
    }
}

/// The part of a frame's content, which starts at `start` in the payload, that lies within `range`.
fn clip(start: u64, content: &Bytes, range: &Range<u64>) -> Bytes {
    let from = range.start.saturating_sub(start);
    let to = (range.end - start).min(content.len() as u64);
    slice(content, from..to)
}

fn slice(content: &Bytes, range: Range<u64>) -> Bytes {
    let bound = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(content.len());
    content.slice(bound(range.start)..bound(range.end))
}

/// Hashes a whole payload as it passes.
fn checked(frames: PayloadStream, digest: [u8; 32], object: String) -> PayloadStream {
    let state = (frames, Some(Context::new(&SHA256)));
    stream::unfold(state, move |(mut frames, context)| {
        let object = object.clone();
        async move {
            let mut context = context?;
            match frames.next().await {
                Some(Ok(bytes)) => {
                    let (context, bytes) = spawn_blocking(move || {
                        context.update(&bytes);
                        (context, bytes)
                    })
                    .await
                    .ok()?;
                    Some((Ok(bytes), (frames, Some(context))))
                }
                Some(Err(error)) => Some((Err(error), (frames, None))),
                None if context.finish().as_ref() == digest => None,
                None => {
                    let error = StoreError::corrupt(&object, 0, "empreinte différente de l'enregistrement");
                    Some((Err(error), (frames, None)))
                }
            }
        }
    })
    .boxed()
}
