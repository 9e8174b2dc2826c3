//! The detailed report: each building block of EN 319 102-1 with its conclusion, for whoever must defend the verdict.

use crate::validation::Facts;
use crate::validation::facts::{ReferenceState, SignatureFacts, ValueState};
use crate::validation::verdict::{SignatureVerdict, Verdict};
use serde_json::{Value, json};

/// The report, as JSON: per signature, the blocks in the order of the standard.
pub fn detailed(facts: &Facts, verdict: &Verdict) -> Value {
    let signatures: Vec<_> =
        facts.signatures.iter().zip(&verdict.signatures).map(|(facts, verdict)| blocks(facts, verdict)).collect();
    json!({
        "validation_time": verdict.validation_time.unix_timestamp(),
        "policy": verdict.policy,
        "indication": verdict.indication,
        "sub_indication": verdict.sub_indication,
        "integrity": verdict.integrity,
        "signatures": signatures,
        "timestamps": verdict.timestamps,
        "evidence_records": verdict.evidence_records,
        "faults": verdict.faults,
    })
}

fn blocks(facts: &SignatureFacts, verdict: &SignatureVerdict) -> Value {
    let found = facts.references.iter().all(|reference| reference.state != ReferenceState::Missing);
    let digests = facts.references.iter().all(|reference| reference.state == ReferenceState::Intact);
    let block = |name: &str, clause: &str, passed: bool| json!({ "block": name, "clause": clause, "passed": passed });
    json!({
        "id": verdict.id,
        "location": facts.location,
        "indication": verdict.indication,
        "sub_indication": verdict.sub_indication,
        "blocks": [
            block("format", "5.2.2", !matches!(facts.value, ValueState::Malformed(_)) && facts.faults.iter().all(|fault| {
                use crate::validation::facts::FaultKind::{Malformed, Refused};
                !matches!(fault.kind, Malformed | Refused)
            })),
            block("certificat du signataire", "5.2.3", facts.signing_certificate.is_some()),
            block("données signées trouvées", "5.2.7", found),
            block("condensats", "5.2.7", digests),
            block("valeur de signature", "5.2.7", facts.value == ValueState::Intact),
            block("chaîne, révocation, algorithmes", "5.2.6, 5.2.8, 5.6", verdict.sub_indication.is_none()),
        ],
        "references": facts.references,
        "certificate_reference": facts.certificate_reference,
        "policy": facts.policy,
        "chain": verdict.chain,
        "qualification": verdict.qualification,
        "best_signature_time": verdict.best_signature_time.map(OffsetTime),
        "timestamps": verdict.timestamps,
        "messages": verdict.messages,
    })
}

#[derive(serde::Serialize)]
struct OffsetTime(#[serde(with = "time::serde::rfc3339")] time::OffsetDateTime);
