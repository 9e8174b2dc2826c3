//! One bundle of 256 entries: entries, leaf hashes and records say the same thing three times, so that the one that is
//! wrong can be named.

use super::forest::{Bundle, Peaks, WIDTH};
use super::frame::{Collect, Workspace};
use super::report::{Code, Counts, Finding};
use super::source::Bucket;
use crate::digest::sha256;
use crate::package::{Body, ENTRY_LEN, Location, RECORD_BYTES_MAX, Record, entry_of};
use crate::spec::tlog::tile::{TileId, decode_bundle, entries_path, group_path};
use crate::spec::tlog::{Hash, leaf_hash};
use bytes::Bytes;

/// Longest entry bundle: 256 entries with their lengths.
const ENTRIES_BYTES_MAX: u64 = 256 * (ENTRY_LEN as u64 + 2);

/// Longest bundle of records: zstd adds a few bytes to what does not compress.
const RECORDS_BYTES_MAX: u64 = 256 * (RECORD_BYTES_MAX as u64 + 1024);

/// What a record says of one of its payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) index: u64,
    pub(super) name: String,
    pub(super) location: Location,
    pub(super) size_bytes: u64,
    pub(super) sha256: [u8; 32],
}

/// What one bundle came to.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    pub(super) counts: Counts,
    /// The root of a full bundle.
    pub(super) full_root: Option<Hash>,
    /// The tree's sizes asked for that lie in this bundle, each with the bundle's part of the tree.
    pub(super) sizes: Vec<(u64, Peaks)>,
    pub(super) claims: Vec<Claim>,
    /// Archives that records say were eliminated.
    pub(super) eliminated: Vec<u64>,
    /// The first entry that nothing trustworthy gives: no root from there on is known.
    pub(super) unknown: Option<u64>,
}

/// Checks bundle `number` of a log that has `width` entries in it; `sizes` are the tree sizes of interest within.
pub(super) fn check(bucket: &Bucket, number: u64, width: u16, sizes: &[u64], work: &mut Workspace) -> Checked {
    let first = number * WIDTH as u64;
    let mut findings = Vec::new();
    let mut counts = Counts { entries: u64::from(width), bundles: 2, tiles: 1, ..Counts::default() };
    let keys = Keys::new(number, width);
    let entries = keys.entries.read(bucket, ENTRIES_BYTES_MAX, &mut findings);
    let entries = entries.and_then(|(key, bytes)| entry_hashes(&key, &bytes, first, width, &mut findings));
    let tile = keys.tile.read(bucket, WIDTH as u64 * 32, &mut findings);
    let tile = tile.and_then(|(key, bytes)| tile_hashes(&key, &bytes, width, &mut findings));
    let records = read_records(bucket, &keys.records, first, width, work, &mut findings);
    let hashes: Vec<Option<Hash>> = records.iter().map(|r| r.as_deref().map(|r| leaf_hash(&entry_of(r)))).collect();

    let views = Views { entries, tile, records: hashes };
    let (leaves, unknown) = views.settle(&keys, first, width, &mut findings);
    let (mut claims, mut eliminated) = (Vec::new(), Vec::new());
    for (index, record) in (first..).zip(&records) {
        if let Some(record) = record {
            counts.records += 1;
            eliminated.extend(read_record(index, record, &keys.records.exact, &mut claims, &mut findings));
        }
    }
    counts.payloads = claims.len() as u64;
    let tree = Bundle::new(leaves);
    let sizes = sizes.iter().map(|&size| (size, tree.peaks(usize::try_from(size - first).unwrap_or(0)))).collect();
    Checked { findings, counts, full_root: tree.full_root(), sizes, claims, eliminated, unknown }
}

/// The three objects of a bundle.
struct Keys {
    entries: Key,
    tile: Key,
    records: Key,
}

/// An object's key, and the key it has once the bundle is full: a log that has grown since may have only that one.
struct Key {
    exact: String,
    full: String,
    missing: Code,
}

impl Keys {
    fn new(number: u64, width: u16) -> Self {
        let full = 256;
        let tile = |width| format!("log/{}", TileId { level: 0, index: number, width }.path());
        let entries = |width| format!("log/{}", entries_path(number, width));
        let key = |exact, full, missing| Key { exact, full, missing };
        Self {
            entries: key(entries(width), entries(full), Code::EntriesMissing),
            tile: key(tile(width), tile(full), Code::TileMissing),
            records: key(records_key(number, width), records_key(number, full), Code::RecordsMissing),
        }
    }
}

