//! What each fuzz target promises about any bytes at all; a breach is a panic. One function per target, run by cargo-fuzz
//! (`fuzz_targets/`) and, over the seeds in `corpus/<target>/`, by `cargo test`.
#![allow(dead_code, clippy::expect_used)]

#[path = "captures.rs"]
mod captures;

pub(crate) use captures::{premis, warc};

use archiland::admission::multipart::{Event, MultipartError, Parser, PartHead};
use archiland::admission::{Metadata, content_digest, decode_header, file_name, parse_date};
use archiland::evidence::EvidenceBatch;
use archiland::package::{Ark, Record, entry_of};
use archiland::receipt::{Form, RECEIPT_BYTES_MAX, Receipt};
use archiland::report::{SealedReport, to_pdf};
use archiland::sequencer::head::Head;
use archiland::spec::cms::{Anchors, Certificate, verify_attached, verify_detached};
use archiland::spec::ers::{ArchiveTimestamp, DataObject, EvidenceRecord, chain, encode, verify_xml};
use archiland::spec::json_schema::Schema;
use archiland::spec::pes::{Content as PesContent, ContentLimits, Limits as PesLimits, Pes};
use archiland::spec::pronom::table;
use archiland::spec::rng;
use archiland::spec::seda::{self, Bounds, Mode};
use archiland::spec::tlog::checkpoint::Checkpoint;
use archiland::spec::tlog::note::{Cosigner, Note, NoteSigner, VerifierKey};
use archiland::spec::tlog::policy::Policy;
use archiland::spec::tlog::proof::{verify_consistency, verify_inclusion};
use archiland::spec::tlog::tile::{TileId, decode_bundle, encode_bundle, entries_path, group_path};
use archiland::spec::tlog::tile::{parse_entries_path, parse_group_path};
use archiland::spec::tlog::tlog_proof::TlogProof;
use archiland::spec::tlog::witness::AddCheckpoint;
use archiland::spec::tlog::{EMPTY_ROOT, Hash};
use archiland::spec::tsp::{Request, TstInfo, token_of, verify_response, verify_token};
use archiland::spec::x509::crl::Crl;
use archiland::spec::x509::ocsp::OcspResponse;
use archiland::spec::x509::path::{Purpose, Wanted, find};
use archiland::spec::xml::c14n::{Method, Rules, to_vec};
use archiland::spec::xml::{Document, Element, Limits, Selection};
use archiland::store::Pack;
use archiland::transfer::check::{Options, check};
use archiland::transfer::event::EVENTS_KEPT_MAX;
use archiland::transfer::referentials;
use archiland::validation::gather::xades;
use archiland::validation::indication::Indication;
use archiland::validation::policy::SignaturePolicy;
use archiland::validation::trust::TrustMaterial;
use archiland::validation::verdict::{Context, judge};
use archiland::validation::{Content, Input, gather, report};
use archiland::verify::{self, Outcome, Trust};
use bytes::Bytes;
use std::sync::LazyLock;

/// A record that reads writes itself back into something that reads the same, and always has an entry.
pub(crate) fn record(data: &[u8]) {
    let _ = entry_of(data);
    let Ok(record) = Record::parse(data) else { return };
    // Escapes can make the canonical form longer than what was read, past the limit.
    let Ok(canonical) = record.to_canonical() else { return };
    let again = Record::parse(&canonical).expect("a written record reads");
    assert_eq!(again, record);
    assert_eq!(again.to_canonical().expect("a read record writes"), canonical, "the canonical form is stable");
}

/// An identifier that reads writes itself back the same.
pub(crate) fn ark(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(ark) = text.parse::<Ark>() else { return };
    assert_eq!(ark.to_string().parse::<Ark>().expect("a written identifier reads"), ark);
}

/// A pack that reads holds nothing beyond its limit, and every member has the digest it is named by.
pub(crate) fn pack(data: &[u8]) {
    const CONTENT_BYTES_MAX: usize = 1 << 20;
    let Ok(pack) = Pack::parse(data, CONTENT_BYTES_MAX) else { return };
    let held: u64 = pack.members.iter().map(|(_, size_bytes)| size_bytes).sum();
    assert!(held <= CONTENT_BYTES_MAX as u64, "a pack of {held} bytes passed a limit of {CONTENT_BYTES_MAX}");
}

