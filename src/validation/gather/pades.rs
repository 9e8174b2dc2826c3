//! PAdES and PDF signatures (EN 319 142, ISO 32000-1 § 12.8).
//!
//! Which revision each signature covers, whether it is the whole file, and what a reader sees that was added after it:
//! a signature that holds over a revision says nothing of a page put in later.

mod describe;
mod revisions;
mod store;

use super::cades::{self, CmsContent, Telling};
use super::tsp;
use crate::spec::ber::Element;
use crate::spec::cms::received::SignedData;
use crate::spec::crypto::{
    Beginnings, DigestAlgorithm, PublicKey, SignatureAlgorithm, SignatureForm, Unsupported, VerifyError,
};
use crate::spec::pdf::object::Object;
use crate::spec::pdf::signature::{self, Covered, Found, Signature};
use crate::spec::pdf::{Pdf, PdfError};
use crate::validation::Input;
use crate::validation::facts::{
    Der, Facts, Fault, FaultKind, Format, InputKind, Packaging, ReferenceFacts, ReferenceKind, ReferenceState,
    SignatureFacts, TimestampFacts, TimestampKind, ValueState,
};
use revisions::Revisions;

/// Octets digested for one file: twenty signatures over a gigabyte, and not a thousand.
const MAX_DIGESTED_BYTES: u64 = 20 << 30;

/// The facts of a PDF.
pub fn gather(input: &Input<'_>) -> Facts {
    let mut facts = Facts { kind: InputKind::Pdf, ..Facts::default() };
    let (pdf, found) = match Pdf::open(input.bytes) {
        Ok(pdf) => {
            let found = signature::find(&pdf);
            (Some(pdf), found)
        }
        Err(error) => {
            facts.faults.push(unreadable(&error));
            (None, signature::scan_only(input.bytes))
        }
    };
    if let Some(pdf) = &pdf {
        state_of(pdf, &found, &mut facts);
        facts.material = store::material(pdf, &mut facts.faults);
    }
    let revisions = Revisions::of(input.bytes, pdf.as_ref(), &found.signatures);
    let beginnings = Beginnings::new(input.bytes);
    let mut stamped: Vec<(usize, usize)> = Vec::new();
    let mut digested = 0_u64;
    for signature in &found.signatures {
        let size = signature.range.as_ref().map_or(0, |covered| covered.before.len() + covered.after.len());
        digested = digested.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
        if digested > MAX_DIGESTED_BYTES {
            let detail = format!("trop de signatures pour un fichier de {} octets", input.bytes.len());
            facts.faults.push(Fault::new(FaultKind::Refused, detail));
            break;
        }
        let place = Place {
            bytes: input.bytes,
            beginnings: &beginnings,
            signature,
            certificates: input.certificates,
            trusted: pdf.as_ref().is_some_and(|pdf| !pdf.is_rebuilt() && !pdf.is_encrypted()),
        };
        if is_time_stamp(signature) {
            let mut told = time_stamp(&place, facts.timestamps.len() + 1);
            told.covers = vec![revisions.name(signature)];
            told.faults.extend(revisions.faults(signature));
            if let Ok(covered) = &signature.range {
                stamped.push((facts.timestamps.len(), covered.before.end));
            }
            facts.timestamps.push(told);
        } else {
            for mut told in signatures(&place, facts.signatures.len() + 1) {
                told.covers = revisions.covers(signature);
                told.faults.extend(revisions.faults(signature));
                facts.signatures.push(told);
            }
        }
    }
    link(&found, &stamped, &mut facts);
    facts.members = revisions.members();
    facts
}

/// A signature dictionary, and the file it is in.
struct Place<'p> {
    bytes: &'p [u8],
    beginnings: &'p Beginnings<'p>,
    signature: &'p Signature,
    certificates: &'p [&'p [u8]],
    trusted: bool,
}

