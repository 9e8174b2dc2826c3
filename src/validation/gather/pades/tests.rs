//! PDFs signed here: what holds, what was changed inside the range, what came after.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::spec::cms::asn1::{self, encode, sequence, tag};
use crate::spec::cms::received::SignedData;
use crate::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use crate::spec::pdf::maker::{PdfMaker, Seal};
use crate::validation::facts::{Facts, FaultKind, Format, InputKind, ReferenceState, ValueState};
use crate::validation::{Input, gather};
use proptest::prelude::*;
use std::sync::LazyLock;

static SIGNER: LazyLock<CmsSigner> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    CmsSigner::new(&key.serialize_der(), Certificate::from_der(certificate.der()).unwrap(), &[]).unwrap()
});

/// A detached CAdES signature: the attached one without its content.
fn cades(content: &[u8]) -> Vec<u8> {
    let attached = SIGNER.sign(&oid::DATA, content, None, Certificates::Included).unwrap();
    let signed = SignedData::parse(&attached).unwrap();
    let inner = sequence(&[
        signed.version_raw,
        signed.digest_algorithms_raw,
        &sequence(&[signed.content_type_raw]),
        signed.certificates_raw.unwrap(),
        &encode(tag::SET, &[signed.signers[0].raw]),
    ]);
    sequence(&[&asn1::oid(&oid::SIGNED_DATA), &encode(tag::context(0), &[&inner])])
}

fn facts(bytes: &[u8]) -> Facts {
    gather(&Input { name: None, bytes, contents: &[], certificates: &[] })
}

fn signed() -> PdfMaker {
    let mut made = PdfMaker::new();
    made.sign(&Seal { room: 2048, ..Seal::default() }, cades);
    made
}

fn changes(facts: &Facts) -> Vec<&str> {
    let faults = facts.signatures.iter().flat_map(|signature| &signature.faults);
    faults.filter(|fault| fault.kind == FaultKind::LaterChange).map(|fault| fault.detail.as_str()).collect()
}

#[test]
fn a_signed_pdf_is_intact_and_wholly_covered() {
    let facts = facts(&signed().bytes);
    assert_eq!((facts.kind, facts.signatures.len()), (InputKind::Pdf, 1));
    let signature = &facts.signatures[0];
    assert_eq!((signature.format, &signature.value), (Format::Pades, &ValueState::Intact));
    assert_eq!(signature.references[0].state, ReferenceState::Intact);
    assert_eq!(signature.covers.len(), 1, "{:?}", signature.covers);
    assert!(changes(&facts).is_empty());
}

