#![allow(clippy::unwrap_used)]
//! Records made here, renewed both ways, read back; and everything that must not pass.

use super::*;
use crate::spec::cms::algorithm::Digest;
use crate::spec::cms::{Anchors, Certificate, Certificates, CmsSigner, asn1, oid};
use crate::spec::tsp::{Imprint, TstInfo};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const START: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

/// An authority whose certificate lives a year from its beginning.
struct Tsa {
    signer: CmsSigner,
    anchors: Anchors,
}

impl Tsa {
    fn new(from: OffsetDateTime) -> Self {
        let root_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        (root.not_before, root.not_after) = (from, from + Duration::days(3650));
        let anchor = Certificate::from_der(root.self_signed(&root_key).unwrap().der()).unwrap();
        let mut leaf = CertificateParams::new(Vec::new()).unwrap();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let usage = asn1::sequence(&[&asn1::oid(&oid::TIME_STAMPING)]);
        let mut usage = CustomExtension::from_oid_content(&[2, 5, 29, 37], usage);
        usage.set_criticality(true);
        leaf.custom_extensions.push(usage);
        (leaf.not_before, leaf.not_after) = (from, from + Duration::days(365));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
        let signer = CmsSigner::new(&key.serialize_der(), Certificate::from_der(leaf.der()).unwrap(), &[]).unwrap();
        Self { signer, anchors: Anchors::new(vec![anchor]) }
    }

    fn stamp(&self, digest: Digest, imprint: &[u8], at: OffsetDateTime) -> Vec<u8> {
        let policy = asn1::oid(&oid::DATA);
        let info = TstInfo::encode(&policy, &Imprint::encode(digest, imprint), &[7], at, 1, false, None);
        self.signer.sign(&oid::TST_INFO, &info, None, Certificates::Included).unwrap()
    }
}

fn hash(digest: Digest, data: &[u8]) -> Vec<u8> {
    digest.of(data).as_ref().to_vec()
}

