//! Attributes and time-stamps of a signature made here: what each imprint is over, and what breaks it.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::spec::cms::asn1::{self, encode, sequence, tag};
use crate::spec::cms::received::{Content, Digests, SignedData};
use crate::spec::cms::{Certificate, Certificates, CmsSigner, oid as cms_oid};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::tsp::TstInfo;
use const_oid::ObjectIdentifier;
use std::sync::LazyLock;
use time::OffsetDateTime;
use time::macros::datetime;

const CONTENT: &[u8] = b"le contenu";
const FIRST: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

static SIGNER: LazyLock<CmsSigner> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    CmsSigner::new(&key.serialize_der(), Certificate::from_der(certificate.der()).unwrap(), &[]).unwrap()
});

fn attribute(kind: &ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    sequence(&[&asn1::oid(kind), &encode(tag::SET, &[value])])
}

/// A token over these pieces.
fn token(pieces: &[&[u8]], time: OffsetDateTime) -> Vec<u8> {
    let digest = DigestAlgorithm::Sha256.digest(&pieces.concat()).unwrap();
    let algorithm = sequence(&[&asn1::oid(&cms_oid::SHA256)]);
    let imprint = sequence(&[&algorithm, &encode(tag::OCTET_STRING, &[&digest])]);
    let info = TstInfo::encode(&asn1::oid(&cms_oid::DATA), &imprint, &[7], time, 1, false, None);
    SIGNER.sign(&cms_oid::TST_INFO, &info, None, Certificates::Included).unwrap()
}

/// The message with other attributes: signed ones are put in as they are, which breaks the signature and nothing else.
fn with(cms: &[u8], signed_more: &[Vec<u8>], unsigned: &[Vec<u8>]) -> Vec<u8> {
    let message = SignedData::parse(cms).unwrap();
    let signer = &message.signers[0];
    let attributes = signer.signed.as_ref().unwrap().element.value;
    let more = signed_more.concat();
    let unsigned = if unsigned.is_empty() { Vec::new() } else { encode(0xa1, &[&unsigned.concat()]) };
    let signer = sequence(&[
        signer.version_raw,
        signer.sid_raw,
        signer.digest.raw,
        &encode(0xa0, &[attributes, &more]),
        signer.algorithm.raw,
        signer.signature_raw,
        &unsigned,
    ]);
    let inner = sequence(&[
        message.version_raw,
        message.digest_algorithms_raw,
        message.encapsulated_raw,
        message.certificates_raw.unwrap(),
        &encode(tag::SET, &[&signer]),
    ]);
    sequence(&[&asn1::oid(&cms_oid::SIGNED_DATA), &encode(0xa0, &[&inner])])
}

fn bare() -> Vec<u8> {
    SIGNER.sign(&cms_oid::DATA, CONTENT, None, Certificates::Included).unwrap()
}

/// Each time-stamp of a message, and its imprint.
fn imprints(cms: &[u8]) -> Vec<(Stamp, Imprint)> {
    let signed = SignedData::parse(cms).unwrap();
    let mut content = Digests::new(Content::whole(CONTENT));
    let signer = &signed.signers[0];
    stamps(signer)
        .iter()
        .map(|stamp| (stamp.stamp, stamp.imprint(&mut Around { signed: &signed, signer, content: Some(&mut content) })))
        .collect()
}

#[test]
fn signature_time_stamps_are_over_the_value() {
    let cms = bare();
    let value = SignedData::parse(&cms).unwrap().signers[0].signature.to_vec();
    let good = attribute(&oid::SIGNATURE_TIME_STAMP, &token(&[&value], FIRST));
    assert_eq!(imprints(&with(&cms, &[], &[good])), [(Stamp::Signature, Imprint::Matches)]);
    let wrong = attribute(&oid::SIGNATURE_TIME_STAMP, &token(&[CONTENT], FIRST));
    assert_eq!(imprints(&with(&cms, &[], &[wrong])), [(Stamp::Signature, Imprint::Differs)]);
    let before = attribute(&oid::CONTENT_TIME_STAMP, &token(&[CONTENT], FIRST));
    assert_eq!(imprints(&with(&cms, &[before], &[])), [(Stamp::Content, Imprint::Matches)]);
    let unreadable = attribute(&oid::SIGNATURE_TIME_STAMP, &sequence(&[]));
    assert_eq!(imprints(&with(&cms, &[], &[unreadable])), [(Stamp::Signature, Imprint::Missing)]);
}

#[test]
fn time_stamps_over_references_take_them_as_they_stand() {
    let cms = bare();
    let value = SignedData::parse(&cms).unwrap().signers[0].signature.to_vec();
    let certificates = attribute(&oid::CERTIFICATE_REFS, &sequence(&[]));
    let revocations = attribute(&oid::REVOCATION_REFS, &sequence(&[]));
    // Type and values, without the SEQUENCE around them.
    let inside = |attribute: &[u8]| asn1::Tlv::only(attribute).unwrap().value.to_vec();
    let (first, second) = (inside(&certificates), inside(&revocations));
    let references = attribute(&oid::REFERENCES_TIME_STAMP, &token(&[&first, &second], FIRST));
    let both = attribute(&oid::CADES_C_TIME_STAMP, &token(&[&value, &second, &first], FIRST));
    let found = imprints(&with(&cms, &[], &[revocations, certificates, references, both]));
    assert_eq!(found, [(Stamp::References, Imprint::Matches), (Stamp::SignatureAndReferences, Imprint::Matches)]);
}

