//! What openssl signed is intact; the same with any bit flipped is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::check::{ContentState, Remark, SignatureState, SignerCheck, check, check_signer};
use super::*;
use crate::spec::ber::canonical;
use crate::spec::cms::asn1::encode;
use proptest::prelude::*;

const MESSAGE: &[u8] = include_bytes!("../../../../tests/fuzz/fixtures/message.txt");
const RSA: &[u8] = include_bytes!("../../../../tests/fuzz/corpus/cms/openssl-rsa-cades.p7s");
const EC_DETACHED: &[u8] = include_bytes!("../../../../tests/fuzz/corpus/cms/openssl-ec-detached.p7s");
const PSS: &[u8] = include_bytes!("../../../../tests/fuzz/corpus/cms/openssl-rsa-pss.p7s");

fn first<'c>(bytes: &[u8], certificates: &[CertificateFields<'c>], beside: &[u8]) -> Option<SignerCheck<'c>> {
    let signed = SignedData::parse(bytes).ok()?;
    let content = signed.content.as_deref().unwrap_or(beside);
    check_signer(&signed, 0, Some(&mut Digests::new(Content::whole(content))), certificates)
}

#[test]
fn what_openssl_signed_is_intact() {
    for (bytes, reference) in [(RSA, true), (EC_DETACHED, false), (PSS, false)] {
        let signed = SignedData::parse(bytes).unwrap();
        let found = first(bytes, &signed.candidates(), MESSAGE).unwrap();
        assert_eq!(found.intact(), Some(true), "{found:?}");
        assert_eq!(found.says(Remark::NoCertificateReference), !reference, "{found:?}");
    }
}

#[test]
fn the_same_in_ber_with_padding_is_intact_and_garbage_is_told() {
    // Every level of the top made indefinite, zeros after the end as in a PDF.
    let info = Element::only(RSA).unwrap();
    let mut inside = info.reader();
    let (kind, explicit) = (inside.any().unwrap(), inside.any().unwrap());
    let signed_data = explicit.inner().unwrap();
    let indefinite = |tag: u8, content: &[u8]| [&[tag, 0x80], content, &[0, 0]].concat();
    let inner = indefinite(0xa0, &indefinite(0x30, signed_data.value));
    let mut ber = indefinite(0x30, &[kind.raw, &inner].concat());
    assert_eq!(canonical(&ber).unwrap(), canonical(RSA).unwrap());
    ber.extend([0; 50]);
    let signed = SignedData::parse(&ber).unwrap();
    assert!(signed.indefinite && signed.garbage_bytes == 0);
    assert_eq!(first(&ber, &signed.candidates(), MESSAGE).unwrap().intact(), Some(true));
    ber.push(1);
    assert_eq!(SignedData::parse(&ber).unwrap().garbage_bytes, 51);
}

#[test]
fn another_content_or_no_certificate_is_not_intact() {
    let signed = SignedData::parse(EC_DETACHED).unwrap();
    let found = first(EC_DETACHED, &signed.candidates(), b"autre chose").unwrap();
    assert_eq!((found.content.clone(), found.intact()), (ContentState::Differs, Some(false)));
    let nobody = first(EC_DETACHED, &[], MESSAGE).unwrap();
    assert_eq!((nobody.signature.clone(), nobody.intact()), (SignatureState::NoCertificate, None));
    let alone = check_signer(&signed, 0, None, &signed.candidates()).unwrap();
    assert_eq!((alone.content.clone(), alone.intact()), (ContentState::Missing, None));
}

#[test]
fn a_signature_over_attributes_is_not_one_over_their_bytes() {
    // RFC 5652 § 5.4: the attributes' DER offered as content of a signer without attributes.
    let signed = SignedData::parse(RSA).unwrap();
    let signer = &signed.signers[0];
    let forged_content = signer.signed.as_ref().unwrap().to_be_signed().remove(0);
    let mut bare = signer.clone();
    bare.signed = None;
    let mut digests = Digests::new(Content::whole(&forged_content));
    let found = check(&bare, Some(signed.content_type), Some(&mut digests), &signed.candidates());
    // The arithmetic cannot tell; whoever reads the facts is told that nothing binds the certificate.
    assert!(found.says(Remark::NoCertificateReference) && found.says(Remark::LooksLikeAttributes), "{found:?}");
    assert_eq!(found.intact(), Some(false));
}