/// A head that reads writes itself back into the same head.
pub(crate) fn head(data: &[u8]) {
    let Ok(head) = Head::parse(data) else { return };
    assert_eq!(Head::parse(&head.to_bytes()).expect("a written head reads"), head);
}

/// The metadata of a deposit, and all that is read from its headers: refused or accepted, never a panic, and a name that
/// is accepted is one component of a path.
pub(crate) fn metadata(data: &[u8]) {
    if let Err(refusal) = Metadata::parse(data) {
        assert!(!refusal.reason.in_french().is_empty() && !refusal.reason.in_english().is_empty());
    }
    if let Ok(name) = file_name(data) {
        assert!(!name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..", "{name:?}");
    }
    let _ = decode_header("Archiland-Title", data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = content_digest(text);
        let _ = parse_date(text);
    }
}

/// A multipart body means the same in whatever pieces it arrives; the first byte says how long they are.
pub(crate) fn multipart(data: &[u8]) {
    let Some((&pieces, body)) = data.split_first() else { return };
    assert_eq!(parts(body, usize::MAX), parts(body, usize::from(pieces) + 1));
}

/// Heads and contents of the parts, up to the end or the first error.
fn parts(body: &[u8], piece: usize) -> (Vec<(PartHead, Vec<u8>)>, Option<MultipartError>) {
    let mut parser = Parser::new("multipart/form-data; boundary=b").expect("a usable boundary");
    let mut parts: Vec<(PartHead, Vec<u8>)> = Vec::new();
    let mut pieces = body.chunks(piece.min(body.len().max(1)));
    loop {
        match parser.next() {
            Ok(Some(Event::Part(head))) => parts.push((head, Vec::new())),
            Ok(Some(Event::Data(data))) => parts.last_mut().expect("a part begun").1.extend_from_slice(&data),
            Ok(Some(Event::PartEnd)) => {}
            Ok(Some(Event::End)) => return (parts, None),
            Ok(None) => match pieces.next() {
                Some(piece) => parser.push(Bytes::copy_from_slice(piece)),
                None => parser.end(),
            },
            Err(error) => return (parts, Some(error)),
        }
    }
}

/// A note that reads writes itself back the same, and nobody's signature is taken for that of a key it was not made with.
pub(crate) fn note(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(VerifierKey::parse(&key.to_string()).expect("a written key reads"), key);
    }
    let Ok(note) = Note::parse(text) else { return };
    assert_eq!(note.to_string(), text, "two texts of one note");
    // A key nobody has signed with: the seeds are signed by others.
    let stranger = NoteSigner::from_seed("fuzz.example/log", &[0x5a; 32]).expect("a key");
    assert!(note.open(std::slice::from_ref(stranger.vkey())).is_err(), "a forged signature holds");
}

/// There is one text for a request to cosign; a policy that reads is satisfied by all its witnesses or by nobody; and a
/// cosignature line of any text a witness agrees to opens as that witness's, and as nobody else's.
pub(crate) fn witness(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(policy) = Policy::parse(text) {
        let all: Vec<_> = policy.witnesses.iter().map(|witness| witness.key.clone()).collect();
        assert!(policy.is_satisfied(&all), "a quorum that nobody can reach");
    }
    let Ok(request) = AddCheckpoint::parse(text) else { return };
    assert_eq!(request.to_text(), text, "two texts of one request");
    let Ok(note) = Note::parse(&request.note) else { return };
    let pkcs8 = [&hex::decode("302e020100300506032b657004220420").expect("digits")[..], &[0x5a; 32]].concat();
    let cosigner = Cosigner::from_pkcs8("fuzz.example/w", &pkcs8).expect("a key");
    let keys = [cosigner.vkey().clone()];
    assert!(note.open(&keys).is_err(), "a forged cosignature holds");
    let Ok(line) = cosigner.cosign(&note.text, 1_700_000_000) else { return };
    if let Ok(cosigned) = Note::parse(&format!("{}{line}", request.note)) {
        let opened = cosigned.open(&keys).expect("our own cosignature");
        assert_eq!(opened.first().and_then(|by| by.cosigned_at), Some(1_700_000_000));
    }
}

