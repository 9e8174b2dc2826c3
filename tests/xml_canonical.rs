//! The XML reader and the canonical forms against libxml2: what `xmllint` reads we read, what it refuses we refuse, and
//! the three canonical forms are its own, byte for byte, on generated documents. Without xmllint this says so and passes,
//! but fails under `CI=true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../src/spec/xml/generated.rs"]
mod generated;
mod support;

use archiland::spec::xml::c14n::{Method, Rules, to_vec};
use archiland::spec::xml::{Document, Limits, Selection};
use generated::{Choices, document_of};
use std::fs;
use std::process::Command;

/// Bytes that look random and are the same in every run.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
}

#[test]
fn canonical_forms_are_those_of_libxml2() {
    if !support::require_tool("xmllint") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..60 {
        let bytes: Vec<u8> = noise(seed).take(400).collect();
        let xml = document_of(&mut Choices::new(&bytes, true));
        let file = directory.path().join("a.xml");
        fs::write(&file, &xml).unwrap();
        let document = Document::parse(xml.as_bytes(), &Limits::default()).unwrap();
        let forms =
            [("--c14n", Rules::Inclusive10), ("--c14n11", Rules::Inclusive11), ("--exc-c14n", Rules::Exclusive)];
        for (option, rules) in forms {
            let theirs = Command::new("xmllint").arg(option).arg(&file).output().unwrap();
            assert!(theirs.status.success(), "{}: {xml}", String::from_utf8_lossy(&theirs.stderr));
            let method = Method { rules, comments: true, prefixes: Vec::new() };
            let ours = to_vec(&document, &Selection::document(&document, true), &method);
            assert_eq!(
                String::from_utf8(ours).unwrap(),
                String::from_utf8(theirs.stdout).unwrap(),
                "{option} of {xml}"
            );
        }
    }
}

#[test]
fn well_formed_is_what_libxml2_says() {
    if !support::require_tool("xmllint") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let puts = ["<", ">", "&", "\"", "'", "/", " ", "=", ":", "-", "]]>", "--", "<!", "<?", "x", "\u{B7}", "&#1;"];
    for seed in 1000..1300 {
        let mut noise = noise(seed);
        let bytes: Vec<u8> = noise.by_ref().take(150).collect();
        let mut xml = document_of(&mut Choices::new(&bytes, true)).into_bytes();
        let at = usize::from(u16::from_le_bytes([noise.next().unwrap(), noise.next().unwrap()])) % xml.len();
        let cut = at..(at + usize::from(noise.next().unwrap() % 3)).min(xml.len());
        xml.splice(cut, puts[usize::from(noise.next().unwrap()) % puts.len()].bytes());
        let file = directory.path().join("a.xml");
        fs::write(&file, &xml).unwrap();
        let theirs = Command::new("xmllint").arg("--noout").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&theirs.stderr).into_owned();
        // Errors of namespaces leave its answer at success; that a name is no URI is no error of theirs.
        let error = |line: &str| line.contains("namespace error") && !line.contains("is not a valid URI");
        let read = theirs.status.success() && !said.lines().any(error);
        let ours = Document::parse(&xml, &Limits::default());
        let text = String::from_utf8_lossy(&xml).into_owned();
        assert_eq!(ours.is_ok(), read, "{:?}\n{said}\n{text}", ours.err());
    }
}
