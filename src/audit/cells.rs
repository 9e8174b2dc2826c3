//! The objects that change in place: the published checkpoint, the head, and the batch between the two.

use super::Trust;
use super::report::{Code, Finding};
use super::source::Bucket;
use crate::spec::tlog::Hash;
use crate::spec::tlog::checkpoint::Checkpoint;
use bytes::Bytes;
use serde::Deserialize;
use std::io::Read;

pub(super) const HEAD_KEY: &str = "head";
pub(super) const CHECKPOINT_KEY: &str = "log/checkpoint";

/// Longest head or checkpoint accepted.
const CELL_BYTES_MAX: u64 = 64 * 1024;

/// Longest staged batch accepted.
const STAGING_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The head's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadJson {
    v: u8,
    #[serde(rename = "generation")]
    _generation: u64,
    size: u64,
    root: String,
    staging: String,
}

/// The committed state of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) staging: String,
}

/// What one reading of a cell gave.
enum Cell<T> {
    Absent,
    Wrong(Finding),
    Holds(T),
}

impl<T> Cell<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::Holds(value) => Some(value),
            _ => None,
        }
    }
}

/// The checkpoint to audit, and what is wrong with the cells.
pub(super) struct Cells {
    pub(super) checkpoint: Option<Checkpoint>,
    /// The staged batch that is being committed.
    pub(super) pending: Option<String>,
    pub(super) findings: Vec<Finding>,
}

/// Reads checkpoint and head in an order that makes sense of a log that grows meanwhile.
pub(super) fn read(bucket: &Bucket, trust: &Trust) -> Cells {
    let first = read_head(bucket).value();
    let published = read_checkpoint(bucket, trust);
    let head = read_head(bucket);
    let mut findings = Vec::new();
    let mut pending = None;
    let checkpoint = match (published, &head) {
        (Cell::Holds(checkpoint), head) => {
            match head {
                Cell::Holds(head) => pending = coherent(bucket, trust, first, head, &checkpoint, &mut findings),
                Cell::Absent => findings.push(Finding::new(Code::HeadMissing, HEAD_KEY, "objet absent")),
                Cell::Wrong(finding) => findings.push(finding.clone()),
            }
            Some(checkpoint)
        }
        (Cell::Wrong(finding), head) => {
            // The head is unsigned, but says what to compare the entries with.
            findings.push(finding);
            head_as_checkpoint(head, trust, &mut findings)
        }
        (Cell::Absent, head) => {
            let staged = matches!(head, Cell::Holds(head) if exists(bucket, &head.staging));
            if let (Cell::Holds(head), true) = (head, staged) {
                pending = check_staging(bucket, trust, head, &mut findings);
                None
            } else {
                if !matches!(head, Cell::Absent) {
                    findings.push(Finding::new(Code::CheckpointMissing, CHECKPOINT_KEY, "objet absent"));
                }
                head_as_checkpoint(head, trust, &mut findings)
            }
        }
    };
    Cells { checkpoint, pending, findings }
}

fn head_as_checkpoint(head: &Cell<Head>, trust: &Trust, findings: &mut Vec<Finding>) -> Option<Checkpoint> {
    match head {
        Cell::Holds(head) => Some(Checkpoint { origin: trust.origin.clone(), size: head.size, root: head.root }),
        Cell::Wrong(finding) => {
            findings.push(finding.clone());
            None
        }
        Cell::Absent => None,
    }
}

fn read_checkpoint(bucket: &Bucket, trust: &Trust) -> Cell<Checkpoint> {
    let wrong = |code, reason: String| Cell::Wrong(Finding::new(code, CHECKPOINT_KEY, reason));
    let bytes = match bucket.get(CHECKPOINT_KEY, CELL_BYTES_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Cell::Absent,
        Err(reason) => return wrong(Code::Unreadable, reason),
    };
    let Ok(note) = std::str::from_utf8(&bytes) else {
        return wrong(Code::CheckpointInvalid, "ce n'est pas du texte UTF-8".to_owned());
    };
    match Checkpoint::open(note, &trust.origin, &trust.log_keys) {
        Ok(checkpoint) => Cell::Holds(checkpoint),
        Err(error) => wrong(Code::CheckpointInvalid, error.to_string()),
    }
}

