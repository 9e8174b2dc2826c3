//! References, transforms and paths, on documents made for them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::path::{Path, Selected};
use super::reference::{Checker, Outcome};
use super::{DSIG_NS, Signature, SignatureError};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::xml::{Document, Limits};
use base64::prelude::{BASE64_STANDARD, Engine as _};

const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// A document with a signature that has one reference: its attributes, its transforms, and the digest of `over`.
fn signed(before: &str, attributes: &str, transforms: &str, over: &str) -> String {
    let digest = BASE64_STANDARD.encode(DigestAlgorithm::Sha256.digest(over.as_bytes()).unwrap());
    format!(
        "<r>{before}<ds:Signature xmlns:ds='{DSIG_NS}' Id='s'><ds:SignedInfo><ds:CanonicalizationMethod Algorithm='{EXCLUSIVE}'/>\
         <ds:SignatureMethod Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'/><ds:Reference {attributes}>\
         <ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod Algorithm='{SHA256}'/><ds:DigestValue>{digest}</ds:DigestValue>\
         </ds:Reference></ds:SignedInfo><ds:SignatureValue>AA==</ds:SignatureValue><ds:Object Id='o'>SGk=</ds:Object></ds:Signature></r>"
    )
}

fn algorithm(uri: &str) -> String {
    format!("<ds:Transform Algorithm='{uri}'/>")
}

fn check(xml: &str, contents: &[(&str, &str)]) -> Outcome {
    let document = Document::parse(xml.as_bytes(), &Limits::default()).unwrap();
    let element = super::reference::signatures(&document).next().unwrap();
    let signature = Signature::read(element).unwrap();
    let find = |name: Option<&str>| {
        contents.iter().find(|(known, _)| *known == name.unwrap_or_default()).map(|(_, content)| content.as_bytes())
    };
    Checker::new(&document, &find).check(&signature.references[0], &signature.element).outcome
}

#[test]
fn same_document_references_and_transforms() {
    let enveloped = algorithm("http://www.w3.org/2000/09/xmldsig#enveloped-signature");
    let base64 = algorithm("http://www.w3.org/2000/09/xmldsig#base64");
    let exclusive = algorithm(EXCLUSIVE);
    let xpath = |expression: &str| {
        format!(
            "<ds:Transform Algorithm='http://www.w3.org/TR/1999/REC-xpath-19991116'><ds:XPath>{expression}</ds:XPath></ds:Transform>"
        )
    };
    let filter = |filter: &str, expression: &str| {
        format!(
            "<ds:Transform Algorithm='http://www.w3.org/2002/06/xmldsig-filter2'><f:XPath xmlns:f='http://www.w3.org/2002/06/xmldsig-filter2' Filter='{filter}'>{expression}</f:XPath></ds:Transform>"
        )
    };
    let before = "<a Id='x'>1<!-- c --><b/></a>";
    let element = "<a Id=\"x\">1<b></b></a>";
    let commented = "<a Id=\"x\">1<!-- c --><b></b></a>";
    let all = format!("<r>{element}</r>");
    let with_comments = algorithm("http://www.w3.org/2001/10/xml-exc-c14n#WithComments");
    for (attributes, transforms, over) in [
        ("URI='#x'", exclusive.clone(), element),
        ("URI='#x'", with_comments.clone(), element),
        ("URI='#xpointer(id(&apos;x&apos;))'", with_comments, commented),
        ("URI='#x'", String::new(), element),
        ("URI=''", enveloped.clone(), all.as_str()),
        ("URI='#xpointer(/)'", format!("{enveloped}{exclusive}"), all.as_str()),
        ("URI=''", xpath("not( ancestor-or-self::ds:Signature )"), all.as_str()),
        (
            "URI=''",
            xpath("not(ancestor-or-self::ds:Signature) and not(ancestor-or-self::b)"),
            "<r><a Id=\"x\">1</a></r>",
        ),
        ("URI=''", filter("subtract", "/descendant::ds:Signature"), all.as_str()),
        ("URI=''", filter("subtract", "here()/ancestor::ds:Signature[1]"), all.as_str()),
        ("URI=''", filter("intersect", "/r/a[@Id='x']"), element),
        ("URI=''", filter("intersect", "id('x')/b"), "<b></b>"),
        ("URI='#o'", base64.clone(), "Hi"),
        ("URI='beside.bin'", String::new(), "content"),
        ("URI='beside.xml'", exclusive.clone(), "<z></z>"),
        ("", String::new(), "anonymous"),
    ] {
        let xml = signed(before, attributes, &transforms, over);
        let contents = [("beside.bin", "content"), ("beside.xml", "<z  />"), ("", "anonymous")];
        assert_eq!(check(&xml, &contents), Outcome::Intact, "{xml}");
        let other = signed(before, attributes, &transforms, &format!("{over} "));
        assert_eq!(check(&other, &contents), Outcome::Broken, "{other}");
    }
}

