//! RFC 3161 tokens: alone, or as evidence inside a signature.

use crate::spec::crypto::DigestAlgorithm;
use crate::validation::Input;
use crate::validation::facts::{Der, Facts, ReferenceState, TimestampFacts, TimestampKind};

/// The facts of a token or a response, over the content beside it.
pub fn gather(_input: &Input<'_>) -> Facts {
    Facts::default()
}

/// The facts of one token, DER. `digest_of` gives the digest, by the token's own algorithm, of what the time-stamp ought
/// to cover: `None` when that is not at hand.
pub fn token(
    der: &[u8],
    kind: TimestampKind,
    id: &str,
    covers: Vec<String>,
    _digest_of: &mut dyn FnMut(DigestAlgorithm) -> Option<Vec<u8>>,
) -> TimestampFacts {
    TimestampFacts {
        id: id.to_owned(),
        kind,
        time: None,
        accuracy_us: None,
        policy: None,
        serial: None,
        imprint_digest: None,
        imprint: ReferenceState::Missing,
        covers,
        signatures: Vec::new(),
        token: None,
        der: Der::from(der),
        faults: Vec::new(),
    }
}
