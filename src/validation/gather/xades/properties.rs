//! The XAdES properties of a signature: whose they are, what they say, and their time-stamps.

use super::signature::Digested;
use super::{Room, tidy};
use crate::spec::ades::xades::timestamp::{self, Kind};
use crate::spec::ades::xades::{Found, Policy, Properties, is_signed_properties_type};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::xml::Selection;
use crate::spec::xml::c14n::{Method, Rules};
use crate::spec::xmldsig::Signature;
use crate::validation::facts::{
    CertificateReference, Der, Fault, FaultKind, Format, PolicyFacts, ReferenceState, SignatureFacts, TimestampKind,
};
use crate::validation::gather::{evidence, tsp};

/// What one signature's evidence records may be over, copied to be digested as they ask.
const SEALED_BYTES_MAX: usize = 256 << 20;

impl<'d> Room<'d, '_> {
    /// Fills in what the properties say.
    pub(super) fn properties(
        &self,
        signature: &Signature<'d>,
        digested: &[Digested<'_, 'd>],
        found: Found<'d>,
        depth: usize,
        facts: &mut SignatureFacts,
    ) {
        let properties = match found {
            Found::Nothing => {
                if digested.iter().any(is_properties_reference) {
                    let text = "une référence à des propriétés signées, et la signature n'en a pas";
                    facts.faults.push(Fault::new(FaultKind::Wrapping, text));
                }
                return;
            }
            Found::Wrong(why) => {
                facts.format = Format::Xades;
                facts.faults.push(Fault::new(FaultKind::Wrapping, why));
                return;
            }
            Found::Own(properties) => properties,
        };
        facts.format = Format::Xades;
        if signed_properties_are_signed(&properties, digested, facts) {
            said(&properties, signature, facts);
        } else {
            facts.certificate_reference = CertificateReference::Absent;
        }
        for text in &properties.unreadable {
            facts.faults.push(Fault::new(FaultKind::Note, tidy(text)));
        }
        carried(&properties, facts);
        self.timestamps(signature, &properties, facts);
        self.evidence_records(signature, &properties, facts);
        self.counter_signatures(signature, &properties.counter_signatures, depth, facts);
    }

    fn timestamps(&self, signature: &Signature<'d>, properties: &Properties<'d>, facts: &mut SignatureFacts) {
        for (index, stamp) in properties.timestamps.iter().enumerate() {
            let Some(token) = &stamp.token else {
                let text =
                    format!("horodatage qui n'est pas un jeton RFC 3161 lisible ({})", tidy(&stamp.element.path()));
                facts.faults.push(Fault::new(FaultKind::Note, text));
                continue;
            };
            let (kind, covers) = match stamp.kind {
                Kind::AllDataObjects | Kind::IndividualDataObjects => (TimestampKind::Content, "les données signées"),
                Kind::Signature => (TimestampKind::Signature, "la valeur de la signature"),
                Kind::SignatureAndRefs => {
                    (TimestampKind::SignatureAndRefs, "la valeur et les références de validation")
                }
                Kind::Refs => (TimestampKind::Refs, "les références de validation"),
                Kind::Archive => (TimestampKind::Archive, "la signature et tout ce qui la précède"),
            };
            let id = stamp.element.identifier().map(|id| tidy(&id)).filter(|id| !id.is_empty());
            let id = id.unwrap_or_else(|| format!("{}-T{}", facts.id, index + 1));
            let mut digest = |algorithm| stamp.digest(signature, &self.checker, algorithm).ok();
            facts.timestamps.push(tsp::token(token, kind, &id, vec![covers.to_owned()], &mut digest));
        }
    }

    fn evidence_records(&self, signature: &Signature<'d>, properties: &Properties<'d>, facts: &mut SignatureFacts) {
        for (index, (property, record)) in properties.evidence_records.iter().enumerate() {
            let location = tidy(&property.path());
            let candidates = sealing_methods(signature).into_iter().flat_map(|method| {
                let mut parts: Vec<Vec<u8>> = Vec::new();
                let mut length = 0_usize;
                let poured = timestamp::sealed(property, signature, &self.checker, method, &mut |rank, octets| {
                    length = length.saturating_add(octets.len());
                    parts.resize_with(parts.len().max(rank + 1), Vec::new);
                    if length <= SEALED_BYTES_MAX {
                        parts[rank].extend_from_slice(octets);
                    }
                });
                let whole = (poured.is_ok() && length <= SEALED_BYTES_MAX).then_some(parts);
                whole.into_iter().flat_map(|parts| sealed_data(&parts))
            });
            let mut found = None;
            for data in candidates {
                let told = evidence::record(record, &location, &[&data]);
                let broken = told.state == ReferenceState::Broken;
                found.get_or_insert_with(|| told.clone());
                if !broken {
                    found = Some(told);
                    break;
                }
            }
            let found = found.or_else(|| Some(evidence::record(record, &location, &[])));
            let Some(mut found) = found else { continue };
            if found.id.is_empty() {
                found.id = format!("{}-E{}", facts.id, index + 1);
            }
            facts.evidence_records.push(found);
        }
    }
}

