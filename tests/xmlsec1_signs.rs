//! What xmlsec1 signs, we find intact; and any change to what is covered, we find. Needs xmlsec1 and openssl: without
//! them this says so and passes, but fails under `CI=true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use archiland::validation::facts::{Facts, FaultKind, ReferenceState, SignatureFacts, ValueState};
use archiland::validation::gather::xades::gather;
use archiland::validation::{Content, Input};
use std::fs;
use std::path::Path;
use support::{require_tool, run_ok};

const C14N: [&str; 6] = [
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
    "http://www.w3.org/2006/12/xml-c14n11",
    "http://www.w3.org/2006/12/xml-c14n11#WithComments",
    "http://www.w3.org/2001/10/xml-exc-c14n#",
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
];
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const PES: &str = "http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller";

/// A folder with an RSA and an EC key and their certificates.
fn keys() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [("rsa", "rsa:2048"), ("ec", "ec -pkeyopt ec_paramgen_curve:P-256")] {
        let command = format!(
            "req -x509 -newkey {options} -nodes -keyout {name}.key -out {name}.pem -days 30 -subj /CN=Ordonnateur"
        );
        run_ok(folder.path(), "openssl", &command.split_whitespace().collect::<Vec<_>>());
    }
    folder
}

/// A signature template over one reference.
fn template(c14n: &str, algorithm: &str, reference: &str, objects: &str) -> String {
    format!(
        "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#' Id='S1'><ds:SignedInfo><ds:CanonicalizationMethod Algorithm='{c14n}'/>\
         <ds:SignatureMethod Algorithm='{algorithm}'/>{reference}</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data/>\
         </ds:KeyInfo>{objects}</ds:Signature>"
    )
}

fn reference(uri: &str, transforms: &str, digest: &str) -> String {
    format!(
        "<ds:Reference URI=\"{uri}\"><ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod Algorithm='{digest}'/>\
         <ds:DigestValue/></ds:Reference>"
    )
}

fn transform(uri: &str) -> String {
    format!("<ds:Transform Algorithm='{uri}'/>")
}

/// A PES of two bordereaux; `inside` stands in the first.
fn pes(inside: &str, at_end: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='ISO-8859-1'?>\n<n:PES_Aller xmlns:n='{PES}' xmlns:x='urn:x' Id='P1' xml:lang='fr'>\n <EnTetePES><IdPost V='034000'/></EnTetePES>\n \
         <PES_DepenseAller>\n  <Bordereau Id='B1'><BlocBordereau><Exer V='2026'/><IdBord V='77'/></BlocBordereau><Obj V='caf\u{e9} \u{80}\u{9c}\t&quot;' x:a='1'>a<!-- c --><![CDATA[<&]]></Obj>{inside}</Bordereau>\n  \
         <Bordereau Id='B2'><BlocBordereau><Exer V='2026'/><IdBord V='78'/></BlocBordereau></Bordereau>\n </PES_DepenseAller>\n <PES_PJ/>{at_end}</n:PES_Aller>\n"
    )
}

/// Signs a template with xmlsec1; the text is written in ISO-8859-1.
fn sign(folder: &Path, key: &str, xml: &str) -> Vec<u8> {
    let latin: Vec<u8> = xml.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    fs::write(folder.join("template.xml"), latin).unwrap();
    let keys = format!("{key}.key,{key}.pem");
    let mut arguments = vec!["--sign", "--privkey-pem", &keys];
    let root = format!("{PES}:PES_Aller");
    for id in [root.as_str(), "Bordereau", "SignedProperties", "http://www.w3.org/2000/09/xmldsig#:Object"] {
        arguments.extend(["--id-attr:Id", id]);
    }
    arguments.extend(["--output", "signed.xml", "template.xml"]);
    run_ok(folder, "xmlsec1", &arguments);
    fs::read(folder.join("signed.xml")).unwrap()
}

