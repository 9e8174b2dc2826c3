//! Evidence records (RFC 4998, RFC 6283), alone or embedded in a signature or a container.

use crate::validation::Input;
use crate::validation::facts::{EvidenceRecordFacts, Facts, ReferenceState};

/// The facts of an evidence record, over the contents beside it.
pub fn gather(_input: &Input<'_>) -> Facts {
    Facts::default()
}

/// The facts of one record (RFC 4998 DER or RFC 6283 XML) over `data`, the objects of its first group; none given
/// leaves them unchecked.
pub fn record(bytes: &[u8], location: &str, _data: &[&[u8]]) -> EvidenceRecordFacts {
    EvidenceRecordFacts {
        id: String::new(),
        location: location.to_owned(),
        syntax: if bytes.first() == Some(&0x30) { "RFC4998" } else { "RFC6283" },
        state: ReferenceState::Missing,
        first_time: None,
        timestamps: Vec::new(),
        covers: Vec::new(),
        faults: Vec::new(),
    }
}