/// The record of the first of three groups, the documents of which are given back.
fn fresh(tsa: &Tsa) -> (Vec<u8>, [&'static [u8]; 2]) {
    let documents: [&[u8]; 2] = [b"deliberation", b"annexe"];
    let groups = vec![
        documents.iter().map(|document| hash(Digest::Sha256, document)).collect(),
        vec![hash(Digest::Sha256, b"other")],
        vec![hash(Digest::Sha256, b"another")],
    ];
    let tree = HashTree::new(Digest::Sha256, groups).unwrap();
    let token = tsa.stamp(Digest::Sha256, tree.root(), START);
    let stamp = ArchiveTimestamp { digest: Some(Digest::Sha256), tree: tree.reduced(0).unwrap(), token: &token };
    (encode(&[Digest::Sha256], &[chain(&[stamp.encode()])]), documents)
}

/// A record with one more time-stamp in its last chain (§ 5.2).
fn restamped(record: &[u8], tsa: &Tsa, at: OffsetDateTime) -> Vec<u8> {
    let parsed = EvidenceRecord::parse(record).unwrap();
    let last = parsed.chains.len() - 1;
    let place = Place { chain: last, stamp: parsed.chains[last].stamps.len() - 1 };
    let digest = parsed.chains[last].stamps[0].digest.unwrap();
    let other = hash(digest, b"another record, renewed at the same time");
    let tree = HashTree::new(digest, vec![vec![other], vec![parsed.renewal_digest(place, digest)]]).unwrap();
    let token = tsa.stamp(digest, tree.root(), at);
    let renewal = ArchiveTimestamp { digest: Some(digest), tree: tree.reduced(1).unwrap(), token: &token };
    let chains: Vec<Vec<u8>> = parsed
        .chains
        .iter()
        .enumerate()
        .map(|(rank, chain)| {
            let stamps = chain.stamps.iter().map(ArchiveTimestamp::encode);
            super::chain(&stamps.chain((rank == last).then(|| renewal.encode())).collect::<Vec<_>>())
        })
        .collect();
    encode(&[Digest::Sha256, Digest::Sha512], &chains)
}

/// A record with one more chain, under SHA-512 (§ 5.3).
fn rehashed(record: &[u8], documents: &[&[u8]], tsa: &Tsa, at: OffsetDateTime) -> Vec<u8> {
    let parsed = EvidenceRecord::parse(record).unwrap();
    let (digest, count) = (Digest::Sha512, parsed.chains.len());
    let leaves = documents.iter().map(|document| parsed.rehash(count, digest, &hash(digest, document))).collect();
    let tree = HashTree::new(digest, vec![vec![hash(digest, b"neighbour")], leaves]).unwrap();
    let token = tsa.stamp(digest, tree.root(), at);
    let stamp = ArchiveTimestamp { digest: Some(digest), tree: tree.reduced(1).unwrap(), token: &token };
    let mut chains: Vec<Vec<u8>> = parsed.chains.iter().map(|chain| chain.raw.to_vec()).collect();
    chains.push(chain(&[stamp.encode()]));
    encode(&[Digest::Sha256, digest], &chains)
}

fn check(record: &[u8], documents: &[&[u8]], anchors: Option<&Anchors>) -> Result<Verified, ErsError> {
    let objects: Vec<DataObject<'_>> = documents.iter().map(|document| DataObject::Content(document)).collect();
    EvidenceRecord::parse(record)?.verify(&objects, anchors)
}

#[test]
fn a_record_proves_its_documents_and_no_others() {
    let tsa = Tsa::new(START);
    let (record, documents) = fresh(&tsa);
    let verified = check(&record, &documents, Some(&tsa.anchors)).unwrap();
    assert_eq!((verified.since(), verified.documents), (Some(START), 2));
    assert_eq!(verified.until(), Some(START + Duration::days(365)));
    assert_eq!(check(&record, &[b"annexe"], None).unwrap().stamps.len(), 1);
    assert!(matches!(check(&record, &[b"annexe", b"other"], None), Err(ErsError::NotCovered(1))));
    let stranger = Tsa::new(START);
    assert!(matches!(check(&record, &documents, Some(&stranger.anchors)), Err(ErsError::Stamp { .. })));
    let wrong = hash(Digest::Sha512, b"annexe");
    let known = [(Digest::Sha512, wrong.as_slice())];
    let record = EvidenceRecord::parse(&record).unwrap();
    assert!(matches!(
        record.verify(&[DataObject::Digests(&known)], None),
        Err(ErsError::DigestMissing { document: 0, .. })
    ));
}

#[test]
fn renewals_chain_and_are_checked_in_the_order_of_time() {
    let tsa = Tsa::new(START);
    let (record, documents) = fresh(&tsa);
    let twice = restamped(&record, &tsa, START + Duration::days(100));
    let thrice = rehashed(&twice, &documents, &tsa, START + Duration::days(200));
    let whole = restamped(&thrice, &tsa, START + Duration::days(300));
    let verified = check(&whole, &documents, Some(&tsa.anchors)).unwrap();
    assert_eq!(verified.stamps.len(), 4);
    assert_eq!(verified.stamps[2].digest, Digest::Sha512);
    assert!(matches!(check(&whole, &[b"unknown"], None), Err(ErsError::NotCovered(0))));
    assert!(matches!(check(&whole, &[], None), Err(ErsError::DocumentsNeeded(Place { chain: 1, stamp: 0 }))));
    assert_eq!(check(&twice, &[], None).unwrap().stamps.len(), 2);

    let early = restamped(&record, &tsa, START - Duration::days(1));
    assert!(matches!(check(&early, &documents, None), Err(ErsError::Order(_))));
    // A certificate that ended before the renewal: the first time-stamp proved nothing any more.
    let next = Tsa::new(START + Duration::days(400));
    let late = restamped(&record, &next, START + Duration::days(401));
    let both = Anchors::new([tsa.anchors.certificates(), next.anchors.certificates()].concat());
    assert!(matches!(check(&late, &documents, Some(&both)), Err(ErsError::Late(Place { chain: 0, stamp: 0 }))));
    assert!(check(&late, &documents, None).is_ok());
}

#[test]
fn a_renewal_of_another_record_does_not_pass() {
    let tsa = Tsa::new(START);
    let (record, documents) = fresh(&tsa);
    let single = HashTree::new(Digest::Sha256, vec![vec![hash(Digest::Sha256, documents[0])]]).unwrap();
    let token = tsa.stamp(Digest::Sha256, single.root(), START);
    let direct = ArchiveTimestamp { digest: None, tree: Vec::new(), token: &token }.encode();
    let alone = encode(&[Digest::Sha256], &[chain(std::slice::from_ref(&direct))]);
    assert!(check(&alone, &documents[..1], Some(&tsa.anchors)).is_ok());
    assert!(matches!(check(&alone, &[b"x"], None), Err(ErsError::NotCovered(0))));
    assert!(matches!(check(&alone, &documents, None), Err(ErsError::NotCovered(1))));

    let renewed = restamped(&record, &tsa, START + Duration::days(1));
    let parsed = EvidenceRecord::parse(&renewed).unwrap();
    let foreign = chain(&[direct, parsed.chains[0].stamps[1].encode()]);
    let foreign = encode(&[Digest::Sha256], &[foreign]);
    assert!(matches!(check(&foreign, &documents[..1], None), Err(ErsError::Renewal(Place { chain: 0, stamp: 1 }))));
}

#[test]
fn a_record_cut_or_with_more_behind_is_refused() {
    let (record, _) = fresh(&Tsa::new(START));
    for cut in 0..record.len() {
        assert!(EvidenceRecord::parse(&record[..cut]).is_err());
    }
    assert!(EvidenceRecord::parse(&[&record[..], &[0]].concat()).is_err());
    assert!(matches!(
        EvidenceRecord::parse(&vec![0; MAX_RECORD_BYTES + 1]),
        Err(ErsError::TooLarge { size_bytes }) if size_bytes == MAX_RECORD_BYTES + 1
    ));
    let hash = asn1::encode(asn1::tag::OCTET_STRING, &[&[1]]);
    let list = asn1::sequence(&vec![&hash[..]; MAX_HASHES + 1]);
    let stamp = asn1::sequence(&[&asn1::encode(asn1::tag::context(2), &[&list]), &asn1::sequence(&[])]);
    let large = encode(&[Digest::Sha256], &[chain(&[stamp])]);
    assert!(matches!(EvidenceRecord::parse(&large), Err(ErsError::Structure("trop de condensats"))));
    let stamps =
        chain(&vec![ArchiveTimestamp { digest: None, tree: Vec::new(), token: &[0x30, 0] }.encode(); MAX_STAMPS + 1]);
    let long = encode(&[Digest::Sha256], &[stamps]);
    assert!(matches!(EvidenceRecord::parse(&long), Err(ErsError::Structure(_))));
}

const NAMESPACED: &str = "xmlns=\"urn:ietf:params:xml:ns:ers\"";

/// `TimeStamp`, with these attributes: its namespace declaration is what canonicalising it alone adds.
fn xml_stamp(attributes: &str, token: &[u8]) -> String {
    let token = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, token);
    format!("<TimeStamp{attributes}><TimeStampToken Type=\"RFC3161\">{token}</TimeStampToken></TimeStamp>")
}