impl Place<'_> {
    fn pieces(&self, covered: &Covered) -> [&[u8]; 2] {
        let piece = |range: &std::ops::Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        [piece(&covered.before), piece(&covered.after)]
    }

    /// The digest of what is covered.
    fn digest(&self, covered: &Covered, algorithm: DigestAlgorithm) -> Result<Vec<u8>, Unsupported> {
        let [before, after] = self.pieces(covered);
        let mut hasher = self.beginnings.hasher(algorithm, before.len())?;
        hasher.update(after);
        Ok(hasher.finish())
    }

    fn location(&self) -> String {
        match &self.signature.field {
            Some(name) if !name.is_empty() => format!("champ {name}"),
            Some(_) => "champ sans nom".to_owned(),
            None => "hors de tout champ".to_owned(),
        }
    }

    /// What is wrong with the place itself.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Err(fault) = &self.signature.range {
            faults.push(Fault::new(FaultKind::Malformed, fault.to_string()));
        }
        if self.signature.field.is_none() {
            let kind = if self.trusted { FaultKind::Wrapping } else { FaultKind::Note };
            faults.push(Fault::new(kind, "aucun champ du document ne désigne cette signature"));
        }
        faults
    }
}

/// Each document time-stamp vouches for the signatures of the revisions below it.
fn link(found: &Found, stamped: &[(usize, usize)], facts: &mut Facts) {
    let signed: Vec<usize> = found
        .signatures
        .iter()
        .filter(|signature| !is_time_stamp(signature))
        .map(|signature| signature.range.as_ref().map_or(usize::MAX, Covered::end))
        .collect();
    // One signature dictionary gives one signature, unless its CMS has several signers: identifiers begin alike.
    for (at, before) in stamped {
        let ids = signed.iter().enumerate().filter(|(_, end)| *end <= before);
        let ids: Vec<String> = ids
            .flat_map(|(rank, _)| {
                let id = format!("S{}", rank + 1);
                let dotted = format!("{id}.");
                facts
                    .signatures
                    .iter()
                    .map(|signature| signature.id.clone())
                    .filter(move |other| *other == id || other.starts_with(&dotted))
                    .collect::<Vec<_>>()
            })
            .collect();
        facts.timestamps[*at].signatures = ids;
    }
}

fn unreadable(error: &PdfError) -> Fault {
    let kind = if matches!(error, PdfError::Limit(_)) { FaultKind::Refused } else { FaultKind::Malformed };
    Fault::new(kind, error.to_string())
}

fn state_of(pdf: &Pdf<'_>, found: &Found, facts: &mut Facts) {
    let mut note = |detail: &str| facts.faults.push(Fault::new(FaultKind::Note, detail));
    if pdf.is_encrypted() {
        note(
            "PDF chiffré : les signatures sont vérifiées, les données de validation et les modifications ne peuvent être lues",
        );
    }
    if pdf.is_rebuilt() {
        note("la table de références du PDF est endommagée : les objets ont été retrouvés en parcourant le fichier");
    }
    if let Some(error) = &found.incomplete {
        facts.faults.push(unreadable(error));
    }
}

fn is_time_stamp(signature: &Signature) -> bool {
    signature.dictionary.is(b"SubFilter", b"ETSI.RFC3161") || signature.dictionary.is(b"Type", b"DocTimeStamp")
}

fn time_stamp(place: &Place<'_>, rank: usize) -> TimestampFacts {
    let id = format!("T{rank}");
    let mut told = tsp::token(&place.signature.contents, TimestampKind::Document, &id, Vec::new(), &mut |digest| {
        let covered = place.signature.range.as_ref().ok()?;
        place.digest(covered, digest).ok()
    });
    if let Err(fault) = &place.signature.range {
        told.imprint = ReferenceState::Refused(fault.to_string());
    }
    told.faults.extend(place.faults());
    told
}

fn signatures(place: &Place<'_>, rank: usize) -> Vec<SignatureFacts> {
    let dictionary = &place.signature.dictionary;
    let prefix = format!("S{rank}");
    let many = format!("{prefix}.");
    let location = place.location();
    let format = if dictionary.is(b"SubFilter", b"ETSI.CAdES.detached") { Format::Pades } else { Format::PdfPkcs7 };
    let several = SignedData::parse(&place.signature.contents).is_ok_and(|signed| signed.signers.len() > 1);
    let telling = Telling {
        prefix: if several { &many } else { &prefix },
        exact: true,
        location: &location,
        format: Some(format),
        certificates: place.certificates,
        depth: 0,
    };
    let mut told = match &place.signature.range {
        _ if dictionary.is(b"SubFilter", b"adbe.x509.rsa_sha1") => vec![raw_rsa(place, &prefix)],
        Ok(covered) if dictionary.is(b"SubFilter", b"adbe.pkcs7.sha1") => digest_inside(place, covered, telling),
        Ok(covered) => {
            let pieces = place.pieces(covered);
            cades::signed_data_as(&place.signature.contents, CmsContent::Pieces(&pieces, place.beginnings), telling).0
        }
        Err(_) => cades::signed_data_as(&place.signature.contents, CmsContent::Encapsulated, telling).0,
    };
    if told.is_empty() {
        told.push(SignatureFacts {
            id: prefix.clone(),
            value: ValueState::Malformed("structure CMS sans signataire".to_owned()),
            ..SignatureFacts::default()
        });
    }
    for signature in &mut told {
        signature.format = format;
        signature.packaging = Packaging::Enveloped;
        signature.location.clone_from(&location);
        if let Err(fault) = &place.signature.range {
            for reference in &mut signature.references {
                reference.state = ReferenceState::Refused(fault.to_string());
            }
        }
        for reference in &mut signature.references {
            "révision signée du PDF".clone_into(&mut reference.covers);
        }
        signature.faults.extend(place.faults());
        describe::dictionary(dictionary, signature);
    }
    told
}

