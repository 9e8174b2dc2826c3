//! The hash tree of RFC 4998 § 4.2: binary-sorted concatenation, no prefixes.
//!
//! A leaf is a data object group: the digests of the documents that belong together (an archive's). Nodes are made two
//! by two; the last of an odd level goes up as it is. Making a tree of n groups costs n digests, reducing it log n.

use crate::spec::cms::algorithm::Digest;

/// A tree over groups of digests.
#[derive(Debug, Clone)]
pub struct HashTree {
    digest: Digest,
    /// The digests of each group, sorted.
    groups: Vec<Vec<Vec<u8>>>,
    /// From the groups' nodes to the root.
    levels: Vec<Vec<Vec<u8>>>,
}

impl HashTree {
    /// A tree over groups of at least one digest each; `None` when there is no group, or an empty one.
    pub fn new(digest: Digest, mut groups: Vec<Vec<Vec<u8>>>) -> Option<Self> {
        if groups.is_empty() || groups.iter().any(Vec::is_empty) {
            return None;
        }
        for group in &mut groups {
            group.sort_unstable();
            // The same document twice in a group is one leaf: § 4.2 speaks of a set.
            group.dedup();
        }
        let node = |list: &Vec<Vec<u8>>| fold(digest, None, &list.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut levels = vec![groups.iter().map(node).collect::<Vec<_>>()];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => fold(digest, Some(left), &[right]),
                _ => pair.concat(),
            });
            let above = above.collect();
            levels.push(above);
        }
        Some(Self { digest, groups, levels })
    }

    /// What is to be time-stamped.
    pub fn root(&self) -> &[u8] {
        self.levels.last().and_then(|level| level.first()).map_or(&[], Vec::as_slice)
    }

    /// Its algorithm.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Never: a tree has a group.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The reduced tree of a group (§ 4.2): its digests, then at each level the neighbour to add. `None` beyond the tree.
    ///
    /// Empty when the tree is a single digest, which the time-stamp covers directly.
    pub fn reduced(&self, group: usize) -> Option<Vec<Vec<&[u8]>>> {
        let own: Vec<&[u8]> = self.groups.get(group)?.iter().map(Vec::as_slice).collect();
        let alone = self.groups.len() == 1 && own.len() == 1;
        let mut lists = vec![own];
        let mut place = group;
        for level in &self.levels {
            if let Some(neighbour) = level.get(place ^ 1) {
                lists.push(vec![neighbour.as_slice()]);
            }
            place /= 2;
        }
        Some(if alone { Vec::new() } else { lists })
    }
}

/// The root that lists of hash values lead to (§ 4.3): each list, with the node below it, sorted and hashed together. A
/// single hash value is its own node.
pub fn root_of(digest: Digest, lists: &[Vec<&[u8]>]) -> Option<Vec<u8>> {
    let mut node: Option<Vec<u8>> = None;
    for list in lists {
        node = Some(fold(digest, node.as_deref(), list));
    }
    node
}

fn fold(digest: Digest, below: Option<&[u8]>, list: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut values: Vec<&[u8]> = list.iter().map(AsRef::as_ref).chain(below).collect();
    if let [only] = values.as_slice() {
        return only.to_vec();
    }
    values.sort_unstable();
    digest.of(&values.concat()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn leaf(n: usize) -> Vec<u8> {
        Digest::Sha256.of(&n.to_be_bytes()).as_ref().to_vec()
    }

    #[test]
    fn a_single_digest_is_its_own_root() {
        let tree = HashTree::new(Digest::Sha256, vec![vec![leaf(0)]]).unwrap();
        assert_eq!(tree.root(), leaf(0));
        assert_eq!(tree.reduced(0), Some(Vec::new()));
        assert!(HashTree::new(Digest::Sha256, vec![]).is_none());
        assert!(HashTree::new(Digest::Sha256, vec![vec![leaf(0)], vec![]]).is_none());
    }

    #[test]
    fn neighbours_are_sorted_before_they_are_hashed() {
        let tree = HashTree::new(Digest::Sha256, vec![vec![leaf(0)], vec![leaf(1)]]).unwrap();
        let mut pair = [leaf(0), leaf(1)];
        pair.sort_unstable();
        assert_eq!(tree.root(), Digest::Sha256.of(&pair.concat()).as_ref());
    }

    proptest! {
        #[test]
        fn every_reduced_tree_leads_to_the_root(sizes in proptest::collection::vec(1_usize..4, 1..70)) {
            let mut next = 0..;
            let groups: Vec<Vec<Vec<u8>>> =
                sizes.iter().map(|&size| next.by_ref().take(size).map(leaf).collect()).collect();
            let tree = HashTree::new(Digest::Sha256, groups.clone()).unwrap();
            for (place, group) in groups.iter().enumerate() {
                let lists = tree.reduced(place).unwrap();
                if lists.is_empty() {
                    prop_assert_eq!(tree.root(), &group[0][..]);
                    continue;
                }
                prop_assert!(group.iter().all(|hash| lists[0].contains(&hash.as_slice())));
                prop_assert_eq!(lists[0].len(), group.len());
                prop_assert_eq!(root_of(Digest::Sha256, &lists).unwrap(), tree.root());
            }
            prop_assert_eq!(tree.reduced(groups.len()), None);
        }
    }
}
