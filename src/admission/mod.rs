//! Admission: what may become an archive, and why the rest may not.
//!
//! A deposit is read once, under limits. `Deposit<Received>` has metadata that are in order while its payloads pass;
//! `Deposit<Admitted>` has seen every payload whole and as declared, and only it can be made a record: what was not
//! admitted cannot be archived, by its type.

mod date;
mod digests;
mod format;
mod idempotency;
mod metadata;
pub mod multipart;
mod name;
mod policy;
mod refusal;

pub use date::parse_date;
pub use digests::{Declared, content_digest};
pub use format::{Format, HEAD_BYTES, identify};
pub use idempotency::{Earlier, InFlight, KeyHash, Turn, key_hash, key_is_valid};
pub use metadata::{
    DESCRIPTION_CHARS_MAX, DeclaredPayload, LIST_MAX, Metadata, SHORT_CHARS_MAX, TITLE_CHARS_MAX, decode_header,
};
pub use name::{NAME_BYTES_MAX, cleaned, code_is_valid, file_name};
pub use policy::{Disposition, DocumentType, Policies, PolicyError, Rule, Starts};
pub use refusal::{Reason, Refusal};

use crate::clock::format_record_time;
use crate::config::Limits;
use crate::digest::{Digests, sha256};
use crate::package::{self, Agent, Body, Dates, Link, Location, Payload, Record, RecordError};
use metadata::Announced;
use refusal::shortened;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// Bound of what a record says beside what was asked: salt, identifiers, time, actor, hashes, member names.
///
/// The reports of a validation, which are payloads of ours, are among it.
const RECORD_FIXED_BYTES: usize = 4096;

/// Bound of what it says of each payload beside name, digests and size: format and location.
const RECORD_PAYLOAD_BYTES: usize = 448;

/// A deposit on its way in.
#[derive(Debug, Clone)]
pub struct Deposit<State> {
    agency: String,
    title: String,
    document_type: String,
    rule: String,
    external_id: Option<String>,
    description: Option<String>,
    dates: Dates,
    agents: Vec<Agent>,
    links: Vec<Link>,
    produced: Option<Box<package::Produced>>,
    state: State,
}

/// Metadata in order; payloads passing.
#[derive(Debug, Clone)]
pub struct Received {
    announced: Vec<Announced>,
    files_max: usize,
    record_bytes_max: usize,
    arrived: Vec<Arrived>,
}

/// Every payload seen whole and as declared.
#[derive(Debug, Clone)]
pub struct Admitted {
    arrived: Vec<Arrived>,
    content: [u8; 32],
    signatures: Option<package::Signatures>,
    unit: Option<Box<package::Unit>>,
    transfer: Option<Box<package::Transfer>>,
}

/// A payload that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrived {
    name: String,
    size_bytes: u64,
    digests: Digests,
    format: Format,
}

impl Deposit<Received> {
    /// Checks metadata for a deposit of `agency`, whose existence and right to deposit the caller has checked.
    pub fn receive(
        mut metadata: Metadata,
        agency: &str,
        policies: &Policies,
        limits: &Limits,
        now: OffsetDateTime,
    ) -> Result<Self, Refusal> {
        metadata.checked_texts()?;
        let document_type = policies
            .document_type(&metadata.document_type)
            .ok_or_else(|| Refusal::at("/type", Reason::UnknownType { code: shortened(&metadata.document_type) }))?;
        let rule = metadata.rule.as_deref().unwrap_or(&document_type.rule);
        let rule =
            policies.rule(rule).ok_or_else(|| Refusal::at("/rule", Reason::UnknownRule { code: shortened(rule) }))?;
        date::check(&metadata.dates, now)?;
        let announced = metadata.announced(limits.files_per_deposit_max)?;
        Ok(Self {
            agency: agency.to_owned(),
            document_type: document_type.code.clone(),
            rule: rule.code.clone(),
            title: metadata.title,
            external_id: metadata.external_id,
            description: metadata.description,
            dates: metadata.dates,
            agents: metadata.agents,
            links: metadata.links,
            produced: metadata.produced,
            state: Received {
                announced,
                files_max: limits.files_per_deposit_max,
                record_bytes_max: limits.record_bytes_max,
                arrived: Vec::with_capacity(1),
            },
        })
    }

