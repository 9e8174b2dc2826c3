//! Promise: whatever is sent to be validated, the answer is clear, and comes in bounded time and memory. One trick after
//! the other, each in full size: what it must never be is valid, nor take long, nor fill the memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "support/pdf_maker.rs"]
mod pdf_maker;
#[path = "support/pes_maker.rs"]
mod pes_maker;
#[path = "support/zip_maker.rs"]
mod zip_maker;

use archiland::validation::facts::{Facts, Fault, FaultKind, ReferenceState};
use archiland::validation::indication::Indication;
use archiland::validation::policy::SignaturePolicy;
use archiland::validation::trust::TrustMaterial;
use archiland::validation::verdict::{Context, Verdict, judge};
use archiland::validation::{Content, Input, gather};
use pdf_maker::{PdfMaker, Seal};
use pes_maker::{ECDSA, TAIL, digest, head, reference, signature, transforms};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

/// For one input, in a build without optimisation.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Beyond the input itself.
const MEMORY_MAX: usize = 64 << 20;

const MESSAGE: &[u8] = include_bytes!("fuzz/fixtures/message.txt");
const DETACHED: &[u8] = include_bytes!("fuzz/corpus/cms/openssl-ec-detached.p7s");

static POLICY: LazyLock<SignaturePolicy> = LazyLock::new(|| SignaturePolicy::embedded().unwrap());
/// One input at a time: the memory measured is the process's.
static ALONE: Mutex<()> = Mutex::new(());

/// Validates under watch, certificates' paths left out: an attacker may have any certificate.
fn ask(what: &str, bytes: &[u8], beside: Option<&[u8]>) -> (Facts, Verdict) {
    let alone = ALONE.lock();
    let contents: Vec<_> = beside.iter().map(|bytes| Content { name: "message", bytes }).collect();
    let trust = TrustMaterial::default();
    let at = time::macros::datetime!(2026-06-01 0:00 UTC);
    let context = Context { policy: &POLICY, trust: &trust, at, existence: None, beside: None, integrity_only: true };
    let (held, started) = (reset_peak(), Instant::now());
    let facts = gather(&Input { name: None, bytes, contents: &contents, certificates: &[] });
    let verdict = judge(&facts, &context);
    let (elapsed, more) = (started.elapsed(), peak_bytes().saturating_sub(held));
    drop(alone);
    assert!(elapsed < TIME_MAX, "{what}: {elapsed:?}");
    assert!(more < MEMORY_MAX + bytes.len() / 4, "{what}: {more} bytes for {}", bytes.len());
    (facts, verdict)
}

/// Makes the peak that is counted begin now, and gives the memory held; where the kernel will not, the peak so far.
fn reset_peak() -> usize {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak_bytes()
}

fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

/// Every fault, of the input and of its signatures.
fn faults(facts: &Facts) -> impl Iterator<Item = &Fault> {
    facts.faults.iter().chain(facts.signatures.iter().flat_map(|signature| &signature.faults))
}

/// Not valid, and with this said.
fn refused(what: &str, bytes: &[u8], beside: Option<&[u8]>, said: &str) -> (Facts, Verdict) {
    let (facts, verdict) = ask(what, bytes, beside);
    assert_ne!(verdict.indication, Some(Indication::TotalPassed), "{what} is valid");
    let mut told: Vec<String> = faults(&facts).map(|fault| fault.detail.clone()).collect();
    told.extend(verdict.signatures.iter().flat_map(|signature| signature.messages.clone()));
    assert!(told.iter().any(|detail| detail.contains(said)), "{what}: {told:?}");
    (facts, verdict)
}

/// Refused before anything in it was believed.
fn unread(what: &str, bytes: &[u8], said: &str) {
    let (facts, verdict) = refused(what, bytes, None, said);
    assert!(facts.signatures.is_empty(), "{what}");
    assert_eq!(verdict.indication, Some(Indication::TotalFailed), "{what}");
}

/// A PES whose only signature has these references.
fn pes(references: &str) -> Vec<u8> {
    format!("{}{}{TAIL}", head("QUJD"), signature(references, ECDSA)).into_bytes()
}

/// The digest that a whole-file reference of [`pes`] should have.
fn whole() -> String {
    digest(&format!("{}{TAIL}", head("QUJD")))
}

