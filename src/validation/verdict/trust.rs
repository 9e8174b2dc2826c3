//! Past the arithmetic: best signature time, chain, revocation, algorithms and the policy's constraints (EN 319 102-1
//! §§ 5.2.4, 5.2.6, 5.2.8, 5.5 and 5.6).

use super::pool::{Moment, Pool};
use super::stamps;
use super::{Link, RecordVerdict, TimestampVerdict};
use crate::spec::x509::Certificate;
use crate::spec::x509::extensions::{DIGITAL_SIGNATURE, NON_REPUDIATION};
use crate::spec::x509::path::Purpose;
use crate::validation::facts::{
    CertificateReference, Facts, PolicyFacts, ReferenceKind, SignatureFacts, TimestampKind,
};
use crate::validation::indication::{Indication, SubIndication};
use crate::validation::policy::{Other, Strength};
use crate::validation::qualification::Qualification;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use time::OffsetDateTime;

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

/// Judges an intact signature. `timestamps` and `records` are the verdicts on its own; `outside` those of time-stamps
/// that cover it from elsewhere.
pub(super) fn judge(
    signature: &SignatureFacts,
    facts: &Facts,
    timestamps: &[TimestampVerdict],
    outside: &[TimestampVerdict],
    records: &[RecordVerdict],
    pool: &Pool<'_>,
) -> Judged {
    let mut judged = Judged::default();
    let (moment, source) = best_time(signature, facts, timestamps, outside, records, pool);
    if moment.proven {
        judged.best_signature_time = Some(moment.at);
        judged.best_signature_time_source = Some(source);
    }
    let certificate = signature.signing_certificate.as_ref().and_then(|der| Certificate::from_der(&der.0).ok());
    let Some(certificate) = certificate else {
        judged.sub_indication = Some(SubIndication::NoSigningCertificateFound);
        return judged;
    };
    match pool.assess(&certificate, Purpose::Signature, moment) {
        Ok((links, chain)) => {
            judged.chain = links;
            let policy = pool.context.policy;
            judged.qualification = Some(pool.context.trust.qualification(&certificate, &chain, moment.at, policy));
        }
        Err(refusal) => {
            judged.chain = refusal.chain;
            judged.messages.push(refusal.why);
            let content = content_time(timestamps);
            let since = |end: OffsetDateTime| content.is_some_and(|content| content >= end);
            judged.sub_indication = Some(match refusal.sub_indication {
                // A content time-stamp proves that the signature was made after it.
                SubIndication::RevokedNoPoe if refusal.revoked_at.is_some_and(since) => SubIndication::Revoked,
                SubIndication::OutOfBoundsNoPoe | SubIndication::OutOfBoundsNotRevoked
                    if since(certificate.not_after()) =>
                {
                    SubIndication::Expired
                }
                other => other,
            });
            return judged;
        }
    }
    let failure = algorithms(signature, &certificate, moment, pool)
        .or_else(|| constraints(signature, &certificate, pool))
        .or_else(|| order(signature, timestamps))
        .or_else(|| signature_policy(signature, pool, &mut judged.messages));
    if let Some((sub, why)) = failure {
        judged.messages.insert(0, why);
        judged.sub_indication = Some(sub);
    }
    judged
}

/// The earliest time at which the signature provably existed (§ 5.6.2.3), and what proves it.
fn best_time(
    signature: &SignatureFacts,
    facts: &Facts,
    timestamps: &[TimestampVerdict],
    outside: &[TimestampVerdict],
    records: &[RecordVerdict],
    pool: &Pool<'_>,
) -> (Moment, &'static str) {
    let mut best = stamps::start(pool);
    let mut source = "journal de l'archive";
    let covering = facts.timestamps.iter().zip(outside).filter(|(facts, _)| facts.signatures.contains(&signature.id));
    let own = timestamps.iter().filter(|stamp| stamp.kind != TimestampKind::Content);
    for stamp in own.chain(covering.map(|(_, verdict)| verdict)) {
        // A time-stamp over references alone does not cover the value.
        let proves = stamp.indication == Indication::TotalPassed && stamp.kind != TimestampKind::Refs;
        if let Some(time) = stamp.time.filter(|time| proves && *time < best.at) {
            best = Moment { at: time, proven: true };
            source = "horodatage";
        }
    }
    for record in records.iter().filter(|record| record.indication == Indication::TotalPassed) {
        if let Some(time) = record.since.filter(|time| *time < best.at) {
            best = Moment { at: time, proven: true };
            source = "enregistrement de preuve";
        }
    }
    (best, source)
}

