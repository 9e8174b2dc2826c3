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
    /// A time-stamp of it is not to be relied on.
    #[error("{0}")]
    Key(String),
}

/// Checks evidence (DER, or XML) of `documents`, down to the trusted authorities, and that no time-stamp of it is by a key
/// that was compromised or replaced by then. A token of a key compromised later counts where a later time-stamp of the record,
/// by another key, was made before the compromise: it covers the older one (RFC 4998 § 5.2).
pub fn evidence(record: &[u8], documents: &[DataObject<'_>], trust: &Trust) -> Result<Verified, EvidenceRefusal> {
    let verified = if record.first() == Some(&0x30) {
        EvidenceRecord::parse(record)?.verify(documents, Some(&trust.anchors))?
    } else {
        verify_xml(record, documents, Some(&trust.anchors))?
    };
    let standings: Vec<Standing> = verified.stamps.iter().map(|stamp| standing_of(stamp, trust)).collect();
    for (rank, (stamp, found)) in verified.stamps.iter().zip(&standings).enumerate() {
        let refuse = |why: String| {
            let signer = printable(stamp.token.signer.subject());
            Err(EvidenceRefusal::Key(format!("{}, par {signer} : {why}", stamp.place)))
        };
        match found {
            Standing::Good => {}
            Standing::Worthless(why) => return refuse(why.clone()),
            Standing::Doubtful(since) if renewed_before(&verified.stamps, &standings, rank, *since) => {}
            Standing::Doubtful(since) => {
                return refuse(format!(
                    "clé compromise depuis le {}, et aucun renouvellement par une autre clé n'est antérieur",
                    french_time(*since)
                ));
            }
        }
    }
    Ok(verified)
}

fn standing_of(stamp: &Stamp, trust: &Trust) -> Standing {
    standing(trust, &stamp.token.signer, KeyUse::Tsa, stamp.token.time)
}

/// Whether a later time-stamp, by a key that is good, covers this one since before a time.
fn renewed_before(stamps: &[Stamp], standings: &[Standing], rank: usize, since: OffsetDateTime) -> bool {
    let later = stamps.iter().zip(standings).skip(rank + 1);
    later.into_iter().any(|(stamp, standing)| *standing == Standing::Good && stamp.token.time < since)
}