/// There is one text for a checkpoint, but for extension lines, which are read over and never written.
pub(crate) fn checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(checkpoint) = Checkpoint::parse(text) else { return };
    assert!(text.starts_with(&checkpoint.text()), "two texts of one checkpoint");
    assert_eq!(Checkpoint::parse(&checkpoint.text()).expect("a written checkpoint reads"), checkpoint);
}

/// There is one path for a tile, a bundle, a number; and one encoding for a bundle. The first two bytes are its width.
pub(crate) fn tile(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(tile) = TileId::parse(text) {
            assert_eq!(tile.path(), text);
        }
        if let Ok((index, width)) = parse_entries_path(text) {
            assert_eq!(entries_path(index, width), text);
        }
        if let Some(number) = parse_group_path(text) {
            assert_eq!(group_path(number), text);
        }
    }
    let Some((width, bytes)) = data.split_first_chunk::<2>() else { return };
    let width = u16::from_be_bytes(*width);
    if let Ok(entries) = decode_bundle(bytes, width) {
        assert_eq!(encode_bundle(&entries).expect("entries that were read"), bytes);
    }
}

/// A proof file that reads writes itself back as the same proof; and a proof made of any hashes proves nothing.
pub(crate) fn tlog_proof(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(proof) = TlogProof::parse(text)
    {
        assert_eq!(TlogProof::parse(&proof.to_string()).expect("a written proof reads"), proof);
    }
    let Some((numbers, bytes)) = data.split_first_chunk::<16>() else { return };
    let (small, large) = numbers.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    let (small, large) = (number(small), number(large));
    let hashes: Vec<Hash> = bytes.as_chunks::<32>().0.to_vec();
    // The leaf cannot be the root of a larger tree, nor any tree the empty one.
    assert!(verify_inclusion(small, &[1; 32], large, &hashes, &EMPTY_ROOT).is_err());
    assert!(small == 0 || verify_consistency(small, large, &hashes, &[1; 32], &EMPTY_ROOT).is_err());
}

/// What [`cms`] and [`tsp`] rely on: the authorities of their seeds. Their keys are gone, so nothing else can be signed.
static ANCHORS: LazyLock<Anchors> =
    LazyLock::new(|| Anchors::from_pem(include_bytes!("fixtures/anchors.pem")).expect("readable anchors"));
/// What every seed of [`cms`] and [`tsp`] signs or stamps.
const SIGNED: &[u8] = include_bytes!("fixtures/message.txt");
/// When the certificates of the seeds are valid.
const SIGNED_AT: time::OffsetDateTime = time::macros::datetime!(2027-01-01 00:00 UTC);

/// Whatever is accepted as signed is what was signed.
pub(crate) fn cms(data: &[u8]) {
    if let Ok(verified) = verify_attached(data, &ANCHORS, SIGNED_AT) {
        assert_eq!(verified.content, SIGNED);
    }
    let _ = verify_detached(data, SIGNED, &ANCHORS, SIGNED_AT);
    assert!(verify_detached(data, b"another", &ANCHORS, SIGNED_AT).is_err());
    if let Ok(certificate) = Certificate::from_der(data) {
        assert_eq!(certificate.der(), data);
        let _ = certificate.is_signed_by(&certificate);
    }
    let _ = Certificate::from_pem(data);
}

/// Whatever is accepted as a token stamps what was stamped, on the day it was.
pub(crate) fn tsp(data: &[u8]) {
    for token in [verify_response(data, SIGNED, &ANCHORS), verify_token(data, SIGNED, &ANCHORS)].into_iter().flatten() {
        assert_eq!(token.time.date(), time::macros::date!(2026 - 11 - 23));
    }
    if let Ok(token) = token_of(data) {
        assert!(token.len() <= data.len());
    }
    assert!(verify_response(data, b"another", &ANCHORS).is_err());
    let _ = TstInfo::parse(data);
    let _ = Request::parse(data);
}

