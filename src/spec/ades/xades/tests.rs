//! What each time-stamp is over, written out by hand; and whose the properties are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Found, Properties};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::xml::c14n::{Method, element_to_vec};
use crate::spec::xml::{Document, Element, Limits};
use crate::spec::xmldsig::Signature;
use crate::spec::xmldsig::reference::{Checker, signatures};

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const NS132: &str = "http://uri.etsi.org/01903/v1.3.2#";

/// An enveloping signature with every kind of time-stamp. Their tokens are no tokens: only the imprints are looked at.
fn document(namespace: &str, archive: &str) -> String {
    let stamp = |prefix: &str, name: &str, include: &str| {
        format!(
            "<{prefix}:{name}>{include}<d:CanonicalizationMethod Algorithm='{EXCLUSIVE}'/><x:EncapsulatedTimeStamp>AA==</x:EncapsulatedTimeStamp></{prefix}:{name}>"
        )
    };
    let reference = |id: &str, uri: &str, kind: &str| {
        format!(
            "<d:Reference Id='{id}' URI='{uri}'{kind}><d:DigestMethod Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><d:DigestValue>AA==</d:DigestValue></d:Reference>"
        )
    };
    let kind = " Type='http://uri.etsi.org/01903#SignedProperties'";
    format!(
        "<d:Signature xmlns:d='http://www.w3.org/2000/09/xmldsig#' xmlns:x='{namespace}' xmlns:y='{archive}' Id='S'><d:SignedInfo><d:CanonicalizationMethod Algorithm='{EXCLUSIVE}'/>\
         <d:SignatureMethod Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'/>{}{}{}</d:SignedInfo><d:SignatureValue>AA==</d:SignatureValue><d:KeyInfo/>\
         <d:Object><x:QualifyingProperties Target='#S'><x:SignedProperties Id='P'><x:SignedDataObjectProperties>{}{}</x:SignedDataObjectProperties></x:SignedProperties>\
         <x:UnsignedProperties><x:UnsignedSignatureProperties>{}<x:CompleteCertificateRefs/><x:CompleteRevocationRefs/>{}{}{}<x:CertificateValues/></x:UnsignedSignatureProperties>\
         </x:UnsignedProperties></x:QualifyingProperties></d:Object><d:Object Id='O'>one</d:Object><d:Object Id='Q'>two</d:Object><d:Object Id='R'>three</d:Object></d:Signature>",
        reference("r1", "#O", ""),
        reference("r2", "#Q", ""),
        reference("r3", "#P", kind),
        stamp("x", "AllDataObjectsTimeStamp", ""),
        stamp("x", "IndividualDataObjectsTimeStamp", "<x:Include URI='#r2' referencedData='true'/>"),
        stamp("x", "SignatureTimeStamp", ""),
        stamp("x", "SigAndRefsTimeStamp", ""),
        stamp("x", "RefsOnlyTimeStamp", ""),
        stamp("y", "ArchiveTimeStamp", ""),
    )
}

/// For each time-stamp, in order, the elements whose canonical forms it is over: by name, or `#identifier`.
fn check(xml: &str, over: &[&[&str]]) {
    let document = Document::parse(xml.as_bytes(), &Limits::default()).unwrap();
    let element = signatures(&document).next().unwrap();
    let signature = Signature::read(element).unwrap();
    let Found::Own(properties) = Properties::of(&element) else { panic!("no properties") };
    assert_eq!(properties.timestamps.len(), over.len());
    let checker = Checker::new(&document, &|_| None);
    let method = Method::of_uri(EXCLUSIVE).unwrap();
    let find = |name: &&str| -> Element<'_> {
        let id = name.strip_prefix('#');
        let wanted =
            |one: &Element<'_>| id.map_or_else(|| one.name() == *name, |id| one.attribute("Id").as_deref() == Some(id));
        document.elements().find(wanted).unwrap_or_else(|| panic!("{name}"))
    };
    for (stamp, names) in properties.timestamps.iter().zip(over) {
        let octets: Vec<u8> = names.iter().flat_map(|name| element_to_vec(&find(name), &method)).collect();
        let expected = DigestAlgorithm::Sha256.digest(&octets).unwrap();
        let found = stamp.digest(&signature, &checker, DigestAlgorithm::Sha256).unwrap();
        assert_eq!(found, expected, "{:?} is not over {names:?}", stamp.kind);
    }
}

#[test]
fn each_time_stamp_is_over_what_the_standard_says() {
    let all: &[&str] = &["#O", "#Q"];
    let individual: &[&str] = &["#Q"];
    let value: &[&str] = &["SignatureValue"];
    let refs: &[&str] = &["CompleteCertificateRefs", "CompleteRevocationRefs"];
    let value_and_refs: &[&str] =
        &["SignatureValue", "SignatureTimeStamp", "CompleteCertificateRefs", "CompleteRevocationRefs"];
    let before = [
        "#O",
        "#Q",
        "#P",
        "SignedInfo",
        "SignatureValue",
        "KeyInfo",
        "SignatureTimeStamp",
        "CompleteCertificateRefs",
        "CompleteRevocationRefs",
        "SigAndRefsTimeStamp",
        "RefsOnlyTimeStamp",
    ];
    // Version 1.4.1: every ds:Object but the one of the properties; 1.3.2: those that no reference names.
    let new: Vec<&str> = before.iter().copied().chain(["#O", "#Q", "#R"]).collect();
    let old: Vec<&str> = before.iter().copied().chain(["#R"]).collect();
    check(&document(NS132, super::XADES141_NS), &[all, individual, value, value_and_refs, refs, &new]);
    check(&document(NS132, NS132), &[all, individual, value, value_and_refs, refs, &old]);
}

#[test]
fn properties_are_those_of_the_signature_itself() {
    let xml = document(NS132, NS132);
    let of = |xml: &str| {
        let document = Document::parse(xml.as_bytes(), &Limits::default()).unwrap();
        let element = signatures(&document).next().unwrap();
        match Properties::of(&element) {
            Found::Nothing => "nothing",
            Found::Own(_) => "own",
            Found::Wrong(why) => why,
        }
    };
    assert_eq!(of(&xml), "own");
    assert!(of(&xml.replace("Target='#S'", "Target='#T'")).contains("autre signature"));
    assert_eq!(
        of(&xml
            .replace("<d:Object><x:", "<d:Object><w><x:")
            .replace("</x:QualifyingProperties>", "</x:QualifyingProperties></w>")),
        "nothing"
    );
    let twice = xml.replace("<d:Object><x:", "<d:Object><x:QualifyingProperties/></d:Object><d:Object><x:");
    assert!(of(&twice).contains("plusieurs"));
}
