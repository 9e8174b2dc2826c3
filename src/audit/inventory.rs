//! What the bucket holds, object by object: what is due, what was published earlier, and what nobody asked for.

use super::Context;
use super::bundle::{key_digest, records_key};
use super::cells::{CHECKPOINT_KEY, HEAD_KEY};
use super::evidence::Present;
use super::forest::WIDTH;
use super::report::{Code, Counts, Finding};
use super::source::Bucket;
use crate::package::ENTRY_LEN;
use crate::spec::tlog::tile::{LEVEL_MAX, TileId, entries_path, parse_entries_path, parse_group_path};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Longest object that is only compared with another.
const PARTIAL_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Earlier partial objects compared at once.
const PARTIALS_MAX: usize = 4096;

/// The payload objects of a bucket, by digest of key. About 50 bytes an object.
#[derive(Default)]
pub(super) struct Payloads(HashMap<[u8; 16], (u64, bool)>);

impl Payloads {
    pub(super) fn size_bytes(&self, key: &str) -> Option<u64> {
        self.0.get(&key_digest(key)).map(|(size, _)| *size)
    }

    /// Notes that a record names the object; returns whether none did before.
    pub(super) fn name(&mut self, key: &str) -> bool {
        self.name_digest(key_digest(key))
    }

    pub(super) fn name_digest(&mut self, digest: [u8; 16]) -> bool {
        // An object that is absent is visited once too.
        let entry = self.0.entry(digest).or_insert((0, false));
        !std::mem::replace(&mut entry.1, true)
    }

    fn is_orphan(&self, key: &str) -> bool {
        self.0.get(&key_digest(key)).is_some_and(|(_, named)| !named)
    }
}

/// What is worth knowing before reading the log.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) payloads: Payloads,
    pub(super) payload_bytes: u64,
    /// Tree sizes that have a timestamp or a seal.
    pub(super) evidence: BTreeMap<u64, Present>,
    /// There is something of a log.
    pub(super) has_log: bool,
}

pub(super) fn survey(bucket: &Bucket) -> Result<Survey, String> {
    let mut survey = Survey::default();
    bucket.list("payload", &mut |object| {
        survey.payloads.0.insert(key_digest(object.location.as_ref()), (object.size, false));
        survey.payload_bytes += object.size;
    })?;
    bucket.list("log", &mut |object| {
        let key = object.location.as_ref();
        survey.has_log |= key.starts_with("log/tile/");
        match place(key) {
            Place::Timestamp(size) => survey.evidence.entry(size).or_default().timestamp = true,
            Place::Seal(size) => survey.evidence.entry(size).or_default().seal = true,
            _ => {}
        }
    })?;
    Ok(survey)
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Cell,
    Tile(TileId),
    Entries(u64, u16),
    Records(u64, u16),
    Timestamp(u64),
    Seal(u64),
    /// Made after the checkpoint, by others or for later: no checkpoint must have one.
    Later,
    Staging,
    Payload,
    Unknown,
}

fn place(key: &str) -> Place {
    let evidence =
        |prefix, suffix| key.strip_prefix(prefix).and_then(|k| k.strip_suffix(suffix)).and_then(parse_group_path);
    // The cells of a local bucket have a lock and a temporary file beside them.
    let cell = key.strip_suffix(".lock").or(key.strip_suffix(".tmp")).unwrap_or(key);
    if cell == HEAD_KEY || cell == CHECKPOINT_KEY {
        return Place::Cell;
    }
    if let Some(size) = evidence("log/timestamp/", ".tsr") {
        return Place::Timestamp(size);
    }
    if let Some(size) = evidence("log/seal/", ".p7s") {
        return Place::Seal(size);
    }
    let later = [("log/external/", ".tsr"), ("log/evidence/", ".json"), ("log/cosigned/", ".note")];
    if later.iter().any(|(prefix, suffix)| evidence(prefix, suffix).is_some()) {
        return Place::Later;
    }
    if let Some(path) = key.strip_prefix("log/") {
        return match (parse_entries_path(path), TileId::parse(path)) {
            (Ok((index, width)), _) => Place::Entries(index, width),
            (_, Ok(tile)) if tile.level <= LEVEL_MAX => Place::Tile(tile),
            _ => Place::Unknown,
        };
    }
    if let Some(path) = key.strip_prefix("records/") {
        // The numbering is that of entry bundles.
        let parsed = parse_entries_path(&format!("tile/entries/{path}"));
        return parsed.map_or(Place::Unknown, |(index, width)| Place::Records(index, width));
    }
    match key.split_once('/') {
        Some(("staging", _)) => Place::Staging,
        // What our witness remembers of other logs: cells.
        Some(("witness", _)) if cell.len() == "witness/".len() + 64 => Place::Cell,
        Some(("payload", name)) if name.strip_suffix(".zst").is_some() => Place::Payload,
        _ => Place::Unknown,
    }
}

