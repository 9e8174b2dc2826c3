//! Lists made octet by octet: complete, delta, indirect, for one distribution point, for some reasons.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::spec::cms::asn1::{encode, generalized_time, oid, sequence, tag};
use const_oid::ObjectIdentifier;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CrlDistributionPoint, CustomExtension, DnType, IsCa, KeyPair,
    KeyUsagePurpose, SerialNumber, SigningKey,
};
use time::macros::datetime;

type Authority = CertifiedIssuer<'static, KeyPair>;

const END: OffsetDateTime = datetime!(2026-12-31 0:00 UTC);

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn of(authority: &Authority) -> Certificate {
    Certificate::from_der(authority.der()).unwrap()
}

fn issued(authority: &Authority, serial: u8, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.serial_number = Some(SerialNumber::from_slice(&[serial]));
    params.not_after = END;
    change(&mut params);
    let made = params.signed_by(&KeyPair::generate().unwrap(), authority).unwrap();
    Certificate::from_der(made.der()).unwrap()
}

fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&oid(&ObjectIdentifier::new(id).unwrap()), critical, &encode(tag::OCTET_STRING, &[value])])
}

fn number(value: u8) -> Vec<u8> {
    encode(tag::INTEGER, &[&[value]])
}

/// An entry: serial number, reason, and the issuer when it is another.
fn entry(serial: u8, reason: u8, issuer: Option<&Certificate>) -> Vec<u8> {
    let mut extensions = extension("2.5.29.21", false, &[0x0a, 1, reason]);
    if let Some(issuer) = issuer {
        extensions.extend(extension("2.5.29.29", true, &sequence(&[&encode(0xa4, &[issuer.subject_der()])])));
    }
    sequence(&[&number(serial), &generalized_time(datetime!(2026-04-01 0:00 UTC)), &sequence(&[&extensions])])
}

/// A list by `authority` of `at`, current for a month.
fn list(authority: &Authority, at: OffsetDateTime, entries: &[Vec<u8>], extensions: &[Vec<u8>]) -> Vec<u8> {
    let ecdsa = sequence(&[&oid(&ObjectIdentifier::new("1.2.840.10045.4.3.2").unwrap())]);
    let entries = if entries.is_empty() { Vec::new() } else { sequence(&[&entries.concat()]) };
    let tbs = sequence(&[
        &number(1),
        &ecdsa,
        of(authority).subject_der(),
        &generalized_time(at),
        &generalized_time(at + time::Duration::days(30)),
        &entries,
        &encode(0xa0, &[&sequence(&[&extensions.concat()])]),
    ]);
    let signature = authority.key().sign(&tbs).unwrap();
    sequence(&[&tbs, &ecdsa, &encode(tag::BIT_STRING, &[&[0], &signature])])
}

fn answers(lists: &[&[u8]], about: &Certificate, issuer: &Certificate, relied: &Relied<'_>) -> Vec<Answer> {
    Evidence::read(lists.iter().copied(), std::iter::empty()).answers(about, issuer, relied)
}

const NOBODY: Relied<'static> = Relied { others: &[], responders: &[], leads_to_anchor: &|_, _| false };
const MAY: OffsetDateTime = datetime!(2026-05-01 0:00 UTC);
const JUNE: OffsetDateTime = datetime!(2026-06-01 0:00 UTC);

fn numbered(value: u8) -> Vec<u8> {
    extension("2.5.29.20", false, &number(value))
}

fn delta_of(base: u8) -> Vec<u8> {
    extension("2.5.29.27", true, &number(base))
}

#[test]
fn a_delta_completes_its_base_and_says_nothing_without_it() {
    let root = authority("Autorité");
    let issuer = of(&root);
    let (good, late, held) = (issued(&root, 1, |_| {}), issued(&root, 2, |_| {}), issued(&root, 3, |_| {}));
    let base = list(&root, MAY, &[entry(3, 6, None)], &[numbered(7)]);
    let delta = list(&root, JUNE, &[entry(2, 1, None), entry(3, 8, None)], &[numbered(8), delta_of(7)]);
    let newest = |lists: &[&[u8]], about| answers(lists, about, &issuer, &NOBODY).into_iter().next();
    let both: [&[u8]; 2] = [&base, &delta];
    let answer = newest(&both, &good).unwrap();
    assert_eq!((answer.revoked, answer.this_update), (None, JUNE));
    assert!(newest(&both, &late).unwrap().revoked.is_some(), "revoked since the base");
    assert!(newest(&[&base], &held).unwrap().revoked.is_some(), "suspended");
    assert_eq!(newest(&both, &held).unwrap().revoked, None, "the suspension was lifted");
    assert!(newest(&[&delta], &good).is_none(), "a delta alone");
    assert!(newest(&[&delta], &late).unwrap().revoked.is_some(), "who is in it is revoked all the same");
    let later = list(&root, JUNE, &[], &[numbered(10), delta_of(9)]);
    assert_eq!(newest(&[&base, &later], &good).unwrap().this_update, MAY, "the delta of another base");
}