/// `records/<N>[.p/<W>]`.
pub(super) fn records_key(number: u64, width: u16) -> String {
    let group = group_path(number);
    if usize::from(width) == WIDTH { format!("records/{group}") } else { format!("records/{group}.p/{width}") }
}

impl Key {
    /// The object and the key it was found under.
    fn read(&self, bucket: &Bucket, bytes_max: u64, findings: &mut Vec<Finding>) -> Option<(String, Bytes)> {
        for key in [&self.exact, &self.full] {
            match bucket.get(key, bytes_max) {
                Ok(Some(bytes)) => return Some((key.clone(), bytes)),
                Ok(None) => {}
                Err(reason) => {
                    findings.push(Finding::new(Code::Unreadable, key, reason));
                    return None;
                }
            }
        }
        findings.push(Finding::new(self.missing, &self.exact, "objet absent"));
        None
    }
}

fn entry_hashes(key: &str, bytes: &[u8], first: u64, width: u16, findings: &mut Vec<Finding>) -> Option<Vec<Hash>> {
    // The full bundle may stand in for a partial one: every entry has one length.
    let exact = usize::from(width) * (ENTRY_LEN + 2);
    let bytes = if key.contains(".p/") { bytes } else { bytes.get(..exact).unwrap_or(bytes) };
    let entries = match decode_bundle(bytes, width) {
        Ok(entries) => entries,
        Err(error) => {
            findings.push(Finding::new(Code::EntriesDamaged, key, error.to_string()).index(first));
            return None;
        }
    };
    for (index, entry) in (first..).zip(&entries) {
        if entry.len() != ENTRY_LEN || entry[0] != 1 {
            let detail = format!("l'entrée n'a pas la forme attendue ({ENTRY_LEN} octets, version 1)");
            findings.push(Finding::new(Code::EntriesDamaged, key, detail).index(index));
            return None;
        }
    }
    Some(entries.into_iter().map(leaf_hash).collect())
}

/// The first `width` hashes of a tile.
pub(super) fn tile_hashes(key: &str, bytes: &[u8], width: u16, findings: &mut Vec<Finding>) -> Option<Vec<Hash>> {
    let wanted = usize::from(width) * 32;
    let whole = key.contains(".p/") || bytes.len() != WIDTH * 32;
    if bytes.len() < wanted || (whole && bytes.len() != wanted) {
        let detail = format!("tuile de {} octets au lieu de {wanted}", bytes.len());
        findings.push(Finding::new(Code::TileDamaged, key, detail));
        return None;
    }
    Some(bytes[..wanted].as_chunks::<32>().0.to_vec())
}

/// The records of a bundle; those after a damaged frame are lost, for nothing says where they begin.
fn read_records(
    bucket: &Bucket,
    key: &Key,
    first: u64,
    width: u16,
    work: &mut Workspace,
    findings: &mut Vec<Finding>,
) -> Vec<Option<Vec<u8>>> {
    let Some((key, bytes)) = key.read(bucket, RECORDS_BYTES_MAX, findings) else {
        return vec![None; usize::from(width)];
    };
    match split_records(&bytes, width, key.contains(".p/") || width == 256, work) {
        Ok(records) => records.into_iter().map(Some).collect(),
        Err((records, offset, reason)) => {
            let index = first + records.len() as u64;
            findings.push(Finding::new(Code::RecordsDamaged, &key, reason).at(offset).index(index));
            let mut records: Vec<_> = records.into_iter().map(Some).collect();
            records.resize(usize::from(width), None);
            records
        }
    }
}

type Partly = (Vec<Vec<u8>>, u64, String);

/// Reads `width` frames of one record each; with `whole`, there must be nothing after them.
pub(super) fn split_records(
    bytes: &Bytes,
    width: u16,
    whole: bool,
    work: &mut Workspace,
) -> Result<Vec<Vec<u8>>, Partly> {
    let object = super::source::Object::in_memory(bytes.clone());
    let mut frames = work.frames(&object, 0, u64::MAX);
    let mut records = Vec::with_capacity(usize::from(width));
    while records.len() < usize::from(width) {
        let mut sink = Collect { bytes: Vec::new(), bytes_max: RECORD_BYTES_MAX };
        match frames.next(&mut sink) {
            Ok(frame) if frame.skipped.is_none() => records.push(sink.bytes),
            Ok(frame) => return Err((records, frame.offset, "trame sans contenu".to_owned())),
            Err(fault) => return Err((records, fault.offset, fault.reason)),
        }
    }
    if whole && !frames.at_end() {
        let offset = frames.offset();
        let reason = format!("{} octets après le dernier enregistrement", bytes.len() as u64 - offset);
        return Err((records, offset, reason));
    }
    Ok(records)
}