impl Place {
    /// Level, index and width of something that is numbered as tiles are.
    fn numbered(self) -> Option<(u8, u64, u16)> {
        match self {
            Self::Tile(tile) => Some((tile.level, tile.index, tile.width)),
            Self::Entries(index, width) | Self::Records(index, width) => Some((0, index, width)),
            _ => None,
        }
    }

    /// The same object at another width.
    fn at_width(self, width: u16) -> Option<String> {
        match self {
            Self::Tile(tile) => Some(format!("log/{}", TileId { width, ..tile }.path())),
            Self::Entries(index, _) => Some(format!("log/{}", entries_path(index, width))),
            Self::Records(index, _) => Some(records_key(index, width)),
            _ => None,
        }
    }

    fn codes(self) -> (Code, Code) {
        match self {
            Self::Entries(..) => (Code::EntriesDamaged, Code::EntriesMissing),
            Self::Records(..) => (Code::RecordsDamaged, Code::RecordsMissing),
            _ => (Code::TileDamaged, Code::TileMissing),
        }
    }
}

/// A partial object that a larger one has replaced.
struct Partial {
    key: String,
    place: Place,
    width: u16,
}

/// Goes through the whole bucket at the end of an audit of `context.checkpoint`.
pub(super) fn run(
    context: &Context<'_>,
    survey: &Survey,
    faulty: &BTreeSet<String>,
    pending: Option<&str>,
) -> Result<(Vec<Finding>, Counts), String> {
    let size = context.checkpoint.size;
    let mut found = (Vec::new(), Counts::default());
    let mut due = due(size, survey.evidence.keys().copied());
    let mut partials = Vec::new();
    context.bucket.list("", &mut |object| {
        let key = object.location.as_ref();
        found.1.objects += 1;
        let place = place(key);
        let mut notice = |code, detail: &str| found.0.push(Finding::new(code, key, detail));
        match place {
            Place::Timestamp(at) | Place::Seal(at) if at <= size => {}
            Place::Timestamp(_) | Place::Seal(_) => notice(Code::Beyond, "au-delà du point de contrôle contrôlé"),
            Place::Staging if pending == Some(key) => {}
            Place::Staging => notice(Code::StagingLeftover, "lot déjà appliqué, ou abandonné : il peut être supprimé"),
            Place::Payload if survey.payloads.is_orphan(key) => {
                notice(Code::Orphan, "aucun enregistrement contrôlé ne nomme cet objet");
            }
            Place::Cell | Place::Payload | Place::Later => {}
            Place::Unknown => notice(Code::Unknown, "cet objet ne fait pas partie d'une archive"),
            Place::Tile(_) | Place::Entries(..) | Place::Records(..) => {
                due.remove(key);
                match width_due(place, size) {
                    None => notice(Code::Beyond, "au-delà du point de contrôle contrôlé"),
                    Some(due) if place.numbered().is_some_and(|(_, _, width)| width < due) => {
                        let width = place.numbered().map_or(0, |(_, _, width)| width);
                        partials.push(Partial { key: key.to_owned(), place, width });
                    }
                    // Compared when the log was read.
                    Some(_) => {}
                }
            }
        }
        if partials.len() == PARTIALS_MAX {
            compare(context, &mut partials, faulty, &mut found);
        }
    })?;
    compare(context, &mut partials, faulty, &mut found);
    for (key, code) in due.into_iter().filter(|(key, _)| !faulty.contains(key)) {
        // The log may have grown past it meanwhile.
        let full = key.split_once(".p/").map_or(key.as_str(), |(full, _)| full);
        if matches!(context.bucket.open(full), Ok(Some(_))) {
            continue;
        }
        let detail = "objet absent : un point de contrôle publié en dépend tant que l'objet complet n'existe pas";
        found.0.push(Finding::new(code, key, detail));
    }
    Ok(found)
}

/// How wide an object is in a tree of `size` leaves; none if it lies beyond.
fn width_due(place: Place, size: u64) -> Option<u16> {
    let (level, index, width) = place.numbered()?;
    let due = TileId::at(level, index, size)?.width;
    (width <= due).then_some(due)
}

/// The partial objects that published checkpoints need: those at the right edge, until they are full.
fn due(size: u64, published: impl Iterator<Item = u64>) -> BTreeMap<String, Code> {
    let mut due = BTreeMap::new();
    for earlier in published.filter(|&earlier| earlier <= size) {
        for level in 0..=LEVEL_MAX {
            let index = (earlier >> (8 * u32::from(level))) / WIDTH as u64;
            let now = TileId::at(level, index, size);
            let Some(tile) = TileId::at(level, index, earlier).filter(|t| !t.is_full()) else { continue };
            if now.is_none_or(|now| now.is_full()) {
                continue;
            }
            let mut places = vec![Place::Tile(tile)];
            if level == 0 {
                places.extend([Place::Entries(index, tile.width), Place::Records(index, tile.width)]);
            }
            due.extend(places.into_iter().filter_map(|p| Some((p.at_width(tile.width)?, p.codes().1))));
        }
    }
    due
}