/// EN 319 132-3 names no canonical form for what a record seals: that of the signature, or else any of those there are. A
/// record that holds under one of them is over these very elements.
fn sealing_methods(signature: &Signature<'_>) -> Vec<Method> {
    let plain = |rules| Method { rules, comments: false, prefixes: Vec::new() };
    let own = signature.canonicalization.clone().ok();
    let others = [Rules::Inclusive10, Rules::Exclusive, Rules::Inclusive11].map(plain);
    own.into_iter().chain(others).collect()
}

/// What a record over these parts may be over: all of them one after the other, or the group they make (RFC 4998 § 4.2.1: the
/// digest of a group is that of its members' digests, sorted).
fn sealed_data(parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let group = |digest: DigestAlgorithm| {
        let mut digests: Vec<_> = parts.iter().filter_map(|part| digest.digest(part).ok()).collect();
        digests.sort();
        digests.concat()
    };
    let groups = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512].map(group);
    std::iter::once(parts.concat()).chain(groups).collect()
}

fn is_properties_reference(one: &Digested<'_, '_>) -> bool {
    one.reference.kind.as_deref().is_some_and(is_signed_properties_type)
}

/// Whether the properties of this very signature are what a reference digests, in full.
fn signed_properties_are_signed(
    properties: &Properties<'_>,
    digested: &[Digested<'_, '_>],
    facts: &mut SignatureFacts,
) -> bool {
    let Some(signed) = properties.signed else {
        facts.faults.push(Fault::new(FaultKind::Constraint, "XAdES sans SignedProperties"));
        return false;
    };
    let exactly = |one: &Digested<'_, '_>| {
        !one.checked.text_only
            && one
                .checked
                .selection
                .as_ref()
                .is_some_and(|selection| *selection == Selection::subtree(&signed, selection.has_comments()))
    };
    let mut typed = digested.iter().filter(|one| is_properties_reference(one)).peekable();
    if typed.peek().is_some() {
        if typed.all(exactly) {
            return true;
        }
        let text = "la référence aux propriétés signées mène à d'autres que celles de la signature";
        facts.faults.push(Fault::new(FaultKind::Wrapping, text));
        return false;
    }
    if digested.iter().any(exactly) {
        let text = "la référence aux propriétés signées ne dit pas l'être (Type absent)";
        facts.faults.push(Fault::new(FaultKind::Note, text));
        return true;
    }
    let text = "aucune référence aux propriétés signées : elles ne le sont pas, ce n'est pas du XAdES";
    facts.faults.push(Fault::new(FaultKind::Constraint, text));
    false
}

/// What the signed properties say.
fn said(properties: &Properties<'_>, signature: &Signature<'_>, facts: &mut SignatureFacts) {
    facts.claimed_signing_time = properties.signing_time;
    facts.policy = properties.policy.as_ref().map(|policy| match policy {
        Policy::Implied => PolicyFacts { implied: true, ..PolicyFacts::default() },
        Policy::Named { id, digest, hash, uri } => {
            PolicyFacts { implied: false, id: id.clone(), digest: *digest, hash: hash.clone(), uri: uri.clone() }
        }
    });
    facts.roles.clone_from(&properties.roles);
    facts.place.clone_from(&properties.place);
    facts.commitments = properties.commitments.iter().map(|commitment| commitment.id.clone()).collect();
    for object in &properties.data_objects {
        let id = object.reference.strip_prefix('#');
        let known = id.is_some() && signature.references.iter().any(|reference| reference.id.as_deref() == id);
        if !known {
            let text = format!("DataObjectFormat décrit « {} », qui n'est pas une référence", tidy(&object.reference));
            facts.faults.push(Fault::new(FaultKind::Note, text));
        }
    }
}

/// What the unsigned properties carry.
fn carried(properties: &Properties<'_>, facts: &mut SignatureFacts) {
    let ders = |values: &[Vec<u8>]| values.iter().map(|der| Der::from(der.as_slice())).collect::<Vec<_>>();
    facts.material.certificates.extend(ders(&properties.certificate_values));
    facts.material.crls.extend(ders(&properties.crl_values));
    facts.material.ocsps.extend(ders(&properties.ocsp_values));
    facts.material.has_references = properties.has_references;
}
