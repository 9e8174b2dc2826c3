//! Containers made here: what is covered, what is missing, what is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::spec::asic::maker::zip;
use crate::spec::crypto::DigestAlgorithm;
use crate::validation::facts::{Facts, FaultKind, InputKind, Packaging, ReferenceState, ValueState};
use crate::validation::{Input, gather};
use base64::Engine as _;
use std::fmt::Write as _;

const MESSAGE: &[u8] = include_bytes!("../../../../tests/fuzz/fixtures/message.txt");
const DETACHED: &[u8] = include_bytes!("../../../../tests/fuzz/corpus/cms/openssl-ec-detached.p7s");
const SIMPLE: (&str, &[u8]) = ("mimetype", b"application/vnd.etsi.asic-s+zip");
const EXTENDED: (&str, &[u8]) = ("mimetype", b"application/vnd.etsi.asic-e+zip");

fn facts(members: &[(&str, &[u8])]) -> Facts {
    let made = zip(members);
    gather(&Input { name: None, bytes: &made, contents: &[], certificates: &[] })
}

fn manifest(applies: &str, files: &[(&str, &[u8])]) -> String {
    let mut entries = String::new();
    for (name, content) in files {
        let digest = DigestAlgorithm::Sha256.digest(content).unwrap();
        let digest = base64::prelude::BASE64_STANDARD.encode(digest);
        _ = write!(
            entries,
            "<DataObjectReference URI=\"{name}\"><DigestMethod xmlns=\"http://www.w3.org/2000/09/xmldsig#\" \
             Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
             <DigestValue xmlns=\"http://www.w3.org/2000/09/xmldsig#\">{digest}</DigestValue></DataObjectReference>"
        );
    }
    format!(
        "<ASiCManifest xmlns=\"http://uri.etsi.org/02918/v1.2.1#\"><SigReference URI=\"{applies}\"/>{entries}</ASiCManifest>"
    )
}

#[test]
fn a_simple_container_signs_its_only_file() {
    let found = facts(&[SIMPLE, ("message.txt", MESSAGE), ("META-INF/signature.p7s", DETACHED)]);
    assert_eq!((found.kind, found.signatures.len()), (InputKind::Asic, 1));
    let signature = &found.signatures[0];
    assert_eq!((&signature.value, signature.packaging), (&ValueState::Intact, Packaging::Container));
    assert_eq!(signature.references[0].state, ReferenceState::Intact);
    assert!(found.members.iter().all(|member| member.covered) && found.members.len() == 1);
    let other = facts(&[SIMPLE, ("message.txt", b"autre"), ("META-INF/signature.p7s", DETACHED)]);
    assert_eq!(other.signatures[0].references[0].state, ReferenceState::Broken);
}

#[test]
fn a_manifest_is_compared_file_by_file() {
    // The signature of the fixture is over the message, not over this manifest: only its entries are looked at here.
    let list = manifest("META-INF/signature.p7s", &[("a.txt", b"un"), ("b.txt", b"deux"), ("absent.txt", b"trois")]);
    let found = facts(&[
        EXTENDED,
        ("a.txt", b"un"),
        ("b.txt", b"DEUX"),
        ("c.txt", b"en plus"),
        ("META-INF/ASiCManifest.xml", list.as_bytes()),
        ("META-INF/signature.p7s", DETACHED),
    ]);
    let states: Vec<_> = found.signatures[0].references.iter().map(|reference| reference.state.clone()).collect();
    assert_eq!(
        states,
        [ReferenceState::Broken, ReferenceState::Intact, ReferenceState::Broken, ReferenceState::Missing]
    );
    let covered: Vec<_> = found.members.iter().map(|member| (member.name.as_str(), member.covered)).collect();
    assert_eq!(covered, [("a.txt", true), ("b.txt", true), ("c.txt", false)]);
}

#[test]
fn an_archive_time_stamp_that_leaves_a_signature_out_is_told() {
    let token = include_bytes!("../../../../tests/fuzz/corpus/tsp/openssl-ec-token.der");
    let list = manifest("META-INF/timestamp.tst", &[("a.txt", b"un"), ("META-INF/signature9.p7s", b"")]);
    let found = facts(&[
        EXTENDED,
        ("a.txt", b"un"),
        ("META-INF/signature1.p7s", DETACHED),
        ("META-INF/ASiCArchiveManifest.xml", list.as_bytes()),
        ("META-INF/timestamp.tst", token),
    ]);
    let uncovered = found.faults.iter().filter(|fault| fault.kind == FaultKind::Uncovered).count();
    assert_eq!(uncovered, 2, "{:?}", found.faults);
    assert!(found.timestamps[0].signatures.is_empty());
    assert_eq!(found.timestamps[0].imprint, ReferenceState::Broken);
}

#[test]
fn what_is_no_container_or_a_trick_is_a_fault() {
    let twice = facts(&[SIMPLE, ("a", b"1"), ("a", b"2")]);
    assert_eq!(twice.faults[0].kind, FaultKind::Refused);
    assert!(twice.signatures.is_empty());
    let made = zip(&[SIMPLE]);
    let cut = gather(&Input { name: None, bytes: &made[..40], contents: &[], certificates: &[] });
    assert_eq!(cut.faults[0].kind, FaultKind::Malformed);
}