/// An evidence record that reads is written back into one that reads the same, and proves nothing about a document it
/// was not made for.
pub(crate) fn ers(data: &[u8]) {
    let _ = verify_xml(data, &[], None);
    assert!(verify_xml(data, &[DataObject::Content(b"never stamped")], None).is_err());
    let Ok(record) = EvidenceRecord::parse(data) else { return };
    let stamps: Vec<Vec<_>> =
        record.chains.iter().map(|chain| chain.stamps.iter().map(ArchiveTimestamp::encode).collect()).collect();
    let chains: Vec<_> = stamps.iter().map(|stamps| chain(stamps)).collect();
    let again = encode(&[], &chains);
    let again = EvidenceRecord::parse(&again).expect("a written record reads");
    assert!(again.chains.iter().zip(&record.chains).all(|(one, other)| one.stamps == other.stamps));
    let _ = record.verify(&[], None);
    let _ = record.verify(&[DataObject::Content(b"annexe")], Some(&ANCHORS));
    assert!(record.verify(&[DataObject::Content(b"never stamped")], None).is_err());
    assert!(record.verify(&[DataObject::Digests(&[])], None).is_err());
}

/// What [`receipt`] relies on: the archive of its seeds, whose keys are gone.
static TRUST: LazyLock<Trust> =
    LazyLock::new(|| Trust::parse(include_str!("fixtures/trust.toml")).expect("a readable trust file"));
/// The titles of the only two receipts that archive is known to have given out.
const TITLES: [&str; 2] = ["Arrêté n° 0", "Délibération n° 12 du 23 novembre 2026"];

/// A receipt that reads has every form and reads back the same from its own; one that verifies was given out.
pub(crate) fn receipt(data: &[u8]) {
    let _ = std::str::from_utf8(data).map(Trust::parse);
    let Ok(receipt) = Receipt::parse(data) else { return };
    let _ = receipt.to_string();
    for form in Form::ALL {
        let rendered = receipt.render(form).expect("a receipt has every form");
        if form == Form::Json && rendered.len() <= RECEIPT_BYTES_MAX {
            assert_eq!(Receipt::parse(&rendered).expect("a written receipt reads"), receipt);
        }
    }
    if verify::receipt(&receipt, &TRUST).outcome == Outcome::Valid {
        let record = receipt.record().expect("a record, since it is in the log");
        let title = &record.deposit().expect("a deposit").title;
        assert!(TITLES.contains(&title.as_str()), "a forged receipt: {title}");
    }
}

/// A document that reads has canonical forms, which read and are their own canonical forms; its elements are found again
/// by their places and identifiers.
pub(crate) fn xml(data: &[u8]) {
    let Ok(document) = Document::parse(data, &Limits::default()) else { return };
    let elements = document.elements().count();
    for element in document.elements().take(64) {
        let _ =
            (element.path(), element.text(), element.place(), element.identifier().map(|id| document.identified(&id)));
        assert!(document.root().contains(&element));
    }
    for rules in [Rules::Inclusive10, Rules::Inclusive11, Rules::Exclusive] {
        let method = Method { rules, comments: true, prefixes: vec!["#default".to_owned(), "a".to_owned()] };
        let form = to_vec(&document, &Selection::document(&document, true), &method);
        let again = Document::parse(&form, &Limits::default()).expect("a canonical form reads");
        assert_eq!(again.elements().count(), elements);
        assert_eq!(to_vec(&again, &Selection::document(&again, true), &method), form, "{rules:?} is stable");
        let last: Option<Element<'_>> = document.elements().last();
        let _ = last.map(|last| to_vec(&document, &Selection::subtree(&last, false), &method));
    }
}

/// A PES tells what it has within its limits; its attachments come out whole or not at all, the same from the file and
/// from its text.
pub(crate) fn pes(data: &[u8]) {
    let Ok(document) = Document::parse(data, &Limits::default()) else { return };
    let limits = PesLimits { bordereaux_max: 8, pieces_max: 16, attachments_max: 8, acquits_max: 8 };
    let Ok(Pes::Aller(aller)) = Pes::read(&document, &limits) else { return };
    assert!(aller.bordereaux.len() <= 8 && aller.attachments.len() <= 8);
    for attachment in &aller.attachments {
        let contents = ContentLimits { bytes_max: 1 << 20, ratio_max: 200 };
        let Some(text) = attachment.text() else { continue };
        let whole = PesContent::new(text.as_bytes(), contents).whole();
        assert!(whole.as_ref().is_ok_and(|whole| whole.len() <= 1 << 20) || whole.is_err());
        if let Some(place) = attachment.place(data) {
            assert_eq!(PesContent::new(&data[place], contents).whole(), whole);
        }
    }
}