/// Compares earlier partial objects with what replaced them.
fn compare(
    context: &Context<'_>,
    partials: &mut Vec<Partial>,
    faulty: &BTreeSet<String>,
    found: &mut (Vec<Finding>, Counts),
) {
    // Those of one object together, whatever the order of the listing.
    let mut groups: BTreeMap<String, Vec<Partial>> = BTreeMap::new();
    for partial in partials.drain(..) {
        let width = width_due(partial.place, context.checkpoint.size).unwrap_or(partial.width);
        let Some(whole) = partial.place.at_width(width) else { continue };
        groups.entry(whole).or_default().push(partial);
    }
    let groups: Vec<_> = groups.into_iter().collect();
    for (findings, counts) in
        context.parallel(&groups, |(whole, group), _| compare_group(context.bucket, whole, group, faulty))
    {
        found.0.extend(findings);
        found.1.add(&counts);
    }
}

fn compare_group(bucket: &Bucket, whole: &str, group: &[Partial], faulty: &BTreeSet<String>) -> (Vec<Finding>, Counts) {
    let (mut findings, mut counts) = (Vec::new(), Counts::default());
    // What is itself at fault proves nothing of others; it is in the report already.
    let reference = if faulty.contains(whole) { None } else { bucket.get(whole, PARTIAL_BYTES_MAX).ok().flatten() };
    let place = group.first().map_or(Place::Unknown, |partial| partial.place);
    let ends = reference.as_ref().map(|bytes| item_ends(place, bytes));
    for partial in group {
        match partial.place {
            Place::Tile(_) => counts.tiles += 1,
            _ => counts.bundles += 1,
        }
        let bytes = match bucket.get(&partial.key, PARTIAL_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            // Deleted meanwhile: the full object took its place.
            Ok(None) => continue,
            Err(reason) => {
                findings.push(Finding::new(Code::Unreadable, &partial.key, reason));
                continue;
            }
        };
        let (Some(reference), Some(ends)) = (&reference, &ends) else {
            if item_ends(partial.place, &bytes).len() != usize::from(partial.width) {
                let detail = format!("cet objet n'a pas {} éléments", partial.width);
                findings.push(Finding::new(partial.place.codes().0, &partial.key, detail));
            }
            continue;
        };
        let expected = ends.get(usize::from(partial.width) - 1).and_then(|&end| reference.get(..end));
        if let Some(offset) = expected.and_then(|expected| first_difference(expected, &bytes)) {
            let detail = format!("ce n'est pas le début de « {whole} »");
            findings.push(Finding::new(partial.place.codes().0, &partial.key, detail).at(offset));
        }
    }
    (findings, counts)
}

/// Where each item of an object ends.
fn item_ends(place: Place, bytes: &Bytes) -> Vec<usize> {
    let fixed = |item: usize| (1..=bytes.len() / item).map(|n| n * item).collect();
    match place {
        Place::Tile(_) => fixed(32),
        Place::Entries(..) => fixed(ENTRY_LEN + 2),
        _ => {
            let mut ends = Vec::new();
            let mut at = 0;
            while let Some(length) = bytes.get(at..).filter(|rest| !rest.is_empty()).and_then(frame_length) {
                at += length;
                ends.push(at);
            }
            ends
        }
    }
}

fn frame_length(bytes: &[u8]) -> Option<usize> {
    zstd::zstd_safe::find_frame_compressed_size(bytes).ok().filter(|&length| length > 0)
}

fn first_difference(expected: &[u8], found: &[u8]) -> Option<u64> {
    if expected == found {
        return None;
    }
    let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    Some(same as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(place("head"), Place::Cell);
        assert_eq!(place("log/checkpoint.lock"), Place::Cell);
        assert_eq!(place("log/tile/entries/x001/067.p/5"), Place::Entries(1067, 5));
        assert_eq!(place("log/tile/1/000"), Place::Tile(TileId { level: 1, index: 0, width: 256 }));
        assert_eq!(place("records/000.p/7"), Place::Records(0, 7));
        assert_eq!(place("log/seal/x001/002.p7s"), Place::Seal(1002));
        assert_eq!(place("log/timestamp/012.tsr"), Place::Timestamp(12));
        assert_eq!(place("log/external/x001/002.tsr"), Place::Later);
        assert_eq!(place(&format!("witness/{}.lock", "a".repeat(64))), Place::Cell);
        assert_eq!(place("payload/a/b.tar.zst"), Place::Payload);
        for unknown in ["log/tile/9/000", "log/tile/0/0", "records/x000/001", "log/seal/1.p7s", "x", "payload/a/b.txt"]
        {
            assert_eq!(place(unknown), Place::Unknown, "{unknown}");
        }
    }

    #[test]
    fn partial_objects_are_due_until_the_full_one_exists() {
        let keys = |size, published: &[u64]| due(size, published.iter().copied()).into_keys().collect::<Vec<_>>();
        assert_eq!(keys(7, &[3]), ["log/tile/0/000.p/3", "log/tile/entries/000.p/3", "records/000.p/3"]);
        assert!(keys(256, &[3, 256]).iter().all(|key| key == "log/tile/1/000.p/1"));
        assert!(keys(2, &[3]).is_empty());
    }
}
