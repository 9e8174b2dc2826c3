//! Proofs and roots from tiles (RFC 6962 §2.1.1 and §2.1.2 over C2SP tlog-tiles).
//!
//! Ask which tiles a question needs, fetch them, put them in a [`TileSet`], ask the question. The set does not judge its
//! tiles: check what comes out against a signed root ([`super::proof`]).

use super::tile::{HASH_LEN, TILE_WIDTH, TileError, TileId};
use super::{EMPTY_ROOT, Hash, array, node_hash};
use bytes::Bytes;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;
use thiserror::Error;

/// Why a question about a tree has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    /// The leaf or the older tree is not in the tree asked about.
    #[error("{index} n'est pas dans un arbre de {size} entrées")]
    Range {
        /// The index or size asked for.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// A tile that the answer needs is not in the set, or is too narrow.
    #[error("il manque la tuile {0}")]
    Missing(String),
    /// A tile that cannot be one.
    #[error(transparent)]
    Tile(#[from] TileError),
}

/// Tiles at hand, by level and index; the widest one known of each.
#[derive(Debug, Default, Clone)]
pub struct TileSet {
    tiles: HashMap<(u8, u64), Tile>,
}

#[derive(Debug, Clone)]
struct Tile {
    bytes: Bytes,
    /// The nodes above the hashes, computed at first need: 255 hashes buy every later proof through this tile.
    inner: OnceLock<Vec<Hash>>,
}

impl TileSet {
    /// A set without tiles.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tile. A narrower tile than the one known changes nothing.
    pub fn insert(&mut self, id: TileId, bytes: Bytes) -> Result<(), TileError> {
        if bytes.len() != id.byte_len() || !(1..=TILE_WIDTH).contains(&id.width) {
            return Err(TileError::Length { tile: id.path(), expected: id.byte_len(), found: bytes.len() });
        }
        match self.tiles.entry((id.level, id.index)) {
            Entry::Occupied(known) if known.get().bytes.len() >= bytes.len() => {}
            Entry::Occupied(mut known) => {
                known.insert(Tile { bytes, inner: OnceLock::new() });
            }
            Entry::Vacant(place) => {
                place.insert(Tile { bytes, inner: OnceLock::new() });
            }
        }
        Ok(())
    }

    /// The bytes of a tile at least as wide as asked, cut to the width asked.
    pub fn get(&self, id: TileId) -> Option<&[u8]> {
        self.tiles.get(&(id.level, id.index))?.bytes.get(..id.byte_len())
    }

    /// Whether a tile at least as wide is there.
    pub fn contains(&self, id: TileId) -> bool {
        self.get(id).is_some()
    }

    /// How many tiles are there.
    pub fn len(&self) -> usize {
        self.tiles.len()
    }

    /// No tile at all.
    pub fn is_empty(&self) -> bool {
        self.tiles.is_empty()
    }

    fn node(&self, node: Node) -> Result<Hash, TreeError> {
        let needed = node.tile();
        let missing = || TreeError::Missing(needed.path());
        let tile = self.tiles.get(&(needed.level, needed.index)).ok_or_else(missing)?;
        if tile.bytes.len() < needed.byte_len() {
            return Err(missing());
        }
        tile.node(node.height % 8, node.within()).ok_or_else(missing)
    }
}

impl Tile {
    /// The node `position` at `height` (0 to 7) above the tile's hashes.
    fn node(&self, height: u32, position: usize) -> Option<Hash> {
        if height == 0 {
            return self.bytes.get(position * HASH_LEN..(position + 1) * HASH_LEN).map(array);
        }
        let inner = self.inner.get_or_init(|| self.build());
        // Rows follow one another, each half as long as the one below: 1, 2, … above a width of w is w/2, w/4, …
        let width = self.bytes.len() / HASH_LEN;
        let start: usize = (1..height).map(|h| width >> h).sum();
        (position < width >> height).then(|| inner.get(start + position).copied()).flatten()
    }

    fn build(&self) -> Vec<Hash> {
        let mut row: Vec<Hash> = self.bytes.chunks_exact(HASH_LEN).map(array).collect();
        let mut inner = Vec::with_capacity(row.len());
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            inner.extend_from_slice(&row);
        }
        inner
    }
}

/// The tiles that hold the root of a tree of `size` leaves.
pub fn tiles_for_root(size: u64) -> Vec<TileId> {
    tiles_of(&[Span::whole(size)], size)
}

/// The tiles that hold the inclusion proof of leaf `index`; none when the leaf is not in the tree.
pub fn tiles_for_inclusion(index: u64, size: u64) -> Vec<TileId> {
    inclusion_spans(index, size).map(|spans| tiles_of(&spans, size)).unwrap_or_default()
}