/// The leaf hashes of a bundle, as each object gives them.
struct Views {
    entries: Option<Vec<Hash>>,
    tile: Option<Vec<Hash>>,
    records: Vec<Option<Hash>>,
}

impl Views {
    /// Decides every leaf by majority and names the objects that disagree. The root of the tree proves the choice.
    fn settle(&self, keys: &Keys, first: u64, width: u16, findings: &mut Vec<Finding>) -> (Vec<Hash>, Option<u64>) {
        let mut leaves = Vec::with_capacity(usize::from(width));
        let mut unknown = None;
        // For each of entries, tile, records: the indexes that disagree.
        let mut wrong: [Vec<u64>; 3] = Default::default();
        for (at, index) in (0..usize::from(width)).zip(first..) {
            let views = [
                self.entries.as_ref().and_then(|e| e.get(at).copied()),
                self.tile.as_ref().and_then(|t| t.get(at).copied()),
                self.records.get(at).copied().flatten(),
            ];
            let known: Vec<Hash> = views.iter().flatten().copied().collect();
            let agreed = known.iter().find(|a| known.iter().filter(|b| b == a).count() > 1).copied();
            let leaf = agreed.or_else(|| known.first().copied().filter(|_| known.len() == 1));
            for (disagree, view) in wrong.iter_mut().zip(views) {
                if view.is_some() && view != leaf {
                    disagree.push(index);
                }
            }
            if leaf.is_none() {
                unknown = unknown.or(Some(index));
            }
            leaves.push(leaf.unwrap_or_default());
        }
        let objects = [
            (Code::EntriesDamaged, &keys.entries.exact, ENTRY_LEN + 2),
            (Code::TileDamaged, &keys.tile.exact, 32),
            (Code::RecordsDamaged, &keys.records.exact, 0),
        ];
        for ((code, key, item_bytes), indexes) in objects.into_iter().zip(&wrong) {
            let Some(&index) = indexes.first() else { continue };
            let detail = match code {
                Code::RecordsDamaged => "l'enregistrement n'est pas celui que l'entrée du journal engage",
                _ => "ce n'est pas ce que donnent les autres objets du paquet",
            };
            let detail = match indexes.len() {
                1 => detail.to_owned(),
                n => format!("{detail} ({n} entrées concernées)"),
            };
            let mut finding = Finding::new(code, key, detail).index(index);
            if item_bytes > 0 {
                finding = finding.at((index - first) * item_bytes as u64);
            }
            findings.push(finding);
        }
        (leaves, unknown)
    }
}

/// Reads a record and what it claims of its payloads; returns the archives whose elimination it is.
fn read_record(index: u64, bytes: &[u8], key: &str, claims: &mut Vec<Claim>, findings: &mut Vec<Finding>) -> Vec<u64> {
    let mut invalid = |detail: String| findings.push(Finding::new(Code::RecordInvalid, key, detail).index(index));
    let record = match Record::parse(bytes) {
        Ok(record) => record,
        Err(error) => {
            invalid(error.to_string());
            return Vec::new();
        }
    };
    if !is_canonical(bytes) {
        invalid("le JSON n'est pas sous forme canonique (RFC 8785)".to_owned());
    }
    if crate::clock::parse_record_time(&record.time).is_none() {
        invalid("date illisible".to_owned());
    }
    for payload in record.payloads() {
        let mut sha256 = [0; 32];
        let digests = hex::decode_to_slice(&payload.sha256, &mut sha256).is_ok() && payload.sha512.len() == 128;
        let location = payload.location.clone();
        let place = format!("payload/{}/", record.agency);
        let end = location.offset.checked_add(location.length);
        if !digests || !location.object.starts_with(&place) || end.is_none() {
            invalid(format!("document « {} » mal décrit : empreinte ou emplacement", payload.name));
            continue;
        }
        claims.push(Claim { index, name: payload.name.clone(), location, size_bytes: payload.size_bytes, sha256 });
    }
    match record.body {
        Body::Eliminated(eliminated) => eliminated.archives,
        _ => Vec::new(),
    }
}

fn is_canonical(bytes: &[u8]) -> bool {
    let value = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    value.and_then(|v| serde_json_canonicalizer::to_vec(&v).ok()).is_some_and(|canonical| canonical == bytes)
}

/// What identifies an object among millions: 16 bytes of the SHA-256 of its key.
pub(super) fn key_digest(key: &str) -> [u8; 16] {
    let digest = sha256(key.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}
