//! Evidence records (RFC 4998, RFC 6283), alone or embedded in a signature or a container.

use super::tsp;
use crate::spec::ers::{DataObject, ErsError, EvidenceRecord, Verified, verify_xml};
use crate::validation::Input;
use crate::validation::facts::{
    Coverage, CoverageKind, EvidenceRecordFacts, Facts, Fault, FaultKind, InputKind, ReferenceState, TimestampFacts,
    TimestampKind,
};

/// The facts of an evidence record, over the contents beside it.
pub fn gather(input: &Input<'_>) -> Facts {
    let data: Vec<_> = input.contents.iter().map(|content| content.bytes).collect();
    let mut told = record(input.bytes, "fichier", &data);
    "E1".clone_into(&mut told.id);
    told.covers = input.contents.iter().map(|content| content.name.to_owned()).collect();
    let covered = told.state == ReferenceState::Intact;
    let members = input.contents.iter().map(|content| Coverage {
        kind: CoverageKind::Content,
        name: content.name.to_owned(),
        covered,
        detail: Some(format!("{} octets", content.bytes.len())),
    });
    let kind = if is_der(input.bytes) { InputKind::EvidenceRecord } else { InputKind::XmlEvidenceRecord };
    Facts { kind, members: members.collect(), evidence_records: vec![told], ..Facts::default() }
}

/// The facts of one record (RFC 4998 DER or RFC 6283 XML) over `data`, the objects of its first group; none given
/// leaves them unchecked.
pub fn record(bytes: &[u8], location: &str, data: &[&[u8]]) -> EvidenceRecordFacts {
    let documents: Vec<_> = data.iter().map(|bytes| DataObject::Content(bytes)).collect();
    let mut told = EvidenceRecordFacts {
        id: format!("preuve ({location})"),
        location: location.to_owned(),
        syntax: if is_der(bytes) { "RFC4998" } else { "RFC6283" },
        state: ReferenceState::Missing,
        first_time: None,
        timestamps: Vec::new(),
        covers: Vec::new(),
        faults: Vec::new(),
    };
    let verified = if is_der(bytes) {
        EvidenceRecord::parse(bytes).and_then(|record| {
            told.timestamps = stamps(&record);
            record.verify(&documents, None)
        })
    } else {
        verify_xml(bytes, &documents, None)
    };
    match verified {
        Ok(verified) => held(&mut told, &verified),
        Err(error) => refused(&mut told, &error),
    }
    told
}

fn held(told: &mut EvidenceRecordFacts, verified: &Verified) {
    told.state = ReferenceState::Intact;
    told.first_time = verified.since();
    if verified.documents == 0 {
        let detail =
            "aucun document fourni : les arbres et les horodatages se tiennent, ce qu'ils prouvent n'est pas contrôlé";
        told.faults.push(Fault::new(FaultKind::Note, detail));
    }
}

fn refused(told: &mut EvidenceRecordFacts, error: &ErsError) {
    let detail = error.to_string();
    told.state = match error {
        ErsError::DocumentsNeeded(_) | ErsError::DigestMissing { .. } => ReferenceState::Missing,
        ErsError::Algorithm(_) => ReferenceState::Unsupported(detail.clone()),
        _ => ReferenceState::Broken,
    };
    let kind = match error {
        ErsError::TooLarge { .. } => FaultKind::Refused,
        ErsError::Der(_) | ErsError::Xml(_) | ErsError::Structure(_) => FaultKind::Malformed,
        _ => FaultKind::Note,
    };
    told.faults.push(Fault::new(kind, detail));
}

fn stamps(record: &EvidenceRecord<'_>) -> Vec<TimestampFacts> {
    let tokens = record.chains.iter().flat_map(|chain| &chain.stamps).map(|stamp| stamp.token).enumerate();
    tokens
        .map(|(rank, token)| {
            tsp::token(token, TimestampKind::Standalone, &format!("E1-T{}", rank + 1), Vec::new(), &mut |_| None)
        })
        .collect()
}

/// XML begins with `<`, perhaps after a byte order mark or blanks; a DER record with a SEQUENCE, which is `0`.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}