/// The tiles that hold the consistency proof between two sizes; none when `old` is larger.
pub fn tiles_for_consistency(old: u64, new: u64) -> Vec<TileId> {
    consistency_spans(old, new).map(|spans| tiles_of(&spans, new)).unwrap_or_default()
}

/// `MTH(D[size])`.
pub fn root(size: u64, tiles: &TileSet) -> Result<Hash, TreeError> {
    Span::whole(size).hash(tiles)
}

/// `PATH(index, D[size])`, from the leaf's sibling up.
pub fn inclusion(index: u64, size: u64, tiles: &TileSet) -> Result<Vec<Hash>, TreeError> {
    inclusion_spans(index, size)?.iter().map(|span| span.hash(tiles)).collect()
}

/// `PROOF(old, D[new])`; empty when `old` is 0 or equals `new`.
pub fn consistency(old: u64, new: u64, tiles: &TileSet) -> Result<Vec<Hash>, TreeError> {
    consistency_spans(old, new)?.iter().map(|span| span.hash(tiles)).collect()
}

/// A complete subtree: 2^height leaves from leaf `index`·2^height.
#[derive(Debug, Clone, Copy)]
struct Node {
    height: u32,
    index: u64,
}

impl Node {
    /// The tile to read, at the least width that serves.
    fn tile(self) -> TileId {
        let above = self.height % 8;
        let last = self.within_first() + (1usize << above);
        TileId {
            level: u8::try_from(self.height / 8).unwrap_or(u8::MAX),
            // index·2^above / 256; above < 8, so the shift goes right.
            index: self.index >> (8 - above),
            width: u16::try_from(last).unwrap_or(TILE_WIDTH),
        }
    }

    /// Position among the nodes of its height within the tile.
    fn within(self) -> usize {
        let mask = (1u64 << (8 - self.height % 8)) - 1;
        usize::try_from(self.index & mask).unwrap_or(0)
    }

    /// Position of its first hash within the tile.
    fn within_first(self) -> usize {
        self.within() << (self.height % 8)
    }
}

/// Leaves `start..end`, where `start` is a multiple of the power of two that holds the span: a subtree of the tree.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
}

impl Span {
    fn whole(size: u64) -> Self {
        Self { start: 0, end: size }
    }

    fn len(self) -> u64 {
        self.end - self.start
    }

    /// The two subtrees of RFC 6962: the left one is complete. At least two leaves.
    fn split(self) -> (Self, Self) {
        let middle = self.start + (1u64 << (self.len() - 1).ilog2());
        (Self { start: self.start, end: middle }, Self { start: middle, end: self.end })
    }

    /// The complete subtrees it is made of, largest first.
    fn nodes(self) -> impl Iterator<Item = Node> {
        let mut start = self.start;
        std::iter::from_fn(move || {
            let height = (self.end - start).checked_ilog2()?;
            let node = Node { height, index: start >> height };
            start += 1 << height;
            Some(node)
        })
    }

    fn hash(self, tiles: &TileSet) -> Result<Hash, TreeError> {
        if self.len().is_power_of_two() {
            let height = self.len().ilog2();
            return tiles.node(Node { height, index: self.start >> height });
        }
        let complete = self.nodes().map(|node| tiles.node(node)).collect::<Result<Vec<_>, _>>()?;
        Ok(complete.into_iter().rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT))
    }
}

fn inclusion_spans(index: u64, size: u64) -> Result<Vec<Span>, TreeError> {
    if index >= size {
        return Err(TreeError::Range { index, size });
    }
    let mut spans = Vec::with_capacity(64);
    let mut span = Span::whole(size);
    while span.len() > 1 {
        let (left, right) = span.split();
        if index < right.start {
            spans.push(right);
            span = left;
        } else {
            spans.push(left);
            span = right;
        }
    }
    spans.reverse();
    Ok(spans)
}

fn consistency_spans(old: u64, new: u64) -> Result<Vec<Span>, TreeError> {
    if old > new {
        return Err(TreeError::Range { index: old, size: new });
    }
    let mut spans = Vec::with_capacity(64);
    if old == 0 || old == new {
        return Ok(spans);
    }
    let mut span = Span::whole(new);
    while span.end != old {
        let (left, right) = span.split();
        if old <= right.start {
            spans.push(right);
            span = left;
        } else {
            spans.push(left);
            span = right;
        }
    }
    // The old tree's own subtree is known to whoever asks when it is the whole old tree.
    if span.start != 0 {
        spans.push(span);
    }
    spans.reverse();
    Ok(spans)
}

