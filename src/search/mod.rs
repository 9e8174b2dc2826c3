//! Look-ups: archives by digest, external identifier, agency, type and dates. Derived from the log, never the truth.
//!
//! Immutable memory-mapped segments, about a second fresh. The cursor is in the commit itself, so that index and cursor
//! cannot disagree: after a crash the records since the last commit are taken in again, without doubles.

mod index;
mod schema;

pub use index::{SearchIndex, SearchOptions};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most hits on a page.
pub const PAGE_HITS_MAX: usize = 1_000;

/// Whose archives a question may see. There is no default: whoever asks says on whose behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Those of this agency only.
    Agency(String),
    /// Everyone's: auditors, administrators and the archive itself.
    AllAgencies,
}

/// The order of hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// In the log's order.
    #[default]
    OldestFirst,
    /// From the end of the log.
    NewestFirst,
}

/// A question; all conditions given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Whose archives.
    pub audience: Audience,
    /// SHA-256 of one of the payloads.
    pub sha256: Option<[u8; 32]>,
    /// The producer's own identifier, exactly.
    pub external_id: Option<String>,
    /// Code of the document type.
    pub document_type: Option<String>,
    /// Digest of agency and idempotency key.
    pub idempotency: Option<[u8; 32]>,
    /// The SEDA transfer it is, or is a unit of: the operation's identifier.
    pub operation: Option<String>,
    /// What the producer's fields must hold ([`crate::package::term`]).
    pub terms: Vec<String>,
    /// Archived at this moment or later, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Archived before this moment, Unix milliseconds.
    pub to_ms: Option<u64>,
    /// The document was made on this day or later, `YYYYMMDD` as a number.
    pub created_from: Option<u32>,
    /// The document was made on this day or earlier.
    pub created_to: Option<u32>,
    /// Order of hits.
    pub order: Order,
    /// Only hits that come after this index in the chosen order: [`Page::next`] of the page before.
    pub after: Option<u64>,
    /// Most hits wanted; at least 1 and at most [`PAGE_HITS_MAX`] are given.
    pub limit: usize,
}

impl Query {
    /// All archives of the audience, oldest first, a hundred at a time.
    pub fn new(audience: Audience) -> Self {
        Self {
            audience,
            sha256: None,
            external_id: None,
            document_type: None,
            idempotency: None,
            operation: None,
            terms: Vec::new(),
            from_ms: None,
            to_ms: None,
            created_from: None,
            created_to: None,
            order: Order::OldestFirst,
            after: None,
            limit: 100,
        }
    }
}

/// A page of hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The hits, in order.
    pub hits: Vec<Hit>,
    /// What to give as [`Query::after`] for the next page; none when this is the last.
    pub next: Option<u64>,
}

/// An archive found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Its place in the log.
    #[serde(rename = "i")]
    pub index: u64,
    /// When it was archived, Unix milliseconds.
    #[serde(rename = "t")]
    pub time_ms: u64,
    /// Whose it is.
    #[serde(rename = "a")]
    pub agency: String,
    /// Title.
    #[serde(rename = "n")]
    pub title: String,
    /// Code of the document type.
    #[serde(rename = "d")]
    pub document_type: String,
    /// The producer's own identifier.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// When the document was made, `YYYYMMDD` as a number.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub created: Option<u32>,
    /// SHA-256 of every payload, hexadecimal, in order.
    #[serde(rename = "s")]
    pub sha256: Vec<String>,
}

/// Why a question has no answer.
#[derive(Debug, Error)]
#[error("recherche impossible : {0} ; redémarrer, l'index sera reconstruit s'il est endommagé")]
pub struct SearchError(pub String);