    /// Code of the retention rule: payloads are packed by it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Code of the document type.
    pub fn document_type(&self) -> &str {
        &self.document_type
    }

    /// Checks the name of the next payload, before a byte of it is taken; returns what was declared of it.
    pub fn expect(&self, raw_name: &[u8]) -> Result<(String, Declared), Refusal> {
        let n = self.state.arrived.len();
        if n >= self.state.files_max {
            return Err(Refusal::at(
                "/payloads",
                Reason::TooMany { field: "payloads", count_max: self.state.files_max },
            ));
        }
        let name = file_name(raw_name).map_err(|r| Refusal::payload(n, "name", r))?;
        if self.state.arrived.iter().any(|a| a.name == name) {
            return Err(Refusal::payload(n, "name", Reason::NameTwice));
        }
        if self.state.announced.is_empty() {
            return Ok((name, Declared::default()));
        }
        match self.state.announced.get(n) {
            Some(announced) if announced.name == name => Ok((name, announced.declared.clone())),
            _ => {
                let declared = self.state.announced.len();
                Err(Refusal::payload(n, "name", Reason::PayloadsDiffer { declared, received: n + 1 }))
            }
        }
    }

    /// Takes note of a payload that has passed whole; `declared` is what [`Deposit::expect`] or a header said of it.
    pub fn arrived(
        &mut self,
        name: String,
        declared: &Declared,
        digests: Digests,
        size_bytes: u64,
        format: Format,
    ) -> Result<(), Refusal> {
        let n = self.state.arrived.len();
        if size_bytes == 0 {
            return Err(Refusal::payload(n, "", Reason::EmptyPayload));
        }
        declared.check(&digests, size_bytes).map_err(|reason| {
            let member = match &reason {
                Reason::SizeMismatch { .. } => "size_bytes",
                Reason::DigestMismatch { algorithm: "SHA-512", .. } => "sha512",
                _ => "sha256",
            };
            Refusal::payload(n, member, reason)
        })?;
        self.state.arrived.push(Arrived { name, size_bytes, digests, format });
        Ok(())
    }

    /// The end of the deposit: everything announced has come.
    pub fn admit(self) -> Result<Deposit<Admitted>, Refusal> {
        let received = self.state.arrived.len();
        if received == 0 {
            return Err(Refusal::at("/payloads", Reason::NoPayload));
        }
        let declared = self.state.announced.len();
        if declared != 0 && declared != received {
            return Err(Refusal::at("/payloads", Reason::PayloadsDiffer { declared, received }));
        }
        let asked = self.asked()?;
        // Said now, before anything is stored: what the record will say beside what was asked has known bounds.
        let bytes_max = self.state.record_bytes_max;
        if asked.len() + RECORD_FIXED_BYTES + received * RECORD_PAYLOAD_BYTES > bytes_max {
            return Err(Refusal::new(Reason::RecordTooLong { bytes_max }));
        }
        let content = sha256(&asked);
        let Self {
            agency,
            title,
            document_type,
            rule,
            external_id,
            description,
            dates,
            agents,
            links,
            produced,
            state,
        } = self;
        let state = Admitted { arrived: state.arrived, content, signatures: None, unit: None, transfer: None };
        Ok(Deposit {
            agency,
            title,
            document_type,
            rule,
            external_id,
            description,
            dates,
            agents,
            links,
            produced,
            state,
        })
    }

    /// The canonical JSON of what was asked; its digest tells a retry from another use of the same key.
    fn asked(&self) -> Result<Vec<u8>, Refusal> {
        let payloads = self.state.arrived.iter().map(|a| AskedPayload {
            name: &a.name,
            sha256: hex::encode(a.digests.sha256),
            sha512: hex::encode(a.digests.sha512),
            size_bytes: a.size_bytes,
        });
        let asked = Asked {
            agency: &self.agency,
            title: &self.title,
            document_type: &self.document_type,
            rule: &self.rule,
            external_id: self.external_id.as_deref(),
            description: self.description.as_deref(),
            dates: &self.dates,
            agents: &self.agents,
            links: &self.links,
            produced: self.produced.as_deref(),
            payloads: payloads.collect(),
        };
        serde_json_canonicalizer::to_vec(&asked).map_err(|e| {
            Refusal::new(Reason::MetadataSyntax { detail: e.to_string(), line: e.line(), column: e.column() })
        })
    }
}

