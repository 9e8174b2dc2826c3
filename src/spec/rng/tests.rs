//! Every pattern against documents that follow it and documents that do not, and xmllint as a second opinion.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use super::*;
use crate::spec::seda::xml::Limits;
use std::process::Command;

/// `xmllint --relaxng`'s opinion, where it is installed.
fn second_opinion(grammar: &str, document: &str) -> Option<bool> {
    let directory = tempfile::tempdir().unwrap();
    let (rng, xml) = (directory.path().join("g.rng"), directory.path().join("d.xml"));
    std::fs::write(&rng, grammar).unwrap();
    std::fs::write(&xml, document).unwrap();
    let output = Command::new("xmllint").args(["--noout", "--nonet", "--relaxng"]).arg(&rng).arg(&xml).output();
    match output {
        Ok(output) => Some(output.status.success()),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI needs xmllint (libxml2-utils): {error}");
            eprintln!("no second opinion: xmllint: {error}");
            None
        }
    }
}

fn faults(grammar: &str, document: &str) -> Vec<String> {
    let read = Grammar::parse(grammar).unwrap();
    let found = validate(&read, document.as_bytes(), &Limits::default()).unwrap();
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    if let Some(valid) = second_opinion(grammar, document) {
        assert_eq!(valid, told.is_empty(), "xmllint says {valid}: {told:?}\n{grammar}\n{document}");
    }
    told
}

fn grammar(inside: &str) -> String {
    format!(
        "<grammar xmlns=\"http://relaxng.org/ns/structure/1.0\" ns=\"n\" \
         datatypeLibrary=\"http://www.w3.org/2001/XMLSchema-datatypes\">{inside}</grammar>"
    )
}

fn document(inside: &str) -> String {
    format!("<r xmlns=\"n\">{inside}</r>")
}

#[test]
fn order_choice_and_repetition() {
    let g = grammar(
        "<start><element name=\"r\"><element name=\"a\"><text/></element><optional><element name=\"b\"><empty/></element></optional>\
         <zeroOrMore><choice><element name=\"c\"><data type=\"date\"/></element><ref name=\"d\"/></choice></zeroOrMore>\
         </element></start><define name=\"d\"><element name=\"d\"><value>Oui</value></element></define>",
    );
    assert!(faults(&g, &document("<a>x</a><b/><c>2020-01-01</c><d> Oui </d><c>2021-02-28</c>")).is_empty());
    assert!(faults(&g, &document("<a/>")).is_empty());
    let told = faults(&g, &document("<b/>"));
    assert!(told[0].contains("« b » n'est pas attendu ici ; attendu : a"), "{told:?}");
    assert!(faults(&g, &document("<a/><c>hier</c><d>Oui</d>"))[0].contains("« hier » dans « c »"));
    let told = faults(&g, &document("<a/><d>Non</d>"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("attendu : « Oui »"), "{told:?}");
    assert_eq!(faults(&g, &document("")).len(), 1);
    assert!(faults(&g, &document("<a/>text"))[0].contains("« text » dans « r »"));
}

#[test]
fn attributes_names_and_interleaving() {
    let g = grammar(
        "<start><element name=\"r\"><optional><attribute name=\"id\"><data type=\"ID\"/></attribute></optional>\
         <attribute name=\"k\"><choice><value>1</value><value>2</value></choice></attribute>\
         <interleave><element name=\"a\"><text/></element><oneOrMore><element name=\"b\"><text/></element></oneOrMore></interleave>\
         <zeroOrMore><element><anyName><except><nsName/></except></anyName><zeroOrMore><attribute><anyName/></attribute></zeroOrMore>\
         <text/></element></zeroOrMore></element></start>",
    );
    let with = |attributes: &str, inside: &str| format!("<r xmlns=\"n\" {attributes}>{inside}</r>");
    assert!(faults(&g, &with("k=\"1\" id=\"x\"", "<b/><a/><b/>")).is_empty());
    assert!(faults(&g, &with("k=\"2\"", "<a/><b/><e xmlns=\"other\" q=\"1\">t</e>")).is_empty());
    assert!(faults(&g, &with("k=\"3\"", "<a/><b/>"))[0].contains("attribut k=« 3 »"));
    assert!(faults(&g, &with("", "<a/><b/>"))[0].contains("il manque"));
    assert!(!faults(&g, &with("k=\"1\"", "<a/>")).is_empty());
    assert!(!faults(&g, &with("k=\"1\"", "<a/><b/><a/>")).is_empty());
    assert!(!faults(&g, &with("k=\"1\" z=\"1\"", "<a/><b/>")).is_empty());
}

#[test]
fn lists_mixed_facets_and_recursion() {
    let g = grammar(
        "<start><ref name=\"u\"/></start><define name=\"u\"><element name=\"r\"><mixed><zeroOrMore><ref name=\"u\"/></zeroOrMore></mixed>\
         <optional><element name=\"l\"><list><oneOrMore><data type=\"int\"><param name=\"minInclusive\">2</param></data></oneOrMore></list>\
         </element></optional></element></define>",
    );
    assert!(faults(&g, &document("t<r>u<r/></r>v<l>2 3</l>")).is_empty());
    assert!(!faults(&g, &document("<l>1 3</l>")).is_empty());
    assert!(!faults(&g, &document("<l/>")).is_empty());
}

#[test]
fn what_is_not_read_is_refused_with_its_place() {
    let refused = |inside: &str| Grammar::parse(&grammar(inside)).unwrap_err().to_string();
    assert!(refused("<include href=\"x.rng\"/>").starts_with("ligne 1, colonne"));
    assert!(refused("<start><ref name=\"nobody\"/></start>").contains("« nobody »"));
    assert!(
        refused("<start><ref name=\"a\"/></start><define name=\"a\"><ref name=\"a\"/></define>").contains("elle-même")
    );
    let facet =
        "<start><element name=\"a\"><data type=\"string\"><param name=\"pattern\">x</param></data></element></start>";
    assert!(refused(facet).contains("pattern"));
    assert!(Grammar::parse("<html/>").is_err());
    assert!(Grammar::parse("not xml").is_err());
}

#[test]
fn parts_combine() {
    let g = grammar(
        "<start combine=\"choice\"><element name=\"r\"><empty/></element></start>\
         <div><start combine=\"choice\"><element name=\"s\"><empty/></element></start></div>",
    );
    assert!(faults(&g, "<s xmlns=\"n\"/>").is_empty());
    assert!(faults(&g, "<r xmlns=\"n\"/>").is_empty());
    assert!(!faults(&g, "<t xmlns=\"n\"/>").is_empty());
}
