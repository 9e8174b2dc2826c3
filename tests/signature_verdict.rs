//! The verdict on signatures made for the occasion: who vouches, when, and what proves it; and no byte of what is signed
//! changes unnoticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use archiland::spec::cms::{Certificate as OwnCertificate, Certificates, CmsSigner, oid};
use archiland::spec::x509::Certificate;
use archiland::spec::xml::{Document, Limits};
use archiland::validation::indication::Indication;
use archiland::validation::policy::SignaturePolicy;
use archiland::validation::trust::TrustMaterial;
use archiland::validation::verdict::{Context, Verdict, judge};
use archiland::validation::{Content, Input, gather, report};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
};
use std::sync::LazyLock;
use time::OffsetDateTime;
use time::macros::datetime;

const SIGNED: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const CONTENT: &[u8] = "Bordereau n° 42, 1 234,56 €".as_bytes();

struct World {
    authority: CertifiedIssuer<'static, KeyPair>,
    anchor: Certificate,
    signature: Vec<u8>,
}

/// An authority, a signer valid in 2026, and a signature that carries [`CONTENT`].
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Autorité d'essai");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Agente signataire");
    params.serial_number = Some(SerialNumber::from_slice(&[0x11, 0x22]));
    params.not_before = datetime!(2026-01-01 0:00 UTC);
    params.not_after = datetime!(2026-12-31 0:00 UTC);
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let certificate = OwnCertificate::from_der(certificate.der()).unwrap();
    let signer = CmsSigner::new(key.serialized_der(), certificate, &[]).unwrap();
    let signature = signer.sign(&oid::DATA, CONTENT, Some(SIGNED), Certificates::Included).unwrap();
    let anchor = Certificate::from_der(authority.der()).unwrap();
    World { authority, anchor, signature }
});

fn policy(revocation: &str) -> SignaturePolicy {
    let text = include_str!("../policies/signature.toml");
    SignaturePolicy::parse(&text.replace("mode = \"require\"", &format!("mode = \"{revocation}\""))).unwrap()
}

fn trusting() -> TrustMaterial {
    TrustMaterial { anchors: vec![WORLD.anchor.clone()], ..TrustMaterial::default() }
}

/// A list that revokes the signer on 15 April 2026.
fn list() -> Vec<u8> {
    let entry = RevokedCertParams {
        serial_number: SerialNumber::from_slice(&[0x11, 0x22]),
        revocation_time: datetime!(2026-04-15 0:00 UTC),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: datetime!(2026-05-01 0:00 UTC),
        next_update: datetime!(2026-07-01 0:00 UTC),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: vec![entry],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&WORLD.authority).unwrap().der().to_vec()
}

fn verdict(
    signature: &[u8],
    content: &[u8],
    policy: &SignaturePolicy,
    trust: &TrustMaterial,
    at: OffsetDateTime,
    existence: Option<OffsetDateTime>,
) -> Verdict {
    let contents = [Content { name: "bordereau.txt", bytes: content }];
    let facts =
        gather(&Input { name: Some("bordereau.p7s"), bytes: signature, contents: &contents, certificates: &[] });
    judge(&facts, &Context { policy, trust, at, existence, beside: None, integrity_only: false })
}

fn said(verdict: &Verdict) -> String {
    match (verdict.indication, verdict.sub_indication) {
        (Some(indication), Some(sub)) => format!("{indication}/{sub}"),
        (Some(indication), None) => indication.to_string(),
        _ => "none".to_owned(),
    }
}

#[test]
fn who_vouches_when_and_what_proves_it() {
    let (during, after) = (datetime!(2026-06-01 0:00 UTC), datetime!(2027-06-01 0:00 UTC));
    let early = Some(datetime!(2026-03-02 0:00 UTC));
    let revoking = TrustMaterial { crls: vec![list()], ..trusting() };
    let nobody = TrustMaterial::default();
    let any = "if-available";
    let cases = [
        (any, &trusting(), during, None, "TOTAL-PASSED"),
        (any, &nobody, during, None, "INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"),
        (any, &trusting(), after, None, "INDETERMINATE/OUT_OF_BOUNDS_NO_POE"),
        (any, &trusting(), after, early, "TOTAL-PASSED"),
        (any, &trusting(), after, Some(datetime!(2027-01-15 0:00 UTC)), "INDETERMINATE/OUT_OF_BOUNDS_NO_POE"),
        (any, &trusting(), during, Some(datetime!(2025-06-01 0:00 UTC)), "TOTAL-FAILED/NOT_YET_VALID"),
        ("require", &trusting(), during, None, "INDETERMINATE/TRY_LATER"),
        ("require", &revoking, during, None, "INDETERMINATE/REVOKED_NO_POE"),
        ("require", &revoking, after, early, "TOTAL-PASSED"),
        ("require", &revoking, datetime!(2026-04-01 0:00 UTC), None, "TOTAL-PASSED"),
    ];
    for (revocation, trust, at, existence, expected) in cases {
        let verdict = verdict(&WORLD.signature, CONTENT, &policy(revocation), trust, at, existence);
        assert_eq!(said(&verdict), expected, "{revocation} {at} {existence:?}: {:?}", verdict.signatures[0].messages);
        assert_eq!(verdict.cryptographically_intact, Some(true));
    }
}

