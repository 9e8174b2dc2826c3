//! RFC 3161 tokens: alone, or as evidence inside a signature.

use super::cades::{self, CmsContent, Telling};
use crate::spec::cms::received::{ReadError, unarmour};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::tsp::received::{Token, TokenError};
use crate::validation::Input;
use crate::validation::facts::{
    Coverage, CoverageKind, Der, Facts, Fault, FaultKind, Format, InputKind, ReferenceState, TimestampFacts,
    TimestampKind,
};

/// What is known of a token before it is looked into.
pub(super) struct About<'a> {
    /// What it stamps.
    pub(super) kind: TimestampKind,
    /// Unique in the report.
    pub(super) id: String,
    /// What it covers, for people.
    pub(super) covers: Vec<String>,
    /// Whether its imprint is right.
    pub(super) imprint: ReferenceState,
    /// Certificates from elsewhere that may be the authority's.
    pub(super) certificates: &'a [&'a [u8]],
    /// How many signatures and time-stamps stand around it.
    pub(super) depth: usize,
}

/// The facts of a token or a response, over the content beside it.
pub fn gather(input: &Input<'_>) -> Facts {
    let mut facts = Facts { kind: InputKind::Timestamp, ..Facts::default() };
    let binary = match unarmour(input.bytes) {
        Ok((binary, _)) => binary,
        Err(error) => {
            facts.faults.push(cades::unreadable(&error));
            return facts;
        }
    };
    if let Err(error) = Token::parse(&binary) {
        facts.faults.push(fault(&error));
        // An authority that refuses has stamped nothing; anything else is a token one cannot read.
        if matches!(error, TokenError::Refused { .. } | TokenError::Read(ReadError::OtherType(_))) {
            return facts;
        }
    }
    let content = input.contents.first().filter(|_| input.contents.len() == 1);
    let covers = content.map(|content| content.name.to_owned());
    let told = token(&binary, TimestampKind::Standalone, "T1", covers.into_iter().collect(), &mut |digest| {
        digest.digest(content?.bytes).ok()
    });
    if let Some(content) = content {
        let covered = told.imprint == ReferenceState::Intact;
        let detail = Some(format!("{} octets", content.bytes.len()));
        facts.members.push(Coverage { kind: CoverageKind::Content, name: content.name.to_owned(), covered, detail });
    }
    facts.timestamps.push(told);
    facts
}

/// The facts of one token, DER. `digest_of` gives the digest, by the token's own algorithm, of what the time-stamp ought
/// to cover: `None` when that is not at hand.
pub fn token(
    der: &[u8],
    kind: TimestampKind,
    id: &str,
    covers: Vec<String>,
    digest_of: &mut dyn FnMut(DigestAlgorithm) -> Option<Vec<u8>>,
) -> TimestampFacts {
    token_at(der, kind, id, covers, 1, digest_of)
}

/// The same, under `depth` signatures.
pub(super) fn token_at(
    der: &[u8],
    kind: TimestampKind,
    id: &str,
    covers: Vec<String>,
    depth: usize,
    digest_of: &mut dyn FnMut(DigestAlgorithm) -> Option<Vec<u8>>,
) -> TimestampFacts {
    let token = Token::parse(der);
    let imprint = match &token {
        Err(_) => ReferenceState::Missing,
        Ok(token) => match token.info.digest {
            None => ReferenceState::Unsupported(token.info.digest_oid.clone()),
            Some(digest) if digest.hasher().is_err() => ReferenceState::Unsupported(digest.name().to_owned()),
            Some(digest) => match digest_of(digest) {
                None => ReferenceState::Missing,
                Some(computed) if computed == token.info.imprint => ReferenceState::Intact,
                Some(_) => ReferenceState::Broken,
            },
        },
    };
    facts(der, &token, About { kind, id: id.to_owned(), covers, imprint, certificates: &[], depth })
}

/// The facts of a token already read.
pub(super) fn facts(der: &[u8], token: &Result<Token<'_>, TokenError>, about: About<'_>) -> TimestampFacts {
    let mut told = TimestampFacts {
        id: about.id,
        kind: about.kind,
        time: None,
        accuracy_us: None,
        policy: None,
        serial: None,
        imprint_digest: None,
        imprint: about.imprint,
        covers: about.covers,
        signatures: Vec::new(),
        token: None,
        der: Der::from(der),
        faults: Vec::new(),
    };
    let token = match token {
        Ok(token) => token,
        Err(error) => {
            told.faults.push(fault(error));
            return told;
        }
    };
    told.time = Some(token.info.time);
    told.accuracy_us = token.info.accuracy.and_then(|accuracy| u64::try_from(accuracy.whole_microseconds()).ok());
    told.policy = Some(token.info.policy.clone());
    told.serial = Some(token.info.serial.clone());
    told.imprint_digest = token.info.digest;
    let prefix = format!("{}-J", told.id);
    let telling = Telling {
        prefix: &prefix,
        exact: true,
        location: "jeton d'horodatage",
        format: Some(Format::Rfc3161),
        certificates: about.certificates,
        depth: about.depth,
    };
    let (signatures, _) = cades::read(&token.signed, CmsContent::Encapsulated, telling);
    let signers = token.signed.signers.len();
    if signers != 1 {
        let detail = format!("un jeton d'horodatage a un signataire, et un seul ; celui-ci en a {signers}");
        told.faults.push(Fault::new(FaultKind::Malformed, detail));
    }
    told.token = signatures.into_iter().next().map(Box::new);
    told
}

fn fault(error: &TokenError) -> Fault {
    let kind = if matches!(error, TokenError::Read(ReadError::TooMany(_))) {
        FaultKind::Refused
    } else {
        FaultKind::Malformed
    };
    Fault::new(kind, error.to_string())
}
