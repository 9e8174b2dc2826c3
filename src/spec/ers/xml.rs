//! Evidence records in XML (RFC 6283), read and checked. They are not made here.
//!
//! Two things differ from RFC 4998: a renewal covers canonical XML (the old `TimeStamp` element, § 4.2.1; the whole
//! `ArchiveTimeStampSequence` up to then, § 4.2.2), and after a hash-tree renewal the digest of that sequence stands
//! beside the documents' own in the first list, so that the link between chains can be checked without the documents.
//!
//! BUG(encryption): `EncryptionInformation` is refused, as in RFC 4998 records.

use super::record::ArchiveTimestamp;
use super::verify::{DataObject, Stamp, Verified, covers, follows, open};
use super::{ErsError, MAX_HASHES, MAX_RECORD_BYTES, MAX_STAMPS, Place};
use crate::spec::cms::Anchors;
use crate::spec::cms::algorithm::Digest;
use crate::spec::xml::c14n::{self, Method};
use crate::spec::xml::{Document, Element, Limits, Selection, unbase64};

/// The namespace of evidence records.
pub const XML_NAMESPACE: &str = "urn:ietf:params:xml:ns:ers";

const LIMITS: Limits = Limits {
    size_bytes_max: MAX_RECORD_BYTES,
    depth_max: 64,
    nodes_max: 4 * MAX_HASHES,
    attributes_max: 64,
    namespaces_max: 64,
};

/// Checks an evidence record in XML as [`super::EvidenceRecord::verify`] does one in ASN.1. Without documents, what the
/// first time-stamp proves stays unknown, but every link after it is checked.
pub fn verify_xml(xml: &[u8], documents: &[DataObject<'_>], anchors: Option<&Anchors>) -> Result<Verified, ErsError> {
    let document = Document::parse(xml, &LIMITS)?;
    let chains = read(&document)?;
    let mut stamps: Vec<Stamp> = Vec::new();
    for (rank, chain) in chains.iter().enumerate() {
        for (position, archived) in chain.stamps.iter().enumerate() {
            let place = Place { chain: rank, stamp: position };
            let borrowed = archived.borrow(chain.digest);
            let (token, anchor) = open(&borrowed, anchors, place)?;
            if let Some(previous) = stamps.last() {
                follows(previous, &token, anchors.is_some(), place)?;
            }
            let mut objects = Vec::new();
            if let Some(renewed) = position.checked_sub(1).and_then(|before| chain.stamps.get(before)) {
                let canonical = c14n::element_to_vec(&renewed.element, &chain.method);
                objects.push(chain.digest.of(&canonical).as_ref().to_vec());
            } else {
                objects = digests(documents, chain.digest, place)?;
                if rank > 0 {
                    link(archived, chain, &chains, rank, place)?;
                    if archived.tree.is_empty() {
                        return Err(ErsError::Renewal(place));
                    }
                }
            }
            covers(&borrowed, chain.digest, &token, &objects, place)?;
            stamps.push(Stamp { place, digest: chain.digest, token, anchor });
        }
    }
    Ok(Verified { stamps, documents: documents.len() })
}

/// A chain: `ArchiveTimeStampChain`.
struct XmlChain<'d> {
    digest: Digest,
    method: Method,
    element: Element<'d>,
    stamps: Vec<XmlStamp<'d>>,
}

/// A time-stamp: `ArchiveTimeStamp`.
struct XmlStamp<'d> {
    tree: Vec<Vec<Vec<u8>>>,
    token: Vec<u8>,
    /// `TimeStamp`: what the next one in the chain covers.
    element: Element<'d>,
}

impl XmlStamp<'_> {
    fn borrow(&self, digest: Digest) -> ArchiveTimestamp<'_> {
        let tree = self.tree.iter().map(|list| list.iter().map(Vec::as_slice).collect()).collect();
        ArchiveTimestamp { digest: Some(digest), tree, token: &self.token }
    }
}

fn read<'d>(document: &'d Document<'_>) -> Result<Vec<XmlChain<'d>>, ErsError> {
    let root = document.root();
    if !root.is(XML_NAMESPACE, "EvidenceRecord") {
        return Err(ErsError::Structure("ce n'est pas un dossier de preuve XML (ers:EvidenceRecord attendu)"));
    }
    if root.attribute("Version").as_deref() != Some("1.0") {
        return Err(ErsError::Structure("version de dossier de preuve inconnue"));
    }
    if root.child(XML_NAMESPACE, "EncryptionInformation").is_some() {
        return Err(ErsError::Structure("les dossiers de preuve de données chiffrées ne sont pas pris en charge"));
    }
    let sequence = root
        .child(XML_NAMESPACE, "ArchiveTimeStampSequence")
        .ok_or(ErsError::Structure("ArchiveTimeStampSequence manque"))?;
    let (mut chains, mut hashes, mut count) = (Vec::new(), 0, 0);
    for element in in_order(&sequence, "ArchiveTimeStampChain")? {
        let digest = algorithm(&element, "DigestMethod").and_then(|uri| digest_of_uri(&uri));
        let method = algorithm(&element, "CanonicalizationMethod").and_then(|uri| Method::of_uri(&uri));
        let mut stamps = Vec::new();
        for stamp in in_order(&element, "ArchiveTimeStamp")? {
            count += 1;
            if count > MAX_STAMPS {
                return Err(ErsError::Structure("trop d'horodatages dans le dossier"));
            }
            stamps.push(read_stamp(&stamp, &mut hashes)?);
        }
        chains.push(XmlChain {
            digest: digest.ok_or(ErsError::Structure("DigestMethod manque ou n'est pas accepté"))?,
            method: method.ok_or(ErsError::Structure("CanonicalizationMethod manque ou n'est pas acceptée"))?,
            element,
            stamps,
        });
    }
    Ok(chains)
}

