//! Offline proofs (C2SP tlog-proof): index, inclusion proof and checkpoint in one text file, `.tlog-proof`.

use super::proof::PROOF_LEN_MAX;
use super::{Hash, decode_hash, encode_hash, parse_decimal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The longest file read, in bytes.
pub const TLOG_PROOF_BYTES_MAX: usize = 1024 * 1024;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A text that is no tlog-proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("preuve tlog-proof mal formée : {0}")]
pub struct TlogProofError(&'static str);

/// A proof that some entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Bytes that nobody vouches for; a receipt puts its record here, from which the entry follows.
    pub extra: Option<Vec<u8>>,
    /// The entry's place in the log.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The signed note, verbatim.
    pub checkpoint: String,
}

impl TlogProof {
    /// Reads a file; says nothing about what it proves.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        if text.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError("trop longue"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(TlogProofError("point de contrôle absent"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError("en-tête inconnu"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(STANDARD.decode(&line["extra ".len()..]).map_err(|_| TlogProofError("ligne extra"))?),
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(parse_decimal);
        let index = index.ok_or(TlogProofError("ligne index"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == PROOF_LEN_MAX {
                return Err(TlogProofError("trop d'empreintes"));
            }
            hashes.push(decode_hash(line).ok_or(TlogProofError("empreinte illisible"))?);
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", encode_hash(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    // The example of the specification, without its abridged lines.
    const EXAMPLE: &str = "c2sp.org/tlog-proof@v1\nindex 73894\ngSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\nB95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\nexample.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n— example.com/fancylog AAAAAAA=\n";

    #[test]
    fn published_example() {
        let proof = TlogProof::parse(EXAMPLE).unwrap();
        assert_eq!((proof.index, proof.hashes.len(), &proof.extra), (73_894, 2, &None));
        assert!(proof.checkpoint.starts_with("example.com/fancylog\n109482\n"));
        assert_eq!(proof.to_string(), EXAMPLE);
    }

    #[test]
    fn malformed() {
        let hash = "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n";
        let long = |count: usize| format!("{HEADER}\nindex 1\n{}\nnote", hash.repeat(count));
        assert!(TlogProof::parse(&long(64)).is_ok());
        assert!(TlogProof::parse(&long(65)).is_err());
        for wrong in [
            "",
            "\n\n",
            "c2sp.org/tlog-proof@v2\nindex 1\n\n",
            "c2sp.org/tlog-proof@v1\n\n",
            "c2sp.org/tlog-proof@v1\nindex 01\n\n",
            "c2sp.org/tlog-proof@v1\nextra x\nindex 1\n\n",
            "c2sp.org/tlog-proof@v1\nindex 1\nextra AAAA\n\n",
            "c2sp.org/tlog-proof@v1\nindex 1\nshort=\n\n",
            "c2sp.org/tlog-proof@v1\nindex 1\n",
        ] {
            assert!(TlogProof::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(
            extra in prop::option::of(prop::collection::vec(any::<u8>(), 0..99)),
            index: u64,
            hashes in prop::collection::vec(any::<Hash>(), 0..=64),
            checkpoint in "[a-z\n]{0,50}",
        ) {
            let proof = TlogProof { extra, index, hashes, checkpoint };
            prop_assert_eq!(TlogProof::parse(&proof.to_string()).unwrap(), proof);
        }
    }
}
