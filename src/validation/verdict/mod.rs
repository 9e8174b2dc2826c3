//! The verdict: a pure function of facts, policy, trust material and a time (EN 319 102-1).
//!
//! [`judge`] first does the arithmetic blocks (format, signing certificate, signed data, digests, value); what passes
//! them goes, unless only integrity is asked, through the chain, the revocations and the algorithms at the best
//! signature time. Nothing here reads a clock, a file or the network: the same arguments give the same verdict in thirty
//! years.

mod integrity;
mod past;
mod pool;
mod stamps;
mod trust;

use super::facts::{
    Coverage, EvidenceRecordFacts, Facts, Fault, FaultKind, Format, InputKind, Material, SignatureFacts,
    TimestampFacts, TimestampKind,
};
use super::indication::{Indication, SubIndication};
use super::level;
use super::lists::ListUsed;
use super::policy::{SignaturePolicy, Stale};
use super::qualification::Qualification;
use super::trust::TrustMaterial;
use crate::spec::x509::Certificate;
use serde::Serialize;
use std::borrow::Cow;
use time::OffsetDateTime;

/// What a verdict is made with, beside the facts.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The rules.
    pub policy: &'a SignaturePolicy,
    /// Anchors, trusted lists, revocation data kept elsewhere.
    pub trust: &'a TrustMaterial,
    /// The time of validation.
    pub at: OffsetDateTime,
    /// A time at which the input is known to have existed: our own log's proof.
    pub existence: Option<OffsetDateTime>,
    /// Certificates and revocation data that stand beside the input: fetched for it, or kept with it.
    pub beside: Option<&'a Material>,
    /// Leaves certificate paths, revocations and algorithms' end dates out.
    pub integrity_only: bool,
}

/// The verdict on one input.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// What the input is.
    pub kind: InputKind,
    /// Time of validation.
    #[serde(with = "time::serde::rfc3339")]
    pub validation_time: OffsetDateTime,
    /// The policy applied.
    pub policy: String,
    /// SHA-256 of its file, hexadecimal.
    pub policy_sha256: String,
    /// Whether paths were left out.
    pub integrity_only: bool,
    /// The overall indication; `None` when there is no signature, time-stamp or evidence record.
    pub indication: Option<Indication>,
    /// The overall sub-indication.
    pub sub_indication: Option<SubIndication>,
    /// `true`: all of it is intact and nothing that ought to be covered is left out. `false`: none of it is intact.
    /// `None`: only a part is, or it cannot be said ([`Verdict::integrity`] tells which).
    pub cryptographically_intact: Option<bool>,
    /// The same in words.
    pub integrity: Integrity,
    /// Each signature.
    pub signatures: Vec<SignatureVerdict>,
    /// Time-stamps outside the signatures.
    pub timestamps: Vec<TimestampVerdict>,
    /// Evidence records outside the signatures.
    pub evidence_records: Vec<RecordVerdict>,
    /// The trusted lists relied on.
    pub trusted_lists: Vec<ListUsed>,
    /// What there is to be covered, and whether it is.
    pub members: Vec<Coverage>,
    /// What to know about the input as a whole.
    pub faults: Vec<Fault>,
}

/// How much of an input is intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrity {
    /// Every signature, time-stamp and record, and they cover what they ought to.
    Whole,
    /// Some of it, or what is intact does not cover everything a reader sees.
    Partial,
    /// Nothing.
    Broken,
    /// Nothing can be said: no certificate, no content, an algorithm not computed here, no signature.
    Unknown,
}

/// The verdict on one signature.
#[derive(Debug, Clone, Serialize)]
pub struct SignatureVerdict {
    /// The identifier of the facts.
    pub id: String,
    /// Its format.
    pub format: Format,
    /// Its level ([`level::of`]).
    pub level: Option<&'static str>,
    /// Main indication.
    pub indication: Indication,
    /// Sub-indication, unless it passed.
    pub sub_indication: Option<SubIndication>,
    /// Arithmetic alone.
    pub cryptographically_intact: Option<bool>,
    /// What it covers, and what it leaves out.
    pub covers: Vec<Coverage>,
    /// Whose certificate.
    pub signer: Option<Signer>,
    /// Signature algorithm, as written when it is not recognised.
    pub algorithm: String,
    /// The time its signer claims.
    #[serde(with = "time::serde::rfc3339::option")]
    pub claimed_signing_time: Option<OffsetDateTime>,
    /// The earliest time at which it provably existed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub best_signature_time: Option<OffsetDateTime>,
    /// What proves that time.
    pub best_signature_time_source: Option<&'static str>,
    /// Its time-stamps.
    pub timestamps: Vec<TimestampVerdict>,
    /// Signatures over it.
    pub counter_signatures: Vec<SignatureVerdict>,
    /// Evidence records inside it.
    pub evidence_records: Vec<RecordVerdict>,
    /// From the signer to the anchor, when a path was looked for and found.
    pub chain: Vec<Link>,
    /// What the signature is worth in law.
    pub qualification: Option<Qualification>,
    /// The signature policy it names.
    pub signature_policy: Option<String>,
    /// What was found, most important first.
    pub messages: Vec<String>,
    /// Where it is.
    pub location: String,
}

