//! Tiles and entry bundles (C2SP tlog-tiles): where the hashes and entries of a tree lie, and the bytes of each.
//!
//! A tile holds up to 256 consecutive hashes of one tile level; level L hashes cover 256^L leaves each. Paths here are
//! relative to the log's prefix: `tile/0/x001/067.p/5`.

use super::parse_decimal;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Bytes of one hash in a tile.
pub const HASH_LEN: usize = 32;

/// The highest tile level a tree of 2^64 − 1 leaves has. The paths of tlog-tiles allow up to 63.
pub const LEVEL_MAX: u8 = 7;

/// Why something is no tile, path or bundle.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TileError {
    /// Not a path of tlog-tiles, or not its one canonical form.
    #[error("« {0} » n'est pas un chemin de tuile C2SP")]
    Path(String),
    /// A bundle entry beyond 65,535 bytes cannot be written.
    #[error("entrée de {0} octets : un paquet d'entrées n'en admet pas plus de 65 535")]
    EntryTooLong(usize),
    /// A bundle cut short, or longer than its entries.
    #[error("paquet d'entrées altéré à l'octet {0}")]
    Bundle(usize),
    /// A bundle with another number of entries than its path says.
    #[error("paquet de {found} entrées au lieu de {expected}")]
    Width {
        /// What the path promises.
        expected: u16,
        /// What the bytes hold.
        found: usize,
    },
    /// A tile whose length is not 32 bytes a hash.
    #[error("tuile {tile} de {found} octets au lieu de {expected}")]
    Length {
        /// Path of the tile.
        tile: String,
        /// 32 bytes for each hash of the width.
        expected: usize,
        /// What was found.
        found: usize,
    },
}

/// The name of one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Tile level, 0 for leaf hashes.
    pub level: u8,
    /// Position among the tiles of the level.
    pub index: u64,
    /// Hashes in it, 1 to 256.
    pub width: u16,
}

impl TileId {
    /// The tile at `level`, `index` as wide as a tree of `size` leaves makes it; none if it is empty there.
    pub fn at(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let first = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = hashes.checked_sub(first)?.min(u64::from(TILE_WIDTH));
        let width = u16::try_from(width).ok().filter(|&w| w > 0)?;
        Some(Self { level, index, width })
    }

    /// Whether all 256 hashes are there: the tile never changes again.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Length of the tile in bytes.
    pub fn byte_len(&self) -> usize {
        usize::from(self.width) * HASH_LEN
    }

    /// `tile/<L>/<N>[.p/<W>]`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.index, self.width))
    }

    /// The inverse of [`Self::path`]; any other spelling is refused.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let wrong = || TileError::Path(excerpt(path));
        let (level, rest) = path.strip_prefix("tile/").and_then(|p| p.split_once('/')).ok_or_else(wrong)?;
        let level = parse_decimal(level).and_then(|l| u8::try_from(l).ok()).filter(|&l| l < 64).ok_or_else(wrong)?;
        let (index, width) = parse_numbered(rest).ok_or_else(wrong)?;
        Ok(Self { level, index, width })
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl FromStr for TileId {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        Self::parse(path)
    }
}

/// Every tile that a tree of `new` leaves has and a tree of `old` has not, or has narrower; each at its width in `new`.
pub fn tiles_between(old: u64, new: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    for level in 0..=LEVEL_MAX {
        let (before, after) = (old >> (8 * u32::from(level)), new >> (8 * u32::from(level)));
        if after <= before {
            break;
        }
        let first = before / u64::from(TILE_WIDTH);
        let last = (after - 1) / u64::from(TILE_WIDTH);
        tiles.extend((first..=last).filter_map(|index| TileId::at(level, index, new)));
    }
    tiles
}

/// `tile/entries/<N>[.p/<W>]`.
pub fn entries_path(index: u64, width: u16) -> String {
    format!("tile/entries/{}", numbered(index, width))
}

/// The inverse of [`entries_path`]: bundle index and width.
pub fn parse_entries_path(path: &str) -> Result<(u64, u16), TileError> {
    path.strip_prefix("tile/entries/").and_then(parse_numbered).ok_or_else(|| TileError::Path(excerpt(path)))
}