/// Whatever is sent, facts come out, and can be written as the diagnostic report.
pub(crate) fn xmldsig(data: &[u8]) {
    let contents = [Content { name: "beside.bin", bytes: b"content" }];
    let facts = xades::gather(&Input { name: None, bytes: data, contents: &contents, certificates: &[] });
    let _ = serde_json::to_vec(&facts).expect("facts are written");
}

/// A stranger's certificate: its key is read or refused, and it is its own path only as an anchor.
pub(crate) fn certificate(data: &[u8]) {
    let Ok(certificate) = archiland::spec::x509::Certificate::from_der(data) else { return };
    assert_eq!(
        archiland::spec::x509::Certificate::from_der(certificate.der()).expect("its own bytes read"),
        certificate
    );
    let _ = certificate.public_key();
    let _ = certificate.is_signed_by(&certificate);
    let wanted = Wanted { purpose: Purpose::Signature, at: certificate.not_before(), policies: &[] };
    let own = std::slice::from_ref(&certificate);
    assert!(find(&certificate, own, &[], &wanted).is_err(), "no path without an anchor");
    let _ = find(&certificate, own, own, &wanted);
}

/// A list of revocations: every entry that can be asked for is read or refused.
pub(crate) fn crl(data: &[u8]) {
    let Ok(list) = Crl::parse(data) else { return };
    let leaf = include_bytes!("corpus/certificate/leaf.der");
    let certificate = archiland::spec::x509::Certificate::from_der(leaf).expect("a certificate");
    let _ = (list.concerns(&certificate), list.entry(&certificate), list.algorithm(), list.is_completed_by(&list));
}

/// An OCSP response: bounded.
pub(crate) fn ocsp(data: &[u8]) {
    let Ok(response) = OcspResponse::parse(data) else { return };
    assert!(response.certificates.len() <= 16 && response.singles.len() <= 1024);
    for certificate in &response.certificates {
        let _ = (response.about(certificate, certificate), response.signer(certificate, &[], &[]));
    }
}

/// A trusted list: its services' periods are newest first.
pub(crate) fn trusted_list(data: &[u8]) {
    let Ok(list) = archiland::spec::tsl::read(data) else { return };
    for service in &list.services {
        assert!(service.periods.is_sorted_by_key(|period| std::cmp::Reverse(period.since)));
    }
}

/// A validation policy that is accepted names algorithms one can look up.
pub(crate) fn signature_policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(policy) = SignaturePolicy::parse(text) else { return };
    let _ = (policy.requirement("pes-aller"), policy.key_until("RSA", 2048));
}

/// Any file at all: facts, verdict and reports; nothing passes without an anchor, and the ETSI report is XML.
pub(crate) fn validation(data: &[u8]) {
    static POLICY: LazyLock<SignaturePolicy> =
        LazyLock::new(|| SignaturePolicy::embedded().expect("the embedded policy reads"));
    let facts = gather(&Input { name: None, bytes: data, contents: &[], certificates: &[] });
    let trust = TrustMaterial::default();
    let at = time::macros::datetime!(2026-06-01 0:00 UTC);
    for integrity_only in [true, false] {
        let context = Context { policy: &POLICY, trust: &trust, at, existence: None, beside: None, integrity_only };
        let verdict = judge(&facts, &context);
        let passed = verdict.signatures.iter().any(|signature| signature.indication == Indication::TotalPassed);
        assert!(integrity_only || !passed, "a signature passed without an anchor");
        let etsi = report::etsi::xml(&facts, &verdict);
        Document::parse(etsi.as_bytes(), &Limits::default()).expect("the ETSI report is XML");
        let _ = (report::simple(&verdict), report::json(&verdict), report::detailed(&facts, &verdict));
    }
}

/// BER of strangers: whatever is read lies inside the input, and its DER is stable.
pub(crate) fn ber(data: &[u8]) {
    use archiland::spec::ber::{CertificateFields, Reader, canonical, same_name};
    let mut reader = Reader::new(data);
    while let Ok(element) = reader.any() {
        assert!(element.raw.len() <= data.len() && element.value.len() <= element.raw.len());
        let octets = element.octets().map(|octets| octets.len());
        assert!(octets.is_ok() || element.is_constructed());
        let _ = (element.time(), element.text(), element.bits(), CertificateFields::read(element.raw));
        let _ = same_name(element.raw, element.value);
        if let Ok(der) = canonical(element.raw) {
            assert_eq!(canonical(&der).expect("DER is BER"), der, "the DER of DER is itself");
        }
    }
}