#[test]
fn what_the_tricks_are_made_from_is_valid() {
    let good = pes_maker::signed(3000);
    assert_eq!(ask("a PES", &good, None).1.indication, Some(Indication::TotalPassed));
    assert_eq!(
        ask("the same", &pes(&reference("#P", &transforms(), &whole())), None).1.indication,
        Some(Indication::TotalPassed)
    );
    assert_eq!(ask("a CMS", DETACHED, Some(MESSAGE)).1.indication, Some(Indication::TotalPassed));
}

#[test]
fn entities_and_document_types() {
    let good = String::from_utf8(pes_maker::signed(300)).unwrap();
    let (declaration, rest) = good.split_once('\n').unwrap();
    let with = |doctype: &str, rest: &str| format!("{declaration}\n<!DOCTYPE a {doctype}>{rest}").into_bytes();
    let used = rest.replacen("034000", "&x;", 1);
    unread("XXE to a file", &with("[<!ENTITY x SYSTEM \"file:///etc/passwd\">]", &used), "DOCTYPE");
    unread("XXE by parameter", &with("[<!ENTITY % p SYSTEM \"http://127.0.0.1:9/x\"> %p;]", rest), "DOCTYPE");
    unread("an outside type", &with("SYSTEM \"http://127.0.0.1:9/x.dtd\"", rest), "DOCTYPE");
    unread("a default attribute", &with("[<!ATTLIST Bordereau Id ID \"B\">]", rest), "DOCTYPE");
    let mut bomb = String::from("[<!ENTITY x0 \"lol\">");
    for n in 1..30 {
        _ = write!(bomb, "<!ENTITY x{n} \"{}\">", format!("&x{};", n - 1).repeat(10));
    }
    unread("a billion laughs", &with(&(bomb + "]"), &rest.replacen("034000", "&x29;", 1)), "DOCTYPE");
    let long = format!("[<!ENTITY x \"{}\">]", "a".repeat(1 << 20));
    unread("quadratic growth", &with(&long, &rest.replacen("034000", &"&x;".repeat(10_000), 1)), "DOCTYPE");
    unread("an entity nobody declared", format!("{declaration}\n{used}").as_bytes(), "entité");
}

#[test]
fn transforms_that_cost_or_do_more_than_select() {
    let many = format!("<ds:Transform Algorithm=\"{}\"/>", pes_maker::EXCLUSIVE).repeat(1000);
    refused("a thousand transforms", &pes(&reference("#P", &many, &whole())), None, "transform");
    let xslt = "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"><xsl:stylesheet version=\"1.0\" \
                xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\"><xsl:template match=\"/\"><xsl:for-each select=\"//. | //@*\">\
                <xsl:for-each select=\"//. | //@*\"><a/></xsl:for-each></xsl:for-each></xsl:template></xsl:stylesheet></ds:Transform>";
    refused("XSLT", &pes(&reference("#P", xslt, &whole())), None, "XSLT");
    let path = "(//. | //@* | //namespace::*)[count(//. | //@* | //namespace::*) > 0]".repeat(3);
    let xpath = format!(
        "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>{path}</ds:XPath></ds:Transform>"
    );
    let (facts, verdict) = ask("a costly XPath", &pes(&reference("#P", &xpath, &whole())), None);
    assert_ne!(verdict.indication, Some(Indication::TotalPassed));
    assert!(matches!(
        facts.signatures[0].references[0].state,
        ReferenceState::Unsupported(_) | ReferenceState::Refused(_)
    ));
    // As many references as there may be, each over the whole of a file of eight megabytes.
    let attachment = "QUJD".repeat(2 << 20);
    let references = reference("#P", &transforms(), "AAAA").repeat(1000);
    let large = format!("{}{}{TAIL}", head(&attachment), signature(&references, ECDSA)).into_bytes();
    let (facts, verdict) = ask("a thousand digests of a large file", &large, None);
    assert_ne!(verdict.indication, Some(Indication::TotalPassed));
    let last = &facts.signatures[0].references.last().expect("a reference").state;
    assert!(matches!(last, ReferenceState::Refused(why) if why.contains("trop de travail")), "{last:?}");
}

#[test]
fn references_that_lead_outside() {
    for uri in ["http://127.0.0.1:9/x", "https://archives.example/a", "file:///etc/passwd", "ftp://h/x", "data:,x"] {
        let (facts, _) = refused(uri, &pes(&reference(uri, "", &whole())), None, "rien n'est jamais cherché");
        assert!(matches!(facts.signatures[0].references[0].state, ReferenceState::Refused(_)), "{uri}");
    }
    for uri in ["../../etc/passwd", "/etc/passwd"] {
        let (facts, verdict) = ask(uri, &pes(&reference(uri, "", &whole())), None);
        assert_eq!(facts.signatures[0].references[0].state, ReferenceState::Missing, "{uri}");
        assert_ne!(verdict.indication, Some(Indication::TotalPassed), "{uri}");
    }
}

