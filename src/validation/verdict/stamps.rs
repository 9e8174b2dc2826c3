//! Time-stamps: what they prove, and which proves which (EN 319 102-1 §§ 5.4 and 5.6.2.3).

use super::integrity;
use super::pool::{Moment, Pool};
use crate::spec::x509::Certificate;
use crate::spec::x509::path::Purpose;
use crate::validation::facts::{Facts, ReferenceState, TimestampFacts, TimestampKind, ValueState};
use crate::validation::indication::SubIndication;
use crate::validation::qualification;
use time::OffsetDateTime;

/// Why a time-stamp fails by arithmetic.
pub(super) fn arithmetic_failure(stamp: &TimestampFacts, intact: Option<bool>) -> Option<(SubIndication, String)> {
    if intact == Some(true) {
        return None;
    }
    if stamp.imprint == ReferenceState::Broken {
        return Some((SubIndication::HashFailure, "l'horodatage porte sur d'autres données".to_owned()));
    }
    Some(match stamp.token.as_ref().map(|token| &token.value) {
        None | Some(ValueState::Malformed(_)) => {
            (SubIndication::FormatFailure, "jeton d'horodatage illisible".to_owned())
        }
        Some(ValueState::Broken) => {
            (SubIndication::SigCryptoFailure, "la signature du jeton d'horodatage n'est pas bonne".to_owned())
        }
        Some(ValueState::NoCertificate) => {
            (SubIndication::NoSigningCertificateFound, "le certificat de l'horodateur manque".to_owned())
        }
        Some(ValueState::Unsupported(name)) => (SubIndication::CryptoConstraintsFailure, integrity::unsupported(name)),
        Some(ValueState::Intact) if intact == Some(false) => {
            (SubIndication::HashFailure, "le contenu du jeton d'horodatage a été modifié".to_owned())
        }
        Some(ValueState::Intact) => {
            (SubIndication::CryptoConstraintsFailure, "l'empreinte horodatée ne peut pas être calculée".to_owned())
        }
    })
}

/// Whether an intact token is qualified; or why it does not prove its time. `siblings` are the time-stamps of the same signature or file: a later
/// one that covers this one, and holds, proves that this one existed by then.
pub(super) fn trusted(
    stamp: &TimestampFacts,
    siblings: &[&TimestampFacts],
    pool: &Pool<'_>,
) -> Result<bool, (SubIndication, String)> {
    let mut moment = start(pool);
    for later in later(stamp, siblings) {
        if let Some(time) = later.time
            && time < moment.at
            && at_moment(later, pool, moment).is_ok()
        {
            moment = Moment { at: time, proven: true };
        }
    }
    at_moment(stamp, pool, moment)
}

/// What is proven of the whole input before any time-stamp is looked at: our log's word, or nothing but now.
pub(super) fn start(pool: &Pool<'_>) -> Moment {
    let context = pool.context;
    match context.existence.filter(|existence| *existence <= context.at) {
        Some(at) => Moment { at, proven: true },
        None => Moment { at: context.at, proven: false },
    }
}

/// Since when the certificates and revocation data of an input provably exist: its newest time-stamp over everything, or
/// the proof of existence of the whole.
pub(super) fn carried_since(facts: &Facts, pool: &Pool<'_>) -> OffsetDateTime {
    let start = start(pool);
    if pool.context.integrity_only {
        return start.at;
    }
    let whole = |stamp: &&TimestampFacts| {
        matches!(stamp.kind, TimestampKind::Archive | TimestampKind::Document | TimestampKind::Container)
            && integrity::timestamp_intact(stamp) == Some(true)
    };
    let inside = facts.signatures.iter().flat_map(|signature| &signature.timestamps);
    let newest = facts.timestamps.iter().chain(inside).filter(whole).max_by_key(|stamp| stamp.time);
    let proven = newest.filter(|stamp| at_moment(stamp, pool, start).is_ok());
    proven.and_then(|stamp| stamp.time).map_or(start.at, |time| time.min(start.at))
}

/// The intact time-stamps that cover `stamp`, newest first.
fn later<'a>(stamp: &TimestampFacts, siblings: &[&'a TimestampFacts]) -> Vec<&'a TimestampFacts> {
    let covering = |other: &TimestampFacts| match other.kind {
        TimestampKind::Archive | TimestampKind::Document | TimestampKind::Container => true,
        TimestampKind::SignatureAndRefs => stamp.kind == TimestampKind::Signature,
        _ => false,
    };
    let mut found: Vec<_> = siblings
        .iter()
        .copied()
        .filter(|other| other.id != stamp.id && other.time > stamp.time && covering(other))
        .filter(|other| integrity::timestamp_intact(other) == Some(true))
        .collect();
    found.sort_by_key(|other| std::cmp::Reverse(other.time));
    found
}

/// Whether the token is qualified; or why it could not be relied on at `moment`.
fn at_moment(stamp: &TimestampFacts, pool: &Pool<'_>, moment: Moment) -> Result<bool, (SubIndication, String)> {
    let Some(token) = &stamp.token else {
        return Err((SubIndication::FormatFailure, "jeton d'horodatage illisible".to_owned()));
    };
    let certificate = token.signing_certificate.as_ref().and_then(|der| Certificate::from_der(&der.0).ok());
    let Some(certificate) = certificate else {
        return Err((SubIndication::NoSigningCertificateFound, "le certificat de l'horodateur manque".to_owned()));
    };
    let Some(time) = stamp.time.filter(|time| *time <= pool.context.at) else {
        return Err((SubIndication::TimestampOrderFailure, "l'horodatage est postérieur à la validation".to_owned()));
    };
    let (_, chain) = pool
        .assess(&certificate, Purpose::TimeStamping, moment)
        .map_err(|refusal| (refusal.sub_indication, format!("horodateur : {}", refusal.why)))?;
    let bits = certificate.public_key().ok().and_then(|key| key.family_and_bits().1);
    let algorithm = token.algorithm.as_ref().and_then(|algorithm| pool.algorithm_failure(algorithm, bits, moment));
    let imprint = stamp.imprint_digest.and_then(|digest| {
        let refusal = pool.context.policy.refuses_digest(digest, moment.at)?;
        let lost = refusal.until.is_some() && !moment.proven;
        let sub =
            if lost { SubIndication::CryptoConstraintsFailureNoPoe } else { SubIndication::CryptoConstraintsFailure };
        Some((sub, format!("empreinte horodatée : {refusal}")))
    });
    match algorithm.or(imprint) {
        Some(failure) => Err(failure),
        None => Ok(qualification::is_qualified_stamp(&chain, time, pool.context.trust)),
    }
}
