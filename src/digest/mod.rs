//! Streamed digests. SHA-256 names a payload today; SHA-512 is recorded from the first day so that the hash tree can be
//! renewed (RFC 4998 §5.3) without reading every payload again.

use ring::digest::{Algorithm, Context, SHA256, SHA512, digest};

/// Both digests of one sequence of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// SHA-512.
    pub sha512: [u8; 64],
}

/// Computes both digests of bytes that arrive in pieces.
#[derive(Clone)]
pub struct Hasher {
    sha256: Context,
    sha512: Context,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new() -> Self {
        Self { sha256: Context::new(&SHA256), sha512: Context::new(&SHA512) }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    /// The digests of everything seen.
    pub fn finish(self) -> Digests {
        Digests { sha256: fixed(self.sha256.finish().as_ref()), sha512: fixed(self.sha512.finish().as_ref()) }
    }
}

impl Digests {
    /// Both digests of bytes at hand.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: sha256(bytes), sha512: fixed(digest(&SHA512, bytes).as_ref()) }
    }
}

/// One of the two digests of bytes that arrive in pieces: a large payload's are computed side by side, each on a core of
/// its own. `N` is the digest's length.
pub struct One<const N: usize>(Context);

impl One<32> {
    /// SHA-256 of nothing yet.
    pub fn sha256() -> Self {
        Self::new(&SHA256)
    }
}

impl One<64> {
    /// SHA-512 of nothing yet.
    pub fn sha512() -> Self {
        Self::new(&SHA512)
    }
}

impl<const N: usize> One<N> {
    fn new(algorithm: &'static Algorithm) -> Self {
        Self(Context::new(algorithm))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything seen.
    pub fn finish(self) -> [u8; N] {
        fixed(self.0.finish().as_ref())
    }
}

/// SHA-256 of bytes at hand.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    fixed(digest(&SHA256, bytes).as_ref())
}

/// A digest's bytes as an array; `N` is the algorithm's output length.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let d = Digests::of(b"abc");
        assert_eq!(hex::encode(d.sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(hex::encode(d.sha512).starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn pieces_and_whole_agree() {
        let mut h = Hasher::new();
        h.update(b"a");
        h.update(b"");
        h.update(b"bc");
        assert_eq!(h.finish(), Digests::of(b"abc"));
    }
}