/// The holder of a signing certificate.
#[derive(Debug, Clone, Serialize)]
pub struct Signer {
    /// Distinguished name
    pub subject: String,
    /// Distinguished name of the issuer
    pub issuer: String,
    /// Serial number, hexadecimal
    pub serial: String,
    /// SHA-256 of the certificate
    pub fingerprint: String,
    /// Its key, readable
    pub key: String,
    /// First instant of validity
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Last instant of validity
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

/// One certificate of a chain.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    /// Distinguished name
    pub subject: String,
    /// SHA-256 of the certificate
    pub fingerprint: String,
    /// `anchor`, or what revocation data say of it, in French.
    pub status: String,
}

/// The verdict on one time-stamp.
#[derive(Debug, Clone, Serialize)]
pub struct TimestampVerdict {
    /// The identifier of the facts.
    pub id: String,
    /// What it stamps.
    pub kind: TimestampKind,
    /// Its time.
    #[serde(with = "time::serde::rfc3339::option")]
    pub time: Option<OffsetDateTime>,
    /// Whether it proves that time.
    pub indication: Indication,
    /// Why not.
    pub sub_indication: Option<SubIndication>,
    /// Arithmetic alone.
    pub cryptographically_intact: Option<bool>,
    /// The authority.
    pub authority: Option<String>,
    /// Whether it is qualified by a trusted list.
    pub qualified: bool,
    /// What it covers.
    pub covers: Vec<String>,
    /// What was found.
    pub messages: Vec<String>,
}

/// The verdict on one evidence record.
#[derive(Debug, Clone, Serialize)]
pub struct RecordVerdict {
    /// The identifier of the facts.
    pub id: String,
    /// Main indication.
    pub indication: Indication,
    /// Sub-indication, unless it passed.
    pub sub_indication: Option<SubIndication>,
    /// Arithmetic alone.
    pub cryptographically_intact: Option<bool>,
    /// Since when what it covers provably exists.
    #[serde(with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// What it covers.
    pub covers: Vec<String>,
    /// What was found.
    pub messages: Vec<String>,
}

/// Judges the facts.
pub fn judge(facts: &Facts, context: &Context<'_>) -> Verdict {
    let trust = trust_in_force(context);
    let context = &Context { trust: &trust, ..*context };
    let mut pool = pool::Pool::new(facts, context);
    pool.carried_since = stamps::carried_since(facts, &pool);
    let siblings: Vec<_> = facts.timestamps.iter().collect();
    let timestamps: Vec<_> = siblings.iter().map(|stamp| judge_timestamp(stamp, &siblings, &pool)).collect();
    let whole = Whole { facts, outside: &timestamps, pool: &pool };
    let signatures: Vec<_> = facts.signatures.iter().map(|signature| judge_signature(signature, &whole)).collect();
    let evidence_records: Vec<_> = facts.evidence_records.iter().map(|record| judge_record(record, &pool)).collect();
    let integrity = integrity_of(facts, &signatures, &timestamps, &evidence_records);
    let (indication, sub_indication) = overall(facts, integrity, &signatures, &timestamps, &evidence_records);
    Verdict {
        kind: facts.kind,
        validation_time: context.at,
        policy: context.policy.id.clone(),
        policy_sha256: context.policy.sha256.clone(),
        integrity_only: context.integrity_only,
        indication,
        sub_indication,
        cryptographically_intact: match integrity {
            Integrity::Whole => Some(true),
            Integrity::Broken => Some(false),
            Integrity::Partial | Integrity::Unknown => None,
        },
        integrity,
        signatures,
        timestamps,
        evidence_records,
        trusted_lists: if context.integrity_only { Vec::new() } else { context.trust.lists.used(context.at) },
        members: facts.members.clone(),
        faults: facts.faults.clone(),
    }
}

/// Without the overdue lists, where the policy has it so.
fn trust_in_force<'a>(context: &Context<'a>) -> Cow<'a, TrustMaterial> {
    let overdue = || context.trust.lists.all().iter().any(|list| list.is_stale(context.at));
    if context.integrity_only || context.policy.trusted_lists.stale == Stale::Warn || !overdue() {
        return Cow::Borrowed(context.trust);
    }
    let lists = context.trust.lists.current(context.at);
    Cow::Owned(TrustMaterial { lists, ..context.trust.clone() })
}

