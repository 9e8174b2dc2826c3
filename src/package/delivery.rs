//! What a record says of archives that leave: asked for, allowed by the control authority or not, given. The same question
//! and the same answer go before an elimination.

use super::Payload;
use super::record::safe_integer;
use serde::{Deserialize, Serialize};

/// Archives were asked for, to be read (`dip`), to be archived elsewhere (`transfer`) or to be destroyed (`elimination`). The record is about the first of
/// them; its payload 0 lists them all, a line each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRequested {
    /// `dip`, `transfer` or `elimination`.
    pub purpose: String,
    /// Version of the standard to write: `2.2`.
    pub version: String,
    /// Who asked: its identifier, or the code of the agency.
    pub requester: String,
    /// `MessageIdentifier` of the request, when a message was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For a restitution, the archive that is to receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// For a restitution, the agreement with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// Why, for the control authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many archives.
    #[serde(deserialize_with = "safe_integer")]
    pub archives: u64,
    /// How many of them are not communicable to who asks: the control authority decides.
    #[serde(deserialize_with = "safe_integer")]
    pub withheld: u64,
    /// The list of archives; the request and the question to the control authority, when there are any.
    pub payloads: Vec<Payload>,
}

/// The control authority gave its visa, or refused it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAuthorization {
    /// Index of the record of the request.
    #[serde(deserialize_with = "safe_integer")]
    pub request: u64,
    /// Whether it allows.
    pub granted: bool,
    /// Its answer's identifier.
    pub identifier: String,
    /// Its answer, when a message was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payloads: Vec<Payload>,
}

/// A package is about to be given: the intent is in the log before the first byte leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Index of the record of the request.
    #[serde(deserialize_with = "safe_integer")]
    pub request: u64,
    /// `MessageIdentifier` of the package.
    pub message: String,
    /// SHA-256 (hexadecimal) of its bordereau, which holds the digest of each document.
    pub manifest_sha256: String,
    /// Archive units in it.
    #[serde(deserialize_with = "safe_integer")]
    pub units: u64,
    /// Documents in it.
    #[serde(deserialize_with = "safe_integer")]
    pub objects: u64,
}
