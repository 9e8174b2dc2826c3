//! Responses made for the occasion: by the authority, by its delegate, by somebody else.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::spec::cms::asn1;
use crate::spec::x509::revocation::{Evidence, Relied};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SigningKey,
};
use time::macros::datetime;

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issued(issuer: &CertifiedIssuer<'static, KeyPair>, name: &str, responder: bool) -> (Certificate, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if responder {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (Certificate::from_der(certificate.der()).unwrap(), key)
}

fn oid(dotted: &str) -> Vec<u8> {
    asn1::oid(&const_oid::ObjectIdentifier::new(dotted).unwrap())
}

/// A response by `signer` that says `status` of `about`, issued by `issuer`, with its certificate inside.
fn response(signer: (&Certificate, &KeyPair), about: &Certificate, issuer: &Certificate, status: &[u8]) -> Vec<u8> {
    let hash = |data: &[u8]| asn1::encode(tag::OCTET_STRING, &[&DigestAlgorithm::Sha256.digest(data).unwrap()]);
    let sha256 = asn1::sequence(&[&oid("2.16.840.1.101.3.4.2.1")]);
    let serial = asn1::encode(tag::INTEGER, &[about.serial()]);
    let key = key_octets(issuer).unwrap();
    let id = asn1::sequence(&[&sha256, &hash(about.issuer_der()), &hash(key), &serial]);
    let at = asn1::generalized_time(datetime!(2026-05-01 0:00 UTC));
    let next = asn1::encode(0xa0, &[&asn1::generalized_time(datetime!(2026-05-08 0:00 UTC))]);
    let single = asn1::sequence(&[&id, status, &at, &next]);
    let responder = asn1::encode(0xa1, &[signer.0.subject_der()]);
    let tbs = asn1::sequence(&[&responder, &at, &asn1::sequence(&[&single])]);
    let signature = signer.1.sign(&tbs).unwrap();
    let algorithm = asn1::sequence(&[&oid("1.2.840.10045.4.3.2")]);
    let signature = asn1::encode(tag::BIT_STRING, &[&[0], &signature]);
    let certificates = asn1::encode(0xa0, &[&asn1::sequence(&[signer.0.der()])]);
    let basic = asn1::sequence(&[&tbs, &algorithm, &signature, &certificates]);
    let body = asn1::sequence(&[&oid("1.3.6.1.5.5.7.48.1.1"), &asn1::encode(tag::OCTET_STRING, &[&basic])]);
    asn1::sequence(&[&[0x0a, 1, 0], &asn1::encode(0xa0, &[&body])])
}

fn relied(responders: &[Certificate]) -> Relied<'_> {
    Relied { others: &[], responders, leads_to_anchor: &|_, _| false }
}

const GOOD: &[u8] = &[0x80, 0];

#[test]
fn only_the_authority_and_its_delegate_are_heard() {
    let (own, other) = (authority("Autorité"), authority("Autre"));
    let issuer = Certificate::from_der(own.der()).unwrap();
    let foreign = Certificate::from_der(other.der()).unwrap();
    let (subject, _) = issued(&own, "Agent", false);
    let (delegate, delegate_key) = issued(&own, "Répondeur", true);
    let (plain, plain_key) = issued(&own, "Pas répondeur", false);
    let (stranger, stranger_key) = issued(&other, "Répondeur", true);
    let answers = |signer: (&Certificate, &KeyPair)| {
        let der = response(signer, &subject, &issuer, GOOD);
        let evidence = Evidence::read(std::iter::empty(), [der.as_slice()].into_iter());
        evidence.answers(&subject, &issuer, &relied(&[])).len()
    };
    assert_eq!(answers((&issuer, own.key())), 1, "the authority itself");
    assert_eq!(answers((&delegate, &delegate_key)), 1, "whom it delegated");
    assert_eq!(answers((&plain, &plain_key)), 0, "not for OCSP");
    assert_eq!(answers((&stranger, &stranger_key)), 0, "another authority's responder");
    assert_eq!(answers((&foreign, other.key())), 0, "another authority");
    assert_eq!(answers((&delegate, &plain_key)), 0, "not its key");

    // Relied on by configuration, whoever issued it.
    let der = response((&stranger, &stranger_key), &subject, &issuer, GOOD);
    let evidence = Evidence::read(std::iter::empty(), [der.as_slice()].into_iter());
    assert_eq!(evidence.answers(&subject, &issuer, &relied(std::slice::from_ref(&stranger))).len(), 1);
    assert_eq!(evidence.answers(&subject, &issuer, &relied(&[delegate])).len(), 0, "another responder");
}

#[test]
fn what_is_said_is_read() {
    let own = authority("Autorité");
    let issuer = Certificate::from_der(own.der()).unwrap();
    let (subject, _) = issued(&own, "Agent", false);
    let revoked = asn1::encode(
        0xa1,
        &[&asn1::generalized_time(datetime!(2026-04-01 0:00 UTC)), &asn1::encode(0xa0, &[&[0x0a, 1, 1]])],
    );
    for (status, expected) in [
        (GOOD.to_vec(), Status::Good),
        (revoked, Status::Revoked(datetime!(2026-04-01 0:00 UTC), Some(1))),
        (vec![0x82, 0], Status::Unknown),
    ] {
        let der = response((&issuer, own.key()), &subject, &issuer, &status);
        let read = OcspResponse::parse(&der).unwrap();
        let single = read.about(&subject, &issuer).unwrap();
        assert_eq!((single.status, single.next_update), (expected, Some(datetime!(2026-05-08 0:00 UTC))));
        assert!(read.about(&issuer, &issuer).is_none(), "another serial number");
    }
    assert!(OcspResponse::parse(&[0x30, 3, 0x0a, 1, 6]).is_err(), "unauthorized");
}
