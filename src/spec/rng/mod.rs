//! RELAX NG (ISO/IEC 19757-2), XML syntax: the grammars that archive profiles are written in, and documents held to them as
//! they are read, by derivatives of patterns (as J. Clark described them), so that no document is ever held whole.
//!
//! Read: grammars in one file, every pattern and name class, `combine`, and the datatypes of XML Schema with the facets of
//! length and bounds. Refused when the grammar is read, never ignored: `externalRef`, `include`, `parentRef`, and the facet
//! `pattern`.

mod arena;
mod load;
mod types;
mod validate;

pub use load::{Grammar, GrammarError};
pub use validate::{Fault, Validator, validate};

#[cfg(test)]
mod tests;
