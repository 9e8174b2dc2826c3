//! What validation finds: an error, or a deviation from the official schema that archives accept in practice.

use super::xml::Position;
use std::fmt;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Against the official schema, though met and accepted: a fault in `strict`, a warning in `lenient`.
    Deviation,
    /// A fault in both modes.
    Error,
}

/// How strictly a manifest is held to the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The official schema.
    Strict,
    /// What archives accept in practice.
    #[default]
    Lenient,
}

/// Something the schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its weight.
    pub weight: Weight,
    /// Where.
    pub position: Position,
    /// What, for an archivist.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} : {}", self.position, self.detail)
    }
}

/// How many findings are kept with their text; the others are counted.
pub const FINDINGS_KEPT_MAX: usize = 200;

/// What was found in a document, in its order.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The first ones of each weight.
    pub kept: Vec<Finding>,
    /// How many errors in all.
    pub errors: usize,
    /// How many deviations in all.
    pub deviations: usize,
}

impl Findings {
    pub(super) fn add(&mut self, weight: Weight, position: Position, detail: impl FnOnce() -> String) {
        let count = match weight {
            Weight::Deviation => &mut self.deviations,
            Weight::Error => &mut self.errors,
        };
        *count += 1;
        if *count <= FINDINGS_KEPT_MAX / 2 {
            self.kept.push(Finding { weight, position, detail: detail() });
        }
    }

    /// How many of them are faults in this mode.
    pub fn faults(&self, mode: Mode) -> usize {
        match mode {
            Mode::Strict => self.errors + self.deviations,
            Mode::Lenient => self.errors,
        }
    }
}
