//! Transparency logs as C2SP specifies them: [`tile`]s (tlog-tiles), [`note`]s (signed-note), [`checkpoint`]s
//! (tlog-checkpoint), offline proofs ([`tlog_proof`]) and the Merkle tree of RFC 6962 §2.1 underneath.
//!
//! A writer needs only the [`edge`] of the tree; a reader computes proofs from tiles ([`tree`]); a verifier needs neither
//! ([`proof`]).

pub mod checkpoint;
pub mod edge;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod tlog_proof;
pub mod tree;
pub mod witness;

#[cfg(test)]
mod naive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256, digest};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// The root of the tree without leaves: SHA-256 of nothing (RFC 6962 §2.1).
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// SHA-256(0x00 ‖ entry) (RFC 6962 §2.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0x00]);
    context.update(entry);
    array(context.finish().as_ref())
}

/// SHA-256(0x01 ‖ left ‖ right) (RFC 6962 §2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut message = [0x01; 65];
    message[1..33].copy_from_slice(left);
    message[33..].copy_from_slice(right);
    array(digest(&SHA256, &message).as_ref())
}

/// A hash as every format here writes it: standard base64, padded.
pub fn encode_hash(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

/// The inverse of [`encode_hash`]; one text per hash.
pub fn decode_hash(text: &str) -> Option<Hash> {
    // 32 bytes are 44 characters: anything else is refused before decoding.
    if text.len() != 44 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// ASCII decimal without sign or leading zeros, as every format here writes numbers.
pub fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// A SHA-256 output as an array; the length is the algorithm's.
fn array(bytes: &[u8]) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        // Certificate Transparency's published tree of eight leaves: empty root, leaf "" and root of {"", 00}.
        assert_eq!(array(digest(&SHA256, b"").as_ref()), EMPTY_ROOT);
        assert_eq!(hex::encode(leaf_hash(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(
            hex::encode(node_hash(&leaf_hash(b""), &leaf_hash(&[0]))),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
    }

    #[test]
    fn decimals_have_one_form() {
        assert_eq!(parse_decimal("0"), Some(0));
        assert_eq!(parse_decimal("18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "+1", "-1", "01", " 1", "1 ", "18446744073709551616", "١"] {
            assert_eq!(parse_decimal(wrong), None, "{wrong:?}");
        }
    }
}
