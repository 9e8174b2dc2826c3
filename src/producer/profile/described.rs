//! What a mechanism in code says of a sending: a JSON document that the profile's fields are taken from, and the
//! documents of the deposit.

use super::compose::{draft, fields};
use super::load::Loaded;
use super::record::Json;
use super::{Draft, DraftPayload, Refusals};
use serde_json::Value;

/// A sending, told as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// What is said of it.
    pub value: Value,
    /// Its documents.
    pub payloads: Vec<DraftPayload>,
    /// What is not as expected, in French.
    pub warnings: Vec<String>,
}

pub(super) fn drafts(loaded: &Loaded, described: Described) -> Result<Vec<Draft>, Refusals> {
    let Described { value, payloads, warnings } = described;
    let record = Json(&value);
    let mut refusals = Refusals::default();
    let mut found = fields(loaded, &record, &mut refusals);
    found.warnings.extend(warnings);
    let draft = draft(loaded, &record, found, payloads, &mut refusals);
    if refusals.is_empty() { Ok(vec![draft]) } else { Err(refusals) }
}
