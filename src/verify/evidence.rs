//! Checking an evidence record (RFC 4998) against what became of the keys behind its time-stamps.

use super::Trust;
use super::keys::{Standing, standing};
use crate::receipt::{french_time, printable};
use crate::spec::ers::{DataObject, ErsError, EvidenceRecord, Stamp, Verified, verify_xml};
use crate::timestamp::KeyUse;
use time::OffsetDateTime;

/// Why evidence proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceRefusal {
    /// It does not hold by itself.
    #[error(transparent)]
    Record(#[from] ErsError),
    /// None of its time-stamps is to be relied on.
    #[error("{0}")]
    Key(String),
}

/// Evidence that proves something.
#[derive(Debug, Clone)]
pub struct EvidenceProof {
    /// Its time-stamps, which hold by themselves.
    pub verified: Verified,
    /// Since when the documents are proved to exist: the first time-stamp by a key that may be relied on.
    pub since: OffsetDateTime,
    /// Time-stamps that do not count, and why, in French.
    pub left_out: Vec<String>,
}

/// Checks evidence (DER, or XML) of `documents`, down to the trusted authorities, and that it rests on keys that may be relied
/// on. Each time-stamp covers those before it (RFC 4998 § 5.2): a token of a key that was compromised or replaced by then counts
/// for nothing, and what it covers is proved by a later one, from its time on. A token of a key compromised later counts where
/// a later time-stamp, by a key that is good, is of before the compromise.
pub fn evidence(record: &[u8], documents: &[DataObject<'_>], trust: &Trust) -> Result<EvidenceProof, EvidenceRefusal> {
    let verified = if record.first() == Some(&0x30) {
        EvidenceRecord::parse(record)?.verify(documents, Some(&trust.anchors))?
    } else {
        verify_xml(record, documents, Some(&trust.anchors))?
    };
    let standings: Vec<Standing> = verified.stamps.iter().map(|stamp| standing_of(stamp, trust)).collect();
    let (mut since, mut left_out) = (None::<OffsetDateTime>, Vec::new());
    for (rank, (stamp, found)) in verified.stamps.iter().zip(&standings).enumerate() {
        let why = match found {
            Standing::Good => None,
            Standing::Worthless(why) => Some(why.clone()),
            Standing::Doubtful(since) if renewed_before(&verified.stamps, &standings, rank, *since) => None,
            Standing::Doubtful(since) => Some(format!(
                "clé compromise depuis le {}, et aucun renouvellement par une autre clé n'est antérieur",
                french_time(*since)
            )),
        };
        match why {
            None => since = since.or(Some(stamp.token.time)),
            Some(why) => {
                let signer = printable(stamp.token.signer.subject());
                left_out.push(format!("{}, par {signer} : {why}", stamp.place));
            }
        }
    }
    match since {
        Some(since) => Ok(EvidenceProof { verified, since, left_out }),
        None => Err(EvidenceRefusal::Key(left_out.join(" ; "))),
    }
}

fn standing_of(stamp: &Stamp, trust: &Trust) -> Standing {
    standing(trust, &stamp.token.signer, KeyUse::Tsa, stamp.token.time)
}

/// Whether a later time-stamp, by a key that is good, covers this one since before a time.
fn renewed_before(stamps: &[Stamp], standings: &[Standing], rank: usize, since: OffsetDateTime) -> bool {
    let later = stamps.iter().zip(standings).skip(rank + 1);
    later.into_iter().any(|(stamp, standing)| *standing == Standing::Good && stamp.token.time < since)
}
