//! European trusted lists: whose signature is believed, which list takes the place of which, and what a list brings to a
//! signature at its time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/list_maker.rs"]
mod list_maker;

use archiland::spec::cms::{Certificate as OwnCertificate, Certificates, CmsSigner, oid};
use archiland::spec::tsl::LIST_OF_LISTS;
use archiland::spec::x509::Certificate;
use archiland::validation::lists::{ListRefusal, Lists};
use archiland::validation::policy::SignaturePolicy;
use archiland::validation::trust::TrustMaterial;
use archiland::validation::verdict::{Context, Verdict, judge};
use archiland::validation::{Input, gather, report};
use list_maker::{GRANTED, List, NATIONAL, Pointer, Scheme, WITHDRAWN};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair, KeyUsagePurpose};
use time::OffsetDateTime;
use time::macros::datetime;

fn held(signers: &[&Scheme]) -> Lists {
    Lists::signed_by(signers.iter().map(|scheme| Certificate::from_der(&scheme.certificate).unwrap()).collect())
}

fn france<'a>(signer: &'a Scheme, location: &str) -> Pointer<'a> {
    Pointer { location: location.to_owned(), territory: "FR", kind: NATIONAL, signer: &signer.certificate }
}

#[test]
fn a_list_is_believed_on_its_signature_by_whom_it_ought_to_be() {
    let (scheme, other) = (Scheme::new("Union"), Scheme::new("Autre"));
    let list = scheme.sign(&List::default());
    assert_eq!(held(&[&scheme]).accept(&list, Some("fr")).unwrap().territory, "FR");
    assert_eq!(held(&[&other]).accept(&list, None).unwrap_err(), ListRefusal::Signer("FR".into()));
    let wanted = ListRefusal::Territory { wanted: "DE".into(), found: "FR".into() };
    assert_eq!(held(&[&scheme]).accept(&list, Some("DE")).unwrap_err(), wanted);

    let text = String::from_utf8(list).unwrap();
    let tampered = text.replace("<TSLSequenceNumber>1<", "<TSLSequenceNumber>2<");
    assert_eq!(held(&[&scheme]).accept(tampered.as_bytes(), None).unwrap_err(), ListRefusal::Broken);
    // The same signature around another list: what is read is not what is signed.
    let unsigned = text.split("<ds:Signature").next().unwrap().to_owned() + "</TrustServiceStatusList>";
    assert_eq!(held(&[&scheme]).accept(unsigned.as_bytes(), None).unwrap_err(), ListRefusal::Signatures);
    let wrapped = format!(
        "<TrustServiceStatusList xmlns=\"http://uri.etsi.org/02231/v2#\">{}<Extra>{text}</Extra></TrustServiceStatusList>",
        unsigned.split("v2#\">").nth(1).unwrap().trim_end_matches("</TrustServiceStatusList>")
    );
    assert!(held(&[&scheme]).accept(wrapped.as_bytes(), None).is_err());
}

#[test]
fn a_list_of_lists_names_who_signs_for_each_territory() {
    let (union, paris, berlin) = (Scheme::new("Union"), Scheme::new("Paris"), Scheme::new("Berlin"));
    let mut lists = held(&[&union]);
    let national = paris.sign(&List::default());
    assert!(lists.accept(&national, None).is_err(), "nobody has named its signer yet");
    let german = Pointer { location: String::new(), territory: "DE", kind: NATIONAL, signer: &berlin.certificate };
    lists.accept(&union.sign(&List::of_lists(vec![france(&paris, ""), german])), None).unwrap();
    lists.accept(&national, None).unwrap();
    let theirs = berlin.sign(&List::default());
    assert_eq!(lists.accept(&theirs, None).unwrap_err(), ListRefusal::Signer("FR".into()), "Berlin signs for DE only");
    lists.accept(&berlin.sign(&List { territory: "DE", ..List::default() }), None).unwrap();
    assert_eq!(lists.all().len(), 3);
    assert_eq!(lists.take_new().len(), 3, "each one to be archived, once");
    assert!(lists.take_new().is_empty());
}

#[test]
fn a_list_of_lists_names_who_signs_the_next() {
    let (union, next, paris) = (Scheme::new("Union"), Scheme::new("Suite"), Scheme::new("Paris"));
    let own = |signer| Pointer { location: String::new(), territory: "EU", kind: LIST_OF_LISTS, signer };
    let second = List { sequence: 2, ..List::of_lists(vec![france(&paris, "")]) };
    let second = next.sign(&second);
    assert!(held(&[&union]).accept(&second, None).is_err());
    let mut lists = held(&[&union]);
    lists.accept(&union.sign(&List::of_lists(vec![own(&next.certificate)])), None).unwrap();
    lists.accept(&second, None).unwrap();
    // A national scheme does not become the union's.
    assert!(lists.accept(&paris.sign(&List { sequence: 3, ..List::of_lists(Vec::new()) }), None).is_err());
    let used = lists.used(datetime!(2026-06-01 0:00 UTC));
    assert_eq!((used.len(), used[0].sequence), (1, 2), "it took the place of the first");
}

