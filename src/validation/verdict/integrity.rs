//! What the arithmetic alone says of a signature: the building blocks of EN 319 102-1 §§ 5.2.2, 5.2.3 and 5.2.7.

use crate::validation::facts::{
    CertificateReference, EvidenceRecordFacts, Fault, FaultKind, ReferenceKind, ReferenceState, SignatureFacts,
    TimestampFacts, ValueState,
};
use crate::validation::indication::SubIndication;

/// Whether a signature's value and every digest it rests on are right. `None` when that cannot be said: no certificate,
/// content not at hand, an algorithm nobody here computes.
pub(super) fn intact(signature: &SignatureFacts) -> Option<bool> {
    let contradicted =
        |fault: &Fault| matches!(fault.kind, FaultKind::Malformed | FaultKind::Refused | FaultKind::AlgorithmMismatch);
    let broken = matches!(signature.value, ValueState::Broken | ValueState::Malformed(_))
        || signature.faults.iter().any(contradicted)
        || signature
            .references
            .iter()
            .any(|reference| matches!(reference.state, ReferenceState::Broken | ReferenceState::Refused(_)));
    if broken {
        return Some(false);
    }
    let whole = signature.value == ValueState::Intact
        && signature.references.iter().all(|reference| reference.state == ReferenceState::Intact);
    whole.then_some(true)
}

/// Whether a signature that is not whole still vouches for a document that is there: its value is right, and one of
/// several documents is the one it signed.
pub(super) fn holds_a_part(signature: &SignatureFacts) -> bool {
    let held = |kinds: &[ReferenceKind]| {
        signature
            .references
            .iter()
            .any(|reference| kinds.contains(&reference.kind) && reference.state == ReferenceState::Intact)
    };
    // The message digest of a manifest is that of a list, not of a document.
    signature.value == ValueState::Intact
        && intact(signature).is_none()
        && held(&[ReferenceKind::Document, ReferenceKind::ManifestEntry, ReferenceKind::Object])
}

/// Whether a time-stamp's token and imprint are right. A lone token without its content stands for itself.
pub(super) fn timestamp_intact(timestamp: &TimestampFacts) -> Option<bool> {
    let malformed =
        timestamp.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Malformed | FaultKind::Refused));
    if malformed || timestamp.imprint == ReferenceState::Broken {
        return Some(false);
    }
    let token = timestamp.token.as_ref().map_or(Some(false), |token| intact(token));
    match timestamp.imprint {
        ReferenceState::Intact | ReferenceState::Missing => token,
        _ if token == Some(false) => token,
        _ => None,
    }
}

/// Whether an evidence record holds together.
pub(super) fn record_intact(record: &EvidenceRecordFacts) -> Option<bool> {
    let malformed = record.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Malformed | FaultKind::Refused));
    match record.state {
        _ if malformed => Some(false),
        ReferenceState::Broken | ReferenceState::Refused(_) => Some(false),
        ReferenceState::Missing | ReferenceState::Unsupported(_) => None,
        ReferenceState::Intact if record.timestamps.iter().any(|stamp| timestamp_intact(stamp) == Some(false)) => {
            Some(false)
        }
        ReferenceState::Intact => Some(true),
    }
}

/// The first building block that fails, in the standard's order: format, signing certificate, signed data, digests,
/// value, coverage. Nothing when the arithmetic is right.
///
/// A signed reference that names another certificate than the one at hand is a question of who signed (§ 5.2.3): it
/// does not count when only `integrity` is asked.
pub(super) fn failure(signature: &SignatureFacts, integrity_only: bool) -> Option<(SubIndication, String)> {
    format_failure(signature)
        .or_else(|| certificate_failure(signature, integrity_only))
        .or_else(|| reference_failure(signature))
        .or_else(|| value_failure(signature))
        .or_else(|| coverage_failure(signature))
}

fn format_failure(signature: &SignatureFacts) -> Option<(SubIndication, String)> {
    if let ValueState::Malformed(why) = &signature.value {
        return Some((SubIndication::FormatFailure, why.clone()));
    }
    let fault =
        signature.faults.iter().find(|fault| matches!(fault.kind, FaultKind::Malformed | FaultKind::Refused))?;
    Some((SubIndication::FormatFailure, fault.detail.clone()))
}

fn certificate_failure(signature: &SignatureFacts, integrity_only: bool) -> Option<(SubIndication, String)> {
    if signature.value == ValueState::NoCertificate {
        return Some((
            SubIndication::NoSigningCertificateFound,
            "le certificat du signataire n'est pas joint à la signature".to_owned(),
        ));
    }
    (!integrity_only && signature.certificate_reference == CertificateReference::Differs).then(|| {
        (
            SubIndication::NoSigningCertificateFound,
            "la référence signée désigne un autre certificat que celui qui est joint".to_owned(),
        )
    })
}

fn reference_failure(signature: &SignatureFacts) -> Option<(SubIndication, String)> {
    let named = |uri: &Option<String>| uri.as_ref().map_or_else(String::new, |uri| format!(" « {uri} »"));
    let mut pending = None;
    for reference in &signature.references {
        let name = named(&reference.uri);
        match &reference.state {
            ReferenceState::Intact => {}
            ReferenceState::Broken => {
                let text = format!("le contenu{name} n'est pas celui qui a été signé ({})", reference.covers);
                return Some((SubIndication::HashFailure, text));
            }
            ReferenceState::Missing => {
                let what = if reference.kind == ReferenceKind::ManifestEntry {
                    "fichier du manifeste"
                } else {
                    "contenu signé"
                };
                pending.get_or_insert((
                    SubIndication::SignedDataNotFound,
                    format!("{what}{name} non fourni ou introuvable"),
                ));
            }
            ReferenceState::Refused(why) => {
                pending.get_or_insert((SubIndication::SignedDataNotFound, format!("référence{name} refusée : {why}")));
            }
            ReferenceState::Unsupported(what) => {
                let text = format!("référence{name} : {what} n'est pas pris en charge");
                pending.get_or_insert((SubIndication::CryptoConstraintsFailure, text));
            }
        }
    }
    pending
}

fn value_failure(signature: &SignatureFacts) -> Option<(SubIndication, String)> {
    if let Some(fault) = signature.faults.iter().find(|fault| fault.kind == FaultKind::AlgorithmMismatch) {
        return Some((SubIndication::SigCryptoFailure, fault.detail.clone()));
    }
    match &signature.value {
        ValueState::Broken => Some((
            SubIndication::SigCryptoFailure,
            "la valeur de la signature ne correspond pas aux données signées ou à la clé du certificat".to_owned(),
        )),
        ValueState::Unsupported(name) => Some((SubIndication::CryptoConstraintsFailure, unsupported(name))),
        _ => None,
    }
}

/// An algorithm nobody here computes, said once.
pub(super) fn unsupported(name: &str) -> String {
    const WHY: &str = "algorithme non pris en charge : ";
    format!("{WHY}{}", name.trim_start_matches(WHY))
}

fn coverage_failure(signature: &SignatureFacts) -> Option<(SubIndication, String)> {
    let sub = |kind| match kind {
        FaultKind::Wrapping => Some(SubIndication::SignedDataNotFound),
        FaultKind::Constraint | FaultKind::LaterChange => Some(SubIndication::SigConstraintsFailure),
        _ => None,
    };
    signature.faults.iter().find_map(|fault| Some((sub(fault.kind)?, fault.detail.clone())))
}
