//! XXH64 with seed 0, the content checksum of zstd frames (RFC 8878 §3.1.1).
//!
//! Written from the algorithm's specification, so that frames stored raw are checked without passing through a decoder.

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

/// XXH64 of bytes that arrive in pieces.
#[derive(Debug, Clone)]
pub(super) struct Xxh64 {
    lanes: [u64; 4],
    /// Fewer than 32 bytes that wait for the next piece.
    held: [u8; 32],
    held_bytes: usize,
    total_bytes: u64,
}

impl Xxh64 {
    pub(super) fn new() -> Self {
        Self {
            lanes: [P1.wrapping_add(P2), P2, 0, 0u64.wrapping_sub(P1)],
            held: [0; 32],
            held_bytes: 0,
            total_bytes: 0,
        }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.total_bytes = self.total_bytes.wrapping_add(bytes.len() as u64);
        if self.held_bytes > 0 {
            let taken = bytes.len().min(32 - self.held_bytes);
            self.held[self.held_bytes..self.held_bytes + taken].copy_from_slice(&bytes[..taken]);
            self.held_bytes += taken;
            bytes = &bytes[taken..];
            if self.held_bytes < 32 {
                return;
            }
            let held = self.held;
            self.stripe(&held);
            self.held_bytes = 0;
        }
        let (stripes, rest) = bytes.as_chunks::<32>();
        let [mut a, mut b, mut c, mut d] = self.lanes;
        for stripe in stripes {
            let (words, _) = stripe.as_chunks::<8>();
            a = round(a, u64::from_le_bytes(words[0]));
            b = round(b, u64::from_le_bytes(words[1]));
            c = round(c, u64::from_le_bytes(words[2]));
            d = round(d, u64::from_le_bytes(words[3]));
        }
        self.lanes = [a, b, c, d];
        self.held[..rest.len()].copy_from_slice(rest);
        self.held_bytes = rest.len();
    }

    pub(super) fn finish(&self) -> u64 {
        let [a, b, c, d] = self.lanes;
        let mut hash = if self.total_bytes >= 32 {
            let merged = a
                .rotate_left(1)
                .wrapping_add(b.rotate_left(7))
                .wrapping_add(c.rotate_left(12))
                .wrapping_add(d.rotate_left(18));
            self.lanes.iter().fold(merged, |hash, &lane| (hash ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4))
        } else {
            P5
        };
        hash = hash.wrapping_add(self.total_bytes);
        let (words, rest) = self.held[..self.held_bytes].as_chunks::<8>();
        for word in words {
            hash = (hash ^ round(0, u64::from_le_bytes(*word))).rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
        }
        let (words, rest) = rest.as_chunks::<4>();
        for word in words {
            let word = u64::from(u32::from_le_bytes(*word)).wrapping_mul(P1);
            hash = (hash ^ word).rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
        }
        for &byte in rest {
            hash = (hash ^ u64::from(byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(P2);
        hash = (hash ^ (hash >> 29)).wrapping_mul(P3);
        hash ^ (hash >> 32)
    }

    fn stripe(&mut self, stripe: &[u8; 32]) {
        let (words, _) = stripe.as_chunks::<8>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = round(*lane, u64::from_le_bytes(*word));
        }
    }
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(bytes: &[u8]) -> u64 {
        let mut hash = Xxh64::new();
        hash.update(bytes);
        hash.finish()
    }

    #[test]
    fn published_values() {
        assert_eq!(of(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(of(b"a"), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(of(b"abc"), 0x44BC_2CF5_AD77_0999);
    }

    proptest! {
        #[test]
        fn pieces_and_whole_agree_with_zstd(content in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            let cut = cut.min(content.len());
            let mut hash = Xxh64::new();
            hash.update(&content[..cut]);
            hash.update(&content[cut..]);
            prop_assert_eq!(hash.finish(), of(&content));
            // The last four bytes of a frame with a checksum are the low half of XXH64 of its content.
            let mut encoder = zstd::bulk::Compressor::new(1).map_err(|e| TestCaseError::fail(e.to_string()))?;
            encoder.include_checksum(true).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let frame = encoder.compress(&content).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&frame[frame.len() - 4..], &hash.finish().to_le_bytes()[..4]);
        }
    }
}
