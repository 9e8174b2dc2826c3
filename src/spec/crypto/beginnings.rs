//! Digests of several beginnings of one file: what a PDF's signatures are over, each a revision longer than the last.

use super::{DigestAlgorithm, Hasher, Unsupported};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Beginnings of `bytes`, each digested on from the longest one already known: twenty signatures cost one reading of the
/// file and not twenty.
#[derive(Debug)]
pub struct Beginnings<'a> {
    bytes: &'a [u8],
    known: RefCell<BTreeMap<(DigestAlgorithm, usize), Hasher>>,
}

impl<'a> Beginnings<'a> {
    /// Of these bytes; nothing is computed yet.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, known: RefCell::default() }
    }

    /// A hasher that has taken in the first `end` octets, or all when there are fewer.
    pub fn hasher(&self, algorithm: DigestAlgorithm, end: usize) -> Result<Hasher, Unsupported> {
        let end = end.min(self.bytes.len());
        let mut known = self.known.borrow_mut();
        let nearest = known.range((algorithm, 0)..=(algorithm, end)).next_back();
        let (from, mut hasher) = match nearest {
            Some((&(_, from), hasher)) => (from, hasher.clone()),
            None => (0, algorithm.hasher()?),
        };
        if from < end {
            hasher.update(&self.bytes[from..end]);
            known.insert((algorithm, end), hasher.clone());
        }
        Ok(hasher)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_beginning_is_digested_as_if_alone() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let beginnings = Beginnings::new(&bytes);
        for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha3_256, DigestAlgorithm::Sha1] {
            for end in [4000, 17, 0, 4999, 17, 6000] {
                let alone = algorithm.digest(&bytes[..end.min(bytes.len())]).unwrap();
                assert_eq!(beginnings.hasher(algorithm, end).unwrap().finish(), alone, "{algorithm} {end}");
            }
        }
        assert!(beginnings.hasher(DigestAlgorithm::Md5, 3).is_err());
    }
}