#[test]
fn a_second_signature_is_no_change_and_a_second_page_is() {
    let mut made = signed();
    made.sign(&Seal { number: 20, others: &[10], room: 2048, ..Seal::default() }, cades);
    let found = facts(&made.bytes);
    assert_eq!(found.signatures.len(), 2);
    assert!(found.signatures.iter().all(|one| one.value == ValueState::Intact) && changes(&found).is_empty());
    made.update(&[
        (2, "<< /Type /Pages /Kids [3 0 R 30 0 R] /Count 2 >>".to_owned()),
        (30, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>".to_owned()),
    ]);
    let found = facts(&made.bytes);
    assert_eq!(changes(&found).len(), 2, "{:?}", changes(&found));
    assert!(found.signatures.iter().all(|one| one.value == ValueState::Intact));
}

#[test]
fn what_follows_without_showing_is_told_too() {
    let mut junk = signed().bytes;
    junk.extend(b"% ajout");
    assert_eq!(changes(&facts(&junk)), ["7 octets étrangers après la dernière révision"]);
    let mut idle = signed();
    idle.update(&[(99, "(rien)".to_owned())]);
    assert_eq!(changes(&facts(&idle.bytes)), ["mise à jour sans effet visible après la dernière signature"]);
    let mut store = signed();
    store.update(&[(
        1,
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [10 0 R] /SigFlags 3 >> /DSS << >> >>".to_owned(),
    )]);
    assert!(changes(&facts(&store.bytes)).is_empty());
}

#[test]
fn a_range_that_leaves_out_something_else_is_never_intact() {
    let made = signed();
    let mut bytes = made.bytes;
    let start = memchr::memmem::find(&bytes, b"/ByteRange [0 ").unwrap();
    bytes[start + 14..start + 24].copy_from_slice(b"0000000100");
    let found = facts(&bytes);
    assert!(matches!(found.signatures[0].references[0].state, ReferenceState::Refused(_)));
    assert!(found.signatures[0].faults.iter().any(|fault| fault.kind == FaultKind::Malformed));
}

#[test]
fn the_oldest_form_signs_the_digest_of_the_range() {
    let seal = Seal { sub_filter: "adbe.pkcs7.sha1", room: 2048, ..Seal::default() };
    for (good, state) in [(true, ReferenceState::Intact), (false, ReferenceState::Broken)] {
        let mut made = PdfMaker::new();
        made.sign(&seal, |covered| {
            let covered = if good { covered } else { b"autre chose" };
            let digest = crate::spec::crypto::DigestAlgorithm::Sha1.digest(covered).unwrap();
            SIGNER.sign(&oid::DATA, &digest, None, Certificates::Included).unwrap()
        });
        let found = facts(&made.bytes);
        let signature = &found.signatures[0];
        assert_eq!((signature.format, &signature.value), (Format::PdfPkcs7, &ValueState::Intact));
        assert_eq!(signature.references[1].state, state);
    }
}

#[test]
fn a_content_hidden_in_the_cms_is_not_the_document() {
    // An attached signature over something else, where a detached one belongs.
    let mut made = PdfMaker::new();
    made.sign(&Seal { room: 2048, ..Seal::default() }, |_| {
        SIGNER.sign(&oid::DATA, b"un autre document", None, Certificates::Included).unwrap()
    });
    assert_eq!(facts(&made.bytes).signatures[0].references[0].state, ReferenceState::Broken);
}

#[test]
fn an_encrypted_file_says_so() {
    let made = signed();
    let at = memchr::memmem::rfind(&made.bytes, b"/Root 1 0 R").unwrap();
    let mut bytes = made.bytes;
    bytes.splice(at..at, *b"/Encrypt 99 0 R ");
    let found = facts(&bytes);
    assert!(found.faults.iter().any(|fault| fault.detail.contains("chiffr")), "{:?}", found.faults);
    assert_eq!(found.signatures.len(), 1);
}

#[test]
fn a_document_time_stamp_is_one() {
    let token = include_bytes!("../../../../tests/fuzz/corpus/tsp/openssl-ec-token.der");
    let mut made = signed();
    let seal = Seal { number: 20, kind: "DocTimeStamp", sub_filter: "ETSI.RFC3161", others: &[10], room: 4096 };
    made.sign(&seal, |_| token.to_vec());
    let found = facts(&made.bytes);
    assert_eq!((found.signatures.len(), found.timestamps.len()), (1, 1));
    assert_eq!(found.timestamps[0].imprint, ReferenceState::Broken, "the token is about something else");
    assert_eq!(found.timestamps[0].signatures, ["S1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_flip_in_the_range_is_intact(at in 0_usize..100_000, bit in 0..8_u8) {
        static MADE: LazyLock<Vec<u8>> = LazyLock::new(|| signed().bytes);
        let hole = memchr::memmem::find(&MADE, b"/Contents <").unwrap() + 10;
        let end = hole + memchr::memchr(b'>', &MADE[hole..]).unwrap() + 1;
        let at = at % MADE.len();
        prop_assume!(!(hole..end).contains(&at));
        let mut bytes = MADE.clone();
        bytes[at] ^= 1 << bit;
        for signature in facts(&bytes).signatures {
            let holds = signature.value == ValueState::Intact
                && signature.references.iter().all(|reference| reference.state == ReferenceState::Intact);
            prop_assert!(!holds, "octet {} bit {}", at, bit);
        }
    }
}
