//! What is gathered of signed documents: the files beside the project, when they are there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::validation::facts::{CoverageKind, Facts, FaultKind, ReferenceState, ValueState};
use crate::validation::{Content, Input};
use std::fs;
use std::path::Path;

/// The facts of a file of the shared set; `None` when the set is not there.
fn gather(file: &str, content: Option<&str>) -> Option<Facts> {
    let folder = Path::new("../shared/data/signatures");
    let folder = if folder.exists() { folder.to_owned() } else { Path::new("../../shared/data/signatures").to_owned() };
    let Ok(bytes) = fs::read(folder.join(file)) else {
        return None;
    };
    let beside = content.map(|name| (name.rsplit('/').next().unwrap(), fs::read(folder.join(name)).unwrap()));
    let contents: Vec<_> = beside.iter().map(|(name, bytes)| Content { name, bytes }).collect();
    Some(super::gather(&Input { name: Some(file), bytes: &bytes, contents: &contents, certificates: &[] }))
}

fn faults(facts: &Facts) -> Vec<FaultKind> {
    let inner = facts.signatures.iter().flat_map(|signature| &signature.faults);
    facts.faults.iter().chain(inner).map(|fault| fault.kind).collect()
}

#[test]
fn a_pes_says_which_bordereaux_are_signed() {
    let Some(facts) = gather("pes/fichier_signe.xml", None) else { return };
    let signature = &facts.signatures[0];
    assert_eq!((&signature.value, facts.signatures.len()), (&ValueState::Intact, 1));
    assert!(signature.references.iter().all(|reference| reference.state == ReferenceState::Intact));
    assert_eq!(signature.policy.as_ref().unwrap().id, "1.2.250.1.131.1.5.18.21.1.7");
    assert_eq!((signature.roles.as_slice(), signature.place.is_some()), (&["Ordonnateur".to_owned()][..], true));
    let covered: Vec<_> = facts.members.iter().map(|unit| (unit.kind, unit.name.as_str(), unit.covered)).collect();
    assert_eq!(
        covered,
        [
            (CoverageKind::PesHeader, "Enveloppe", false),
            (CoverageKind::PesHeader, "EnTetePES", false),
            (CoverageKind::PesBordereau, "1234567", true),
            (CoverageKind::PesAttachment, "PES_PJ", false),
            (CoverageKind::PesAttachment, "PJ", false),
        ]
    );
    assert!(faults(&facts).is_empty());
    let second = gather("hostile/pes_unsigned_second_bordereau.xml", None).unwrap();
    assert_eq!(faults(&second), [FaultKind::Uncovered]);
    let whole = gather("pes/pes_global_signed.xml", None).unwrap();
    assert!(whole.members.iter().all(|unit| unit.covered));
}

#[test]
fn a_wrapped_copy_is_told() {
    for file in [
        "hostile/pes_xsw_wrapper.xml",
        "hostile/pes_xsw_object.xml",
        "hostile/pes_xsw_dup_id.xml",
        "hostile/pes_xsw_dup_id_after.xml",
        "xades_bad/XSW-enveloped-fake-signedProperties.xml",
        "xades_bad/XSW-enveloping-fake-manifest.xml",
    ] {
        let Some(facts) = gather(file, None) else { return };
        assert!(faults(&facts).contains(&FaultKind::Wrapping), "{file}: {:?}", facts.signatures[0].faults);
    }
}

#[test]
fn the_content_beside_is_what_a_reference_without_uri_means() {
    let Some(facts) = gather("parapheur/document_ooxml_xades.xml", Some("parapheur/document_ooxml.docx")) else {
        return;
    };
    assert!(facts.signatures[0].references.iter().all(|reference| reference.state == ReferenceState::Intact));
    let alone = gather("parapheur/document_ooxml_xades.xml", None).unwrap();
    assert_eq!(alone.signatures[0].references[0].state, ReferenceState::Missing);
}

/// Documents made to take long: what is asked of them must not grow with the square of their length.
#[test]
fn documents_made_to_take_long_do_not() {
    const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
    let reference = |uri: &str, transform: &str| {
        format!(
            "<d:Reference URI='{uri}'><d:Transforms>{transform}</d:Transforms><d:DigestMethod Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><d:DigestValue>AA==</d:DigestValue></d:Reference>"
        )
    };
    let signature = |references: &str, more: &str| {
        format!(
            "<d:Signature><d:SignedInfo><d:CanonicalizationMethod Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/><d:SignatureMethod Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'/>{references}</d:SignedInfo><d:SignatureValue>AA==</d:SignatureValue>{more}</d:Signature>"
        )
    };
    let xpath = "<d:Transform Algorithm='http://www.w3.org/TR/1999/REC-xpath-19991116'><d:XPath>not(ancestor-or-self::d:Signature)</d:XPath></d:Transform>";
    let declarations = (0..3_000).map(|n| format!(" xmlns:n{n}='u{n}'")).collect::<Vec<_>>().concat();
    let siblings = "<a/>".repeat(10_000);
    let thousand = |uri: &str, transform: &str| reference(uri, transform).repeat(1000);
    let wide = signature(&thousand("#x", ""), "");
    let filtered = signature(&thousand("", &xpath.repeat(16)), "");
    let objects = signature(&thousand("#x", ""), &"<d:Object/>".repeat(20_000));
    let nothing = signature(
        &thousand("", "<d:Transform Algorithm='http://www.w3.org/2000/09/xmldsig#enveloped-signature'/>"),
        "",
    );
    for (what, xml) in [
        ("references among many siblings", format!("<r xmlns:d='{DSIG}'>{siblings}<b Id='x'/>{wide}</r>")),
        ("prefixes under a long tag", format!("<r xmlns:d='{DSIG}'{declarations}>{filtered}</r>")),
        ("objects", format!("<r xmlns:d='{DSIG}'><b Id='x'/>{objects}</r>")),
        ("the whole, a thousand times", format!("<r xmlns:d='{DSIG}'>{siblings}{nothing}</r>")),
        ("signatures to leave out", format!("<r xmlns:d='{DSIG}'>{}{filtered}</r>", "<d:Signature/>".repeat(4_000))),
    ] {
        let start = std::time::Instant::now();
        let facts = super::gather(&Input { name: None, bytes: xml.as_bytes(), contents: &[], certificates: &[] });
        assert!(!facts.signatures.is_empty());
        // Without optimisation, on a busy machine; with the square of the length it would be hours.
        assert!(start.elapsed().as_secs() < 30, "{what}: {:?} for {} bytes", start.elapsed(), xml.len());
    }
}

#[test]
fn an_evidence_record_over_the_group_of_what_is_sealed_holds() {
    let Some(facts) = gather("xades/X-E-ERS-basic-asn1.xml", None) else { return };
    assert_eq!(facts.signatures[0].evidence_records[0].state, ReferenceState::Intact);
}