#[test]
fn an_older_list_is_refused() {
    let scheme = Scheme::new("Union");
    let mut lists = held(&[&scheme]);
    lists.accept(&scheme.sign(&List { sequence: 8, ..List::default() }), None).unwrap();
    let older = lists.accept(&scheme.sign(&List { sequence: 7, ..List::default() }), None).unwrap_err();
    assert_eq!(older, ListRefusal::Older { territory: "FR".into(), sequence: 7, held: 8 });
}

/// A qualified certificate (EN 319 412-5) valid in 2026, a signature with it, and its authority.
fn qualified() -> (Vec<u8>, Vec<u8>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_before = datetime!(2026-01-01 0:00 UTC);
    params.not_after = datetime!(2027-01-01 0:00 UTC);
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    // QcCompliance, QcSSCD, QcType signature.
    let statements =
        hex::decode("302b3008060604008e4601013008060604008e4601043013060604008e4601063009060704008e46010601");
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 3], with_length(&statements.unwrap()))];
    let key = KeyPair::generate().unwrap();
    let certificate = OwnCertificate::from_der(params.signed_by(&key, &authority).unwrap().der()).unwrap();
    let signer = CmsSigner::new(key.serialized_der(), certificate, &[]).unwrap();
    let signature = signer.sign(&oid::DATA, b"Acte", Some(datetime!(2026-03-01 0:00 UTC)), Certificates::Included);
    (signature.unwrap(), authority.der().to_vec())
}

/// The statements with the length they have.
fn with_length(der: &[u8]) -> Vec<u8> {
    archiland::spec::cms::asn1::sequence(&[&der[2..]])
}

fn judged(signature: &[u8], lists: Lists, stale: &str, at: OffsetDateTime) -> Verdict {
    let policy = include_str!("../policies/signature.toml")
        .replace("mode = \"require\"", "mode = \"if-available\"")
        .replace("stale = \"warn\"", &format!("stale = \"{stale}\""));
    let policy = SignaturePolicy::parse(&policy).unwrap();
    let trust = TrustMaterial { lists, ..TrustMaterial::default() };
    let facts = gather(&Input { name: None, bytes: signature, contents: &[], certificates: &[] });
    let context = Context { policy: &policy, trust: &trust, at, existence: None, beside: None, integrity_only: false };
    judge(&facts, &context)
}

#[test]
fn services_count_as_they_stood_at_the_signing_time() {
    let scheme = Scheme::new("Paris");
    let (signature, authority) = qualified();
    let with = |services: Vec<(Vec<u8>, &'static str, &'static str)>| {
        let mut lists = held(&[&scheme]);
        lists.accept(&scheme.sign(&List { services, ..List::default() }), None).unwrap();
        judged(&signature, lists, "warn", datetime!(2026-06-01 0:00 UTC))
    };
    let level = |verdict: &Verdict| verdict.signatures[0].qualification.as_ref().map(|found| found.eidas);
    let granted = with(vec![(authority.clone(), GRANTED, "2017-01-01T00:00:00Z")]);
    assert_eq!(level(&granted), Some("QESig"), "{:?}", granted.signatures[0].messages);
    // Qualified now, but not when it issued the certificate.
    let late = with(vec![(authority.clone(), GRANTED, "2026-02-01T00:00:00Z")]);
    assert_eq!(level(&late), Some("AdESig"));
    let withdrawn = with(vec![(authority, WITHDRAWN, "2017-01-01T00:00:00Z")]);
    assert_eq!(withdrawn.sub_indication.unwrap().name(), "NO_CERTIFICATE_CHAIN_FOUND");
    // The report names the list it relied on.
    let used = &report::json(&granted)["trusted_lists"][0];
    assert_eq!((used["territory"].as_str(), used["sha256"].as_str().unwrap().len()), (Some("FR"), 64));
    assert!(report::simple(&granted).contains("liste de confiance FR n° 1"));
}

#[test]
fn an_overdue_list_is_told_or_refused() {
    let scheme = Scheme::new("Paris");
    let (signature, authority) = qualified();
    let lists = || {
        let mut lists = held(&[&scheme]);
        let services = vec![(authority.clone(), GRANTED, "2017-01-01T00:00:00Z")];
        let list = List { next_update: "2026-05-01T00:00:00Z", services, ..List::default() };
        lists.accept(&scheme.sign(&list), None).unwrap();
        lists
    };
    let at = datetime!(2026-06-01 0:00 UTC);
    let told = judged(&signature, lists(), "warn", at);
    assert!(told.sub_indication.is_none() && told.trusted_lists[0].stale);
    assert!(report::simple(&told).contains("périmée"));
    let refused = judged(&signature, lists(), "refuse", at);
    assert_eq!(refused.sub_indication.unwrap().name(), "NO_CERTIFICATE_CHAIN_FOUND");
    let before = judged(&signature, lists(), "refuse", datetime!(2026-04-01 0:00 UTC));
    assert!(before.sub_indication.is_none());
}
