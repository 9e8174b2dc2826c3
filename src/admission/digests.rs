//! Digests declared by the producer: hexadecimal in the metadata, RFC 9530 in `Content-Digest`.

use super::Reason;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What the producer says a payload's digests and length are; absent means not declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
    /// Length in bytes.
    pub size_bytes: Option<u64>,
}

/// A digest in hexadecimal, either case.
pub(super) fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], Reason> {
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out).map_err(|_| Reason::DigestSyntax)?;
    Ok(out)
}

/// Reads `Content-Digest` (RFC 9530 §2): `sha-256=:<base64>:, sha-512=:<base64>:`; other algorithms are ignored.
pub fn content_digest(value: &str) -> Result<Declared, Reason> {
    let mut declared = Declared::default();
    for member in value.split(',') {
        let (algorithm, rest) = member.trim().split_once('=').ok_or(Reason::DigestSyntax)?;
        let encoded =
            rest.strip_prefix(':').and_then(|r| r.split_once(':')).map(|(e, _)| e).ok_or(Reason::DigestSyntax)?;
        let decoded = STANDARD.decode(encoded).map_err(|_| Reason::DigestSyntax)?;
        match algorithm {
            "sha-256" => declared.sha256 = Some(decoded.try_into().map_err(|_| Reason::DigestSyntax)?),
            "sha-512" => declared.sha512 = Some(decoded.try_into().map_err(|_| Reason::DigestSyntax)?),
            _ => {}
        }
    }
    Ok(declared)
}

impl Declared {
    /// Whether what came is what was declared.
    pub fn check(&self, digests: &crate::digest::Digests, size_bytes: u64) -> Result<(), Reason> {
        if let Some(declared_bytes) = self.size_bytes
            && declared_bytes != size_bytes
        {
            return Err(Reason::SizeMismatch { declared_bytes, received_bytes: size_bytes });
        }
        if self.sha256.is_some_and(|d| d != digests.sha256) {
            return Err(Reason::DigestMismatch { algorithm: "SHA-256", computed: hex::encode(digests.sha256) });
        }
        if self.sha512.is_some_and(|d| d != digests.sha512) {
            return Err(Reason::DigestMismatch { algorithm: "SHA-512", computed: hex::encode(digests.sha512) });
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::digest::Digests;

    #[test]
    fn rfc_9530_example() {
        // RFC 9530 appendix D: the digests of {"hello": "world"} followed by a newline.
        let declared = content_digest(
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, unixsum=:AA==:, \
             sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:",
        )
        .unwrap();
        let body = b"{\"hello\": \"world\"}\n";
        assert!(declared.check(&Digests::of(body), 19).is_ok());
        assert!(declared.check(&Digests::of(b"x"), 1).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in ["", "sha-256", "sha-256=abc", "sha-256=:abc", "sha-256=:AA==:", "sha-256=:%%:"] {
            assert_eq!(content_digest(bad), Err(Reason::DigestSyntax), "{bad}");
        }
        assert!(from_hex::<32>("zz").is_err());
    }

    #[test]
    fn size_comes_first() {
        let declared = Declared { size_bytes: Some(2), sha256: Some([0; 32]), sha512: None };
        assert!(matches!(declared.check(&Digests::of(b"x"), 1), Err(Reason::SizeMismatch { .. })));
    }
}
