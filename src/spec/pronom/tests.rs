//! The notation, and formats everybody knows.
#![allow(clippy::unwrap_used)]

use super::pattern::Pattern;
use super::table::table;
use proptest::prelude::*;

fn puids(content: &[u8]) -> Vec<&'static str> {
    table().identify(content, content).iter().map(|entry| entry.puid).collect()
}

#[test]
fn the_notation() {
    let pattern = |text: &str| Pattern::parse(text).unwrap();
    assert!(pattern("4142").at_start(b"ABC") && !pattern("4142").at_start(b"CAB"));
    assert!(pattern("41{1-3}43").at_start(b"AxxC") && !pattern("41{1-3}43").at_start(b"AC"));
    assert!(pattern("41*5A").anywhere(b"..A.....Z.") && !pattern("41*5A").anywhere(b"Z..A"));
    assert!(pattern("41(42|4343)44").at_start(b"ACCD") && !pattern("41(42|4343)44").at_start(b"ACD"));
    assert!(pattern("[30:39][!00]??").at_start(b"7xy") && !pattern("[30:39][!00]").at_start(b"7\0"));
    assert!(pattern("5A{0-2}").at_end(b"..Z..") && !pattern("5A{0-2}").at_end(b"Z..."));
    for wrong in ["", "4", "{x}", "(41", "[41:4243]", "zz", "41)"] {
        assert_eq!(Pattern::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn the_table_is_whole_and_reads() {
    assert!(table().len() > 2_000);
    assert!(table().get("fmt/18").unwrap().has_signature());
    let with = (1..2_000).filter_map(|n| table().get(&format!("fmt/{n}"))).filter(|entry| entry.has_signature());
    assert!(with.count() > 1_000);
}

#[test]
fn formats_everybody_knows() {
    assert_eq!(puids(b"%PDF-1.4\n...\n%%EOF\n"), ["fmt/18"]);
    assert_eq!(puids(b"%PDF-1.7\n...\n%%EOF"), ["fmt/276"]);
    let archivable = b"%PDF-1.4\n<x xmlns:pdfaid=\"http://www.aiim.org/pdfa/ns/id/\"><pdfaid:part>1</pdfaid:part>\
                       <pdfaid:conformance>B</pdfaid:conformance>\n%%EOF";
    assert_eq!(puids(archivable), ["fmt/354"]);
    assert_eq!(puids(b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x02\x01..........\xFF\xD9"), ["fmt/44"]);
    assert_eq!(puids(b"GIF89a.......\x3B"), ["fmt/4"]);
    assert_eq!(puids(b"<?xml version=\"1.0\"?><a/>"), ["fmt/101"]);
    assert!(puids(b"du texte").is_empty());
    assert!(puids(b"").is_empty());
}

proptest! {
    #[test]
    fn any_content_is_looked_at_in_bounded_time(content in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = puids(&content);
    }

    #[test]
    fn any_text_is_a_pattern_or_not(text in "[0-9A-F(){}|*?:!-]{0,40}") {
        let _ = Pattern::parse(&text);
    }
}
