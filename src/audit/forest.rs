//! The tree, recomputed leaf by leaf (RFC 6962 §2.1): perfect subtrees of the leaves so far, and the tile that each level
//! is filling. Independent of the writer's right edge.

use crate::spec::tlog::{EMPTY_ROOT, Hash, node_hash};
use serde::{Deserialize, Serialize};

/// Hashes in a full tile.
pub(super) const WIDTH: usize = 256;

/// Levels a tree of 2^64 leaves has above level 0.
const LEVELS: usize = 8;

/// Perfect subtrees from left to right, each smaller than the one before: one for each 1 in the binary size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peaks(Vec<(u8, Hash)>);

impl Peaks {
    /// Appends a perfect subtree of 2^height leaves. It must not be taller than the last one.
    pub(super) fn push(&mut self, height: u8, hash: Hash) {
        let (mut height, mut hash) = (height, hash);
        while let Some(&(last, left)) = self.0.last().filter(|(last, _)| *last == height) {
            self.0.pop();
            hash = node_hash(&left, &hash);
            height = last + 1;
        }
        self.0.push((height, hash));
    }

    /// The root of the tree so far.
    pub(super) fn root(&self) -> Hash {
        let mut peaks = self.0.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = peaks.next() else { return EMPTY_ROOT };
        peaks.fold(last, |right, left| node_hash(&left, &right))
    }

    /// The same with the subtrees of `tail` appended.
    pub(super) fn joined(&self, tail: &Self) -> Self {
        let mut all = self.clone();
        for (height, hash) in &tail.0 {
            all.push(*height, *hash);
        }
        all
    }
}

/// The subtrees inside one bundle of at most 256 leaves: `nodes[h][i]` covers leaves i·2^h….
pub(super) struct Bundle {
    nodes: Vec<Vec<Hash>>,
}

impl Bundle {
    pub(super) fn new(leaves: Vec<Hash>) -> Self {
        let mut nodes = vec![leaves];
        while let Some(below) = nodes.last().filter(|level| level.len() > 1) {
            let above = below.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
            nodes.push(above);
        }
        Self { nodes }
    }

    /// The peaks of the first `count` leaves.
    pub(super) fn peaks(&self, count: usize) -> Peaks {
        let mut peaks = Peaks::default();
        let mut at = 0;
        for height in (0..=8u8).rev() {
            if count & (1 << height) == 0 {
                continue;
            }
            if let Some(hash) = self.nodes.get(usize::from(height)).and_then(|level| level.get(at >> height)) {
                peaks.push(height, *hash);
            }
            at += 1 << height;
        }
        peaks
    }

    /// The root of a full bundle: one hash of tile level 1.
    pub(super) fn full_root(&self) -> Option<Hash> {
        self.nodes.get(8).and_then(|top| top.first()).copied()
    }
}

/// A tile of level 1 or more that is to be compared with the bucket's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpectedTile {
    pub(super) level: u8,
    pub(super) index: u64,
    pub(super) hashes: Vec<Hash>,
}

/// The tree above the bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forest {
    /// Bundles of 256 leaves taken so far.
    pub(super) bundles: u64,
    pub(super) peaks: Peaks,
    /// Hashes of the tile being filled at level 1, 2, ….
    filling: Vec<Vec<Hash>>,
}

impl Forest {
    pub(super) fn new() -> Self {
        Self { bundles: 0, peaks: Peaks::default(), filling: vec![Vec::new(); LEVELS] }
    }

    /// Appends a full bundle; returns the tiles it fills.
    pub(super) fn push(&mut self, root: Hash) -> Vec<ExpectedTile> {
        self.peaks.push(8, root);
        self.bundles += 1;
        let mut filled = Vec::new();
        let mut hash = root;
        for (level, tile) in (1u8..).zip(&mut self.filling) {
            tile.push(hash);
            if tile.len() < WIDTH {
                break;
            }
            let hashes = std::mem::take(tile);
            let index = (self.bundles >> (8 * u32::from(level))) - 1;
            let Some(above) = Bundle::new(hashes.clone()).full_root() else { break };
            hash = above;
            filled.push(ExpectedTile { level, index, hashes });
        }
        filled
    }

    /// The partial tiles of the tree so far.
    pub(super) fn partial(&self) -> Vec<ExpectedTile> {
        let tiles = (1u8..).zip(&self.filling).filter(|(_, hashes)| !hashes.is_empty());
        tiles
            .map(|(level, hashes)| {
                let index = self.bundles >> (8 * u32::from(level));
                ExpectedTile { level, index, hashes: hashes.clone() }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::tlog::leaf_hash;
    use proptest::prelude::*;

    /// RFC 6962 §2.1, word for word.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_ROOT,
            [leaf] => *leaf,
            _ => {
                let split = (leaves.len().next_power_of_two() / 2).max(1);
                node_hash(&naive(&leaves[..split]), &naive(&leaves[split..]))
            }
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    #[test]
    fn a_published_tree_of_70_000_has_its_tiles() {
        let all = leaves(70_000);
        let mut forest = Forest::new();
        let mut filled = Vec::new();
        for chunk in all.chunks(256).filter(|chunk| chunk.len() == 256) {
            filled.extend(forest.push(Bundle::new(chunk.to_vec()).full_root().unwrap()));
        }
        assert_eq!(filled.iter().map(|t| (t.level, t.index)).collect::<Vec<_>>(), [(1, 0)]);
        let partial: Vec<_> = forest.partial().iter().map(|t| (t.level, t.index, t.hashes.len())).collect();
        assert_eq!(partial, [(1, 1, 17), (2, 0, 1)]);
        let rest = Bundle::new(all[273 * 256..].to_vec());
        assert_eq!(forest.peaks.joined(&rest.peaks(112)).root(), naive(&all));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_root_is_the_naive_one(count in 0usize..1500) {
            let all = leaves(count);
            let mut forest = Forest::new();
            let full = count / 256;
            for chunk in all.chunks(256).take(full) {
                forest.push(Bundle::new(chunk.to_vec()).full_root().unwrap());
            }
            prop_assert_eq!(forest.peaks.root(), naive(&all[..full * 256]));
            let rest = Bundle::new(all[full * 256..].to_vec());
            for extra in 0..=count - full * 256 {
                prop_assert_eq!(forest.peaks.joined(&rest.peaks(extra)).root(), naive(&all[..full * 256 + extra]));
            }
        }
    }
}
