//! Destroying payloads: an object of its own is deleted; a member of a pack makes way, in place, for zeros that take no room,
//! so that the pack stays a tar, its neighbours keep their places, and nothing of the content is left.
//!
//! Only an elimination calls this, once its record is in the log. Doing it twice is doing it once: a stop in the middle is
//! made good by doing it again.

use super::{Store, StoreError, key};
use crate::package::Payload;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use ring::digest::{Context, SHA256};
use std::collections::BTreeMap;
use std::io::{self, Read};
use tokio::time::timeout;

const MAGIC: u32 = 0xFD2F_B528;

/// Largest block (RFC 8878 § 3.1.1.2.4).
const BLOCK_BYTES_MAX: u64 = 128 * 1024;

/// What was destroyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Objects deleted.
    pub objects_deleted: u64,
    /// Packs rewritten without what was in them.
    pub objects_rewritten: u64,
}

impl Store {
    /// Destroys payloads, and returns once nothing of them can be read.
    ///
    /// # Errors
    ///
    /// The store's own; what was destroyed before stays so.
    pub async fn erase(&self, payloads: &[Payload]) -> Result<Erased, StoreError> {
        let mut objects: BTreeMap<&str, Vec<&Payload>> = BTreeMap::new();
        for payload in payloads {
            objects.entry(&payload.location.object).or_default().push(payload);
        }
        let mut erased = Erased::default();
        for (object, members) in objects {
            if !key::is_pack(object) {
                erased.objects_deleted += u64::from(self.delete(object).await?);
                continue;
            }
            match self.without(object, &members).await? {
                Some(true) => erased.objects_deleted += 1,
                Some(false) => erased.objects_rewritten += 1,
                None => {}
            }
        }
        Ok(erased)
    }

    /// Rewrites a pack; `true` when nothing was left in it and it was deleted, `None` when there was nothing to do.
    async fn without(&self, object: &str, members: &[&Payload]) -> Result<Option<bool>, StoreError> {
        let path = Path::parse(object).map_err(|e| StoreError::backend(object, e.into()))?;
        let read = async { self.objects.get(&path).await?.bytes().await };
        let bytes = match timeout(self.options.request_timeout, read).await {
            Ok(Ok(bytes)) => bytes,
            // Done before.
            Ok(Err(object_store::Error::NotFound { .. })) => return Ok(None),
            Ok(Err(source)) => return Err(StoreError::backend(object, source)),
            Err(_) => return Err(StoreError::Timeout { key: object.to_owned() }),
        };
        let places: Vec<(u64, u64, u64)> =
            members.iter().map(|m| (m.location.offset, m.location.length, m.size_bytes)).collect();
        let key = object.to_owned();
        let rewritten = tokio::task::spawn_blocking(move || {
            let mut pack = bytes.to_vec();
            let changed =
                blank(&mut pack, &places).map_err(|(offset, reason)| StoreError::corrupt(&key, offset, reason))?;
            let left = changed && holds_something(&pack).map_err(|e| StoreError::corrupt(&key, 0, e.to_string()))?;
            Ok::<_, StoreError>((pack, changed, left))
        });
        let (pack, changed, left) = rewritten.await.map_err(|_| StoreError::Closed)??;
        if !changed {
            return Ok(None);
        }
        if !left {
            return self.delete(object).await.map(|_| Some(true));
        }
        match timeout(self.options.request_timeout, self.objects.put(&path, PutPayload::from(pack))).await {
            Ok(Ok(_)) => Ok(Some(false)),
            Ok(Err(source)) => Err(StoreError::backend(object, source)),
            Err(_) => Err(StoreError::Timeout { key: object.to_owned() }),
        }
    }

    /// Deletes an object; `false` when it was not there.
    async fn delete(&self, object: &str) -> Result<bool, StoreError> {
        let path = Path::parse(object).map_err(|e| StoreError::backend(object, e.into()))?;
        match timeout(self.options.request_timeout, self.objects.delete(&path)).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(object_store::Error::NotFound { .. })) => Ok(false),
            Ok(Err(source)) => Err(StoreError::backend(object, source)),
            Err(_) => Err(StoreError::Timeout { key: object.to_owned() }),
        }
    }
}

/// Puts zeros in place of the frames at these places (offset, length, content length); whether anything changed.
fn blank(pack: &mut [u8], places: &[(u64, u64, u64)]) -> Result<bool, (u64, &'static str)> {
    let mut changed = false;
    for &(offset, length, size_bytes) in places {
        let range = usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(length)).ok());
        let frame = range.and_then(|(from, to)| pack.get_mut(from..to)).ok_or((offset, "document hors du paquet"))?;
        let zeros = zeros(size_bytes, length).ok_or((offset, "trame trop courte pour être vidée"))?;
        changed |= *frame != *zeros;
        frame.copy_from_slice(&zeros);
    }
    Ok(changed)
}