/// `adbe.pkcs7.sha1`: the CMS is over the SHA-1 of the byte range.
fn digest_inside(place: &Place<'_>, covered: &Covered, telling: Telling<'_>) -> Vec<SignatureFacts> {
    let (mut told, _) = cades::signed_data_as(&place.signature.contents, CmsContent::Encapsulated, telling);
    let computed = place.digest(covered, DigestAlgorithm::Sha1);
    let inside =
        SignedData::parse(&place.signature.contents).ok().and_then(|signed| signed.content.map(|c| c.to_vec()));
    let state = match (computed, inside) {
        (Ok(computed), Some(inside)) if computed == inside => ReferenceState::Intact,
        (Ok(_), Some(_)) => ReferenceState::Broken,
        (Ok(_), None) => ReferenceState::Missing,
        (Err(unsupported), _) => ReferenceState::Unsupported(unsupported.0),
    };
    for signature in &mut told {
        signature.references.push(ReferenceFacts {
            uri: None,
            kind: ReferenceKind::Document,
            digest: Some(DigestAlgorithm::Sha1),
            digest_value: Vec::new(),
            state: state.clone(),
            covers: "révision signée du PDF".to_owned(),
        });
    }
    told
}

/// `adbe.x509.rsa_sha1`: an OCTET STRING with a bare RSA signature, certificates in `/Cert`. The name says SHA-1;
/// producers have used others.
fn raw_rsa(place: &Place<'_>, id: &str) -> SignatureFacts {
    let certificates: Vec<Vec<u8>> = match place.signature.dictionary.get(b"Cert") {
        Some(Object::String(one)) => vec![one.clone()],
        Some(Object::Array(list)) => list.iter().filter_map(Object::string).map(<[u8]>::to_vec).collect(),
        _ => Vec::new(),
    };
    let mut told = SignatureFacts { id: id.to_owned(), ..SignatureFacts::default() };
    told.material.certificates = certificates.iter().map(|der| Der::from(der.as_slice())).collect();
    let value = Element::first(&place.signature.contents).and_then(|(element, _)| element.octets());
    let (Ok(covered), Ok(value), Some(certificate)) = (&place.signature.range, value, certificates.first()) else {
        return told;
    };
    told.signing_certificate = Some(Der::from(certificate.as_slice()));
    told.signature_value = value.to_vec();
    let Ok(key) = PublicKey::from_certificate(certificate) else { return told };
    told.value = ValueState::Broken;
    let digests = [DigestAlgorithm::Sha1, DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512];
    for digest in digests {
        let algorithm = SignatureAlgorithm::RsaPkcs1(digest);
        let Ok(computed) = place.digest(covered, digest) else { continue };
        match key.verify_digest(&algorithm, &computed, &value, SignatureForm::Der) {
            Ok(()) => {
                told.value = ValueState::Intact;
                told.algorithm = Some(algorithm);
                told.algorithm_name = algorithm.to_string();
            }
            Err(VerifyError::Mismatch) => continue,
            Err(VerifyError::Unsupported(unsupported)) => told.value = ValueState::Unsupported(unsupported.0),
        }
        break;
    }
    let state = if told.value == ValueState::Intact { ReferenceState::Intact } else { ReferenceState::Broken };
    told.references.push(ReferenceFacts {
        uri: None,
        kind: ReferenceKind::Document,
        digest: told.algorithm.and_then(|algorithm| algorithm.digest()),
        digest_value: Vec::new(),
        state,
        covers: String::new(),
    });
    told
}

#[cfg(test)]
mod tests;