/// What every signature of an input is judged with.
struct Whole<'a> {
    facts: &'a Facts,
    outside: &'a [TimestampVerdict],
    pool: &'a pool::Pool<'a>,
}

fn judge_signature(signature: &SignatureFacts, whole: &Whole<'_>) -> SignatureVerdict {
    let (facts, pool) = (whole.facts, whole.pool);
    let covering = facts.timestamps.iter().filter(|stamp| stamp.signatures.contains(&signature.id));
    let siblings: Vec<_> = signature.timestamps.iter().chain(covering).collect();
    let timestamps: Vec<_> = signature.timestamps.iter().map(|stamp| judge_timestamp(stamp, &siblings, pool)).collect();
    let records: Vec<_> = signature.evidence_records.iter().map(|record| judge_record(record, pool)).collect();
    let mut messages = Vec::new();
    let mut judged = trust::Judged::default();
    let sub_indication = match integrity::failure(signature, pool.context.integrity_only) {
        Some((sub, why)) => {
            messages.push(why);
            Some(sub)
        }
        None if pool.context.integrity_only => None,
        None => {
            judged = trust::judge(signature, facts, &timestamps, whole.outside, &records, pool);
            messages.append(&mut judged.messages);
            judged.sub_indication
        }
    };
    messages.extend(signature.faults.iter().map(|fault| fault.detail.clone()));
    messages.dedup();
    let certificate = signature.signing_certificate.as_ref().and_then(|der| Certificate::from_der(&der.0).ok());
    SignatureVerdict {
        id: signature.id.clone(),
        format: signature.format,
        level: level::of(signature, facts),
        indication: sub_indication.map_or(Indication::TotalPassed, SubIndication::indication),
        sub_indication,
        cryptographically_intact: integrity::intact(signature),
        covers: signature.covers.clone(),
        signer: certificate.as_ref().map(signer),
        algorithm: signature
            .algorithm
            .map_or_else(|| signature.algorithm_name.clone(), |algorithm| algorithm.to_string()),
        claimed_signing_time: signature.claimed_signing_time,
        best_signature_time: judged.best_signature_time,
        best_signature_time_source: judged.best_signature_time_source,
        timestamps,
        counter_signatures: signature
            .counter_signatures
            .iter()
            .map(|counter| judge_signature(counter, whole))
            .collect(),
        evidence_records: records,
        chain: judged.chain,
        qualification: judged.qualification,
        signature_policy: signature
            .policy
            .as_ref()
            .map(|policy| if policy.implied { "implicite".to_owned() } else { policy.id.clone() }),
        messages,
        location: signature.location.clone(),
    }
}

fn judge_timestamp(stamp: &TimestampFacts, siblings: &[&TimestampFacts], pool: &pool::Pool<'_>) -> TimestampVerdict {
    let intact = integrity::timestamp_intact(stamp);
    let mut messages: Vec<String> = stamp.faults.iter().map(|fault| fault.detail.clone()).collect();
    let trusted = match stamps::arithmetic_failure(stamp, intact) {
        Some(failure) => Err(failure),
        None if pool.context.integrity_only => Ok(false),
        None => stamps::trusted(stamp, siblings, pool),
    };
    let qualified = trusted == Ok(true);
    let sub_indication = trusted.err().map(|(sub, why)| {
        messages.insert(0, why);
        sub
    });
    let certificate = stamp.token.as_ref().and_then(|token| token.signing_certificate.as_ref());
    TimestampVerdict {
        id: stamp.id.clone(),
        kind: stamp.kind,
        time: stamp.time,
        indication: sub_indication.map_or(Indication::TotalPassed, SubIndication::indication),
        sub_indication,
        cryptographically_intact: intact,
        authority: certificate
            .and_then(|der| Certificate::from_der(&der.0).ok())
            .map(|found| found.subject().to_owned()),
        qualified,
        covers: stamp.covers.clone(),
        messages,
    }
}

fn judge_record(record: &EvidenceRecordFacts, pool: &pool::Pool<'_>) -> RecordVerdict {
    let intact = integrity::record_intact(record);
    let mut messages: Vec<String> = record.faults.iter().map(|fault| fault.detail.clone()).collect();
    let siblings: Vec<_> = record.timestamps.iter().collect();
    let stamps: Vec<_> = siblings.iter().map(|stamp| judge_timestamp(stamp, &siblings, pool)).collect();
    let sub_indication = match intact {
        Some(false) => Some(SubIndication::HashFailure),
        None => Some(SubIndication::SignedDataNotFound),
        Some(true) => stamps.iter().find_map(|stamp| stamp.sub_indication),
    };
    messages.extend(stamps.into_iter().flat_map(|stamp| stamp.messages));
    RecordVerdict {
        id: record.id.clone(),
        indication: sub_indication.map_or(Indication::TotalPassed, SubIndication::indication),
        sub_indication,
        cryptographically_intact: intact,
        since: record.first_time,
        covers: record.covers.clone(),
        messages,
    }
}