fn facts(bytes: &[u8], contents: &[Content<'_>]) -> Facts {
    gather(&Input { name: None, bytes, contents, certificates: &[] })
}

fn is_intact(signature: &SignatureFacts) -> bool {
    signature.value == ValueState::Intact
        && signature.references.iter().all(|reference| reference.state == ReferenceState::Intact)
}

#[test]
fn every_form_that_xmlsec1_signs_is_intact() {
    if !require_tool("xmlsec1") || !require_tool("openssl") {
        return;
    }
    let folder = keys();
    let enveloped = transform(ENVELOPED);
    let sha256 = "http://www.w3.org/2001/04/xmlenc#sha256";
    let rsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    let mut cases = Vec::new();
    for c14n in C14N {
        for uri in ["", "#B1", "#xpointer(id('B1'))", "#xpointer(/)"] {
            cases.push((rsa, c14n, reference(uri, &format!("{enveloped}{}", transform(c14n)), sha256)));
        }
    }
    let exclusive = C14N[4];
    let listed = format!(
        "{enveloped}<ds:Transform Algorithm='{exclusive}'><ec:InclusiveNamespaces xmlns:ec='{exclusive}' PrefixList='x n #default'/></ds:Transform>"
    );
    cases.push((rsa, exclusive, reference("#B1", &listed, sha256)));
    cases.push((rsa, exclusive, reference("#B1", &enveloped, sha256)));
    let xpath = "<ds:Transform Algorithm='http://www.w3.org/TR/1999/REC-xpath-19991116'><ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>";
    cases.push((rsa, exclusive, reference("", xpath, sha256)));
    let filter = "<ds:Transform Algorithm='http://www.w3.org/2002/06/xmldsig-filter2'><XPath xmlns='http://www.w3.org/2002/06/xmldsig-filter2' Filter='subtract'>/descendant::ds:Signature</XPath></ds:Transform>";
    cases.push((rsa, exclusive, reference("", filter, sha256)));
    for digest in [
        "http://www.w3.org/2000/09/xmldsig#sha1",
        "http://www.w3.org/2001/04/xmldsig-more#sha384",
        "http://www.w3.org/2001/04/xmlenc#sha512",
    ] {
        cases.push((rsa, exclusive, reference("#B1", &enveloped, digest)));
    }
    for algorithm in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
    ] {
        cases.push((algorithm, exclusive, reference("#B1", &enveloped, sha256)));
    }
    for (algorithm, c14n, reference) in cases {
        let key = if algorithm.contains("ecdsa") { "ec" } else { "rsa" };
        let signed = sign(folder.path(), key, &pes(&template(c14n, algorithm, &reference, ""), ""));
        let facts = facts(&signed, &[]);
        let text = String::from_utf8_lossy(&signed).into_owned();
        assert!(is_intact(&facts.signatures[0]), "{:?}\n{text}", facts.signatures[0]);
        let whole = !reference.contains("B1");
        let covered: Vec<_> = facts.members.iter().map(|unit| unit.covered).collect();
        assert_eq!(covered, [whole, true, whole, whole], "{text}");
        let uncovered = facts.faults.iter().any(|fault| fault.kind == FaultKind::Uncovered);
        assert_eq!(uncovered, !whole, "the second bordereau is reported");
    }
}

#[test]
fn an_object_a_manifest_and_content_beside() {
    if !require_tool("xmlsec1") || !require_tool("openssl") {
        return;
    }
    let folder = keys();
    let sha256 = "http://www.w3.org/2001/04/xmlenc#sha256";
    let rsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    let base64 = transform("http://www.w3.org/2000/09/xmldsig#base64");
    fs::write(folder.path().join("beside.bin"), b"content").unwrap();
    let references = reference("#O1", &base64, sha256) + &reference("beside.bin", "", sha256);
    let xml = template(C14N[0], rsa, &references, "<ds:Object Id='O1'>Q29udGVu\ndQ==</ds:Object>");
    let signed = sign(folder.path(), "rsa", &xml);
    let beside = Content { name: "beside.bin", bytes: b"content" };
    assert!(is_intact(&facts(&signed, &[beside]).signatures[0]));
    assert_eq!(facts(&signed, &[]).signatures[0].references[1].state, ReferenceState::Missing);
    let other = Content { name: "beside.bin", bytes: b"Content" };
    assert_eq!(facts(&signed, &[other]).signatures[0].references[1].state, ReferenceState::Broken);
}

#[test]
fn a_bare_key_checks_the_value_and_names_nobody() {
    if !require_tool("xmlsec1") || !require_tool("openssl") {
        return;
    }
    let folder = keys();
    let one = reference("", &transform(ENVELOPED), "http://www.w3.org/2001/04/xmlenc#sha256");
    let rsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    let template = template(C14N[0], rsa, &one, "").replace("<ds:X509Data/>", "<ds:KeyValue/>");
    let signed = sign(folder.path(), "rsa", &pes(&template, ""));
    let facts = facts(&signed, &[]);
    assert!(is_intact(&facts.signatures[0]), "{:?}", facts.signatures[0]);
    assert_eq!(facts.signatures[0].signing_certificate, None);
}

#[test]
fn a_change_to_what_is_covered_shows_and_one_outside_does_not() {
    if !require_tool("xmlsec1") || !require_tool("openssl") {
        return;
    }
    let folder = keys();
    let transforms = format!("{}{}", transform(ENVELOPED), transform(C14N[4]));
    let one = reference("#B1", &transforms, "http://www.w3.org/2001/04/xmlenc#sha256");
    let template = template(C14N[4], "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", &one, "");
    let signed = sign(folder.path(), "rsa", &pes(&template, ""));
    let find = |text: &str| signed.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    let (start, end) = (find("<Bordereau Id=\"B1\""), find("<ds:Signature"));
    let info = find("<ds:SignedInfo>")..find("</ds:SignedInfo>");
    let mut shown = 0;
    for at in (start..end).chain(info).step_by(7) {
        // A comment is outside an exclusive form without comments.
        let in_comment =
            signed[..at].windows(4).rposition(|w| w == b"<!--") > signed[..at].windows(3).rposition(|w| w == b"-->");
        for bit in [0, 1, 5] {
            let mut changed = signed.clone();
            changed[at] ^= 1 << bit;
            let facts = facts(&changed, &[]);
            let intact = facts.signatures.first().is_some_and(is_intact);
            let same = intact && !in_comment;
            // Another quote, another white space between attributes, say the same thing.
            let harmless = signed[at].is_ascii_whitespace() && changed[at].is_ascii_whitespace();
            assert!(!same || harmless, "byte {at} from {:?} to {:?}", signed[at] as char, changed[at] as char);
            shown += usize::from(!intact);
        }
    }
    assert!(shown > 100, "{shown}");
    let outside = find("034000");
    let mut changed = signed.clone();
    changed[outside] = b'9';
    assert!(is_intact(&facts(&changed, &[]).signatures[0]));
}
