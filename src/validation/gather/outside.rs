//! Time-stamps without their authority's certificate, looked at again with certificates from elsewhere: a token need not
//! bring its certificate (RFC 3161 § 2.4.1, `certReq`).

use super::cades::{self, CmsContent, Telling};
use crate::spec::tsp::received::Token;
use crate::validation::facts::{EvidenceRecordFacts, Facts, Format, SignatureFacts, TimestampFacts, ValueState};

/// How deep signatures are looked into.
const DEPTH_MAX: usize = 8;
/// Certificates tried on one token.
const CERTIFICATES_MAX: usize = 256;

/// Looks again at every token of `facts` that lacks its certificate.
pub(in crate::validation) fn retry(facts: &mut Facts, certificates: &[&[u8]]) {
    if certificates.is_empty() {
        return;
    }
    let certificates = &certificates[..certificates.len().min(CERTIFICATES_MAX)];
    facts.signatures.iter_mut().for_each(|signature| of_signature(signature, certificates, 0));
    facts.timestamps.iter_mut().for_each(|stamp| of_stamp(stamp, certificates, 0));
    facts.evidence_records.iter_mut().for_each(|record| of_record(record, certificates, 0));
}

fn of_signature(signature: &mut SignatureFacts, certificates: &[&[u8]], depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    signature.timestamps.iter_mut().for_each(|stamp| of_stamp(stamp, certificates, depth + 1));
    signature.evidence_records.iter_mut().for_each(|record| of_record(record, certificates, depth + 1));
    signature.counter_signatures.iter_mut().for_each(|counter| of_signature(counter, certificates, depth + 1));
}

fn of_record(record: &mut EvidenceRecordFacts, certificates: &[&[u8]], depth: usize) {
    record.timestamps.iter_mut().for_each(|stamp| of_stamp(stamp, certificates, depth + 1));
}

fn of_stamp(stamp: &mut TimestampFacts, certificates: &[&[u8]], depth: usize) {
    let Some(token) = stamp.token.as_deref_mut() else { return };
    of_signature(token, certificates, depth + 1);
    if token.value != ValueState::NoCertificate {
        return;
    }
    let Ok(parsed) = Token::parse(&stamp.der.0) else { return };
    let telling = Telling {
        prefix: &token.id,
        exact: true,
        location: &token.location,
        format: Some(Format::Rfc3161),
        certificates,
        depth: DEPTH_MAX,
    };
    let (signatures, _) = cades::read(&parsed.signed, CmsContent::Encapsulated, telling);
    if let Some(again) = signatures.into_iter().next().filter(|again| again.value != ValueState::NoCertificate) {
        token.value = again.value;
        token.references = again.references;
        token.signing_certificate = again.signing_certificate;
        token.certificate_reference = again.certificate_reference;
        token.faults = again.faults;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spec::cms::{Certificate, Certificates, CmsSigner, oid};
    use crate::validation::facts::{InputKind, TimestampKind};
    use crate::validation::gather::tsp;
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

    /// TSTInfo over 32 zeros.
    const INFO: &str = "303f02010106032a03043031300d060960864801650304020105000420\
                        0000000000000000000000000000000000000000000000000000000000000000\
                        020107180f32303236303330313132303030305a";

    #[test]
    fn a_token_without_its_certificate_is_looked_at_with_those_given() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let signer = CmsSigner::new(key.serialized_der(), Certificate::from_der(made.der()).unwrap(), &[]).unwrap();
        let info = hex::decode(INFO).unwrap();
        let info = crate::spec::cms::asn1::sequence(&[&info[2..]]);
        let token = signer.sign(&oid::TST_INFO, &info, None, Certificates::Omitted).unwrap();
        let stamp = tsp::token(&token, TimestampKind::Standalone, "T1", Vec::new(), &mut |_| Some(vec![0; 32]));
        assert_eq!(stamp.token.as_ref().unwrap().value, ValueState::NoCertificate, "{:?}", stamp.faults);
        let mut facts = Facts { kind: InputKind::Timestamp, timestamps: vec![stamp], ..Facts::default() };
        retry(&mut facts, &[]);
        assert_eq!(facts.timestamps[0].token.as_ref().unwrap().value, ValueState::NoCertificate);
        retry(&mut facts, &[made.der()]);
        let token = facts.timestamps[0].token.as_ref().unwrap();
        assert_eq!(token.value, ValueState::Intact);
        assert_eq!(token.signing_certificate.as_ref().unwrap().0, made.der().to_vec());
    }
}