fn tiles_of(spans: &[Span], size: u64) -> Vec<TileId> {
    let places: BTreeSet<(u8, u64)> =
        spans.iter().flat_map(|span| span.nodes()).map(Node::tile).map(|t| (t.level, t.index)).collect();
    places.into_iter().filter_map(|(level, index)| TileId::at(level, index, size)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{naive, tile::tiles_between};
    use super::*;
    use proptest::prelude::*;

    /// Leaf hashes that are cheap and all different; the tree does not care.
    fn leaves(count: usize) -> Vec<Hash> {
        (0..count as u64).map(|i| super::super::leaf_hash(&i.to_be_bytes())).collect()
    }

    /// The tiles of a tree, hashed naively: a tile's hash at level L is the root of its 256^L leaves.
    fn tiles(leaves: &[Hash]) -> TileSet {
        let mut set = TileSet::new();
        for id in tiles_between(0, leaves.len() as u64) {
            let span = 1usize << (8 * usize::from(id.level));
            let first = usize::try_from(id.index).unwrap() * 256;
            let hashes = (first..first + usize::from(id.width)).map(|i| naive::root(&leaves[i * span..(i + 1) * span]));
            set.insert(id, hashes.collect::<Vec<_>>().concat().into()).unwrap();
        }
        set
    }

    fn only(wanted: &[TileId], all: &TileSet) -> TileSet {
        let mut set = TileSet::new();
        for &id in wanted {
            set.insert(id, Bytes::copy_from_slice(all.get(id).unwrap())).unwrap();
        }
        set
    }

    #[test]
    fn every_small_tree() {
        let all = leaves(70);
        for size in 0..=70usize {
            let set = tiles(&all[..size]);
            let n = size as u64;
            assert_eq!(root(n, &set).unwrap(), naive::root(&all[..size]));
            for m in 0..size {
                assert_eq!(inclusion(m as u64, n, &set).unwrap(), naive::path(m, &all[..size]));
            }
            for m in 1..size {
                assert_eq!(consistency(m as u64, n, &set).unwrap(), naive::consistency(m, &all[..size]));
            }
        }
    }

    #[test]
    fn questions_without_an_answer() {
        let set = TileSet::new();
        assert_eq!(root(0, &set), Ok(EMPTY_ROOT));
        assert_eq!(consistency(0, 9, &set), Ok(vec![]));
        assert!(matches!(inclusion(3, 3, &set), Err(TreeError::Range { .. })));
        assert!(matches!(inclusion(0, 0, &set), Err(TreeError::Range { .. })));
        assert!(matches!(consistency(4, 3, &set), Err(TreeError::Range { .. })));
        assert!(matches!(root(u64::MAX, &set), Err(TreeError::Missing(_))));
        assert!(tiles_for_inclusion(5, 5).is_empty());
        assert_eq!(tiles_for_root(u64::MAX).len(), 8);
    }

    #[test]
    fn a_tile_of_another_length_is_refused() {
        let id = TileId { level: 0, index: 0, width: 3 };
        assert!(TileSet::new().insert(id, Bytes::from(vec![0; 95])).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn as_the_rfc_says(size in 1usize..3_000, a: prop::sample::Index, b: prop::sample::Index) {
            let all = leaves(size);
            let set = tiles(&all);
            let n = size as u64;
            let (m, old) = (a.index(size), b.index(size) + 1);
            let needed = only(&tiles_for_inclusion(m as u64, n), &set);
            prop_assert_eq!(inclusion(m as u64, n, &needed).unwrap(), naive::path(m, &all));
            let needed = only(&tiles_for_consistency(old as u64, n), &set);
            prop_assert_eq!(consistency(old as u64, n, &needed).unwrap(), naive::consistency(old, &all));
            let needed = only(&tiles_for_root(n), &set);
            prop_assert_eq!(root(n, &needed).unwrap(), naive::root(&all));
            // An older tree is answered from the newer one's tiles.
            prop_assert_eq!(root(old as u64, &set).unwrap(), naive::root(&all[..old]));
        }

        #[test]
        fn no_size_is_too_large(index: u64, size: u64) {
            let _ = (tiles_for_inclusion(index, size), tiles_for_consistency(index, size), tiles_for_root(size));
        }
    }

    #[test]
    fn three_tile_levels() {
        // 66,000 leaves reach level 2.
        let all = leaves(66_000);
        let set = tiles(&all);
        for m in [0, 255, 256, 65_535, 65_536, 65_999] {
            assert_eq!(inclusion(m as u64, 66_000, &set).unwrap(), naive::path(m, &all));
        }
    }
}
