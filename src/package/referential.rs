//! A change of the reference data: which list, from what to what, with the file that was given.

use super::Payload;
use super::record::safe_integer;
use serde::{Deserialize, Serialize};

/// A list of reference data was changed. The list after it is a payload of the record, so that the current state is the
/// last record's, and every earlier state that of an earlier one.
///
/// A change is worth something only if `before` is the digest of the list then current: of two made at the same time from
/// the same list, the first in the log stands, and the other has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferentialChange {
    /// Which list: `agencies`, `rules`, `contracts`, `profiles`, `unit-profiles`, `grammars`.
    pub referential: String,
    /// `merge`: the file added entries and replaced those it names; `replace`: the list is that of the file.
    pub mode: String,
    /// SHA-256 (hexadecimal) of the list before; absent for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// SHA-256 (hexadecimal) of the list after.
    pub after: String,
    /// Entries of the list after.
    #[serde(deserialize_with = "safe_integer")]
    pub entries: u64,
    /// Entries that were not there before.
    #[serde(deserialize_with = "safe_integer")]
    pub added: u64,
    /// Entries that were different before.
    #[serde(deserialize_with = "safe_integer")]
    pub changed: u64,
    /// Entries that are no longer there.
    #[serde(deserialize_with = "safe_integer")]
    pub removed: u64,
    /// The file as it was given, then the whole list after it, as JSON.
    pub payloads: Vec<Payload>,
}

impl ReferentialChange {
    /// The list after the change.
    pub fn list(&self) -> Option<&Payload> {
        self.payloads.get(1)
    }
}