#[test]
fn wrapping_and_identifiers() {
    let bordereau = "<Bordereau Id=\"B\"><BlocBordereau><IdBord V=\"666\"/></BlocBordereau></Bordereau>";
    let good = String::from_utf8(pes_maker::signed(300)).unwrap();
    let twice = good.replacen("<PES_PJ>", &format!("<PES_RecetteAller>{bordereau}</PES_RecetteAller><PES_PJ>"), 1);
    let twice = twice.replacen("URI=\"#P\"", "URI=\"#B\"", 1);
    let (facts, _) = refused("an identifier twice", twice.as_bytes(), None, "plusieurs éléments");
    assert!(faults(&facts).any(|fault| fault.kind == FaultKind::Wrapping));
    // The signed file is put aside, whole and intact, in a place that nobody reads.
    let inner = good.split_once('\n').unwrap().1;
    let outer = format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<n:PES_Aller xmlns:n=\"http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller\" Id=\"Q\">\
         <EnTetePES><IdPost V=\"999\"/></EnTetePES><PES_DepenseAller>{bordereau}</PES_DepenseAller>\
         <Ailleurs>{}</Ailleurs></n:PES_Aller>",
        inner.replacen("<Bordereau Id=\"B\">", "<Bordereau Id=\"C\">", 1)
    );
    let (facts, verdict) = ask("a wrapped file", outer.as_bytes(), None);
    assert_ne!(verdict.indication, Some(Indication::TotalPassed));
    assert!(facts.members.iter().all(|unit| !unit.covered), "{:?}", facts.members);
}