#[test]
fn an_indirect_list_speaks_for_those_who_entrust_it() {
    let (root, clerk) = (authority("Autorité"), authority("Greffe"));
    let (issuer, signer) = (of(&root), of(&clerk));
    let indirect = extension("2.5.29.28", true, &sequence(&[&[0x84, 1, 0xff]]));
    let entries = [entry(1, 1, None), entry(2, 1, Some(&issuer)), entry(3, 1, None)];
    let list = list(&clerk, MAY, &entries, &[numbered(1), indirect]);
    let entrust = |params: &mut CertificateParams| {
        let issuers = encode(0xa2, &[&encode(0xa4, &[of(&clerk).subject_der()])]);
        let points = sequence(&[&sequence(&[&issuers])]);
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 31], points)];
    };
    let about = |serial| issued(&root, serial, entrust);
    let others = [signer];
    let relied = Relied { others: &others, responders: &[], leads_to_anchor: &|_, _| true };
    let revoked = |serial| answers(&[&list], &about(serial), &issuer, &relied)[0].revoked.is_some();
    assert!(!revoked(1), "the clerk's own certificate of that number");
    assert!(revoked(2) && revoked(3), "the issuer stands until another is named");
    assert!(!revoked(4));
    assert!(answers(&[&list], &issued(&root, 2, |_| {}), &issuer, &relied).is_empty(), "nothing entrusted");
    assert!(answers(&[&list], &about(2), &issuer, &Relied { others: &others, ..NOBODY }).is_empty(), "no anchor");
}

#[test]
fn a_part_of_what_an_issuer_publishes_is_about_that_part() {
    let root = authority("Autorité");
    let issuer = of(&root);
    let at = |uri: &str| {
        let uri = uri.to_owned();
        move |params: &mut CertificateParams| {
            params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![uri] }];
        }
    };
    let here = issued(&root, 1, at("http://crl.exemple.fr/1.crl"));
    let elsewhere = issued(&root, 1, at("http://crl.exemple.fr/2.crl"));
    let name = encode(0xa0, &[&encode(0xa0, &[&encode(0x86, &[b"http://crl.exemple.fr/1.crl"])])]);
    let part = list(&root, MAY, &[], &[extension("2.5.29.28", true, &sequence(&[&name]))]);
    assert_eq!(answers(&[&part], &here, &issuer, &NOBODY).len(), 1);
    assert!(answers(&[&part], &elsewhere, &issuer, &NOBODY).is_empty());

    let reasons = extension("2.5.29.28", true, &sequence(&[&[0x83, 2, 1, 0x40]]));
    let some = list(&root, MAY, &[entry(2, 1, None)], &[reasons]);
    assert!(answers(&[&some], &here, &issuer, &NOBODY).is_empty(), "other reasons are not told");
    assert_eq!(answers(&[&some], &issued(&root, 2, |_| {}), &issuer, &NOBODY).len(), 1, "one is enough");
    let unknown = list(&root, MAY, &[], &[extension("1.2.3.4", true, &[5, 0])]);
    assert!(answers(&[&unknown], &here, &issuer, &NOBODY).is_empty(), "a critical extension nobody knows");
}

#[test]
fn somebody_of_the_same_name_is_not_the_issuer() {
    let (root, impostor) = (authority("Autorité"), authority("Autorité"));
    let subject = issued(&root, 1, |_| {});
    let theirs = list(&impostor, MAY, &[], &[numbered(1)]);
    let others = [of(&impostor)];
    let relied = |trusted: bool| {
        let relied = Relied {
            others: &others,
            responders: &[],
            leads_to_anchor: if trusted { &|_, _| true } else { &|_, _| false },
        };
        answers(&[&theirs], &subject, &of(&root), &relied).len()
    };
    assert_eq!((relied(false), relied(true)), (0, 1), "a new key of the authority leads to an anchor");
}

#[test]
fn a_list_forgets_what_has_expired_unless_it_says_otherwise() {
    let root = authority("Autorité");
    let subject = issued(&root, 1, |_| {});
    let after = datetime!(2027-06-01 0:00 UTC);
    let told = |extensions: &[Vec<u8>]| {
        let list = list(&root, after, &[], extensions);
        answers(&[&list], &subject, &of(&root), &NOBODY)[0].still_speaks_of(&subject)
    };
    let since = |at| extension("2.5.29.60", false, &generalized_time(at));
    assert!(!told(&[numbered(1)]));
    assert!(told(&[since(datetime!(2020-01-01 0:00 UTC))]));
    assert!(!told(&[since(datetime!(2027-01-01 0:00 UTC))]));
    let before = list(&root, MAY, &[], &[numbered(1)]);
    assert!(answers(&[&before], &subject, &of(&root), &NOBODY)[0].still_speaks_of(&subject));
}