/// A number as a path of three-digit groups, all but the last prefixed with `x`: 1234067 is `x001/x234/067`.
pub fn group_path(number: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

/// The inverse of [`group_path`]; one path per number.
pub fn parse_group_path(path: &str) -> Option<u64> {
    let mut groups = path.split('/').peekable();
    let mut number = 0u64;
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        number = number.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    // Only the shortest path is a name: `x000/001` would be a second one for `001`.
    (!path.starts_with("x000")).then_some(number)
}

/// The bytes of an entry bundle: each entry's length (u16, big-endian) and the entry.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|e| e.as_ref().len() + 2).sum());
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle that its path says holds `width` of them.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(usize::from(width.min(TILE_WIDTH)));
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        if entries.len() == usize::from(width) {
            return Err(TileError::Bundle(at));
        }
        let (length, after) = rest.split_first_chunk::<2>().ok_or(TileError::Bundle(at))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(TileError::Bundle(at))?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() == usize::from(width) {
        Ok(entries)
    } else {
        Err(TileError::Width { expected: width, found: entries.len() })
    }
}

fn numbered(index: u64, width: u16) -> String {
    let group = group_path(index);
    if width == TILE_WIDTH { group } else { format!("{group}.p/{width}") }
}

fn parse_numbered(text: &str) -> Option<(u64, u16)> {
    match text.split_once(".p/") {
        None => Some((parse_group_path(text)?, TILE_WIDTH)),
        Some((index, width)) => {
            let width = parse_decimal(width).and_then(|w| u16::try_from(w).ok())?;
            (1..TILE_WIDTH).contains(&width).then_some((parse_group_path(index)?, width))
        }
    }
}

/// What an error quotes of a hostile path.
fn excerpt(path: &str) -> String {
    path.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_path() {
        assert_eq!(group_path(1_234_067), "x001/x234/067");
        assert_eq!(TileId { level: 0, index: 1_067, width: 5 }.path(), "tile/0/x001/067.p/5");
        assert_eq!(entries_path(0, 256), "tile/entries/000");
        assert_eq!(group_path(u64::MAX), "x018/x446/x744/x073/x709/x551/615");
    }

    #[test]
    fn published_tree_of_70_000() {
        // tlog-tiles: 70,000 entries are 273 full level-0 tiles and one of 112, one full level-1 tile and one of 17, and a
        // level-2 tile of 1.
        let tiles = tiles_between(0, 70_000);
        let count = |level, full| tiles.iter().filter(|t| t.level == level && t.is_full() == full).count();
        assert_eq!((count(0, true), count(1, true), count(2, true)), (273, 1, 0));
        let partial: Vec<_> = tiles.iter().filter(|t| !t.is_full()).map(TileId::path).collect();
        assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    }

    #[test]
    fn one_path_per_tile() {
        for wrong in [
            "",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/5/",
            "tile/-1/000",
            "tile/0/+01",
            "tile/entries/000",
            "/tile/0/000",
            "tile/0/x001/../001",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert!(TileId::parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(parse_group_path("x000"), None);
        assert_eq!(parse_group_path("000"), Some(0));
    }

    #[test]
    fn nothing_is_empty() {
        assert_eq!(TileId::at(0, 0, 0), None);
        assert_eq!(TileId::at(1, 0, 255), None);
        assert_eq!(TileId::at(63, u64::MAX, u64::MAX), None);
        assert_eq!(TileId::at(7, 0, u64::MAX).map(|t| t.width), Some(255));
        assert!(tiles_between(0, 0).is_empty() && tiles_between(300, 300).is_empty());
        assert!(tiles_between(u64::MAX - 1, u64::MAX).len() == 1);
    }

    proptest! {
        #[test]
        fn paths_round_trip(level in 0u8..64, index: u64, width in 1u16..=256) {
            let id = TileId { level, index, width };
            prop_assert_eq!(TileId::parse(&id.path()), Ok(id));
            prop_assert_eq!(parse_entries_path(&entries_path(index, width)), Ok((index, width)));
        }

        #[test]
        fn any_path_that_parses_is_canonical(path in "tile/[0-9]{1,2}/(x[0-9]{3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?") {
            if let Ok(id) = TileId::parse(&path) {
                prop_assert_eq!(id.path(), path);
            }
        }

        #[test]
        fn bundles_round_trip(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..256)) {
            let bytes = encode_bundle(&entries).unwrap();
            let width = u16::try_from(entries.len()).unwrap();
            prop_assert_eq!(decode_bundle(&bytes, width).unwrap(), entries);
            prop_assert!(decode_bundle(&bytes, width + 1).is_err());
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..600), width in 0u16..300) {
            if let Ok(entries) = decode_bundle(&bytes, width) {
                prop_assert_eq!(encode_bundle(&entries).unwrap(), bytes);
            }
        }
    }
}