#[test]
fn a_structure_that_contradicts_itself_is_not_intact() {
    let signed = SignedData::parse(RSA).unwrap();
    let candidates = signed.candidates();
    // SHA-512 announced where the signature says RSA with SHA-256.
    let mut other = signed.signers[0].clone();
    let combined = encode(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], &[5, 0]]);
    other.algorithm = AlgorithmId::read(&mut Reader::new(&combined)).unwrap();
    let announced = encode(0x30, &[&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3]]);
    other.digest = AlgorithmId::read(&mut Reader::new(&announced)).unwrap();
    let mut digests = Digests::new(Content::whole(MESSAGE));
    let found = check(&other, Some(signed.content_type), Some(&mut digests), &candidates);
    assert!(found.says(Remark::DigestAlgorithmDiffers) && found.intact() == Some(false), "{found:?}");
    // CMSAlgorithmProtection that names the algorithms used, and one that names others.
    let signer = &signed.signers[0];
    for (digest, agrees) in [(signer.digest.raw, true), (announced.as_slice(), false)] {
        let algorithm = encode(0xa1, &[Element::only(signer.algorithm.raw).unwrap().value]);
        let value = encode(0x30, &[digest, &algorithm]);
        let kind = crate::spec::cms::asn1::oid(&oid::ALGORITHM_PROTECTION);
        let attribute = encode(0x30, &[&kind, &encode(0x31, &[&value])]);
        let attributes = signer.signed.as_ref().unwrap().element.value;
        let raw = encode(0xa0, &[attributes, &attribute]);
        let sid = signer.sid_raw;
        let parts = [signer.version_raw, sid, signer.digest.raw, &raw, signer.algorithm.raw, signer.signature_raw];
        let whole = encode(0x30, &parts);
        let changed = SignerInfo::read(&Element::only(&whole).unwrap()).unwrap();
        let found = check(&changed, Some(signed.content_type), Some(&mut digests), &candidates);
        assert_eq!(found.says(Remark::AlgorithmProtectionFails), !agrees);
    }
    // Another content type than the one signed.
    let found = check(signer, Some(&[42]), Some(&mut digests), &candidates);
    assert!(found.says(Remark::ContentTypeDiffers) && found.intact() == Some(false));
}

#[test]
fn attributes_sent_unsorted_are_verified_as_they_were_sent() {
    let signed = SignedData::parse(RSA).unwrap();
    let attributes = signed.signers[0].signed.as_ref().unwrap();
    let mut reversed: Vec<&[u8]> = attributes.entries.iter().map(|entry| entry.raw).collect();
    reversed.reverse();
    let raw = encode(0xa0, &reversed);
    let signer = &signed.signers[0];
    let parts = [signer.version_raw, signer.sid_raw, signer.digest.raw, &raw, signer.algorithm.raw];
    let whole = encode(0x30, &[&parts.concat(), signer.signature_raw]);
    let changed = SignerInfo::read(&Element::only(&whole).unwrap()).unwrap();
    let candidates = changed.signed.as_ref().unwrap().to_be_signed();
    // First what was sent, then its DER, which is what openssl had signed.
    assert_eq!((candidates.len(), &candidates[0][1..]), (2, &raw[1..]));
    let mut digests = Digests::new(Content::whole(MESSAGE));
    let found = check(&changed, Some(signed.content_type), Some(&mut digests), &signed.candidates());
    assert_eq!(found.intact(), Some(true), "{found:?}");
}

#[test]
fn counts_are_bounded() {
    let attribute = encode(0x30, &[&[6, 1, 42], &encode(0x31, &[&[5, 0]])]);
    let many = encode(0xa0, &vec![attribute.as_slice(); MAX_ATTRIBUTES + 1]);
    let algorithm = encode(0x30, &[&[6, 1, 42]]);
    let sid = [0x80, 1, 1];
    let signer = encode(0x30, &[&[2, 1, 3], &sid, &algorithm, &many, &algorithm, &[4, 1, 0]]);
    assert!(matches!(SignerInfo::read(&Element::only(&signer).unwrap()), Err(ReadError::TooMany(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_flip_is_intact(at in 0..RSA.len(), bit in 0..8_u8) {
        // With the original certificate: a flip inside the certificate must be seen by the reference or the path.
        let original = SignedData::parse(RSA).unwrap();
        let candidates = original.candidates();
        let signer = &original.signers[0];
        let mut flipped = RSA.to_vec();
        flipped[at] ^= 1 << bit;
        let signed_part = |part: &[u8]| {
            let start = part.as_ptr() as usize - RSA.as_ptr() as usize;
            (start..start + part.len()).contains(&at)
        };
        let attributes = signer.signed.as_ref().unwrap().element.raw;
        let content = original.content.as_deref().unwrap();
        let covered = [attributes, signer.signature_raw, content].into_iter().any(signed_part);
        if let Some(found) = first(&flipped, &candidates, MESSAGE) && covered {
            prop_assert_ne!(found.intact(), Some(true), "octet {} bit {}", at, bit);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0..RSA.len()) {
        let _ = unarmour(&bytes).map(|(binary, _)| SignedData::parse(&binary).map(|signed| signed.signers.len()));
        let mut grafted = RSA[..at].to_vec();
        grafted.extend(&bytes);
        if let Ok(signed) = SignedData::parse(&grafted) {
            let _ = (signed.candidates(), signed.crls().count(), signed.ocsp().count());
            for signer in 0..signed.signers.len() {
                let _ = check_signer(&signed, signer, None, &signed.candidates());
            }
        }
    }
}