#[test]
fn algorithms_are_judged_by_the_date_proved() {
    let text = include_str!("../policies/signature.toml");
    let text = text.replace("mode = \"require\"", "mode = \"if-available\"");
    let ended =
        SignaturePolicy::parse(&text.replace("\"SHA-256\" = \"2035-12-31\"", "\"SHA-256\" = \"2026-03-10\"")).unwrap();
    let at = datetime!(2026-06-01 0:00 UTC);
    let late = verdict(&WORLD.signature, CONTENT, &ended, &trusting(), at, None);
    assert_eq!(said(&late), "INDETERMINATE/CRYPTO_CONSTRAINTS_FAILURE_NO_POE");
    let proved = verdict(&WORLD.signature, CONTENT, &ended, &trusting(), at, Some(datetime!(2026-03-02 0:00 UTC)));
    assert_eq!(said(&proved), "TOTAL-PASSED");
    assert_eq!(proved.signatures[0].best_signature_time, Some(datetime!(2026-03-02 0:00 UTC)));
}

#[test]
fn a_signature_without_its_certificate_is_looked_at_with_those_given() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Agente discrète");
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    let certificate = params.signed_by(&key, &WORLD.authority).unwrap();
    let own = OwnCertificate::from_der(certificate.der()).unwrap();
    let signer = CmsSigner::new(key.serialized_der(), own, &[]).unwrap();
    let signature = signer.sign(&oid::DATA, CONTENT, Some(SIGNED), Certificates::Omitted).unwrap();
    let (policy, trust) = (policy("if-available"), trusting());
    let at = datetime!(2026-06-01 0:00 UTC);
    let other = WORLD.anchor.der();
    for (given, expected) in [
        (vec![], "INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND"),
        (vec![other], "INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND"),
        (vec![other, certificate.der().as_ref()], "TOTAL-PASSED"),
    ] {
        let facts = gather(&Input { name: None, bytes: &signature, contents: &[], certificates: &given });
        let context =
            Context { policy: &policy, trust: &trust, at, existence: None, beside: None, integrity_only: false };
        assert_eq!(said(&judge(&facts, &context)), expected);
    }
}

#[test]
fn the_reports_tell_the_same() {
    let at = datetime!(2026-06-01 0:00 UTC);
    let contents = [Content { name: "bordereau.txt", bytes: CONTENT }];
    let facts = gather(&Input { name: None, bytes: &WORLD.signature, contents: &contents, certificates: &[] });
    let (policy, trust) = (policy("if-available"), trusting());
    let verdict = judge(
        &facts,
        &Context { policy: &policy, trust: &trust, at, existence: None, beside: None, integrity_only: false },
    );
    let simple = report::simple(&verdict);
    assert!(simple.starts_with("Validation : valide\n") && simple.contains("Agente signataire"), "{simple}");
    assert!(simple.lines().count() < 40, "one screen");
    let json = report::json(&verdict);
    assert_eq!(json["indication"], "TOTAL-PASSED");
    for key in ["format", "level", "indication", "sub_indication", "cryptographically_intact", "covers", "signer"] {
        assert!(json["signatures"][0].get(key).is_some(), "{key}");
    }
    for key in ["best_signature_time", "timestamps"] {
        assert!(json["signatures"][0].get(key).is_some(), "{key}");
    }
    let etsi = report::etsi::xml(&facts, &verdict);
    let document = Document::parse(etsi.as_bytes(), &Limits::default()).unwrap();
    let namespace = "http://uri.etsi.org/19102/v1.4.1#";
    let root = document.root();
    assert!(root.is(namespace, "ValidationReport"));
    let entry = root.child(namespace, "SignatureValidationReport").unwrap();
    let order: Vec<_> = entry.children().map(|child| child.name().into_owned()).collect();
    let schema = [
        "SignatureIdentifier",
        "ValidationConstraintsEvaluationReport",
        "ValidationTimeInfo",
        "SignersDocument",
        "SignatureAttributes",
        "SignerInformation",
        "SignatureQuality",
        "SignatureValidationProcess",
        "SignatureValidationStatus",
    ];
    let ranks: Vec<_> = order.iter().map(|name| schema.iter().position(|known| known == name).unwrap()).collect();
    assert!(ranks.is_sorted(), "{order:?}");
    let indication = root.descendants().find(|child| child.is(namespace, "MainIndication")).unwrap();
    assert_eq!(indication.text(), Indication::TotalPassed.urn());
}

#[test]
fn every_policy_of_the_house_reads() {
    for text in [
        include_str!("../policies/signature.toml"),
        include_str!("../policies/signature-stricte.toml"),
        include_str!("../policies/signature-sans-revocation.toml"),
    ] {
        SignaturePolicy::parse(text).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever bit of the content changes, the signature does not pass.
    #[test]
    fn a_changed_content_never_passes(at in 0..CONTENT.len(), bit in 0_u8..8) {
        let mut content = CONTENT.to_vec();
        content[at] ^= 1 << bit;
        let time = datetime!(2026-06-01 0:00 UTC);
        let verdict = verdict(&WORLD.signature, &content, &policy("if-available"), &trusting(), time, None);
        prop_assert_ne!(verdict.indication, Some(Indication::TotalPassed));
    }

    /// Whatever bit of the signature changes, what passes is the same content, signer and claimed time.
    #[test]
    fn a_changed_signature_never_says_something_else(at in 0..WORLD.signature.len(), bit in 0_u8..8) {
        let mut signature = WORLD.signature.clone();
        signature[at] ^= 1 << bit;
        let time = datetime!(2026-06-01 0:00 UTC);
        let verdict = verdict(&signature, CONTENT, &policy("if-available"), &trusting(), time, None);
        for passed in verdict.signatures.iter().filter(|signature| signature.indication == Indication::TotalPassed) {
            prop_assert!(passed.signer.as_ref().unwrap().subject.contains("Agente signataire"));
            prop_assert_eq!(passed.claimed_signing_time, Some(SIGNED));
        }
    }
}
