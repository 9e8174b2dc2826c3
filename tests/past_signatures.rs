//! Past certificate validation (EN 319 102-1 § 5.6.2.1): a signature that provably existed while everything held stays
//! valid thirty years later, and only then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use archiland::spec::cms::{Certificate as OwnCertificate, Certificates, CmsSigner, oid};
use archiland::spec::x509::Certificate;
use archiland::validation::policy::SignaturePolicy;
use archiland::validation::trust::TrustMaterial;
use archiland::validation::verdict::{Context, judge};
use archiland::validation::{Input, gather};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
};
use time::OffsetDateTime;
use time::macros::datetime;

const THIRTY_YEARS_LATER: OffsetDateTime = datetime!(2056-06-01 0:00 UTC);
const ARCHIVED: OffsetDateTime = datetime!(2026-03-05 0:00 UTC);

struct Made {
    signature: Vec<u8>,
    root: Certificate,
    /// By the root about the intermediate, by the intermediate about the signer.
    lists: Vec<Vec<u8>>,
}

fn authority(name: &str, until: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = datetime!(2020-01-01 0:00 UTC);
    params.not_after = until;
    params
}

/// A chain of three whose lists were made at `listed`; `revoked`: when, and of whom (serial number).
fn made(listed: OffsetDateTime, revoked: Option<(OffsetDateTime, u8)>) -> Made {
    made_under(datetime!(2030-01-01 0:00 UTC), listed, revoked)
}

/// The same, whose intermediate authority ends at `until`.
fn made_under(until: OffsetDateTime, listed: OffsetDateTime, revoked: Option<(OffsetDateTime, u8)>) -> Made {
    let root = authority("Racine", datetime!(2040-01-01 0:00 UTC));
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let mut params = authority("Intermédiaire", until);
    params.serial_number = Some(SerialNumber::from_slice(&[0x21]));
    let between = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Agente");
    params.serial_number = Some(SerialNumber::from_slice(&[0x31]));
    params.not_before = datetime!(2026-01-01 0:00 UTC);
    params.not_after = datetime!(2027-01-01 0:00 UTC);
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    let key = KeyPair::generate().unwrap();
    let certificate = OwnCertificate::from_der(params.signed_by(&key, &between).unwrap().der()).unwrap();
    let chain = [OwnCertificate::from_der(between.der()).unwrap()];
    let signer = CmsSigner::new(key.serialized_der(), certificate, &chain).unwrap();
    let signature = signer.sign(&oid::DATA, b"Acte", Some(datetime!(2026-03-01 0:00 UTC)), Certificates::Included);
    let list = |issuer: &Issuer<'_, KeyPair>, serial: u8| {
        let entry = revoked.filter(|(_, whose)| *whose == serial).map(|(at, _)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[serial]),
            revocation_time: at,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: listed,
            next_update: listed + time::Duration::days(7),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: entry.into_iter().collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(issuer).unwrap().der().to_vec()
    };
    let lists = vec![list(&root, 0x21), list(&between, 0x31)];
    Made { signature: signature.unwrap(), root: Certificate::from_der(root.der()).unwrap(), lists }
}

fn said(made: &Made, at: OffsetDateTime, existence: Option<OffsetDateTime>) -> String {
    let trust =
        TrustMaterial { anchors: vec![made.root.clone()], crls: made.lists.clone(), ..TrustMaterial::default() };
    let policy = SignaturePolicy::parse(include_str!("../policies/signature.toml")).unwrap();
    let facts = gather(&Input { name: None, bytes: &made.signature, contents: &[], certificates: &[] });
    let context = Context { policy: &policy, trust: &trust, at, existence, beside: None, integrity_only: false };
    let verdict = judge(&facts, &context);
    verdict.sub_indication.map_or_else(|| verdict.indication.unwrap().to_string(), |sub| sub.to_string())
}

#[test]
fn thirty_years_later_the_log_still_proves_it() {
    let listed = datetime!(2026-03-10 0:00 UTC);
    let fine = made(listed, None);
    assert_eq!(said(&fine, datetime!(2026-03-11 0:00 UTC), None), "TOTAL-PASSED");
    // Everything has expired: signer, intermediate, root, lists, and SHA-256 with them.
    assert_eq!(said(&fine, THIRTY_YEARS_LATER, Some(ARCHIVED)), "TOTAL-PASSED");
    assert_eq!(said(&fine, THIRTY_YEARS_LATER, None), "OUT_OF_BOUNDS_NO_POE");
}

#[test]
fn what_was_revoked_since_was_valid_before() {
    let (before, after) = (datetime!(2026-03-04 0:00 UTC), datetime!(2026-03-08 0:00 UTC));
    let listed = datetime!(2026-03-10 0:00 UTC);
    for whose in [0x31, 0x21] {
        let since = made(listed, Some((after, whose)));
        assert_eq!(said(&since, THIRTY_YEARS_LATER, Some(ARCHIVED)), "TOTAL-PASSED", "{whose:x}");
        let ago = made(listed, Some((before, whose)));
        let expected = if whose == 0x31 { "REVOKED_NO_POE" } else { "REVOKED_CA_NO_POE" };
        assert_eq!(said(&ago, THIRTY_YEARS_LATER, Some(ARCHIVED)), expected);
        assert_eq!(said(&since, datetime!(2026-03-11 0:00 UTC), None), expected, "without proof");
    }
}

#[test]
fn a_list_made_after_the_end_does_not_tell_of_revocations_before_it() {
    let late = made(datetime!(2027-06-01 0:00 UTC), None);
    assert_eq!(said(&late, datetime!(2027-06-02 0:00 UTC), Some(ARCHIVED)), "TRY_LATER");
}

#[test]
fn an_answer_older_than_the_proof_is_not_fresh_for_ever() {
    let early = made(datetime!(2026-01-10 0:00 UTC), None);
    assert_eq!(said(&early, THIRTY_YEARS_LATER, Some(ARCHIVED)), "REVOCATION_OUT_OF_BOUNDS_NO_POE");
}

#[test]
fn the_control_time_slides_to_what_was_last_known() {
    let (until, listed) = (datetime!(2026-03-04 0:00 UTC), datetime!(2026-03-03 0:00 UTC));
    let made = made_under(until, listed, None);
    // The authority had ended when the signature was archived; its lists were fresh, and nobody had been revoked.
    assert_eq!(said(&made, datetime!(2026-03-06 0:00 UTC), Some(ARCHIVED)), "TOTAL-PASSED");
    assert_eq!(said(&made, datetime!(2026-03-06 0:00 UTC), None), "OUT_OF_BOUNDS_NO_POE");
    // Later they no longer are: what is known goes back to the lists, which precede the proof.
    assert_eq!(said(&made, THIRTY_YEARS_LATER, Some(ARCHIVED)), "OUT_OF_BOUNDS_NO_POE");
    assert_eq!(said(&made, THIRTY_YEARS_LATER, Some(datetime!(2026-03-02 0:00 UTC))), "TOTAL-PASSED");
}
