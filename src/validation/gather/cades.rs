//! CMS and CAdES (RFC 5652, EN 319 122).
//!
//! [`signed_data`] is what PDF, ASiC and tokens call too. A signature that cannot be read is a signature all the same:
//! it comes out as one whose value is malformed, never as none.

mod signer;

use crate::spec::ades::cades::{LongTerm, content_of};
use crate::spec::ber::CertificateFields;
use crate::spec::cms::received::{Armour, Content, Digests, ReadError, SignedData, unarmour};
use crate::spec::crypto::Beginnings;
use crate::validation::Input;
use crate::validation::facts::{
    Coverage, CoverageKind, Der, Facts, Fault, FaultKind, Format, InputKind, Material, Packaging, SignatureFacts,
    ValueState,
};
use signer::Place;

/// What a CMS SignedData is about.
#[derive(Debug, Clone, Copy)]
pub enum CmsContent<'a> {
    /// Inside it, or nowhere.
    Encapsulated,
    /// These bytes; an encapsulated content, if any, must be the same.
    Detached(&'a [u8]),
    /// These pieces one after the other (a PDF's byte range), the first of which is a beginning of the file.
    Pieces(&'a [&'a [u8]], &'a Beginnings<'a>),
}

/// How a caller wants the signatures of a SignedData told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling<'a> {
    /// Identifiers begin with it.
    pub(super) prefix: &'a str,
    /// Whether a single signer's identifier is the prefix itself.
    pub(super) exact: bool,
    /// Where the SignedData is, for people.
    pub(super) location: &'a str,
    /// The format, when it is not for the attributes to say.
    pub(super) format: Option<Format>,
    /// Certificates from elsewhere that may be the signer's.
    pub(super) certificates: &'a [&'a [u8]],
    /// How many time-stamps and signatures stand around this one.
    pub(super) depth: usize,
}

/// The facts of a CMS file.
pub fn gather(input: &Input<'_>) -> Facts {
    let mut facts = Facts { kind: InputKind::Cms, ..Facts::default() };
    let (binary, armour) = match unarmour(input.bytes) {
        Ok(found) => found,
        Err(error) => {
            facts.faults.push(unreadable(&error));
            return facts;
        }
    };
    let signed = match SignedData::parse(&binary) {
        Ok(signed) => signed,
        Err(error) => {
            facts.faults.push(unreadable(&error));
            return facts;
        }
    };
    if armour == Armour::Base64 {
        facts.faults.push(Fault::new(FaultKind::Note, "signature en base64 sans en-tête PEM"));
    }
    if signed.signers.is_empty() {
        facts
            .faults
            .push(Fault::new(FaultKind::Note, "structure CMS sans signataire : elle ne porte que des certificats"));
    }
    let beside = beside(input, &signed);
    let content = beside.map_or(CmsContent::Encapsulated, |(_, bytes)| CmsContent::Detached(bytes));
    let certificates = input.certificates;
    let telling = Telling { prefix: "S", exact: false, location: "", format: None, certificates, depth: 0 };
    let (mut signatures, _) = read(&signed, content, telling);
    let covered = match beside {
        Some((name, bytes)) => coverage(CoverageKind::Content, name, bytes.len()),
        None => match &signed.content {
            Some(inside) => coverage(CoverageKind::File, "contenu encapsulé", inside.len()),
            None => Coverage { covered: false, ..coverage(CoverageKind::Content, "contenu non fourni", 0) },
        },
    };
    for signature in &mut signatures {
        signature.covers = vec![covered.clone()];
    }
    if !signatures.is_empty() {
        facts.members = vec![covered];
    }
    facts.signatures = signatures;
    facts
}

/// The signatures of a SignedData (DER or BER) over `content`, and the material it carries: for PAdES, ASiC and tokens.
/// Identifiers begin with `prefix`.
pub fn signed_data(der: &[u8], content: CmsContent<'_>, prefix: &str) -> (Vec<SignatureFacts>, Material) {
    signed_data_as(
        der,
        content,
        Telling { prefix, exact: false, location: "", format: None, certificates: &[], depth: 0 },
    )
}