/// Facts of any bytes: gathered without a panic, written as JSON, and never a signature that is intact over a content
/// that is not its own.
pub(crate) fn facts(data: &[u8]) {
    use archiland::validation::{Content, Input, gather};
    let beside = [Content { name: "autre", bytes: b"un contenu que personne n'a jamais sign\xe9" }];
    for contents in [&[][..], &beside] {
        let facts = gather(&Input { name: None, bytes: data, contents, certificates: &[] });
        let _ = serde_json::to_vec(&facts).expect("facts can be written");
    }
}

/// Signatures of others (CMS, CAdES, time-stamp tokens).
pub(crate) fn signed_data(data: &[u8]) {
    use archiland::spec::cms::received::{SignedData, unarmour};
    if let Ok((binary, _)) = unarmour(data)
        && let Ok(signed) = SignedData::parse(&binary)
    {
        assert!(signed.raw.len() + signed.garbage_bytes <= binary.len());
    }
    facts(data);
}

/// Signed PDFs: what a byte range leaves out is one string, and the rest is inside the file.
pub(crate) fn pdf(data: &[u8]) {
    use archiland::spec::pdf::{Pdf, signature};
    if let Ok(pdf) = Pdf::open(data) {
        for found in signature::find(&pdf).signatures {
            if let Ok(covered) = found.range {
                assert!(covered.before.start == 0 && covered.end() <= data.len());
                let gap = data[covered.before.end..covered.after.start].trim_ascii();
                assert!(gap.starts_with(b"<") || gap.starts_with(b"("), "{gap:?}");
            }
        }
    }
    facts(data);
}

/// Containers: no member leaves the container, and none is expanded beyond the limits.
pub(crate) fn asic(data: &[u8]) {
    use archiland::spec::asic::Manifest;
    use archiland::spec::asic::zip::{Archive, MAX_EXPANDED_BYTES};
    if let Ok(archive) = Archive::open(data) {
        let total: u64 = archive.members.iter().map(|member| member.size_bytes).sum();
        assert!(total <= MAX_EXPANDED_BYTES);
        for member in &archive.members {
            assert!(!member.name.split('/').any(|part| part == ".."), "{}", member.name);
        }
    }
    let _ = Manifest::parse(data);
    facts(data);
}

/// A manifest is read within bounds; strict finds at least what lenient does; a converted one is well-formed.
pub(crate) fn seda_manifest(data: &[u8]) {
    let bounds = Bounds { units_max: 1_000, ..Bounds::default() };
    let Ok(message) = seda::read(data, &bounds) else { return };
    let findings = &message.checked.findings;
    assert!(findings.faults(Mode::Strict) >= findings.faults(Mode::Lenient));
    assert!(message.manifest.units.len() <= bounds.units_max);
    _ = seda::head(data, &bounds.xml);
    if let Ok(document) = seda::fragment::decoded(data, bounds.xml.bytes_max) {
        let fragments = seda::fragment::Fragments::new(&document, &message.manifest);
        for unit in (0..).take(message.manifest.units.len()) {
            let own = fragments.unit(unit).and_then(|own| String::from_utf8(own).ok());
            let prefix = std::str::from_utf8(fragments.prefix(unit)).unwrap_or_default();
            _ = own.and_then(|own| seda::write::archive(&own, prefix, "ark:/1/a"));
        }
    }
    if let Ok(converted) = seda::write::convert(data, seda::Version::V2_2, &bounds.xml) {
        assert!(seda::validate(converted.manifest.as_bytes(), &bounds.xml).is_ok());
    }
}

/// A grammar that reads takes any document within bounds: the bytes after a NUL, or the grammar itself.
pub(crate) fn relaxng(data: &[u8]) {
    let (grammar, document) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, data),
    };
    let Ok(text) = std::str::from_utf8(grammar) else { return };
    let Ok(grammar) = rng::Grammar::parse(text) else { return };
    let bounds = Bounds::default();
    let _ = rng::validate(&grammar, document, &bounds.xml);
}

