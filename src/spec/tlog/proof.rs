//! Checking proofs without the tree (RFC 9162 §2.1.3.2 and §2.1.4.2, which give RFC 6962's proofs their algorithms).

use super::{EMPTY_ROOT, Hash, node_hash};
use thiserror::Error;

/// The longest proof there can be: one hash per level of a tree of 2^64 − 1 leaves.
pub const PROOF_LEN_MAX: usize = 64;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The leaf is not in a tree of that size, or the old tree is larger than the new one.
    #[error("la place annoncée n'est pas dans l'arbre")]
    Range,
    /// Too few or too many hashes for these sizes.
    #[error("la preuve n'a pas la longueur que demande l'arbre")]
    Length,
    /// The hashes lead to another root.
    #[error("la preuve ne mène pas à la racine signée")]
    Root,
}

/// Checks that the leaf with hash `leaf` stands at `index` in the tree of `size` leaves and root `root`.
pub fn verify_inclusion(index: u64, leaf: &Hash, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if root_from_inclusion(index, leaf, size, proof)? == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// The root that an inclusion proof leads to.
pub fn root_from_inclusion(index: u64, leaf: &Hash, size: u64, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let (mut fnode, mut snode, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if snode == 0 {
            return Err(ProofError::Length);
        }
        if fnode & 1 == 1 || fnode == snode {
            hash = node_hash(sibling, &hash);
            if fnode & 1 == 0 {
                let skip = fnode.trailing_zeros().min(63);
                fnode >>= skip;
                snode >>= skip;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode == 0 { Ok(hash) } else { Err(ProofError::Length) }
}

/// Checks that the tree of `new` leaves and root `new_root` extends the tree of `old` leaves and root `old_root`.
///
/// The proof from the empty tree, or between equal sizes, is empty; the roots are still compared.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Range);
    }
    if old == 0 || old == new {
        let same = if old == new { old_root == new_root } else { *old_root == EMPTY_ROOT };
        return match (proof, same) {
            ([_, ..], _) => Err(ProofError::Length),
            ([], false) => Err(ProofError::Root),
            ([], true) => Ok(()),
        };
    }
    // A complete old tree is its own first hash, which the proof leaves out.
    let (first, rest) =
        if old.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(ProofError::Length)? };
    let skip = (old - 1).trailing_ones();
    let (mut fnode, mut snode) = ((old - 1) >> skip.min(63), (new - 1) >> skip.min(63));
    let (mut from_old, mut from_new) = (*first, *first);
    for sibling in rest {
        if snode == 0 {
            return Err(ProofError::Length);
        }
        if fnode & 1 == 1 || fnode == snode {
            from_old = node_hash(sibling, &from_old);
            from_new = node_hash(sibling, &from_new);
            if fnode & 1 == 0 {
                let skip = fnode.trailing_zeros().min(63);
                fnode >>= skip;
                snode >>= skip;
            }
        } else {
            from_new = node_hash(&from_new, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode != 0 {
        Err(ProofError::Length)
    } else if from_old == *old_root && from_new == *new_root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{leaf_hash, naive};
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn every_proof_of_every_small_tree() {
        let all = leaves(66);
        for n in 1..=66usize {
            let root = naive::root(&all[..n]);
            for m in 0..n {
                let path = naive::path(m, &all[..n]);
                assert_eq!(verify_inclusion(m as u64, &all[m], n as u64, &path, &root), Ok(()), "{m} in {n}");
            }
            for m in 1..n {
                let path = naive::consistency(m, &all[..n]);
                let old = naive::root(&all[..m]);
                assert_eq!(verify_consistency(m as u64, n as u64, &path, &old, &root), Ok(()), "{m} to {n}");
                assert_ne!(verify_consistency(m as u64, n as u64, &path, &root, &old), Ok(()));
            }
        }
    }

    #[test]
    fn the_edges() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        assert_eq!(verify_consistency(0, 0, &[], &EMPTY_ROOT, &EMPTY_ROOT), Ok(()));
        assert_eq!(verify_consistency(0, 5, &[], &EMPTY_ROOT, &a), Ok(()));
        assert_eq!(verify_consistency(0, 5, &[], &b, &a), Err(ProofError::Root));
        assert_eq!(verify_consistency(5, 5, &[], &a, &a), Ok(()));
        assert_eq!(verify_consistency(5, 5, &[], &a, &b), Err(ProofError::Root));
        assert_eq!(verify_consistency(5, 5, &[a], &a, &a), Err(ProofError::Length));
        assert_eq!(verify_consistency(6, 5, &[], &a, &a), Err(ProofError::Range));
        assert_eq!(verify_consistency(3, 5, &[], &a, &a), Err(ProofError::Length));
        assert_eq!(verify_inclusion(0, &a, 0, &[], &a), Err(ProofError::Range));
        assert_eq!(verify_inclusion(0, &a, 1, &[], &a), Ok(()));
        assert_eq!(verify_inclusion(0, &a, 1, &[b], &a), Err(ProofError::Length));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_changed_proof_is_refused(size in 2u64..600, at: prop::sample::Index, bit in 0usize..256, which: prop::sample::Index) {
            let all = leaves(size);
            let m = at.index(all.len());
            let root = naive::root(&all);
            let mut path = naive::path(m, &all);
            let hash = which.index(path.len());
            path[hash][bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(verify_inclusion(m as u64, &all[m], size, &path, &root), Err(ProofError::Root));
            let path = naive::path(m, &all);
            prop_assert!(verify_inclusion(m as u64, &all[m], size, &path[..path.len() - 1], &root).is_err());
            prop_assert!(verify_inclusion(m as u64 ^ 1, &all[m], size, &path, &root).is_err());
        }

        #[test]
        fn no_numbers_panic(a: u64, b: u64, proof in prop::collection::vec(any::<Hash>(), 0..70)) {
            let zero = [0; 32];
            let _ = verify_inclusion(a, &zero, b, &proof, &zero);
            let _ = verify_consistency(a, b, &proof, &zero, &zero);
        }
    }
}