/// The same, told as the caller wants it.
pub(super) fn signed_data_as(
    bytes: &[u8],
    content: CmsContent<'_>,
    telling: Telling<'_>,
) -> (Vec<SignatureFacts>, Material) {
    let binary = match unarmour(bytes) {
        Ok((binary, _)) => binary,
        Err(error) => return (vec![malformed(&error, telling)], Material::default()),
    };
    match SignedData::parse(&binary) {
        Ok(signed) => read(&signed, content, telling),
        Err(error) => (vec![malformed(&error, telling)], Material::default()),
    }
}

/// The signatures of a SignedData already read.
pub(super) fn read(
    signed: &SignedData<'_>,
    content: CmsContent<'_>,
    telling: Telling<'_>,
) -> (Vec<SignatureFacts>, Material) {
    let beside = match content {
        CmsContent::Encapsulated => None,
        CmsContent::Detached(bytes) => Some(Digests::new(Content::whole(bytes))),
        CmsContent::Pieces(pieces, beginnings) => Some(Digests::continuing(Content(pieces.to_vec()), beginnings)),
    };
    let packaging = match (&signed.content, &beside) {
        (Some(_), None) => Packaging::Enveloping,
        _ => Packaging::Detached,
    };
    // What stands beside is what the caller asks about: an encapsulated content that differs must not answer for it.
    let mut digests = beside.or_else(|| content_of(signed, None));
    let material = material(signed);
    let mut candidates = signed.candidates();
    candidates.extend(telling.certificates.iter().filter_map(|raw| CertificateFields::read(raw).ok()));
    let mut signatures = Vec::new();
    // A token has one signer (RFC 3161 § 2.4.2); more are told, not checked.
    let most = if telling.format == Some(Format::Rfc3161) { 1 } else { signed.signers.len() };
    for at in 0..signed.signers.len().min(most) {
        let place = Place { signed, at, packaging, candidates: &candidates, telling };
        signatures.push(signer::facts(&place, digests.as_mut(), &material));
    }
    (signatures, material)
}

/// The certificates and revocation data in the fields of a SignedData.
fn material(signed: &SignedData<'_>) -> Material {
    Material {
        certificates: signed.x509().map(Der::from).collect(),
        crls: signed.crls().map(Der::from).collect(),
        ocsps: signed.ocsp().map(Der::from).collect(),
        has_references: false,
    }
}

/// Adds what attributes carry.
fn add(material: &mut Material, carried: &LongTerm<'_>) {
    material.certificates.extend(carried.certificates.iter().map(|raw| Der::from(*raw)));
    material.crls.extend(carried.crls.iter().map(|raw| Der::from(*raw)));
    material.ocsps.extend(carried.ocsps.iter().map(|raw| Der::from(*raw)));
    material.has_references |= carried.has_references;
}

/// The content beside a detached signature: the only one, or among several the one its digest names.
fn beside<'a>(input: &Input<'a>, signed: &SignedData<'_>) -> Option<(&'a str, &'a [u8])> {
    if let [only] = input.contents {
        return Some((only.name, only.bytes));
    }
    if signed.content.is_some() {
        return None;
    }
    let signer = signed.signers.first()?;
    input.contents.iter().map(|content| (content.name, content.bytes)).find(|(_, bytes)| {
        let mut digests = Digests::new(Content::whole(bytes));
        let found = crate::spec::cms::received::check::check(signer, None, Some(&mut digests), &signed.candidates());
        found.content == crate::spec::cms::received::check::ContentState::Matches || found.intact() == Some(true)
    })
}

fn coverage(kind: CoverageKind, name: &str, size_bytes: usize) -> Coverage {
    let detail = (size_bytes > 0).then(|| format!("{size_bytes} octets"));
    Coverage { kind, name: name.to_owned(), covered: true, detail }
}

/// Bytes that are not a SignedData, as a fault of the input.
pub(super) fn unreadable(error: &ReadError) -> Fault {
    let kind = if matches!(error, ReadError::TooMany(_)) { FaultKind::Refused } else { FaultKind::Malformed };
    Fault::new(kind, error.to_string())
}

fn malformed(error: &ReadError, telling: Telling<'_>) -> SignatureFacts {
    SignatureFacts {
        id: if telling.exact { telling.prefix.to_owned() } else { format!("{}1", telling.prefix) },
        format: telling.format.unwrap_or_default(),
        location: telling.location.to_owned(),
        value: ValueState::Malformed(error.to_string()),
        faults: vec![unreadable(error)],
        ..SignatureFacts::default()
    }
}

#[cfg(test)]
mod tests;