#[derive(Serialize)]
struct Asked<'a> {
    agency: &'a str,
    title: &'a str,
    #[serde(rename = "type")]
    document_type: &'a str,
    rule: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Dates::is_empty")]
    dates: &'a Dates,
    #[serde(skip_serializing_if = "<[Agent]>::is_empty")]
    agents: &'a [Agent],
    #[serde(skip_serializing_if = "<[Link]>::is_empty")]
    links: &'a [Link],
    #[serde(skip_serializing_if = "Option::is_none")]
    produced: Option<&'a package::Produced>,
    payloads: Vec<AskedPayload<'a>>,
}

#[derive(Serialize)]
struct AskedPayload<'a> {
    name: &'a str,
    sha256: String,
    sha512: String,
    size_bytes: u64,
}

/// Who deposits, when, and under which key: what the record says beside the deposit itself.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// `token:<id>` or `certificate:<fingerprint>`.
    pub actor: String,
    /// When it was admitted.
    pub time: OffsetDateTime,
    /// The record's own identifier.
    pub id: Uuid,
    /// 32 random bytes, hexadecimal.
    pub salt: String,
    /// The idempotency key's hash.
    pub idempotency: Option<KeyHash>,
}

impl Deposit<Admitted> {
    /// SHA-256 of what was asked.
    pub fn content(&self) -> [u8; 32] {
        self.state.content
    }

    /// Code of the retention rule.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Adds a report of ours to the documents. It is no part of what was asked.
    pub fn attach(&mut self, name: &str, digests: Digests, size_bytes: u64, media_type: &'static str) {
        let format = Format { media_type, puid: None };
        self.state.arrived.push(Arrived { name: name.to_owned(), size_bytes, digests, format });
    }

    /// Whether a document has this name.
    pub fn has(&self, name: &str) -> bool {
        self.state.arrived.iter().any(|arrived| arrived.name == name)
    }

    /// Takes note of what the signatures are worth.
    pub fn judged(&mut self, signatures: package::Signatures) {
        self.state.signatures = Some(signatures);
    }

    /// Takes note of the archive unit of a SEDA transfer that it is.
    pub fn of_unit(&mut self, unit: package::Unit) {
        self.state.unit = Some(Box::new(unit));
    }

    /// Takes note of the SEDA transfer that it is.
    pub fn of_transfer(&mut self, transfer: package::Transfer) {
        self.state.transfer = Some(Box::new(transfer));
    }

    /// The bytes of the record, once every payload is durable; `locations` in the order of the payloads.
    pub fn into_record(self, locations: Vec<Location>, provenance: Provenance) -> Result<Vec<u8>, RecordError> {
        let payloads: Vec<Payload> = self.state.arrived.into_iter().zip(locations).map(payload).collect();
        let deposit = package::Deposit {
            title: self.title,
            document_type: self.document_type,
            rule: self.rule,
            external_id: self.external_id,
            description: self.description,
            dates: self.dates,
            agents: self.agents,
            links: self.links,
            idempotency: provenance.idempotency.map(hex::encode),
            content: hex::encode(self.state.content),
            payloads,
            signatures: self.state.signatures.map(Box::new),
            unit: self.state.unit,
            transfer: self.state.transfer,
            produced: self.produced,
        };
        let record = Record {
            v: 1,
            time: format_record_time(provenance.time),
            agency: self.agency,
            actor: provenance.actor,
            id: provenance.id,
            references: Vec::new(),
            salt: provenance.salt,
            body: Body::Deposit(deposit),
        };
        record.to_canonical()
    }
}

fn payload((arrived, location): (Arrived, Location)) -> Payload {
    Payload {
        name: arrived.name,
        size_bytes: arrived.size_bytes,
        sha256: hex::encode(arrived.digests.sha256),
        sha512: hex::encode(arrived.digests.sha512),
        media_type: arrived.format.media_type.to_owned(),
        puid: arrived.format.puid.map(str::to_owned),
        location,
    }
}

#[cfg(test)]
mod tests;
