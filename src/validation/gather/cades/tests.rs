//! The facts of what openssl signed.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::validation::facts::{
    CertificateReference, FaultKind, Format, InputKind, Packaging, ReferenceState, ValueState,
};
use crate::validation::{Content, Input, gather};

const MESSAGE: &[u8] = include_bytes!("../../../../tests/fuzz/fixtures/message.txt");
const CADES: &[u8] = include_bytes!("../../../../tests/fuzz/corpus/cms/openssl-rsa-cades.p7s");
const DETACHED: &[u8] = include_bytes!("../../../../tests/fuzz/corpus/cms/openssl-ec-detached.p7s");
const TOKEN: &[u8] = include_bytes!("../../../../tests/fuzz/corpus/tsp/openssl-ec-token.der");

fn input<'a>(bytes: &'a [u8], contents: &'a [Content<'a>]) -> Input<'a> {
    Input { name: None, bytes, contents, certificates: &[] }
}

#[test]
fn an_attached_signature_says_what_it_is() {
    let facts = gather(&input(CADES, &[]));
    assert_eq!(facts.kind, InputKind::Cms);
    let [signature] = facts.signatures.as_slice() else { panic!("{facts:?}") };
    assert_eq!((signature.format, signature.packaging), (Format::Cades, Packaging::Enveloping));
    assert_eq!(signature.value, ValueState::Intact);
    assert_eq!(signature.certificate_reference, CertificateReference::Matches);
    assert_eq!(signature.references[0].state, ReferenceState::Intact);
    assert!(signature.covers[0].covered && signature.claimed_signing_time.is_some());
}

#[test]
fn a_detached_signature_is_about_its_content() {
    let given = [Content { name: "message.txt", bytes: MESSAGE }];
    let facts = gather(&input(DETACHED, &given));
    assert_eq!(facts.signatures[0].value, ValueState::Intact);
    assert_eq!(facts.signatures[0].references[0].state, ReferenceState::Intact);
    let several = [Content { name: "autre", bytes: b"autre" }, given[0]];
    let facts = gather(&input(DETACHED, &several));
    assert_eq!(facts.members[0].name, "message.txt");
    let facts = gather(&input(DETACHED, &[]));
    assert_eq!(facts.signatures[0].references[0].state, ReferenceState::Missing);
    let facts = gather(&input(DETACHED, &several[..1]));
    assert_eq!(facts.signatures[0].references[0].state, ReferenceState::Broken);
}

#[test]
fn what_cannot_be_read_is_a_fault() {
    for bytes in [&CADES[..CADES.len() - 1], &CADES[..40], b"-----BEGIN CMS-----\n!\n-----END CMS-----"] {
        let facts = gather(&input(bytes, &[]));
        assert!(facts.signatures.is_empty());
        assert_eq!(facts.faults[0].kind, FaultKind::Malformed);
    }
}

#[test]
fn a_token_is_a_time_stamp_whose_own_signature_is_told() {
    let facts = gather(&input(TOKEN, &[]));
    assert_eq!(facts.kind, InputKind::Timestamp);
    let token = facts.timestamps[0].token.as_ref().unwrap();
    assert_eq!((token.format, &token.value), (Format::Rfc3161, &ValueState::Intact));
    assert_eq!(facts.timestamps[0].imprint, ReferenceState::Missing);
    let other = [Content { name: "autre", bytes: b"autre" }];
    assert_eq!(gather(&input(TOKEN, &other)).timestamps[0].imprint, ReferenceState::Broken);
}