#[test]
fn an_archive_time_stamp_holds_as_long_as_nothing_it_indexes_goes() {
    let cms = bare();
    let signed = SignedData::parse(&cms).unwrap();
    let signer = &signed.signers[0];
    let sha =
        |pieces: &[&[u8]]| encode(tag::OCTET_STRING, &[&DigestAlgorithm::Sha256.digest(&pieces.concat()).unwrap()]);
    let values = sequence(&[]);
    let kept = attribute(&oid::CERTIFICATE_VALUES, &values);
    let index = sequence(&[
        &sequence(&[&asn1::oid(&cms_oid::SHA256)]),
        &sequence(&[&sha(&[signed.certificates[0].raw])]),
        &sequence(&[]),
        &sequence(&[&sha(&[&asn1::oid(&oid::CERTIFICATE_VALUES), &values])]),
    ]);
    let content = DigestAlgorithm::Sha256.digest(CONTENT).unwrap();
    let over = |index: &[u8]| {
        let pieces = [
            signed.content_type_raw,
            &content,
            signer.version_raw,
            signer.sid_raw,
            signer.digest.raw,
            signer.signed.as_ref().unwrap().element.raw,
            signer.algorithm.raw,
            signer.signature_raw,
            index,
        ];
        let token = with(&token(&pieces, FIRST), &[], &[attribute(&oid::HASH_INDEX_V3, index)]);
        attribute(&oid::ARCHIVE_TIME_STAMP_V3, &token)
    };
    let stamp = over(&index);
    let whole = with(&cms, &[], &[kept.clone(), stamp.clone()]);
    assert_eq!(imprints(&whole), [(Stamp::ArchiveV3, Imprint::Matches)]);
    // What is added later is not covered, and breaks nothing; what goes is missed.
    let later = attribute(&oid::REVOCATION_VALUES, &values);
    assert_eq!(imprints(&with(&cms, &[], &[kept, later, stamp.clone()])), [(Stamp::ArchiveV3, Imprint::Matches)]);
    let gone = imprints(&with(&cms, &[], &[stamp]));
    assert!(matches!(&gone[0].1, Imprint::IndexFails(state) if state.missing_attributes == 1), "{gone:?}");
    // An index put in afterwards is not the one the imprint is over.
    let other = sequence(&[&sequence(&[]), &sequence(&[]), &sequence(&[])]);
    let token = with(&self::token(&[CONTENT], FIRST), &[], &[attribute(&oid::HASH_INDEX_V3, &other)]);
    let exchanged = attribute(&oid::ARCHIVE_TIME_STAMP_V3, &token);
    assert_eq!(imprints(&with(&cms, &[], &[exchanged])), [(Stamp::ArchiveV3, Imprint::Differs)]);
    let none = attribute(&oid::ARCHIVE_TIME_STAMP_V3, &self::token(&[CONTENT], FIRST));
    assert_eq!(imprints(&with(&cms, &[], &[none])), [(Stamp::ArchiveV3, Imprint::NoIndex)]);
}

#[test]
fn signed_properties_are_told() {
    let text = |text: &str| encode(tag::UTF8_STRING, &[text.as_bytes()]);
    let hash = sequence(&[&sequence(&[&asn1::oid(&cms_oid::SHA256)]), &encode(tag::OCTET_STRING, &[&[1, 2]])]);
    let notice = sequence(&[&asn1::oid(&oid::POLICY_NOTICE), &sequence(&[&text("à lire")])]);
    let uri = sequence(&[&asn1::oid(&oid::POLICY_URI), &encode(0x16, &[b"http://p.example"])]);
    let policy = sequence(&[&asn1::oid(&cms_oid::DATA), &hash, &sequence(&[&uri, &notice])]);
    let role = sequence(&[&asn1::oid(&cms_oid::DATA), &encode(tag::SET, &[&text("maire")])]);
    let place = sequence(&[
        &encode(0xa0, &[&text("FR")]),
        &encode(0xa1, &[&text("Rennes")]),
        &encode(0xa2, &[&sequence(&[&text("1 place")])]),
    ]);
    let cms = with(
        &bare(),
        &[
            attribute(&oid::SIGNATURE_POLICY, &policy),
            attribute(&oid::SIGNER_ATTRIBUTES, &sequence(&[&encode(0xa0, &[&role])])),
            attribute(&oid::SIGNER_LOCATION, &place),
            attribute(&oid::COMMITMENT_TYPE, &sequence(&[&asn1::oid(&cms_oid::DATA)])),
            attribute(&oid::MIME_TYPE, &text("text/plain")),
            attribute(&oid::CONTENT_HINTS, &text("illisible")),
        ],
        &[],
    );
    let signed = SignedData::parse(&cms).unwrap();
    let found = SignedProperties::read(&signed.signers[0]);
    let policy = found.policy.unwrap();
    assert_eq!((policy.id.as_str(), policy.hash.as_slice()), ("1.2.840.113549.1.7.1", &[1, 2][..]));
    assert_eq!((policy.uri.as_deref(), policy.notice.as_deref()), (Some("http://p.example"), Some("à lire")));
    assert_eq!(
        (found.roles.as_slice(), found.place.as_deref()),
        (&["maire".to_owned()][..], Some("FR, Rennes, 1 place"))
    );
    assert_eq!((found.commitments.len(), found.mime_type.as_deref()), (1, Some("text/plain")));
    assert_eq!(found.unreadable, ["content-hints"]);
}