fn xml_archived(order: usize, tree: &HashTree, group: usize, token: &[u8]) -> String {
    let list = |list: &Vec<&[u8]>| -> String {
        let value = |hash: &&[u8]| {
            let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
            format!("<DigestValue>{text}</DigestValue>")
        };
        list.iter().map(value).collect()
    };
    let lists = tree.reduced(group).unwrap();
    let lists: Vec<String> = lists
        .iter()
        .zip(1..)
        .map(|(values, order)| format!("<Sequence Order=\"{order}\">{}</Sequence>", list(values)))
        .collect();
    let lists = lists.concat();
    let lists = if lists.is_empty() { lists } else { format!("<HashTree>{lists}</HashTree>") };
    format!("<ArchiveTimeStamp Order=\"{order}\">{lists}{}</ArchiveTimeStamp>", xml_stamp("", token))
}

fn xml_chain(order: usize, digest: &str, stamps: &str) -> String {
    format!(
        "<ArchiveTimeStampChain Order=\"{order}\"><DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#{digest}\"></DigestMethod>\
         <CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"></CanonicalizationMethod>\
         {stamps}</ArchiveTimeStampChain>"
    )
}

fn xml_record(chains: &str) -> String {
    format!(
        "<EvidenceRecord {NAMESPACED} Version=\"1.0\"><ArchiveTimeStampSequence>{chains}</ArchiveTimeStampSequence></EvidenceRecord>"
    )
}