fn read_stamp<'d>(stamp: &Element<'d>, hashes: &mut usize) -> Result<XmlStamp<'d>, ErsError> {
    let element = stamp.child(XML_NAMESPACE, "TimeStamp").ok_or(ErsError::Structure("TimeStamp manque"))?;
    let token = element
        .child(XML_NAMESPACE, "TimeStampToken")
        .filter(|token| token.attribute("Type").as_deref() == Some("RFC3161"))
        .and_then(|token| unbase64(&token.text()))
        .ok_or(ErsError::Structure("TimeStampToken manque, ou n'est pas un jeton RFC 3161 en base64"))?;
    let mut tree = Vec::new();
    if let Some(lists) = stamp.child(XML_NAMESPACE, "HashTree") {
        for list in in_order(&lists, "Sequence")? {
            let mut values = Vec::new();
            for value in list.children().filter(|child| child.is(XML_NAMESPACE, "DigestValue")) {
                *hashes += 1;
                if *hashes > MAX_HASHES {
                    return Err(ErsError::Structure("trop de condensats"));
                }
                values.push(unbase64(&value.text()).ok_or(ErsError::Structure("un DigestValue n'est pas en base64"))?);
            }
            if values.is_empty() {
                return Err(ErsError::Structure("une liste de condensats est vide"));
            }
            tree.push(values);
        }
    }
    Ok(XmlStamp { tree, token, element })
}

/// The children of this name in the order of their `Order`, which counts from 1; at least one.
fn in_order<'d>(parent: &Element<'d>, name: &str) -> Result<Vec<Element<'d>>, ErsError> {
    let mut found = Vec::new();
    for child in parent.children().filter(|child| child.is(XML_NAMESPACE, name)) {
        let order = child.attribute("Order").and_then(|order| order.parse::<usize>().ok());
        found.push((order.ok_or(ErsError::Structure("un attribut Order manque"))?, child));
    }
    found.sort_by_key(|(order, _)| *order);
    if found.is_empty() || found.iter().zip(1..).any(|((order, _), rank)| *order != rank) {
        return Err(ErsError::Structure("les attributs Order ne se suivent pas à partir de 1"));
    }
    Ok(found.into_iter().map(|(_, child)| child).collect())
}

fn algorithm(chain: &Element<'_>, name: &str) -> Option<String> {
    Some(chain.child(XML_NAMESPACE, name)?.attribute("Algorithm")?.into_owned())
}

fn digest_of_uri(uri: &str) -> Option<Digest> {
    let known = [
        ("http://www.w3.org/2001/04/xmlenc#sha256", Digest::Sha256),
        ("http://www.w3.org/2001/04/xmldsig-more#sha384", Digest::Sha384),
        ("http://www.w3.org/2001/04/xmlenc#sha512", Digest::Sha512),
    ];
    known.iter().find(|(name, _)| *name == uri).map(|(_, digest)| *digest)
}

fn digests(documents: &[DataObject<'_>], digest: Digest, place: Place) -> Result<Vec<Vec<u8>>, ErsError> {
    let digests = documents
        .iter()
        .enumerate()
        .map(|(document, object)| object.digest(digest).ok_or(ErsError::DigestMissing { document, place }));
    digests.collect()
}

/// Whether a new chain covers those before it: the digest of the canonical sequence, the later chains taken out.
fn link(
    archived: &XmlStamp<'_>,
    chain: &XmlChain<'_>,
    chains: &[XmlChain<'_>],
    rank: usize,
    place: Place,
) -> Result<(), ErsError> {
    let sequence = chain.element.parent().ok_or(ErsError::Renewal(place))?;
    let mut selection = Selection::subtree(&sequence, true);
    for later in chains.iter().skip(rank) {
        selection.exclude(&later.element);
    }
    let canonical = c14n::to_vec(sequence.document(), &selection, &chain.method);
    let digest = chain.digest.of(&canonical);
    let first = archived.tree.first().ok_or(ErsError::Renewal(place))?;
    if first.iter().any(|hash| hash.as_slice() == digest.as_ref()) { Ok(()) } else { Err(ErsError::Renewal(place)) }
}
