//! Every family against signatures made by the crates themselves, and what must never pass.
#![allow(clippy::unwrap_used)]

use super::*;
use ::ecdsa::signature::hazmat::PrehashSigner;

fn spki_ec(curve: &str, point: &[u8]) -> Vec<u8> {
    use crate::spec::cms::asn1;
    let oid = |dotted| asn1::oid(&const_oid::ObjectIdentifier::new_unwrap(dotted));
    let algorithm = asn1::sequence(&[&oid("1.2.840.10045.2.1"), &oid(curve)]);
    let mut bits = vec![0];
    bits.extend_from_slice(point);
    asn1::sequence(&[&algorithm, &asn1::encode(tag::BIT_STRING, &[&bits])])
}

#[test]
fn curves_and_digests_ring_lacks() {
    macro_rules! case {
        ($curve:ty, $oid:literal, $size:literal, $digest:ident) => {{
            let secret = ::ecdsa::SigningKey::<$curve>::from_slice(&[7; $size]).unwrap();
            let spki = spki_ec($oid, secret.verifying_key().to_sec1_point(false).as_bytes());
            let key = PublicKey::from_spki(&spki).unwrap();
            let algorithm = SignatureAlgorithm::Ecdsa(DigestAlgorithm::$digest);
            let digest = DigestAlgorithm::$digest.digest(b"abc").unwrap();
            let signature: ::ecdsa::Signature<$curve> = secret.sign_prehash(&digest).unwrap();
            let der = signature.to_der();
            assert_eq!(key.verify(&algorithm, b"abc", &signature.to_bytes(), SignatureForm::Raw), Ok(()), "{key}");
            assert_eq!(key.verify(&algorithm, b"abc", der.as_bytes(), SignatureForm::Der), Ok(()), "{key}");
            let other = key.verify(&algorithm, b"abd", der.as_bytes(), SignatureForm::Der);
            assert_eq!(other, Err(VerifyError::Mismatch));
        }};
    }
    case!(p256::NistP256, "1.2.840.10045.3.1.7", 32, Sha512);
    case!(p256::NistP256, "1.2.840.10045.3.1.7", 32, Sha1);
    case!(p256::NistP256, "1.2.840.10045.3.1.7", 32, Sha256);
    case!(p384::NistP384, "1.3.132.0.34", 48, Sha1);
    case!(p384::NistP384, "1.3.132.0.34", 48, Sha384);
    case!(p384::NistP384, "1.3.132.0.34", 48, Sha3_512);
}

#[test]
fn a_521_bit_signature_in_both_forms() {
    let secret = p521::ecdsa::SigningKey::from_slice(&[1; 66]).unwrap_or_else(|_| {
        let mut scalar = [1; 66];
        scalar[0] = 0;
        p521::ecdsa::SigningKey::from_slice(&scalar).unwrap()
    });
    let key = spki_ec("1.3.132.0.35", secret.verifying_key().to_sec1_point(false).as_bytes());
    let key = PublicKey::from_spki(&key).unwrap();
    for digest in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
        let algorithm = SignatureAlgorithm::Ecdsa(digest);
        let signature: p521::ecdsa::Signature = secret.sign_prehash(&digest.digest(b"abc").unwrap()).unwrap();
        assert_eq!(key.verify(&algorithm, b"abc", &signature.to_bytes(), SignatureForm::Raw), Ok(()));
        let mut wrong = signature.to_bytes().to_vec();
        wrong[70] ^= 1;
        assert_eq!(key.verify(&algorithm, b"abc", &wrong, SignatureForm::Raw), Err(VerifyError::Mismatch));
    }
}

#[test]
fn what_cannot_be_computed_is_unsupported_and_a_foreign_key_is_a_mismatch() {
    let key = PublicKey::from_spki(&spki_ec("1.3.132.0.10", &[4; 65])).unwrap();
    let ecdsa = SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256);
    let unsupported = key.verify(&ecdsa, b"abc", &[0; 64], SignatureForm::Raw);
    assert!(matches!(unsupported, Err(VerifyError::Unsupported(_))));
    let key = PublicKey::from_rsa_numbers(&[0xc1; 128], &[1, 0, 1]).unwrap();
    assert_eq!(key.kind(), &KeyKind::Rsa { bits: 1024 });
    assert_eq!(key.verify(&ecdsa, b"abc", &[0; 64], SignatureForm::Raw), Err(VerifyError::Mismatch));
    let md5 = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Md5);
    assert!(matches!(key.verify(&md5, b"abc", &[0; 128], SignatureForm::Der), Err(VerifyError::Unsupported(_))));
    for pkcs1 in [DigestAlgorithm::Sha1, DigestAlgorithm::Sha224, DigestAlgorithm::Sha384] {
        let algorithm = SignatureAlgorithm::RsaPkcs1(pkcs1);
        assert_eq!(key.verify(&algorithm, b"abc", &[1; 128], SignatureForm::Der), Err(VerifyError::Mismatch));
    }
}

#[test]
fn plain_ecdsa_says_so_in_its_identifier() {
    use crate::spec::cms::asn1;
    let identifier =
        |dotted| asn1::sequence(&[&asn1::oid(&const_oid::ObjectIdentifier::new_unwrap(dotted)), &[tag::NULL, 0]]);
    for (dotted, form) in [
        ("0.4.0.127.0.7.1.1.4.1.3", SignatureForm::Raw),
        ("0.4.0.127.0.7.1.1.4.1.11", SignatureForm::Raw),
        ("1.2.840.10045.4.3.2", SignatureForm::Der),
        ("1.2.840.113549.1.1.11", SignatureForm::Der),
    ] {
        assert_eq!(SignatureForm::of(&identifier(dotted)), form, "{dotted}");
    }
}
