//! A zstd frame of raw blocks (RFC 8878 § 3.1.1): content that does not compress, neither copied nor worked on.
//!
//! Without the format's optional checksum: the record holds two digests of the content.

use bytes::{BufMut, Bytes, BytesMut};

const MAGIC: u32 = 0xFD2F_B528;

/// Largest block (§ 3.1.1.2.4).
const BLOCK_BYTES_MAX: usize = 128 * 1024;

/// The frame that holds `pieces` in order: its own few bytes, and the pieces cut into blocks.
pub(super) fn raw_frame(pieces: &[Bytes]) -> Vec<Bytes> {
    let mut left: usize = pieces.iter().map(Bytes::len).sum();
    let mut frame = vec![frame_header(left)];
    let mut pieces = pieces.iter().filter(|piece| !piece.is_empty()).cloned();
    let mut piece = Bytes::new();
    loop {
        let mut room = left.min(BLOCK_BYTES_MAX);
        left -= room;
        frame.push(block_header(room, left == 0));
        while room > 0 {
            if piece.is_empty() {
                piece = pieces.next().unwrap_or_default();
            }
            let part = piece.split_to(room.min(piece.len()));
            room -= part.len();
            frame.push(part);
        }
        if left == 0 {
            return frame;
        }
    }
}

/// § 3.1.1.1: a single segment with its content size, no checksum, no dictionary.
fn frame_header(content_bytes: usize) -> Bytes {
    let mut header = BytesMut::with_capacity(13);
    header.put_u32_le(MAGIC);
    if let Ok(size) = u8::try_from(content_bytes) {
        header.put_u8(0b0010_0000);
        header.put_u8(size);
    } else if let Ok(size) = u16::try_from(content_bytes - 256) {
        header.put_u8(0b0110_0000);
        header.put_u16_le(size);
    } else if let Ok(size) = u32::try_from(content_bytes) {
        header.put_u8(0b1010_0000);
        header.put_u32_le(size);
    } else {
        header.put_u8(0b1110_0000);
        header.put_u64_le(content_bytes as u64);
    }
    header.freeze()
}

/// § 3.1.1.2: last-block bit, type 0 (raw), 21 bits of size.
fn block_header(length: usize, last: bool) -> Bytes {
    let [a, b, c, ..] = ((length << 3) | usize::from(last)).to_le_bytes();
    Bytes::copy_from_slice(&[a, b, c])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_reference_decoder_reads_every_size() {
        for size in [0, 1, 255, 256, 257, 65_535, 65_791, 65_792, BLOCK_BYTES_MAX, BLOCK_BYTES_MAX + 1, 1_000_000] {
            let content: Vec<u8> = (0..size).map(|i| u8::try_from(i % 253).unwrap()).collect();
            let pieces: Vec<Bytes> = content.chunks(70_001).map(Bytes::copy_from_slice).collect();
            let frame = raw_frame(&pieces).concat();
            assert_eq!(zstd::stream::decode_all(&frame[..]).unwrap(), content, "{size}");
            assert_eq!(zstd::zstd_safe::get_frame_content_size(&frame).unwrap(), Some(size as u64));
        }
    }
}
