//! Time-stamps: what they prove, and which proves which (EN 319 102-1 §§ 5.4 and 5.6.2.3).

use super::integrity;
use super::pool::{Moment, Pool};
use crate::spec::x509::Certificate;
use crate::spec::x509::path::Purpose;
use crate::validation::facts::{ReferenceState, TimestampFacts, TimestampKind, ValueState};
use crate::validation::indication::SubIndication;

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
        Some(ValueState::Unsupported(name)) => {
            (SubIndication::CryptoConstraintsFailure, format!("algorithme non pris en charge : {name}"))
        }
        Some(ValueState::Intact) if intact == Some(false) => {
            (SubIndication::HashFailure, "le contenu du jeton d'horodatage a été modifié".to_owned())
        }
        Some(ValueState::Intact) => {
            (SubIndication::CryptoConstraintsFailure, "l'empreinte horodatée ne peut pas être calculée".to_owned())
        }
    })
}

/// Why an intact token does not prove its time. `siblings` are the time-stamps of the same signature or file: a later
/// one that covers this one, and holds, proves that this one existed by then.
pub(super) fn trust_failure(
    stamp: &TimestampFacts,
    siblings: &[&TimestampFacts],
    pool: &Pool<'_>,
) -> Option<(SubIndication, String)> {
    let mut moment = start(pool);
    for later in later(stamp, siblings) {
        if let Some(time) = later.time
            && time < moment.at
            && at_moment(later, pool, moment).is_none()
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

/// Why the token could not be relied on at `moment`.
fn at_moment(stamp: &TimestampFacts, pool: &Pool<'_>, moment: Moment) -> Option<(SubIndication, String)> {
    let Some(token) = &stamp.token else {
        return Some((SubIndication::FormatFailure, "jeton d'horodatage illisible".to_owned()));
    };
    let certificate = token.signing_certificate.as_ref().and_then(|der| Certificate::from_der(&der.0).ok());
    let Some(certificate) = certificate else {
        return Some((SubIndication::NoSigningCertificateFound, "le certificat de l'horodateur manque".to_owned()));
    };
    if stamp.time.is_none_or(|time| time > pool.context.at) {
        return Some((SubIndication::TimestampOrderFailure, "l'horodatage est postérieur à la validation".to_owned()));
    }
    if let Err(refusal) = pool.assess(&certificate, Purpose::TimeStamping, moment) {
        return Some((refusal.sub_indication, format!("horodateur : {}", refusal.why)));
    }
    let bits = certificate.public_key().ok().and_then(|key| key.family_and_bits().1);
    let algorithm = token.algorithm.as_ref().and_then(|algorithm| pool.algorithm_failure(algorithm, bits, moment));
    let imprint = || {
        let digest = stamp.imprint_digest?;
        let refusal = pool.context.policy.refuses_digest(digest, moment.at)?;
        let sub = if moment.proven {
            SubIndication::CryptoConstraintsFailure
        } else {
            SubIndication::CryptoConstraintsFailureNoPoe
        };
        Some((sub, format!("empreinte horodatée : {refusal}")))
    };
    algorithm.or_else(imprint)
}
