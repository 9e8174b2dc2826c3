//! The digests that manifests announce, however they spell their algorithm.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A digest algorithm that manifests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MD5: met in old transfers; says nothing against a forger.
    Md5,
    /// SHA-1: the same.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The algorithm of a name: `SHA-512`, `sha256`, `http://www.w3.org/2001/04/xmlenc#sha256`…
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.trim().rsplit(['#', '/']).next().unwrap_or_default();
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        Some(match plain.to_ascii_lowercase().as_str() {
            "md5" => Self::Md5,
            "sha1" | "sha" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    /// Its usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// The length of its digests, in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// A digest as manifests write it: hexadecimal, or base64; `None` when it is not of the algorithm's length.
    pub fn parse(self, text: &str) -> Option<Vec<u8>> {
        use base64::Engine as _;
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let decoded = if text.len() == 2 * self.bytes() {
            hex::decode(&text).ok()
        } else {
            base64::engine::general_purpose::STANDARD.decode(&text).ok()
        };
        decoded.filter(|bytes| bytes.len() == self.bytes())
    }
}

/// Computes one digest of bytes that arrive in pieces.
#[derive(Clone)]
pub enum Hasher {
    /// MD5.
    Md5(Md5),
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything seen.
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha384(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (name, expected) in [
            ("SHA-512", Algorithm::Sha512),
            ("sha256", Algorithm::Sha256),
            ("http://www.w3.org/2001/04/xmlenc#sha256", Algorithm::Sha256),
            ("http://www.w3.org/2000/09/xmldsig#sha1", Algorithm::Sha1),
            ("SHA_384", Algorithm::Sha384),
            ("MD5", Algorithm::Md5),
        ] {
            assert_eq!(Algorithm::of_name(name), Some(expected), "{name}");
        }
        assert_eq!(Algorithm::of_name("CRC32"), None);
    }

    #[test]
    fn known_answers_in_both_spellings() {
        let digest = |algorithm| {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"a");
            hasher.update(b"bc");
            hasher.finish()
        };
        assert_eq!(Algorithm::Md5.parse("900150983CD24FB0D6963F7D28E17F72"), Some(digest(Algorithm::Md5)));
        assert_eq!(Algorithm::Sha1.parse("qZk+NkcGgWq6PiVxeFDCbJzQ2J0="), Some(digest(Algorithm::Sha1)));
        assert_eq!(Algorithm::Sha256.parse("abcd"), None);
        assert_eq!(digest(Algorithm::Sha512).len(), 64);
        assert_eq!(digest(Algorithm::Sha384).len(), 48);
    }
}
