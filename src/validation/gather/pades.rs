//! PAdES and PDF signatures (EN 319 142, ISO 32000-1 § 12.8).

use crate::validation::Input;
use crate::validation::facts::Facts;

/// The facts of a PDF.
pub fn gather(_input: &Input<'_>) -> Facts {
    Facts::default()
}
