//! The time-stamps of XAdES, and what each is over (EN 319 132-1 §5.2.8, §5.3, §5.5, annex A; TS 101 903 §7.2 to §7.7).
//!
//! Only what stands *before* a time-stamp in the unsigned properties can be under it: that is the order that counts.

use super::{XADES141_NS, children, is};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::xml::c14n::{Method, Rules};
use crate::spec::xml::{Element, unbase64};
use crate::spec::xmldsig::reference::{Checked, Checker, Outcome, Sink};
use crate::spec::xmldsig::{DSIG_NS, Signature, canonicalization};
use std::collections::HashSet;

/// What a time-stamp is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All signed data, before signing.
    AllDataObjects,
    /// Some of it.
    IndividualDataObjects,
    /// The signature value.
    Signature,
    /// The value, its time-stamps, and the references to validation material.
    SignatureAndRefs,
    /// The references alone.
    Refs,
    /// Everything.
    Archive,
}

/// A time-stamp property.
#[derive(Debug, Clone)]
pub struct Timestamp<'d> {
    /// What it is over.
    pub kind: Kind,
    /// The property.
    pub element: Element<'d>,
    /// The token, DER; `None` for an `XMLTimeStamp`, or what is not base64.
    pub token: Option<Vec<u8>>,
}

/// Tokens of one property.
const TOKENS_MAX: usize = 64;
/// Tokens of one signature.
const ALL_TOKENS_MAX: usize = 256;

/// Adds the tokens of a property.
pub(super) fn read<'d>(element: Element<'d>, kind: Kind, timestamps: &mut Vec<Timestamp<'d>>) {
    let tokens = element.children().filter(|child| is(child, "EncapsulatedTimeStamp") || is(child, "XMLTimeStamp"));
    for token in tokens.take(TOKENS_MAX.min(ALL_TOKENS_MAX.saturating_sub(timestamps.len()))) {
        let der = if is(&token, "EncapsulatedTimeStamp") { unbase64(&token.text()) } else { None };
        timestamps.push(Timestamp { kind, element, token: der });
    }
}

impl<'d> Timestamp<'d> {
    /// The digest of what it is over.
    ///
    /// # Errors
    ///
    /// [`Outcome`]: something it is over is missing, refused or of an unknown form.
    pub fn digest(
        &self,
        signature: &Signature<'d>,
        checker: &Checker<'d, '_>,
        algorithm: DigestAlgorithm,
    ) -> Result<Vec<u8>, Outcome> {
        let mut hasher = algorithm.hasher().map_err(|unsupported| Outcome::Unsupported(unsupported.0))?;
        self.pour(signature, checker, &mut |part| hasher.update(part))?;
        Ok(hasher.finish())
    }

    fn pour(&self, signature: &Signature<'d>, checker: &Checker<'d, '_>, sink: Sink<'_>) -> Result<(), Outcome> {
        let over = Over { signature, checker, method: self.method()? };
        let included: Vec<_> =
            children(&self.element, "Include").chain(children(&self.element, "HashDataInfo")).collect();
        if !included.is_empty() {
            return included.iter().try_for_each(|include| over.included(include, sink));
        }
        match self.kind {
            Kind::AllDataObjects => over.references(sink),
            Kind::IndividualDataObjects => Err(Outcome::Missing),
            Kind::Signature => over.element(&signature.value_element, sink),
            Kind::SignatureAndRefs => {
                over.element(&signature.value_element, sink)?;
                let stamped = |element: &Element<'_>| is(element, "SignatureTimeStamp") || is_refs(element);
                before(&self.element).filter(stamped).try_for_each(|element| over.element(&element, sink))
            }
            Kind::Refs => before(&self.element).filter(is_refs).try_for_each(|element| over.element(&element, sink)),
            Kind::Archive => over.everything(&self.element, sink),
        }
    }

    /// Canonical XML 1.0 unless it says otherwise.
    fn method(&self) -> Result<Method, Outcome> {
        let default = Method { rules: Rules::Inclusive10, comments: false, prefixes: Vec::new() };
        let Some(element) = self.element.child(DSIG_NS, "CanonicalizationMethod") else { return Ok(default) };
        let method = canonicalization(&element).map_err(|error| Outcome::Refused(error.to_string()))?;
        method.map_err(Outcome::Unsupported)
    }
}

/// The properties that stand before one.
fn before<'d>(property: &Element<'d>) -> impl Iterator<Item = Element<'d>> + use<'d> {
    let this = *property;
    let around = this.parent().into_iter().flat_map(|parent| parent.children());
    around.take_while(move |property| *property != this)
}

