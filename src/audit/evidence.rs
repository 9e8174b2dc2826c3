//! The timestamp and the seal of one checkpoint, verified down to their anchors, over the tree recomputed.

use super::Trust;
use super::report::{Code, Counts, Finding};
use super::source::Bucket;
use crate::spec::cms::verify_attached;
use crate::spec::tlog::Hash;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::tile::group_path;
use crate::spec::tsp::verify_response;
use time::OffsetDateTime;

/// Longest timestamp or seal accepted.
const EVIDENCE_BYTES_MAX: u64 = 1024 * 1024;

/// Which objects a listing found for one tree size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) timestamp: bool,
    pub(super) seal: bool,
}

/// `log/timestamp/<N>.tsr`.
pub(super) fn timestamp_key(size: u64) -> String {
    format!("log/timestamp/{}.tsr", group_path(size))
}

/// `log/seal/<N>.p7s`.
pub(super) fn seal_key(size: u64) -> String {
    format!("log/seal/{}.p7s", group_path(size))
}

/// Checks what was made over the checkpoint of `size` entries. Without a `root` to compare with, the seal's own counts.
pub(super) fn check(
    bucket: &Bucket,
    trust: &Trust,
    size: u64,
    root: Option<Hash>,
    now: OffsetDateTime,
) -> (Vec<Finding>, Counts) {
    let mut found = (Vec::new(), Counts::default());
    let timestamp = read(bucket, &timestamp_key(size), Code::TimestampMissing, &mut found.0);
    let seal = read(bucket, &seal_key(size), Code::SealMissing, &mut found.0);
    let sealed_text = seal.as_deref().and_then(|der| sealed_note(der, trust, now).ok()).map(|(_, c)| c.text());
    let text = root.map(|root| Checkpoint { origin: trust.origin.clone(), size, root }.text()).or(sealed_text);
    // A signature is judged at the time that the token proves, whatever became of the certificate since.
    let mut at = now;
    if let (Some(der), Some(text)) = (timestamp, text) {
        found.1.timestamps += 1;
        match verify_response(&der, text.as_bytes(), &trust.anchors) {
            Ok(token) => at = token.time,
            Err(error) => {
                let detail = format!("l'horodatage ne vaut pas pour ce point de contrôle : {error}");
                found.0.push(Finding::new(Code::TimestampInvalid, timestamp_key(size), detail));
            }
        }
    }
    if let Some(der) = seal {
        found.1.seals += 1;
        let held = sealed_note(&der, trust, at).and_then(|(_, checkpoint)| {
            if checkpoint.size != size {
                return Err(format!("le cachet porte sur {} entrées", checkpoint.size));
            }
            match root {
                Some(root) if root != checkpoint.root => Err("le cachet porte sur une autre racine".to_owned()),
                _ => Ok(()),
            }
        });
        if let Err(reason) = held {
            found.0.push(Finding::new(Code::SealInvalid, seal_key(size), reason));
        }
    }
    found
}

fn read(bucket: &Bucket, key: &str, missing: Code, findings: &mut Vec<Finding>) -> Option<bytes::Bytes> {
    match bucket.get(key, EVIDENCE_BYTES_MAX) {
        Ok(Some(bytes)) => return Some(bytes),
        Ok(None) => findings.push(Finding::new(missing, key, "objet absent")),
        Err(reason) => findings.push(Finding::new(Code::Unreadable, key, reason)),
    }
    None
}

/// The signed note in a seal that holds, and its checkpoint.
fn sealed_note(der: &[u8], trust: &Trust, at: OffsetDateTime) -> Result<(String, Checkpoint), String> {
    let verified = verify_attached(der, &trust.anchors, at).map_err(|e| format!("le cachet ne tient pas : {e}"))?;
    let note = String::from_utf8(verified.content).map_err(|_| "le contenu du cachet n'est pas du texte".to_owned())?;
    let checkpoint = Checkpoint::open(&note, &trust.origin, &trust.log_keys).map_err(|e| e.to_string())?;
    Ok((note, checkpoint))
}
