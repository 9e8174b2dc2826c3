//! Packages made to hurt: a KO with its event and its place, in bounded time and memory, whatever the size of the lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/sip.rs"]
mod sip;

use archiland::transfer::check::{Options, check};
use archiland::transfer::event::{Event, Outcome, Report};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// A tenth of it, but where time is given.
fn many(count: usize) -> usize {
    if std::env::var_os("CI").is_some() { count } else { count / 10 }
}

fn checked(package: &[u8]) -> Report {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(package).unwrap();
    let begun = Instant::now();
    let report = check(file.path(), &Options::default()).unwrap().report;
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
    report
}

fn refused(package: &[u8], event: &str) -> Event {
    let report = checked(package);
    let first = report.events.iter().find(|event| event.outcome == Outcome::Ko);
    let first = first.unwrap_or_else(|| panic!("accepted: {:#?}", report.events)).clone();
    assert_eq!(first.event, event, "{:#?}", report.events);
    assert!(!first.detail.is_empty());
    first
}

fn with(from: &str, to: &str) -> Vec<u8> {
    let sip = sip::Sip::default();
    let manifest = sip.manifest();
    assert!(manifest.contains(from), "{from}");
    sip.zip_as("manifest.xml", &manifest.replacen(from, to, 1))
}

/// A tar, that no ratio of compression refuses first.
fn tar(manifest: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let members = std::iter::once(("manifest.xml".to_owned(), manifest.to_vec())).chain(sip::Sip::default().members());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_million_references_to_one_object() {
    let reference =
        "<DataObjectReference><DataObjectGroupReferenceId>G0</DataObjectGroupReferenceId></DataObjectReference>";
    let text = sip::Sip::default().manifest();
    // All from one unit.
    let all = text.replacen(reference, &reference.repeat(many(1_000_000)), 1);
    let report = checked(&tar(all.as_bytes()));
    let ko: Vec<_> = report.events.iter().filter(|event| event.outcome == Outcome::Ko).collect();
    assert!(ko.len() <= 1, "{ko:#?}");
    // From a unit each: as many units as are taken, and no more.
    let mut units = String::new();
    for n in 0..=100_000 {
        write!(units, "<ArchiveUnit id=\"M{n}\"><Content><DescriptionLevel>Item</DescriptionLevel><Title>x</Title></Content>{reference}</ArchiveUnit>").unwrap();
    }
    let more = text.replacen("<ArchiveUnit id=\"FONDS\">", &format!("{units}<ArchiveUnit id=\"FONDS\">"), 1);
    let first = refused(&tar(more.as_bytes()), "CHECK_SEDA.NOT_XSD_VALID");
    assert!(first.location.is_some(), "{first:?}");
}

#[test]
fn a_manifest_of_two_hundred_megabytes() {
    let text = sip::Sip::default().manifest();
    let (head, tail) = text.split_once("Courrier 2025").unwrap();
    let mut manifest = head.as_bytes().to_vec();
    manifest.resize(200 << 20, b' ');
    manifest.extend_from_slice(tail.as_bytes());
    let package = tar(&manifest);
    drop(manifest);
    let begun = Instant::now();
    refused(&package, "CHECK_SEDA.NOT_XML_FILE");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn encodings_that_lie() {
    let sip = sip::Sip::default();
    let text = sip.manifest();
    let of = |manifest: &[u8]| {
        let mut members = vec![("manifest.xml".to_owned(), manifest.to_vec())];
        members.extend(sip.members());
        sip::zip(&members)
    };
    let label = |name: &str| text.replacen("encoding=\"UTF-8\"", &format!("encoding=\"{name}\""), 1);
    // Bytes that are none in UTF-8; UTF-16 announced over bytes of eight bits; unknown ones.
    refused(&of(&[&text.as_bytes()[..200], b"\xE9", &text.as_bytes()[200..]].concat()), "CHECK_SEDA.NOT_XML_FILE");
    for name in ["UTF-16", "UTF-32", "EBCDIC-CP-FR", "x-mac-roman"] {
        refused(&of(label(name).as_bytes()), "CHECK_SEDA.NOT_XML_FILE");
    }
    // Half a character at the end of UTF-16.
    let mut wide: Vec<u8> = label("UTF-16").encode_utf16().flat_map(u16::to_be_bytes).collect();
    wide.splice(0..0, [0xFE, 0xFF]);
    assert_eq!(checked(&of(&wide)).outcome, Outcome::Ok);
    wide.push(0);
    refused(&of(&wide), "CHECK_SEDA.NOT_XML_FILE");
}

#[test]
fn mixed_versions_and_what_is_not_said_as_it_should() {
    let v = |n: &str| format!("fr:gouv:culture:archivesdefrance:seda:v{n}");
    let twenty_one = "xmlns=\"fr:gouv:culture:archivesdefrance:seda:v2.1\"";
    // A unit of another version within.
    let foreign = format!("<ArchiveUnit xmlns=\"{}\" id=\"FONDS\">", v("2.2"));
    refused(&with("<ArchiveUnit id=\"FONDS\">", &foreign), "CHECK_SEDA.NOT_XSD_VALID");
    for version in ["2.0", "2.4", "3.0", "1.1"] {
        let other = with(twenty_one, &format!("xmlns=\"{}\"", v(version)));
        refused(&other, "CHECK_SEDA.UNSUPPORTED_SEDA_VERSION");
    }
    refused(&with(twenty_one, &format!("xmlns=\"{}\"", v("1.0"))), "CHECK_SEDA.NOT_XSD_VALID");
    // A digest of another length, of another algorithm, of nothing.
    let digest = "<MessageDigest algorithm=\"SHA-256\">";
    refused(&with(digest, "<MessageDigest algorithm=\"SHA-512\">"), "CHECK_DIGEST");
    refused(&with(digest, "<MessageDigest algorithm=\"CRC32\">"), "CHECK_DIGEST");
    let sip = sip::Sip::default();
    let manifest = sip.manifest();
    let at = manifest.find(digest).unwrap() + digest.len();
    let empty = format!("{}{}", &manifest[..at], &manifest[at + 64..]);
    let report = checked(&sip.zip_as("manifest.xml", &empty));
    assert_eq!(report.outcome, Outcome::Ko, "{:#?}", report.events);
}

#[test]
fn a_format_that_is_none() {
    // PRONOM knows no such identifier; a name of one's own is nobody's business.
    let known = "<FormatId>x-fmt/111</FormatId>";
    let report = checked(&with(known, "<FormatId>fmt/99999</FormatId>"));
    assert_eq!(report.outcome, Outcome::Warning, "{:#?}", report.events);
    assert!(report.events.iter().any(|event| event.detail.contains("inconnu de PRONOM")), "{:#?}", report.events);
    assert_eq!(checked(&with(known, "<FormatId>texte-maison</FormatId>")).outcome, Outcome::Ok);
}
