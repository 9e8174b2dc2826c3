//! CMS and CAdES (RFC 5652, EN 319 122).

use crate::validation::Input;
use crate::validation::facts::{Facts, Material, SignatureFacts};

/// What a CMS SignedData is about.
#[derive(Debug, Clone, Copy)]
pub enum CmsContent<'a> {
    /// Inside it, or nowhere.
    Encapsulated,
    /// These bytes; an encapsulated content, if any, must be the same.
    Detached(&'a [u8]),
    /// These pieces one after the other (a PDF's byte range).
    Pieces(&'a [&'a [u8]]),
}

/// The facts of a CMS file.
pub fn gather(_input: &Input<'_>) -> Facts {
    Facts::default()
}

/// The signatures of a SignedData (DER or BER) over `content`, and the material it carries: for PAdES, ASiC and tokens.
/// Identifiers begin with `prefix`.
pub fn signed_data(_der: &[u8], _content: CmsContent<'_>, _prefix: &str) -> (Vec<SignatureFacts>, Material) {
    (Vec::new(), Material::default())
}