/// The latest time that a valid content time-stamp proves to precede the signature.
fn content_time(timestamps: &[TimestampVerdict]) -> Option<OffsetDateTime> {
    let valid =
        |stamp: &&TimestampVerdict| stamp.kind == TimestampKind::Content && stamp.indication == Indication::TotalPassed;
    timestamps.iter().filter(valid).filter_map(|stamp| stamp.time).max()
}

/// Every digest and the signature itself, at the best signature time (§ 5.2.8.4.2).
fn algorithms(
    signature: &SignatureFacts,
    certificate: &Certificate,
    moment: Moment,
    pool: &Pool<'_>,
) -> Option<(SubIndication, String)> {
    let bits = certificate.public_key().ok().and_then(|key| key.family_and_bits().1);
    let value = signature.algorithm.as_ref().and_then(|algorithm| pool.algorithm_failure(algorithm, bits, moment));
    value.or_else(|| {
        let signed = signature.references.iter().filter(|reference| reference.kind != ReferenceKind::KeyInfo);
        signed.filter_map(|reference| reference.digest).find_map(|digest| {
            let refusal = pool.context.policy.refuses_digest(digest, moment.at)?;
            let lost = refusal.until.is_some() && !moment.proven;
            let sub = if lost {
                SubIndication::CryptoConstraintsFailureNoPoe
            } else {
                SubIndication::CryptoConstraintsFailure
            };
            Some((sub, format!("condensat : {refusal}")))
        })
    })
}

/// The policy's constraints on the signature and its certificate (§§ 5.2.6.3 and 5.2.8).
fn constraints(
    signature: &SignatureFacts,
    certificate: &Certificate,
    pool: &Pool<'_>,
) -> Option<(SubIndication, String)> {
    let rules = &pool.context.policy.certificates;
    if rules.reference == Strength::Require && signature.certificate_reference != CertificateReference::Matches {
        return Some((SubIndication::SigConstraintsFailure, "la référence signée au certificat manque".to_owned()));
    }
    let wanted = rules.key_usage.iter().fold(0, |bits, name| {
        bits | match name.as_str() {
            "nonRepudiation" => NON_REPUDIATION,
            "digitalSignature" => DIGITAL_SIGNATURE,
            _ => 0,
        }
    });
    let usage = certificate.extensions().key_usage.unwrap_or(u16::MAX);
    if wanted != 0 && usage & wanted == 0 {
        return Some((
            SubIndication::ChainConstraintsFailure,
            "l'usage de la clé du signataire ne permet pas de signer".to_owned(),
        ));
    }
    None
}

/// A signature time-stamp cannot precede a content time-stamp (§ 5.6.2.4).
fn order(signature: &SignatureFacts, timestamps: &[TimestampVerdict]) -> Option<(SubIndication, String)> {
    let content = signature
        .timestamps
        .iter()
        .filter(|stamp| stamp.kind == TimestampKind::Content)
        .filter_map(|stamp| stamp.time)
        .max()?;
    let after =
        timestamps.iter().filter(|stamp| stamp.kind != TimestampKind::Content).filter_map(|stamp| stamp.time).min()?;
    (after < content).then(|| {
        (SubIndication::TimestampOrderFailure, "un horodatage de la signature précède celui du contenu".to_owned())
    })
}

/// The signature policy it names (§ 5.2.4).
fn signature_policy(
    signature: &SignatureFacts,
    pool: &Pool<'_>,
    messages: &mut Vec<String>,
) -> Option<(SubIndication, String)> {
    let named = signature.policy.as_ref().filter(|policy| !policy.implied)?;
    let rules = &pool.context.policy.signature_policies;
    let plain = named.id.trim_start_matches("urn:oid:");
    match rules.known.iter().find(|known| known.id == plain) {
        Some(known) => {
            let same = same_hash(named, &known.hash);
            messages.push(format!("politique de signature : {}", known.name));
            (!same).then(|| {
                let why = format!("l'empreinte de la politique de signature {plain} n'est pas celle qui est connue");
                (SubIndication::PolicyProcessingError, why)
            })
        }
        None => match rules.other {
            Other::Accept => None,
            Other::Warn => {
                messages.push(format!("politique de signature inconnue : {plain}"));
                None
            }
            Other::Refuse => {
                Some((SubIndication::SignaturePolicyNotAvailable, format!("politique de signature inconnue : {plain}")))
            }
        },
    }
}

fn same_hash(named: &PolicyFacts, known: &str) -> bool {
    BASE64_STANDARD.decode(known).is_ok_and(|hash| hash == named.hash)
}
