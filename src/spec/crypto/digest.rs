//! Digest algorithms, by object identifier and by XML URI (RFC 5754, RFC 9231, FIPS 202).

use super::Unsupported;
use const_oid::ObjectIdentifier;
use sha2::Digest as _;
use std::{fmt, io};

/// A digest algorithm, computable here or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DigestAlgorithm {
    /// MD5: recognised, never computed.
    Md5,
    /// SHA-1
    Sha1,
    /// SHA-224
    Sha224,
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
    /// SHA3-224
    Sha3_224,
    /// SHA3-256
    Sha3_256,
    /// SHA3-384
    Sha3_384,
    /// SHA3-512
    Sha3_512,
    /// RIPEMD-160: recognised, never computed.
    Ripemd160,
}

/// Algorithm, dotted identifier, XML URI, name, size in bytes.
const TABLE: [(DigestAlgorithm, ObjectIdentifier, &str, &str, usize); 11] = {
    use DigestAlgorithm as D;
    const fn oid(dotted: &str) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(dotted)
    }
    [
        (D::Md5, oid("1.2.840.113549.2.5"), "http://www.w3.org/2001/04/xmldsig-more#md5", "MD5", 16),
        (D::Sha1, oid("1.3.14.3.2.26"), "http://www.w3.org/2000/09/xmldsig#sha1", "SHA-1", 20),
        (D::Sha224, oid("2.16.840.1.101.3.4.2.4"), "http://www.w3.org/2001/04/xmldsig-more#sha224", "SHA-224", 28),
        (D::Sha256, oid("2.16.840.1.101.3.4.2.1"), "http://www.w3.org/2001/04/xmlenc#sha256", "SHA-256", 32),
        (D::Sha384, oid("2.16.840.1.101.3.4.2.2"), "http://www.w3.org/2001/04/xmldsig-more#sha384", "SHA-384", 48),
        (D::Sha512, oid("2.16.840.1.101.3.4.2.3"), "http://www.w3.org/2001/04/xmlenc#sha512", "SHA-512", 64),
        (D::Sha3_224, oid("2.16.840.1.101.3.4.2.7"), "http://www.w3.org/2007/05/xmldsig-more#sha3-224", "SHA3-224", 28),
        (D::Sha3_256, oid("2.16.840.1.101.3.4.2.8"), "http://www.w3.org/2007/05/xmldsig-more#sha3-256", "SHA3-256", 32),
        (D::Sha3_384, oid("2.16.840.1.101.3.4.2.9"), "http://www.w3.org/2007/05/xmldsig-more#sha3-384", "SHA3-384", 48),
        (
            D::Sha3_512,
            oid("2.16.840.1.101.3.4.2.10"),
            "http://www.w3.org/2007/05/xmldsig-more#sha3-512",
            "SHA3-512",
            64,
        ),
        (D::Ripemd160, oid("1.3.36.3.2.1"), "http://www.w3.org/2001/04/xmlenc#ripemd160", "RIPEMD-160", 20),
    ]
};

impl DigestAlgorithm {
    /// The algorithm with this object identifier (content octets).
    pub fn from_oid(content: &[u8]) -> Option<Self> {
        TABLE.iter().find(|row| row.1.as_bytes() == content).map(|row| row.0)
    }

    /// The algorithm with this dotted object identifier.
    pub fn from_dotted(dotted: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1.to_string() == dotted).map(|row| row.0)
    }

    /// The algorithm with this XML URI (RFC 9231).
    pub fn from_uri(uri: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.2 == uri).map(|row| row.0)
    }

    /// Its object identifier.
    pub fn oid(self) -> ObjectIdentifier {
        self.row().1
    }

    /// Its XML URI.
    pub fn uri(self) -> &'static str {
        self.row().2
    }

    /// Its usual name: `SHA-256`.
    pub fn name(self) -> &'static str {
        self.row().3
    }

    /// The algorithm with this usual name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.3.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// Length of a digest, in bytes.
    pub fn size(self) -> usize {
        self.row().4
    }

    /// A hasher, if this algorithm is computed here.
    pub fn hasher(self) -> Result<Hasher, Unsupported> {
        let ring = |algorithm| Ok(Hasher(State::Ring(ring::digest::Context::new(algorithm))));
        match self {
            Self::Sha1 => ring(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => ring(&ring::digest::SHA256),
            Self::Sha384 => ring(&ring::digest::SHA384),
            Self::Sha512 => ring(&ring::digest::SHA512),
            Self::Sha224 => Ok(Hasher(State::Sha224(sha2::Sha224::new()))),
            Self::Sha3_224 => Ok(Hasher(State::Sha3_224(sha3::Sha3_224::new()))),
            Self::Sha3_256 => Ok(Hasher(State::Sha3_256(sha3::Sha3_256::new()))),
            Self::Sha3_384 => Ok(Hasher(State::Sha3_384(sha3::Sha3_384::new()))),
            Self::Sha3_512 => Ok(Hasher(State::Sha3_512(sha3::Sha3_512::new()))),
            Self::Md5 | Self::Ripemd160 => Err(Unsupported(self.name().to_owned())),
        }
    }

    /// The digest of `data`.
    pub fn digest(self, data: &[u8]) -> Result<Vec<u8>, Unsupported> {
        let mut hasher = self.hasher()?;
        hasher.update(data);
        Ok(hasher.finish())
    }

    fn row(self) -> &'static (Self, ObjectIdentifier, &'static str, &'static str, usize) {
        // The table is in the order of the variants; a test holds it there.
        &TABLE[self as usize]
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for DigestAlgorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A digest being computed. Also a writer, so that a canonicaliser may pour into it.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Ring(ring::digest::Context),
    Sha224(sha2::Sha224),
    Sha3_224(sha3::Sha3_224),
    Sha3_256(sha3::Sha3_256),
    Sha3_384(sha3::Sha3_384),
    Sha3_512(sha3::Sha3_512),
}

impl Hasher {
    /// Adds `data`.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Ring(context) => context.update(data),
            State::Sha224(context) => context.update(data),
            State::Sha3_224(context) => context.update(data),
            State::Sha3_256(context) => context.update(data),
            State::Sha3_384(context) => context.update(data),
            State::Sha3_512(context) => context.update(data),
        }
    }

    /// The digest of all that was added.
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            State::Ring(context) => context.finish().as_ref().to_vec(),
            State::Sha224(context) => context.finalize().to_vec(),
            State::Sha3_224(context) => context.finalize().to_vec(),
            State::Sha3_256(context) => context.finalize().to_vec(),
            State::Sha3_384(context) => context.finalize().to_vec(),
            State::Sha3_512(context) => context.finalize().to_vec(),
        }
    }
}

impl io::Write for Hasher {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_variants_and_the_names_lead_back() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, at);
            assert_eq!(DigestAlgorithm::from_oid(row.1.as_bytes()), Some(row.0));
            assert_eq!(DigestAlgorithm::from_uri(row.2), Some(row.0));
            assert_eq!(DigestAlgorithm::from_name(row.3), Some(row.0));
            if let Ok(digest) = row.0.digest(b"abc") {
                assert_eq!(digest.len(), row.4);
            }
        }
    }

    #[test]
    fn digests_of_abc_are_those_of_the_standards() {
        let known = [
            (DigestAlgorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (DigestAlgorithm::Sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            (DigestAlgorithm::Sha3_224, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
        ];
        for (algorithm, expected) in known {
            assert_eq!(hex::encode(algorithm.digest(b"abc").unwrap()), expected);
        }
        assert!(DigestAlgorithm::Md5.digest(b"abc").is_err());
    }
}
