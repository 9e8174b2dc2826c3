//! Validation alone: what a document is worth, without keeping anything of it.

use super::Version;
use super::finding::{Findings, Weight};
use super::validate::{Validator, shown};
use super::xml::{self, Element, Handler, Limits, Position, Stop, XmlError};
use std::io::Read;

/// A well-formed document and what the schema says of it.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The version its root announces, when it is one of the standard's.
    pub version: Option<Version>,
    /// The namespace of its root.
    pub namespace: String,
    /// The name of its root.
    pub message: String,
    /// What was found.
    pub findings: Findings,
}

/// Holds a document to the schema its namespace announces; elements of two versions in one document are told.
pub fn validate<R: Read>(input: R, limits: &Limits) -> Result<Checked, XmlError> {
    let mut gate = Gate::default();
    xml::read(input, limits, &mut gate)?;
    Ok(gate.finish())
}

/// The validator, once the root has told which.
#[derive(Debug, Default)]
pub(super) struct Gate {
    checked: Checked,
    validator: Option<Validator>,
    rooted: bool,
    mixed: bool,
}

impl Gate {
    pub(super) fn version(&self) -> Option<Version> {
        self.checked.version
    }

    pub(super) fn finish(mut self) -> Checked {
        if let Some(mut validator) = self.validator {
            validator.finish();
            self.checked.findings = validator.findings;
        }
        self.checked
    }
}

impl Handler for Gate {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        if !self.rooted {
            self.rooted = true;
            element.namespace.clone_into(&mut self.checked.namespace);
            element.name.clone_into(&mut self.checked.message);
            self.checked.version = Version::of_namespace(element.namespace);
            self.validator = self.checked.version.map(Validator::new);
        }
        let Some(validator) = &mut self.validator else { return Err(Stop) };
        if element.namespace != self.checked.namespace
            && !self.mixed
            && let Some(other) = Version::of_namespace(element.namespace)
        {
            self.mixed = true;
            validator.findings.add(Weight::Error, element.position, || {
                format!("« {} » est du SEDA {other} dans un bordereau d'une autre version", shown(element.name))
            });
        }
        validator.start(element);
        Ok(())
    }

    fn text(&mut self, text: &str, position: Position) -> Result<(), Stop> {
        if let Some(validator) = &mut self.validator {
            validator.text(text, position);
        }
        Ok(())
    }

    fn end(&mut self, position: Position, _: u64) -> Result<(), Stop> {
        if let Some(validator) = &mut self.validator {
            validator.end(position);
        }
        Ok(())
    }
}