/// A zstd frame of `length` bytes whose content is `size_bytes` zeros; `None` when there is none so short.
///
/// Zeros repeated (RLE blocks) take the least room; what is too many is taken up by plain blocks of zeros and, to the byte,
/// by a dictionary identifier that says « none » (RFC 8878 § 3.1.1.1.3).
fn zeros(size_bytes: u64, length: u64) -> Option<Vec<u8>> {
    let (size_flag, size_field) = match size_bytes {
        0..256 => (0_u8, vec![u8::try_from(size_bytes).ok()?]),
        256..65_792 => (1, u16::try_from(size_bytes - 256).ok()?.to_le_bytes().to_vec()),
        _ => (2, u32::try_from(size_bytes).ok()?.to_le_bytes().to_vec()),
    };
    let most = size_bytes.div_ceil(BLOCK_BYTES_MAX) + 4;
    for (dictionary_flag, dictionary_bytes) in [(0_u8, 0_usize), (1, 1), (2, 2)] {
        let head = 5 + size_field.len() + dictionary_bytes;
        let Some(room) = length.checked_sub(head as u64) else { continue };
        for (plain, repeated) in (0..=most).flat_map(|plain| (0..=most).map(move |repeated| (plain, repeated))) {
            let Some(raw) = room.checked_sub(3 * plain + 4 * repeated).filter(|raw| *raw <= size_bytes) else {
                continue;
            };
            let rest = size_bytes - raw;
            let fits = raw <= plain * BLOCK_BYTES_MAX && rest <= repeated * BLOCK_BYTES_MAX && rest >= repeated;
            if !fits || plain + repeated == 0 {
                continue;
            }
            let mut frame = MAGIC.to_le_bytes().to_vec();
            frame.push(size_flag << 6 | 1 << 5 | dictionary_flag);
            frame.resize(frame.len() + dictionary_bytes, 0);
            frame.extend_from_slice(&size_field);
            blocks(&mut frame, raw, plain, rest, repeated);
            return Some(frame);
        }
    }
    None
}

/// `raw` bytes in `plain` blocks, then `rest` in `repeated` ones.
fn blocks(frame: &mut Vec<u8>, mut raw: u64, plain: u64, mut rest: u64, repeated: u64) {
    let total = plain + repeated;
    for number in 0..total {
        let last = u64::from(number + 1 == total);
        let (kind, bytes, size) = if number < plain {
            let size = raw.min(BLOCK_BYTES_MAX);
            raw -= size;
            (0, size, size)
        } else {
            // Each of those to come has a byte at least.
            let size = (rest - (total - number - 1)).min(BLOCK_BYTES_MAX);
            rest -= size;
            (1, 1, size)
        };
        let header = (size << 3 | kind << 1 | last).to_le_bytes();
        frame.extend_from_slice(&header[..3]);
        frame.resize(frame.len() + usize::try_from(bytes).unwrap_or(0), 0);
    }
}

/// Whether any member of a pack still has the content that its name is the digest of.
fn holds_something(pack: &[u8]) -> io::Result<bool> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(pack)?);
    let mut buffer = vec![0; 64 * 1024];
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut context = Context::new(&SHA256);
        loop {
            match entry.read(&mut buffer)? {
                0 => break,
                read => context.update(&buffer[..read]),
            }
        }
        if hex::encode(context.finish()) == name {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::digest::sha256;
    use crate::store::{PackBuilder, compress, decompress};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_member_gone_leaves_its_neighbours(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 2..8), gone in any::<prop::sample::Index>()) {
            let mut builder = PackBuilder::default();
            let mut places = Vec::new();
            for content in &contents {
                places.push(builder.push(&sha256(content), content.len() as u64, &compress(content).unwrap()).unwrap());
            }
            let mut pack = builder.finish().unwrap();
            let gone = gone.index(contents.len());
            let place = places[gone];
            let erased = (place.offset, place.length, contents[gone].len() as u64);
            prop_assert!(blank(&mut pack, &[erased]).unwrap());
            prop_assert!(!blank(&mut pack, &[erased]).unwrap());
            let mut archive = tar::Archive::new(zstd::Decoder::new(pack.as_slice()).unwrap());
            for (n, entry) in archive.entries().unwrap().enumerate() {
                let mut content = Vec::new();
                entry.unwrap().read_to_end(&mut content).unwrap();
                let expected = if n == gone { vec![0; contents[n].len()] } else { contents[n].clone() };
                prop_assert_eq!(content, expected);
            }
            prop_assert!(holds_something(&pack).unwrap());
            let all: Vec<_> = places.iter().zip(&contents).map(|(p, c)| (p.offset, p.length, c.len() as u64)).collect();
            blank(&mut pack, &all).unwrap();
            prop_assert!(!holds_something(&pack).unwrap());
        }

        #[test]
        fn a_frame_of_zeros_has_the_length_of_what_it_replaces(size in 1_usize..600_000, byte: u8, noise in 0_usize..2_000) {
            let mut content = vec![byte; size];
            for n in 0..noise.min(size) {
                content[n * size / noise.max(1) % size] = n.wrapping_mul(0x9E37_79B9).to_le_bytes()[1];
            }
            let frame = compress(&content).unwrap();
            let zeros = zeros(size as u64, frame.len() as u64).unwrap();
            prop_assert_eq!(zeros.len(), frame.len());
            prop_assert_eq!(decompress(&zeros, size).unwrap(), vec![0; size]);
        }
    }
}
