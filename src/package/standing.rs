//! What becomes of an archive after its deposit: its description or its rules change, and one day it is eliminated. The
//! record of the deposit never changes; these come after it.

use super::record::safe_integer;
use super::{AppliedRule, Payload};
use serde::{Deserialize, Serialize};

/// The title or the rules of an archive changed. The latest word of each stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modified {
    /// Index of the record of the archive.
    #[serde(deserialize_with = "safe_integer")]
    pub archive: u64,
    /// Its title from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Every rule that applies to it from now on, in place of those of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<AppliedRule>>,
    /// Why.
    pub reason: String,
    /// The notification to the originating agency (`ArchiveModificationNotification`).
    pub payloads: Vec<Payload>,
}

/// Archives are about to be eliminated: rules over, nothing held, visa given. Their bytes are destroyed once this record is
/// in the log, and only then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eliminated {
    /// Index of the record of the request.
    #[serde(deserialize_with = "safe_integer")]
    pub request: u64,
    /// The visa: identifier of the control authority's answer.
    pub authorization: String,
    /// Indexes of the records of the archives, in order.
    pub archives: Vec<u64>,
    /// The notification to the originating agency (`ArchiveDestructionNotification`).
    pub payloads: Vec<Payload>,
}

/// The bytes of eliminated archives are no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EliminationCompleted {
    /// Index of the record of the request.
    #[serde(deserialize_with = "safe_integer")]
    pub request: u64,
    /// Documents destroyed, descriptions and reports included.
    #[serde(deserialize_with = "safe_integer")]
    pub documents: u64,
    /// Documents left where they are: archives that are kept hold the same bytes at the same place.
    #[serde(deserialize_with = "safe_integer")]
    pub shared: u64,
    /// Objects of the bucket deleted.
    #[serde(deserialize_with = "safe_integer")]
    pub objects_deleted: u64,
    /// Objects of the bucket rewritten without the documents destroyed.
    #[serde(deserialize_with = "safe_integer")]
    pub objects_rewritten: u64,
}