fn read_head(bucket: &Bucket) -> Cell<Head> {
    let wrong = |code, reason: String| Cell::Wrong(Finding::new(code, HEAD_KEY, reason));
    let bytes = match bucket.get(HEAD_KEY, CELL_BYTES_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Cell::Absent,
        Err(reason) => return wrong(Code::Unreadable, reason),
    };
    let json: HeadJson = match serde_json::from_slice(&bytes) {
        Ok(json) => json,
        Err(error) => return wrong(Code::HeadInvalid, format!("tête illisible : {error}")),
    };
    let canonical = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    let canonical = canonical.and_then(|value| serde_json_canonicalizer::to_vec(&value).ok());
    if canonical.is_none_or(|canonical| bytes.strip_suffix(b"\n") != Some(&canonical)) {
        return wrong(Code::HeadInvalid, "ce n'est pas une ligne de JSON canonique".to_owned());
    }
    let mut root = [0; 32];
    if json.v != 1 || hex::decode_to_slice(&json.root, &mut root).is_err() {
        return wrong(Code::HeadInvalid, "version ou racine inattendue".to_owned());
    }
    if json.staging != format!("staging/{}-{}", json.size, json.root) {
        return wrong(Code::HeadInvalid, "le lot nommé n'est pas celui de cette taille et de cette racine".to_owned());
    }
    Cell::Holds(Head { size: json.size, root, staging: json.staging })
}

fn exists(bucket: &Bucket, key: &str) -> bool {
    matches!(bucket.open(key), Ok(Some(_)))
}

/// Compares head and checkpoint; returns the batch between them. `first` is the head as it was before the checkpoint was
/// read, `head` as it was after.
fn coherent(
    bucket: &Bucket,
    trust: &Trust,
    first: Option<Head>,
    head: &Head,
    checkpoint: &Checkpoint,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    if head.size == checkpoint.size && head.root != checkpoint.root {
        findings.push(Finding::new(Code::HeadMismatch, HEAD_KEY, "la tête et le point de contrôle diffèrent"));
    }
    if head.size < checkpoint.size {
        let detail = format!("tête à {} entrées, point de contrôle à {}", head.size, checkpoint.size);
        findings.push(Finding::new(Code::HeadBehind, HEAD_KEY, detail));
    }
    // A head that moved between the two readings explains itself; one that was ahead before must still be applied.
    let ahead = first.filter(|first| first.size > checkpoint.size)?;
    if exists(bucket, &ahead.staging) {
        return check_staging(bucket, trust, &ahead, findings);
    }
    let again = read_checkpoint(bucket, trust).value();
    if again.is_none_or(|again| again.size < ahead.size) {
        let detail = format!(
            "tête à {} entrées, point de contrôle à {}, et le lot « {} » n'existe plus",
            ahead.size, checkpoint.size, ahead.staging
        );
        findings.push(Finding::new(Code::CheckpointBehind, CHECKPOINT_KEY, detail));
    }
    None
}

/// Checks that the batch being committed can be: a tar that ends with the signed checkpoint of the head.
fn check_staging(bucket: &Bucket, trust: &Trust, head: &Head, findings: &mut Vec<Finding>) -> Option<String> {
    let key = head.staging.clone();
    let held = match bucket.get(&key, STAGING_BYTES_MAX) {
        Ok(Some(bytes)) => staged(&bytes, trust, head),
        // Applied meanwhile.
        Ok(None) => return None,
        Err(reason) => Err(reason),
    };
    let finding = match held {
        Ok(()) => {
            Finding::new(Code::StagingPending, &key, "lot en cours d'écriture : il sera appliqué au prochain départ")
        }
        Err(reason) => Finding::new(Code::StagingDamaged, &key, reason),
    };
    findings.push(finding);
    Some(key)
}

fn staged(bytes: &Bytes, trust: &Trust, head: &Head) -> Result<(), String> {
    let mut archive = tar::Archive::new(bytes.as_ref());
    let mut published = None;
    for member in archive.entries().map_err(|e| e.to_string())? {
        let mut member = member.map_err(|e| e.to_string())?;
        let is_checkpoint = member.path_bytes() == CHECKPOINT_KEY.as_bytes();
        let mut content = Vec::new();
        member.read_to_end(&mut content).map_err(|e| e.to_string())?;
        if content.len() as u64 != member.size() {
            return Err("lot tronqué".to_owned());
        }
        if is_checkpoint {
            published = Some(String::from_utf8(content).map_err(|e| e.to_string())?);
        }
    }
    let note = published.ok_or("lot sans point de contrôle")?;
    let checkpoint = Checkpoint::open(&note, &trust.origin, &trust.log_keys).map_err(|e| e.to_string())?;
    if (checkpoint.size, checkpoint.root) != (head.size, head.root) {
        return Err("le point de contrôle du lot n'est pas celui de la tête".to_owned());
    }
    Ok(())
}