fn signer(certificate: &Certificate) -> Signer {
    Signer {
        subject: certificate.subject().to_owned(),
        issuer: certificate.issuer().to_owned(),
        serial: hex::encode(certificate.serial()),
        fingerprint: certificate.fingerprint(),
        key: certificate.public_key().map(|key| key.to_string()).unwrap_or_default(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
    }
}

/// What of the input is intact: every signature with its time-stamps and counter-signatures, and what stands outside. A
/// time-stamp over a signature that does not hold proves nothing of the document.
/// Evidence records inside a signature add to it and take nothing away.
fn integrity_of(
    facts: &Facts,
    signatures: &[SignatureVerdict],
    timestamps: &[TimestampVerdict],
    records: &[RecordVerdict],
) -> Integrity {
    let mut parts = Vec::new();
    for (facts, signature) in facts.signatures.iter().zip(signatures) {
        collect(facts, signature, &mut parts);
    }
    parts.extend(timestamps.iter().map(|stamp| stamp.cryptographically_intact));
    parts.extend(records.iter().map(|record| record.cryptographically_intact));
    let refused = |fault: &Fault| matches!(fault.kind, FaultKind::Malformed | FaultKind::Refused);
    let incomplete = |fault: &Fault| matches!(fault.kind, FaultKind::Uncovered | FaultKind::LaterChange);
    let all = facts.faults.iter().chain(facts.signatures.iter().flat_map(|signature| &signature.faults));
    let lacking = all.clone().any(incomplete);
    let refused = facts.faults.iter().any(refused);
    match (parts.contains(&Some(true)), parts.contains(&Some(false)), parts.contains(&None)) {
        _ if parts.is_empty() => {
            if refused {
                Integrity::Broken
            } else {
                Integrity::Unknown
            }
        }
        (true, false, false) if !lacking && !refused => Integrity::Whole,
        (true, _, _) => Integrity::Partial,
        (false, true, _) => Integrity::Broken,
        (false, false, _) => Integrity::Unknown,
    }
}

fn collect(facts: &SignatureFacts, signature: &SignatureVerdict, parts: &mut Vec<Option<bool>>) {
    parts.push(signature.cryptographically_intact);
    if signature.cryptographically_intact == Some(true) {
        parts.extend(signature.timestamps.iter().map(|stamp| stamp.cryptographically_intact));
    } else if integrity::holds_a_part(facts) {
        parts.push(Some(true));
    }
    for (facts, counter) in facts.counter_signatures.iter().zip(&signature.counter_signatures) {
        collect(facts, counter, parts);
    }
}

/// The indication of the whole: the worst of the parts; indeterminate when the parts pass but do not make a whole.
fn overall(
    facts: &Facts,
    integrity: Integrity,
    signatures: &[SignatureVerdict],
    timestamps: &[TimestampVerdict],
    records: &[RecordVerdict],
) -> (Option<Indication>, Option<SubIndication>) {
    let parts = signatures.iter().map(|part| (part.indication, part.sub_indication));
    // A document time-stamp that only proves a date does not drag a valid signature down for want of a chain.
    let lone = signatures.is_empty();
    let stamps = timestamps.iter().filter(|_| lone).map(|part| (part.indication, part.sub_indication));
    let records = records.iter().filter(|_| lone).map(|part| (part.indication, part.sub_indication));
    let worst = parts.chain(stamps).chain(records).max_by_key(|(indication, _)| *indication);
    let fault = facts.faults.iter().find(|fault| matches!(fault.kind, FaultKind::Malformed | FaultKind::Refused));
    match worst {
        None if fault.is_some() => (Some(Indication::TotalFailed), Some(SubIndication::FormatFailure)),
        None => (None, None),
        // One broken signature among good ones: the file as a whole is neither.
        Some((Indication::TotalFailed, sub)) if integrity != Integrity::Partial => (Some(Indication::TotalFailed), sub),
        Some((Indication::TotalPassed, _)) if integrity == Integrity::Partial => {
            (Some(Indication::Indeterminate), Some(SubIndication::SigConstraintsFailure))
        }
        Some((indication, sub)) => (Some(indication), sub),
    }
}
