//! Chains, revocations, algorithms and proofs of existence (EN 319 102-1 §§ 5.2.6, 5.3 to 5.6).

use super::{Context, Link, RecordVerdict, TimestampVerdict};
use crate::validation::facts::{Facts, ReferenceState, SignatureFacts, TimestampFacts, ValueState};
use crate::validation::indication::SubIndication;
use crate::validation::trust::Qualification;
use time::OffsetDateTime;

/// Everything at hand to build chains with.
pub(super) struct Pool<'a> {
    pub(super) context: &'a Context<'a>,
}

impl<'a> Pool<'a> {
    pub(super) fn new(_facts: &Facts, context: &'a Context<'a>) -> Self {
        Self { context }
    }
}

/// What trust adds to the arithmetic.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) sub_indication: Option<SubIndication>,
    pub(super) messages: Vec<String>,
    pub(super) best_signature_time: Option<OffsetDateTime>,
    pub(super) best_signature_time_source: Option<&'static str>,
    pub(super) chain: Vec<Link>,
    pub(super) qualification: Option<Qualification>,
}

pub(super) fn judge(
    _signature: &SignatureFacts,
    _facts: &Facts,
    _timestamps: &[TimestampVerdict],
    _records: &[RecordVerdict],
    _pool: &Pool<'_>,
) -> Judged {
    Judged { sub_indication: Some(SubIndication::NoCertificateChainFound), ..Judged::default() }
}

/// Why a time-stamp fails by arithmetic.
pub(super) fn timestamp_failure(stamp: &TimestampFacts, intact: Option<bool>) -> Option<(SubIndication, String)> {
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

pub(super) fn judge_token(_stamp: &TimestampFacts, _pool: &Pool<'_>) -> Option<(SubIndication, String)> {
    None
}