/// A schema judges any document within bounds: the bytes after a NUL, or the schema itself.
pub(crate) fn json_schema(data: &[u8]) {
    let (schema, document) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, data),
    };
    let Ok(schema) = serde_json::from_slice(schema) else { return };
    let Some(schema) = Schema::new(schema) else { return };
    let Ok(document) = serde_json::from_slice(document) else { return };
    assert!(schema.validate(&document).len() <= 100, "faults are bounded");
}

/// A file of reference data gives a list that is stored and read back the same, and what the checks use.
pub(crate) fn referential(data: &[u8]) {
    let Ok(given) = referentials::read_file("f", data, None) else { return };
    let bytes = referentials::to_bytes(&given.entries).expect("a list is written");
    let again = referentials::from_bytes(given.list, &bytes).expect("a written list reads");
    assert_eq!(referentials::to_bytes(&again).expect("a list is written"), bytes, "one state, one form");
    let used = referentials::referentials([(given.list, &again)]).expect("a stored list is used");
    let _ = referentials::dangling(given.list, &again, &used);
}

/// A unit is rewritten in any version, valid by its schema whatever it was.
pub(crate) fn seda_unit(data: &[u8]) {
    let names = std::collections::BTreeMap::new();
    for version in [seda::Version::V2_1, seda::Version::V2_3] {
        let target = seda::write::rewrite::Target {
            version,
            names: &names,
            prefix: "p_",
            system_id: (true, "ark:/1/a"),
            management: true,
        };
        let Ok(unit) = seda::write::rewrite::rewrite(data, &target) else { continue };
        let text = format!("<a>{}{}</a>", unit.management, unit.content);
        assert!(seda::validate(text.as_bytes(), &Bounds::default().xml).is_ok(), "{text}");
    }
    let _ = seda::request(data, &Bounds::default().xml);
}

/// Any content is known by some formats or none.
pub(crate) fn pronom(data: &[u8]) {
    for entry in table().identify(data, data) {
        assert!(table().get(entry.puid).is_some());
    }
}

/// A package is checked without harm, whatever its container: names stay names, events stay bounded.
pub(crate) fn sip(data: &[u8]) {
    let name = format!("archiland-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, data).expect("a scratch file");
    let checked = check(&path, &Options::default());
    std::fs::remove_file(&path).expect("the scratch file");
    let Ok(checked) = checked else { return };
    assert!(checked.report.events.len() <= EVENTS_KEPT_MAX + 1);
    for member in checked.container.iter().flat_map(|container| &container.members) {
        assert!(!member.name.starts_with('/') && member.name.split('/').all(|part| part != ".."));
    }
}

/// A sealed report: what is read is written and read again as the same, is never believed without an authority, and can be set in
/// type.
pub(crate) fn sealed_report(data: &[u8]) {
    let Ok((sealed, report)) = SealedReport::parse(data) else { return };
    let again = SealedReport::parse(&sealed.to_json()).expect("what was written is read");
    assert_eq!(again, (sealed.clone(), report.clone()));
    assert!(sealed.verify(&archiland::verify::Trust::in_authorities(Anchors::default())).is_err());
    assert!(!report.to_string().is_empty());
    if data.len() < 20_000 {
        assert!(to_pdf(&report, &sealed, time::OffsetDateTime::UNIX_EPOCH).write().starts_with(b"%PDF-1.7"));
    }
}

/// The evidence of a batch: what is read is written and read again as the same, and no archive gets a record for documents that
/// are not its own.
pub(crate) fn evidence_batch(data: &[u8]) {
    let Ok(batch) = EvidenceBatch::parse(data) else { return };
    assert_eq!(EvidenceBatch::parse(&batch.to_bytes()).as_ref(), Ok(&batch));
    for index in [0, batch.first, batch.size, u64::MAX] {
        let documents = |digest: archiland::spec::cms::algorithm::Digest| Some(vec![vec![7; digest.size()]]);
        if let Ok(Some(record)) = batch.record_of(index, &documents) {
            // A record was put together over these documents; whether tokens hold is for whoever checks it.
            let _ = EvidenceRecord::parse(&record);
        }
        let nothing = |_| None;
        assert!(!matches!(batch.record_of(index, &nothing), Ok(Some(_))) || batch.chains.is_empty());
    }
}
