//! The right edge of a tree: all that a sequencer needs to extend it, whatever its size (at most 8 partial tiles).

use super::tile::{HASH_LEN, LEVEL_MAX, TILE_WIDTH, TileId};
use super::tree::{TileSet, TreeError};
use super::{EMPTY_ROOT, Hash, array, node_hash};
use bytes::Bytes;

/// The right edge of a tree of [`Self::size`] leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// Roots of the complete subtrees, largest first: one per set bit of `size`.
    subtrees: Vec<Hash>,
    /// The partial tile of each level, empty when the last one is full.
    partial: Vec<Vec<u8>>,
}

impl Default for Edge {
    fn default() -> Self {
        Self::empty()
    }
}

impl Edge {
    /// The edge of the tree without leaves.
    pub fn empty() -> Self {
        Self { size: 0, subtrees: Vec::new(), partial: vec![Vec::new(); usize::from(LEVEL_MAX) + 1] }
    }

    /// The tiles that [`Self::load`] reads: the partial ones of a tree of `size` leaves.
    pub fn tiles_needed(size: u64) -> Vec<TileId> {
        (0..=LEVEL_MAX)
            .filter_map(|level| {
                let hashes = size >> (8 * u32::from(level));
                let width = u16::try_from(hashes % u64::from(TILE_WIDTH)).ok().filter(|&w| w > 0)?;
                Some(TileId { level, index: hashes / u64::from(TILE_WIDTH), width })
            })
            .collect()
    }

    /// The edge of a published tree. Compare [`Self::root`] with the signed one: tiles are not judged here.
    pub fn load(size: u64, tiles: &TileSet) -> Result<Self, TreeError> {
        let mut edge = Self { size, ..Self::empty() };
        for id in Self::tiles_needed(size).into_iter().rev() {
            let bytes = tiles.get(id).ok_or_else(|| TreeError::Missing(id.path()))?;
            let mut hashes: Vec<Hash> = bytes.chunks_exact(HASH_LEN).map(array).collect();
            // Largest subtrees first, and levels from the top: exactly the set bits of the size, from the highest.
            while let Some(height) = hashes.len().checked_ilog2() {
                let rest = hashes.split_off(1 << height);
                edge.subtrees.push(perfect(hashes));
                hashes = rest;
            }
            edge.partial[usize::from(id.level)] = bytes.to_vec();
        }
        Ok(edge)
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        self.subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT)
    }

    /// The partial tiles themselves: with the tiles that [`Self::append`] gives, enough to prove the leaves it added.
    pub fn tiles(&self) -> impl Iterator<Item = (TileId, Bytes)> + '_ {
        let tile = |id: TileId| (id, Bytes::copy_from_slice(&self.partial[usize::from(id.level)]));
        Self::tiles_needed(self.size).into_iter().map(tile)
    }

    /// Adds leaves by their hashes, and gives every tile that is new or grew, once, at its final width; lower levels first.
    ///
    /// Costs one node hash a leaf. A tree of 2^64 − 1 leaves takes no more: what is beyond is not added.
    pub fn append(&mut self, leaves: &[Hash]) -> Vec<(TileId, Vec<u8>)> {
        let before = self.size;
        let mut full = Vec::new();
        for leaf in leaves {
            if self.size == u64::MAX {
                break;
            }
            self.push_hash(0, leaf, self.size, &mut full);
            let mut hash = *leaf;
            // A set bit of the size is a complete subtree waiting for its right neighbour.
            for height in 1..=self.size.trailing_ones() {
                let Some(left) = self.subtrees.pop() else { break };
                hash = node_hash(&left, &hash);
                if height % 8 == 0 {
                    self.push_hash(height / 8, &hash, self.size >> height, &mut full);
                }
            }
            self.subtrees.push(hash);
            self.size += 1;
        }
        full.extend(Self::tiles_needed(self.size).into_iter().filter_map(|id| {
            let grew = self.size >> (8 * u32::from(id.level)) > before >> (8 * u32::from(id.level));
            grew.then(|| (id, self.partial[usize::from(id.level)].clone()))
        }));
        full.sort_by_key(|(id, _)| *id);
        full
    }

    /// Puts hash number `position` of a tile level into its tile; a tile that fills up is done.
    fn push_hash(&mut self, level: u32, hash: &Hash, position: u64, full: &mut Vec<(TileId, Vec<u8>)>) {
        let Some(partial) = usize::try_from(level).ok().and_then(|l| self.partial.get_mut(l)) else { return };
        partial.extend_from_slice(hash);
        if partial.len() == usize::from(TILE_WIDTH) * HASH_LEN {
            let level = u8::try_from(level).unwrap_or(LEVEL_MAX);
            let id = TileId { level, index: position / u64::from(TILE_WIDTH), width: TILE_WIDTH };
            full.push((id, std::mem::take(partial)));
        }
    }
}

/// The root of a power of two of hashes.
fn perfect(mut row: Vec<Hash>) -> Hash {
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.first().copied().unwrap_or(EMPTY_ROOT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tile::tiles_between;
    use super::super::{leaf_hash, naive, tree};
    use super::*;
    use proptest::prelude::*;

    fn leaves(range: std::ops::Range<u64>) -> Vec<Hash> {
        range.map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn insert(set: &mut TileSet, tiles: Vec<(TileId, Vec<u8>)>) {
        for (id, bytes) in tiles {
            set.insert(id, bytes.into()).unwrap();
        }
    }

    #[test]
    fn published_tree_of_70_000() {
        let mut edge = Edge::empty();
        let tiles = edge.append(&leaves(0..70_000));
        assert_eq!(tiles.iter().map(|(id, _)| *id).collect::<Vec<_>>(), tiles_between(0, 70_000));
        assert_eq!(edge.root(), naive::root(&leaves(0..70_000)));
        let mut set = TileSet::new();
        insert(&mut set, tiles);
        assert_eq!(Edge::load(70_000, &set).unwrap(), edge);
        assert_eq!(tree::inclusion(65_536, 70_000, &set).unwrap(), naive::path(65_536, &leaves(0..70_000)));
    }

    #[test]
    fn an_edge_without_its_tiles() {
        assert_eq!(Edge::load(0, &TileSet::new()), Ok(Edge::empty()));
        assert_eq!(Edge::load(257, &TileSet::new()), Err(TreeError::Missing("tile/1/000.p/1".into())));
        assert_eq!(Edge::empty().root(), EMPTY_ROOT);
        assert!(Edge::empty().append(&[]).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn batches_and_one_append_agree(batches in prop::collection::vec(0u64..700, 1..8)) {
            let (mut edge, mut set, mut size) = (Edge::empty(), TileSet::new(), 0);
            for batch in batches {
                let tiles = edge.append(&leaves(size..size + batch));
                prop_assert_eq!(tiles.iter().map(|(id, _)| *id).collect::<Vec<_>>(), tiles_between(size, size + batch));
                insert(&mut set, tiles);
                size += batch;
                prop_assert_eq!(edge.size(), size);
                prop_assert_eq!(edge.root(), naive::root(&leaves(0..size)));
                prop_assert_eq!(tree::root(size, &set).unwrap(), edge.root());
                prop_assert_eq!(&Edge::load(size, &set).unwrap(), &edge);
            }
        }
    }
}
