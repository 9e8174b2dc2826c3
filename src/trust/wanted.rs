//! What to ask, of whom, about the certificates of an input.

use super::client::is_allowed;
use crate::spec::cms::asn1;
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::x509::{Certificate, name};
use crate::validation::Facts;
use crate::validation::facts::{EvidenceRecordFacts, SignatureFacts, TimestampFacts};
use crate::validation::trust::TrustMaterial;
use const_oid::ObjectIdentifier;
use reqwest::Url;
use std::collections::BTreeSet;

const ID_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");

/// How deep signatures are looked into.
const DEPTH_MAX: usize = 8;
/// Certificates of one input that are looked at.
const CERTIFICATES_MAX: usize = 512;

/// A list to get, or a question to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of whom.
    pub url: Url,
    /// The question, for OCSP.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// What an answer is kept under.
    pub fn key(&self) -> String {
        format!("{} {}", self.url, self.body.as_ref().map(hex::encode).unwrap_or_default())
    }
}

/// What the certificates of `facts` name on `hosts`: the issuer's OCSP responder when the issuer is at hand, and its lists.
pub fn requests(facts: &Facts, hosts: &[String], trust: &TrustMaterial) -> Vec<Request> {
    let mut ders: Vec<&[u8]> = facts.material.certificates.iter().map(|der| der.0.as_slice()).collect();
    facts.signatures.iter().for_each(|signature| collect(signature, 0, &mut ders));
    facts.timestamps.iter().for_each(|stamp| collect_stamp(stamp, 0, &mut ders));
    facts.evidence_records.iter().for_each(|record| collect_record(record, 0, &mut ders));
    let ders: BTreeSet<&[u8]> = ders.into_iter().collect();
    let own: Vec<_> =
        ders.into_iter().take(CERTIFICATES_MAX).filter_map(|der| Certificate::from_der(der).ok()).collect();
    let others = trust.certificates.iter().chain(&trust.anchors).chain(trust.services().flat_map(|s| &s.certificates));
    let known: Vec<&Certificate> = own.iter().chain(others).collect();
    // A root is revoked by nobody. A name alone does not make one: it is its own issuer by its signature.
    let issued =
        |certificate: &&Certificate| !(certificate.is_self_issued() && certificate.is_signed_by(certificate).is_ok());
    // The intermediates given from outside are in the chain too.
    let concerned = own.iter().chain(&trust.certificates).filter(issued);
    let allowed = |text: &String| Url::parse(text).ok().filter(|url| is_allowed(url, hosts));
    let (mut asked, mut found) = (BTreeSet::new(), Vec::new());
    for certificate in concerned {
        let extensions = certificate.extensions();
        let issuer = known.iter().find(|other| {
            name::same(other.subject_der(), certificate.issuer_der()) && certificate.is_signed_by(other).is_ok()
        });
        if let (Some(url), Some(issuer)) = (extensions.ocsp_urls.iter().find_map(allowed), issuer)
            && let Some(body) = question(certificate, issuer)
        {
            found.push(Request { url, body: Some(body) });
        }
        for url in extensions.crl_urls.iter().filter_map(allowed) {
            if asked.insert(url.to_string()) {
                found.push(Request { url, body: None });
            }
        }
    }
    found
}

/// An OCSPRequest about one certificate (RFC 6960 § 4.1), which every responder understands with SHA-1.
fn question(certificate: &Certificate, issuer: &Certificate) -> Option<Vec<u8>> {
    let mut key = asn1::Reader::new(issuer.spki_der()).sequence("").ok()?;
    key.any().ok()?;
    let key = key.bit_string("").ok()?;
    let hash = |data: &[u8]| Some(asn1::encode(asn1::tag::OCTET_STRING, &[&DigestAlgorithm::Sha1.digest(data).ok()?]));
    let algorithm = asn1::sequence(&[&asn1::oid(&ID_SHA1), &[asn1::tag::NULL, 0]]);
    let serial = asn1::encode(asn1::tag::INTEGER, &[certificate.serial()]);
    let id = asn1::sequence(&[&algorithm, &hash(certificate.issuer_der())?, &hash(key)?, &serial]);
    Some(asn1::sequence(&[&asn1::sequence(&[&asn1::sequence(&[&asn1::sequence(&[&id])])])]))
}

fn collect<'a>(signature: &'a SignatureFacts, depth: usize, ders: &mut Vec<&'a [u8]>) {
    if depth > DEPTH_MAX {
        return;
    }
    ders.extend(
        signature.signing_certificate.iter().chain(&signature.material.certificates).map(|der| der.0.as_slice()),
    );
    signature.timestamps.iter().for_each(|stamp| collect_stamp(stamp, depth + 1, ders));
    signature.evidence_records.iter().for_each(|record| collect_record(record, depth + 1, ders));
    signature.counter_signatures.iter().for_each(|counter| collect(counter, depth + 1, ders));
}

fn collect_record<'a>(record: &'a EvidenceRecordFacts, depth: usize, ders: &mut Vec<&'a [u8]>) {
    record.timestamps.iter().for_each(|stamp| collect_stamp(stamp, depth + 1, ders));
}

fn collect_stamp<'a>(stamp: &'a TimestampFacts, depth: usize, ders: &mut Vec<&'a [u8]>) {
    if let Some(token) = &stamp.token {
        collect(token, depth, ders);
    }
}