#[test]
fn a_symmetric_method_with_a_public_key() {
    for method in ["http://www.w3.org/2000/09/xmldsig#hmac-sha1", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"]
    {
        let made = format!("{}{}{TAIL}", head("QUJD"), signature(&reference("#P", &transforms(), &whole()), method));
        let (_, verdict) = refused(method, made.as_bytes(), None, "clé partagée");
        assert_eq!(verdict.indication, Some(Indication::TotalFailed), "{method}");
    }
}

#[test]
fn nesting() {
    for depth in [200, 1_000_000] {
        let deep = format!("{}{}{}", "<a>".repeat(depth), "x", "</a>".repeat(depth));
        unread("deep XML", deep.as_bytes(), "les uns dans les autres");
    }
    let mut der = Vec::new();
    for _ in 0..200_000 {
        let length = u32::try_from(der.len()).unwrap().to_be_bytes();
        der.extend([length[3], length[2], length[1], length[0], 0x84, 0x30]);
    }
    der.reverse();
    let cms = [&b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80"[..], &der, &[0; 4]].concat();
    let open = [&b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"[..], &b"\xa0\x80".repeat(500_000)].concat();
    for (what, bytes) in [("deep DER", cms), ("lengths left open", open)] {
        let (facts, verdict) = ask(what, &bytes, Some(MESSAGE));
        assert_eq!(verdict.indication, Some(Indication::TotalFailed), "{what}: {:?}", facts.faults);
    }
    for (what, catalog) in [
        ("deep arrays", format!("{}{}", "[".repeat(500_000), "]".repeat(500_000))),
        ("deep dictionaries", "<< /A ".repeat(300_000)),
        ("deep strings", "(".repeat(1_000_000)),
    ] {
        let mut made = PdfMaker::new();
        made.update(&[(1, format!("<< /Type /Catalog /Pages 2 0 R /AcroForm {catalog} >>"))]);
        let (_, verdict) = ask(what, &made.bytes, None);
        assert_ne!(verdict.indication, Some(Indication::TotalPassed), "{what}");
    }
}

#[test]
fn der_cut_short_or_that_claims_more_than_there_is() {
    for cut in 1..DETACHED.len() {
        let (_, verdict) = ask("truncated", &DETACHED[..cut], Some(MESSAGE));
        assert_ne!(verdict.indication, Some(Indication::TotalPassed), "cut at {cut}");
    }
    // Every length that takes three octets, made four gigabytes, then as long as a length can be written.
    for at in 0..DETACHED.len() - 4 {
        if DETACHED[at + 1] == 0x82 {
            for length in [&b"\x84\xff\xff\xff\xff"[..], b"\x88\xff\xff\xff\xff\xff\xff\xff\xff", b"\xff\xff\xff\xff"] {
                let oversized = [&DETACHED[..=at], length, &DETACHED[at + 4..]].concat();
                let (_, verdict) = ask("oversized", &oversized, Some(MESSAGE));
                assert_ne!(verdict.indication, Some(Indication::TotalPassed), "length at {at}");
            }
        }
    }
    for bytes in [&b""[..], b"0", b"\x30\x84\xff\xff\xff\xff\x06\x09", b"\x30\x80", b"-----BEGIN PKCS7-----"] {
        assert_ne!(ask("next to nothing", bytes, Some(MESSAGE)).1.indication, Some(Indication::TotalPassed));
    }
}

/// A PDF of one revision that `openssl-ec-detached.p7s` pretends to sign: only the range is looked at here.
fn pdf() -> (Vec<u8>, String) {
    let mut made = PdfMaker::new();
    made.sign(&Seal { room: 2048, ..Seal::default() }, |_| DETACHED.to_vec());
    let text = String::from_utf8_lossy(&made.bytes).into_owned();
    let range = text.split_once("/ByteRange [").unwrap().1.split_once(']').unwrap().0.to_owned();
    (made.bytes, range)
}

#[test]
fn byte_ranges() {
    let (made, range) = pdf();
    let at = made.windows(range.len()).position(|window| window == range.as_bytes()).unwrap();
    let size = made.len();
    for trick in [
        format!("0 {size} {size} 0"),
        "0 0 0 0".to_owned(),
        "-1 10 20 30".to_owned(),
        "0 10 -20 30".to_owned(),
        "0 99999999 999 9".to_owned(),
        "0 18446744073709551615 2 1".to_owned(),
        "9223372036854775807 9 9 9".to_owned(),
        format!("1 {}", &range[2..]),
        format!("0 100 50 {}", size - 50),
        format!("0 10 {} 10", size - 10),
        "0 1 2".to_owned(),
        String::new(),
    ] {
        let mut changed = made.clone();
        changed[at..at + range.len()].fill(b' ');
        let trick = &trick.as_bytes()[..trick.len().min(range.len())];
        changed[at..at + trick.len()].copy_from_slice(trick);
        let what = String::from_utf8_lossy(trick).into_owned();
        let (facts, verdict) = ask(&what, &changed, None);
        assert_eq!(verdict.indication, Some(Indication::TotalFailed), "{what}: {:?}", facts.signatures);
    }
}

#[test]
fn objects_that_lead_back_to_themselves() {
    let loops: [&[(u32, &str)]; 5] = [
        &[(1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 5 0 R >>"), (5, "6 0 R"), (6, "5 0 R")],
        &[(1, "1 0 R")],
        &[(2, "<< /Type /Pages /Kids [2 0 R 3 0 R 2 0 R] /Count 3 >>")],
        &[(3, "<< /Type /Page /Parent 3 0 R /Contents 3 0 R /Annots 3 0 R >>")],
        &[
            (1, "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] >> /DSS 7 0 R >>"),
            (6, "<< /FT /Sig /Kids [6 0 R 7 0 R] /Parent 7 0 R /V 6 0 R >>"),
            (7, "<< /Kids [6 0 R] /Certs [7 0 R] /VRI 7 0 R /Length 7 0 R >>\nstream\nx\nendstream"),
        ],
    ];
    let mut made = PdfMaker::new();
    made.sign(&Seal { room: 2048, ..Seal::default() }, |_| DETACHED.to_vec());
    for objects in loops {
        let mut later = PdfMaker::new();
        later.sign(&Seal { room: 2048, ..Seal::default() }, |_| DETACHED.to_vec());
        later.update(&objects.iter().map(|(number, body)| (*number, (*body).to_owned())).collect::<Vec<_>>());
        let (_, verdict) = ask("a loop", &later.bytes, None);
        assert_ne!(verdict.indication, Some(Indication::TotalPassed), "{objects:?}");
    }
    // A table of references that leads back to itself, and one that claims eight million objects.
    let at = made.bytes.windows(10).rposition(|window| window.starts_with(b"startxref")).unwrap();
    let last: usize = String::from_utf8_lossy(&made.bytes[at + 10..]).lines().next().unwrap().parse().unwrap();
    let table = format!(
        "xref\n0 8388000\ntrailer\n<< /Root 1 0 R /Size 8388000 /Prev {} >>\nstartxref\n{}\n%%EOF\n",
        last,
        made.bytes.len()
    );
    let looping = [&made.bytes[..], table.as_bytes()].concat();
    assert_ne!(ask("a table", &looping, None).1.indication, Some(Indication::TotalPassed));
    let mut bomb = PdfMaker::new();
    let zeros = deflated(64 << 20);
    let mut body = format!(
        "<< /Type /ObjStm /N 1000 /First 5000 /Filter [/FlateDecode /FlateDecode] /Length {} >>\nstream\n",
        zeros.len()
    )
    .into_bytes();
    body.extend(&zeros);
    bomb.update(&[(1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 9 0 R /DSS << /Certs [8 0 R] >> >>".to_owned())]);
    let offset = bomb.bytes.len();
    bomb.bytes.extend(b"8 0 obj\n".iter().chain(&body).chain(b"\nendstream\nendobj\n"));
    let table = bomb.bytes.len();
    bomb.bytes.extend(
        format!("xref\n8 1\n{offset:010} 00000 n \ntrailer\n<< /Root 1 0 R /Size 10 >>\nstartxref\n{table}\n%%EOF\n")
            .bytes(),
    );
    assert_ne!(ask("a stream that swells", &bomb.bytes, None).1.indication, Some(Indication::TotalPassed));
}

/// This many zeros, deflated: a thousandth of them.
fn deflated(size: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..size >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn containers_that_swell_or_climb() {
    let mimetype = ("mimetype", &b"application/vnd.etsi.asic-s+zip"[..]);
    for name in ["../../etc/cron.d/x", "/etc/passwd", "a/../../b", "C:\\x", "a\\..\\b", "META-INF/../x"] {
        let made = zip_maker::zip(&[mimetype, (name, b"x"), ("META-INF/signature.p7s", DETACHED)]);
        let (facts, verdict) = ask(name, &made, None);
        assert_eq!(verdict.indication, Some(Indication::TotalFailed), "{name}: {:?}", facts.faults);
        assert!(facts.signatures.is_empty(), "{name}");
    }
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let zeros = vec![0; 1 << 20];
    writer.start_file("mimetype", options.compression_method(zip::CompressionMethod::Stored)).unwrap();
    writer.write_all(mimetype.1).unwrap();
    for n in 0..4 {
        writer.start_file(format!("zeros{n}"), options).unwrap();
        for _ in 0..256 {
            writer.write_all(&zeros).unwrap();
        }
    }
    writer.start_file("META-INF/signature.p7s", options).unwrap();
    writer.write_all(DETACHED).unwrap();
    let bomb = writer.finish().unwrap().into_inner();
    assert!(bomb.len() < 2 << 20);
    let (facts, verdict) = ask("a gigabyte of zeros", &bomb, None);
    assert_eq!(verdict.indication, Some(Indication::TotalFailed), "{:?}", facts.faults);
    // One member's data under many names: each is small, all together are not.
    let content = vec![b'x'; 1 << 20];
    let names: Vec<String> = (0..2000).map(|n| format!("m{n}")).collect();
    let one = zip_maker::zip(&[("m0", &content)]);
    let directory = one.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let end = one.windows(4).position(|window| window == b"PK\x05\x06").unwrap();
    let mut overlapping = one[..directory].to_vec();
    for name in &names {
        let mut entry = one[directory..directory + 46].to_vec();
        entry[28..30].copy_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        entry.extend(name.bytes());
        overlapping.extend(entry);
    }
    let size = u32::try_from(overlapping.len() - directory).unwrap();
    let mut tail = one[end..].to_vec();
    tail[8..10].copy_from_slice(&2000_u16.to_le_bytes());
    tail[10..12].copy_from_slice(&2000_u16.to_le_bytes());
    tail[12..16].copy_from_slice(&size.to_le_bytes());
    overlapping.extend(tail);
    let (facts, verdict) = ask("members over one another", &overlapping, None);
    assert_eq!(verdict.indication, Some(Indication::TotalFailed), "{:?}", facts.faults);
}

#[test]
fn an_attachment_that_swells_is_signed_as_it_is_and_never_opened() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..512 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, encoder.finish().unwrap());
    let (facts, verdict) = ask("a gzip bomb", &pes_maker::with_attachment(&bomb), None);
    assert_eq!(verdict.indication, Some(Indication::TotalPassed));
    assert!(facts.members.iter().all(|unit| unit.covered));
}
