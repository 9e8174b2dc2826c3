//! XMLDSig and XAdES (EN 319 132), PES v2 included: what is signed, digest by digest and element by element.
//!
//! [`signature`] gathers one signature, [`properties`] its XAdES properties and time-stamps, [`pes`] says which parts of a
//! PES there are and which are covered.

mod pes;
mod properties;
mod signature;

#[cfg(test)]
mod tests;

use crate::spec::xml::{Document, Element, Limits, Selection, XmlError};
use crate::spec::xmldsig::reference::{Checker, signatures};
use crate::validation::Input;
use crate::validation::facts::{Facts, Fault, FaultKind, InputKind, SignatureFacts};

/// Signatures of one document.
const SIGNATURES_MAX: usize = 4096;
/// Counter-signatures within one another.
const COUNTER_DEPTH_MAX: usize = 4;

/// The facts of an XML document.
pub fn gather(input: &Input<'_>) -> Facts {
    let mut facts = Facts { kind: InputKind::Xml, ..Facts::default() };
    let document = match Document::parse(input.bytes, &Limits::default()) {
        Ok(document) => document,
        Err(error) => {
            let refused = matches!(error, XmlError::Doctype { .. } | XmlError::Entity { .. } | XmlError::Limit { .. });
            let kind = if refused { FaultKind::Refused } else { FaultKind::Malformed };
            facts.faults.push(Fault::new(kind, format!("XML : {error}")));
            return facts;
        }
    };
    let contents = |name: Option<&str>| match name {
        None => input.only_content(),
        Some(name) => input.content(name),
    };
    let units = pes::units(&document);
    if units.is_some() {
        facts.kind = InputKind::Pes;
    }
    let checker = Checker::new(&document, &contents);
    let room = Room { document: &document, checker, units, certificates: input.certificates };
    room.gather(&mut facts);
    facts
}

/// What gathering one document needs.
struct Room<'d, 'c> {
    document: &'d Document<'d>,
    checker: Checker<'d, 'c>,
    units: Option<pes::Units<'d>>,
    certificates: &'c [&'c [u8]],
}

/// What one reference covers of the document.
struct Covered {
    selection: Selection,
    text_only: bool,
}

impl Room<'_, '_> {
    fn gather(&self, facts: &mut Facts) {
        let mut coverage = Vec::new();
        for element in signatures(self.document).filter(|element| !is_counter_signature(element)) {
            if facts.signatures.len() == SIGNATURES_MAX {
                let text = format!("plus de {SIGNATURES_MAX} signatures : les suivantes ne sont pas lues");
                facts.faults.push(Fault::new(FaultKind::Refused, text));
                break;
            }
            let (signature, covered) = self.signature(element, facts.signatures.len() + 1, None);
            if intact(&signature) {
                coverage.extend(covered);
            }
            facts.signatures.push(signature);
        }
        if let Some(units) = &self.units {
            units.summarise(&coverage, facts);
        }
    }
}

/// Whether the value and everything it rests on hold, arithmetic alone, and nothing says that what is signed is not what
/// is read.
fn intact(signature: &SignatureFacts) -> bool {
    use crate::validation::facts::{ReferenceState, ValueState};
    signature.value == ValueState::Intact
        && signature.references.iter().all(|reference| reference.state == ReferenceState::Intact)
        && !signature.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Wrapping | FaultKind::Malformed))
}

/// A signature within the unsigned properties of another one is that one's affair.
fn is_counter_signature(element: &Element<'_>) -> bool {
    element.parent().is_some_and(|parent| parent.name() == "CounterSignature" && parent.namespace().contains("/01903/"))
}

/// A stranger's text for a report: one line, no control character, not too long.
fn tidy(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(512).collect()
}