#[test]
fn what_is_not_followed_is_told() {
    let exclusive = algorithm(EXCLUSIVE);
    let enveloped = algorithm("http://www.w3.org/2000/09/xmldsig#enveloped-signature");
    let outcome =
        |before: &str, attributes: &str, transforms: &str| check(&signed(before, attributes, transforms, ""), &[]);
    for uri in ["file:///etc/passwd", "http://127.0.0.1:9/x", "ftp://h/x"] {
        assert!(matches!(outcome("", &format!("URI='{uri}'"), ""), Outcome::Refused(_)), "{uri}");
    }
    assert_eq!(outcome("", "URI='beside.bin'", ""), Outcome::Missing);
    assert_eq!(outcome("", "", ""), Outcome::Missing);
    assert_eq!(outcome("", "URI='#nowhere'", ""), Outcome::Missing);
    assert_eq!(outcome("<a Id='x'/><b id='x'/>", "URI='#x'", ""), Outcome::Ambiguous("x".to_owned()));
    assert!(matches!(outcome("", "URI='#xpointer(//a)'", ""), Outcome::Unsupported(_)));
    let xslt = algorithm("http://www.w3.org/TR/1999/REC-xslt-19991116");
    assert!(matches!(outcome("", "URI=''", &xslt), Outcome::Refused(_)));
    assert!(matches!(outcome("", "URI=''", &algorithm("urn:new")), Outcome::Unsupported(_)));
    // A thousand transforms, and those that follow a canonical form as if there still were nodes.
    assert!(matches!(outcome("", "URI=''", &exclusive.repeat(1000)), Outcome::Refused(_)));
    assert!(matches!(outcome("", "URI=''", &format!("{exclusive}{enveloped}")), Outcome::Refused(_)));
    // The signed element inside the signature that is taken out of it: nothing is left to digest.
    assert_eq!(outcome("", "URI='#o'", &enveloped), Outcome::Intact);
    assert_eq!(check(&signed("", "URI='#o'", &enveloped, "<ds:Object>"), &[]), Outcome::Broken);
}

#[test]
fn an_incomplete_signature_is_malformed() {
    let good = signed("", "URI=''", "", "");
    let read = |xml: &str| {
        let document = Document::parse(xml.as_bytes(), &Limits::default()).unwrap();
        let element = super::reference::signatures(&document).next().unwrap();
        Signature::read(element).map(|_| ())
    };
    assert_eq!(read(&good), Ok(()));
    for name in [
        "SignedInfo",
        "CanonicalizationMethod",
        "SignatureMethod",
        "Reference",
        "DigestMethod",
        "DigestValue",
        "SignatureValue",
    ] {
        let bad = good.replace(&format!("ds:{name}"), "ds:Other");
        assert!(matches!(read(&bad), Err(SignatureError::Malformed(_))), "{name}");
    }
    let value = "<ds:SignatureValue>AA==</ds:SignatureValue>";
    assert!(matches!(read(&good.replace(value, &value.repeat(2))), Err(SignatureError::Malformed(_))));
}

#[test]
fn paths_select_what_xpath_would() {
    let xml = "<r xmlns:p='u'><p:a><b n='1'/><p:a><b n='2'/></p:a></p:a><b n='3'/></r>";
    let document = Document::parse(xml.as_bytes(), &Limits::default()).unwrap();
    let here = document.root().children().next().unwrap();
    let select =
        |path: &str| match Path::parse(path, &here).unwrap_or_else(|| panic!("{path}")).select(&document, &here) {
            Selected::Document => "/".to_owned(),
            Selected::Elements(elements) => {
                let names = elements
                    .iter()
                    .map(|element| element.attribute("n").map_or_else(|| element.name().into_owned(), Into::into));
                names.collect::<Vec<String>>().join(" ")
            }
        };
    for (path, selected) in [
        ("/", "/"),
        ("/r/b", "3"),
        ("//b", "1 2 3"),
        ("//p:a//b", "1 2"),
        ("//p:a/b | /r/b", "1 2 3"),
        ("/r/*", "a 3"),
        ("/r//b[@n='2']", "2"),
        ("/descendant::p:a/p:a", "a"),
        ("/x", ""),
    ] {
        assert_eq!(select(path), selected, "{path}");
    }
    for path in [
        "b",
        "/r/b[1]",
        "/r/@n",
        "/r/text()",
        "count(//b)",
        "/q:a",
        "/r/b[@n=1]",
        "",
        "//",
        "/r/",
        "/r/b[@n='1' or @n='2']",
    ] {
        assert_eq!(Path::parse(path, &here), None, "{path}");
    }
}