/// Writes what an evidence record in a property of a signature is over (EN 319 132-3 §5.3): what an archive time-stamp in
/// its place would be, one part after the other; `sink` is given the rank of the part with its octets.
///
/// # Errors
///
/// As [`Timestamp::digest`].
pub fn sealed<'d>(
    property: &Element<'d>,
    signature: &Signature<'d>,
    checker: &Checker<'d, '_>,
    method: Method,
    sink: &mut dyn FnMut(usize, &[u8]),
) -> Result<(), Outcome> {
    let over = Over { signature, checker, method };
    over.parts(property)
        .iter()
        .enumerate()
        .try_for_each(|(rank, part)| over.part(part, &mut |octets| sink(rank, octets)))
}

fn is_refs(element: &Element<'_>) -> bool {
    const REFS: [&str; 7] = [
        "CompleteCertificateRefs",
        "CompleteCertificateRefsV2",
        "CompleteRevocationRefs",
        "AttributeCertificateRefs",
        "AttributeCertificateRefsV2",
        "AttributeRevocationRefs",
        "AttributeRevocationRefsV2",
    ];
    REFS.iter().any(|name| is(element, name))
}

/// One thing under an archive time-stamp.
enum Part<'a, 'd> {
    Reference(&'a crate::spec::xmldsig::Reference<'d>),
    Element(Element<'d>),
}

/// What is written into the digest of a time-stamp.
struct Over<'a, 'd, 'c> {
    signature: &'a Signature<'d>,
    checker: &'a Checker<'d, 'c>,
    method: Method,
}

impl<'d> Over<'_, 'd, '_> {
    fn element(&self, element: &Element<'d>, sink: Sink<'_>) -> Result<(), Outcome> {
        self.checker.pour_element(element, &self.method, sink)
    }

    /// EN 319 132-1 §5.5.2.2; TS 101 903 v1.3.2 §7.7.1 for the namespace of that version.
    fn everything(&self, property: &Element<'d>, sink: Sink<'_>) -> Result<(), Outcome> {
        self.parts(property).iter().try_for_each(|part| self.part(part, sink))
    }

    fn part(&self, part: &Part<'_, 'd>, sink: Sink<'_>) -> Result<(), Outcome> {
        match part {
            Part::Reference(reference) => self.reference(reference, sink),
            Part::Element(element) => self.element(element, sink),
        }
    }

    fn parts(&self, property: &Element<'d>) -> Vec<Part<'_, 'd>> {
        let signature = self.signature;
        let mut parts: Vec<_> = signature.references.iter().map(Part::Reference).collect();
        parts.push(Part::Element(signature.signed_info));
        parts.push(Part::Element(signature.value_element));
        parts.extend(signature.key_info.map(Part::Element));
        parts.extend(before(property).map(Part::Element));
        let old = is(property, "ArchiveTimeStamp") && property.namespace() != XADES141_NS;
        let referenced = if old { self.referenced() } else { HashSet::new() };
        for object in signature.objects() {
            let qualifies = object.children().any(|child| is(&child, "QualifyingProperties"));
            // Version 1.3.2 leaves out what the references have brought in already.
            if !qualifies && !referenced.contains(&object.order()) {
                parts.push(Part::Element(object));
            }
        }
        parts
    }

    /// What the references name, transformed as they say, but for the signed properties.
    fn references(&self, sink: Sink<'_>) -> Result<(), Outcome> {
        let properties = |kind: &String| super::is_signed_properties_type(kind);
        let references = self.signature.references.iter();
        let mut data = references.filter(|reference| !reference.kind.as_ref().is_some_and(properties));
        data.try_for_each(|reference| self.reference(reference, sink))
    }

    fn reference(&self, reference: &crate::spec::xmldsig::Reference<'d>, sink: Sink<'_>) -> Result<(), Outcome> {
        self.checker.pour(reference, &self.signature.element, &self.method, sink, &mut Checked::default())
    }

    /// What an `Include` (or, in the first versions, a `HashDataInfo`) names: a reference, of which the data counts
    /// unless it says otherwise, or another element.
    fn included(&self, include: &Element<'d>, sink: Sink<'_>) -> Result<(), Outcome> {
        let uri = include.attribute("URI").or_else(|| include.attribute("uri")).ok_or(Outcome::Missing)?;
        let id = uri.strip_prefix('#').ok_or(Outcome::Missing)?;
        let referenced_data = include.attribute("referencedData");
        let data = !matches!(referenced_data.as_deref(), Some("false" | "0"));
        let reference = self.signature.references.iter().find(|reference| reference.id.as_deref() == Some(id));
        if let Some(reference) = reference.filter(|_| data) {
            return self.reference(reference, sink);
        }
        let target = self.checker.target(&uri).ok_or(Outcome::Missing)?;
        self.element(&target, sink)
    }

    /// The elements that references name, by their order.
    fn referenced(&self) -> HashSet<u32> {
        let uris = self.signature.references.iter().filter_map(|reference| reference.uri.as_deref());
        uris.filter_map(|uri| self.checker.target(uri)).map(|element| element.order()).collect()
    }
}