/// The record of one document, renewed once each way.
fn xml_whole(tsa: &Tsa, document: &[u8]) -> String {
    let own = hash(Digest::Sha256, document);
    let tree = HashTree::new(Digest::Sha256, vec![vec![own], vec![hash(Digest::Sha256, b"other")]]).unwrap();
    let token = tsa.stamp(Digest::Sha256, tree.root(), START);
    let first = xml_archived(1, &tree, 0, &token);
    let covered = hash(Digest::Sha256, xml_stamp(&format!(" {NAMESPACED}"), &token).as_bytes());
    let tree = HashTree::new(Digest::Sha256, vec![vec![covered]]).unwrap();
    let second = xml_archived(2, &tree, 0, &tsa.stamp(Digest::Sha256, tree.root(), START + Duration::days(1)));
    let chain = xml_chain(1, "sha256", &format!("{first}{second}"));
    let sequence = format!("<ArchiveTimeStampSequence {NAMESPACED}>{chain}</ArchiveTimeStampSequence>");
    let group = vec![hash(Digest::Sha512, document), hash(Digest::Sha512, sequence.as_bytes())];
    let tree = HashTree::new(Digest::Sha512, vec![group, vec![hash(Digest::Sha512, b"neighbour")]]).unwrap();
    let third = xml_archived(1, &tree, 0, &tsa.stamp(Digest::Sha512, tree.root(), START + Duration::days(2)));
    xml_record(&format!("{chain}{}", xml_chain(2, "sha512", &third)))
}

#[test]
fn records_in_xml_are_checked_the_same_way() {
    let tsa = Tsa::new(START);
    let xml = xml_whole(&tsa, b"deliberation");
    let check =
        |xml: &str, document: &[u8]| verify_xml(xml.as_bytes(), &[DataObject::Content(document)], Some(&tsa.anchors));
    assert_eq!(check(&xml, b"deliberation").unwrap().stamps.len(), 3);
    assert_eq!(verify_xml(xml.as_bytes(), &[], None).unwrap().documents, 0);
    assert!(matches!(check(&xml, b"x"), Err(ErsError::NotCovered(0))));
    // White space within what a renewal covers is part of it.
    let spaced = xml.replacen("<TimeStamp>", "<TimeStamp> ", 1);
    assert!(matches!(check(&spaced, b"deliberation"), Err(ErsError::Renewal(Place { chain: 0, stamp: 1 }))));
    let spaced = xml.replacen("<HashTree>", " <HashTree>", 1);
    assert!(matches!(check(&spaced, b"deliberation"), Err(ErsError::Renewal(Place { chain: 1, stamp: 0 }))));
    for (from, to) in [
        ("Order=\"2\"", "Order=\"3\""),
        ("Version=\"1.0\"", "Version=\"2.0\""),
        ("xmlenc#sha512", "xmlenc#ripemd160"),
        ("Type=\"RFC3161\"", "Type=\"XMLENTRUST\""),
        ("<ArchiveTimeStampSequence>", "<EncryptionInformation></EncryptionInformation><ArchiveTimeStampSequence>"),
    ] {
        assert!(matches!(check(&xml.replacen(from, to, 1), b"deliberation"), Err(ErsError::Structure(_))), "{from}");
    }
    assert!(matches!(check(&xml[..xml.len() - 1], b"deliberation"), Err(ErsError::Xml(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_changed_byte_never_passes_with_documents(place in 0_usize..4000, change in 1_u8..) {
        thread_local! {
            static MADE: (Vec<u8>, [&'static [u8]; 2], Tsa) = {
                let tsa = Tsa::new(START);
                let (record, documents) = fresh(&tsa);
                (rehashed(&record, &documents, &tsa, START), documents, tsa)
            };
        }
        MADE.with(|(record, documents, tsa)| {
            let mut changed = record.clone();
            let place = place % changed.len();
            changed[place] ^= change;
            if let Ok(verified) = check(&changed, documents, Some(&tsa.anchors)) {
                // What is announced about digests, and a certificate nobody needs, prove nothing and change nothing.
                prop_assert_eq!(verified.stamps.len(), 2);
                prop_assert_eq!(verified.since(), Some(START));
            }
            Ok(())
        })?;
    }
}
