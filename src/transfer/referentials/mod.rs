//! Reference data an archivist edits: agencies, rules, ingest contracts (archival agreements), archive profiles, unit
//! profiles. Read from the files VITAM imports, told apart by their columns and members, not by their names.

mod csv;
mod file;
mod list;
mod read;

pub use file::{Fault, Given, read as read_file};
pub use list::{Change, Entries, List, Mode, apply, dangling, from_bytes, referentials, to_bytes};

use crate::spec::seda::manifest::Kind;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use thiserror::Error;

/// Everything an archivist has registered.
#[derive(Debug, Clone, Default)]
pub struct Referentials {
    /// Agencies, by identifier; `None` when none were given: agencies are not checked then.
    pub agencies: Option<BTreeMap<String, Agency>>,
    /// Rules, by identifier; `None` when none were given.
    pub rules: Option<BTreeMap<String, Rule>>,
    /// Ingest contracts, by identifier; `None` when none were given.
    pub contracts: Option<BTreeMap<String, Contract>>,
    /// Archive profiles, by identifier; `None` when none were given.
    pub profiles: Option<BTreeMap<String, Profile>>,
    /// Archive unit profiles, by identifier.
    pub unit_profiles: BTreeMap<String, UnitProfile>,
    /// RELAX NG files, by name.
    pub grammars: BTreeMap<String, String>,
}

/// An agency: originating, submission, archival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agency {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
}

/// A rule of the management of archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Of which kind.
    pub kind: Kind,
    /// What it is called.
    pub value: String,
    /// For how long.
    pub duration: Duration,
}

/// The duration of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duration {
    /// So many of a unit.
    Of(u32, Measure),
    /// For ever.
    Unlimited,
    /// Not said: a hold ends when its own end date says.
    Undefined,
}

/// The unit of a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Days.
    Day,
    /// Months.
    Month,
    /// Years.
    Year,
}

/// Whether something registered may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It may.
    #[default]
    Active,
    /// It may no longer.
    Inactive,
}

/// An ingest contract: what one producer may send, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Contract {
    /// Identifier, that `ArchivalAgreement` names.
    pub identifier: String,
    /// Name.
    pub name: String,
    /// Whether it may be used.
    pub status: Status,
    /// Archive profiles that bordereaux must follow one of.
    pub archive_profiles: Vec<String>,
    /// Whether each group must have a master (`BinaryMaster` or `PhysicalMaster`).
    pub master_mandatory: Option<bool>,
    /// Whether every usage is accepted; else those of [`Self::data_object_version`].
    pub every_data_object_version: Option<bool>,
    /// Usages accepted.
    pub data_object_version: BTreeSet<String>,
    /// Whether a format that the bordereau does not announce is accepted.
    pub format_unidentified_authorized: Option<bool>,
    /// Whether every format is accepted; else those of [`Self::format_type`].
    pub every_format_type: Option<bool>,
    /// PRONOM identifiers accepted.
    pub format_type: BTreeSet<String>,
    /// Agencies that may originate under this contract; empty for all (ours).
    pub originating_agencies: BTreeSet<String>,
    /// Agencies that may transfer under this contract; empty for all (ours).
    pub transferring_agencies: BTreeSet<String>,
    /// Most units in a transfer (ours).
    pub units_max: Option<u64>,
    /// Most objects in a transfer (ours).
    pub objects_max: Option<u64>,
    /// Most bytes in a transfer (ours).
    pub bytes_max: Option<u64>,
    /// Most bytes in one object (ours).
    pub object_bytes_max: Option<u64>,
    /// What signatures must be worth (ours).
    pub signature_verification: SignatureVerification,
}

/// What a contract makes of the signatures of the documents transferred (ours).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignatureVerification {
    /// They are not looked at.
    #[default]
    None,
    /// The verdict is said, and changes nothing.
    Record,
    /// A signature that is not valid is a warning.
    Warn,
    /// A signature that is not valid refuses the transfer.
    Require,
}

/// An archive profile: a grammar that bordereaux must follow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Profile {
    /// Identifier, that `ArchivalProfile` names.
    pub identifier: String,
    /// Name.
    pub name: String,
    /// Whether it may be used.
    pub status: Status,
    /// `RNG` or `XSD`.
    pub format: String,
    /// The file of its grammar.
    pub path: Option<String>,
}

/// An archive unit profile: a JSON schema that units must follow.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UnitProfile {
    /// Identifier, that `ArchiveUnitProfile` names.
    pub identifier: String,
    /// Name.
    pub name: String,
    /// Whether it may be used.
    pub status: Status,
    /// The schema: a JSON text within JSON, as VITAM writes it.
    pub control_schema: String,
}

/// Why reference data cannot be used.
#[derive(Debug, Error)]
#[error("{file} : {detail}")]
pub struct ReferentialError {
    /// Which file.
    pub file: String,
    /// What is wrong, with the line where it can be told.
    pub detail: String,
}

impl Referentials {
    /// Reads every `.csv`, `.json` and `.rng` file of a directory; what several files say adds up.
    pub fn load(directory: &Path) -> Result<Self, ReferentialError> {
        read::directory(directory)
    }

    /// Whether nothing at all was given.
    pub fn is_empty(&self) -> bool {
        self.agencies.is_none() && self.rules.is_none() && self.contracts.is_none() && self.profiles.is_none()
    }
}

#[cfg(test)]
mod tests;
