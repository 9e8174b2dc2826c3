//! Producer profiles: a producer is a file in `policies/producers/`, over a few intake mechanisms in code.
//!
//! A profile says where each field is in what a system sends, what it must look like, and what archive it makes. A
//! mechanism turns what was sent into [`Draft`]s, or says everything that is wrong with it ([`Refusals`]), located in what
//! was sent and in the profile. Nothing here knows HTTP, and nothing is archived here.
//!
//! Reading is bounded: the caller bounds the bytes, [`csv`] the rows, JSON and XML their depth.

mod answers;
mod compose;
pub mod csv;
mod described;
mod json;
mod load;
mod model;
mod questions;
mod readable;
mod record;
mod text;
mod value;
mod xml;
mod zip;

pub use described::Described;
pub use load::{Loaded, ProfileError, Profiles};
pub use model::{Case, Csv, CsvUnit, Deadline, Duplicates, Files, Form, Intake, Profile, Severity, Web, Zip};
pub use questions::{Answers, Question, Questionnaire};
pub use text::glob;

use super::{parapheur, web};
use crate::package::{Agent, Dates, Produced};
use bytes::Bytes;
use std::path::{Path, PathBuf};

/// The JSON Schema of profiles (draft 2020-12): a profile is TOML, read as the same JSON.
pub const SCHEMA: &str = include_str!("../../../policies/producers/schema.json");

/// Most refusals told of one sending.
pub const REFUSALS_MAX: usize = 100;

/// What was sent, for one profile.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The data: JSON, CSV, XML. Empty for a ZIP.
    pub data: Bytes,
    /// The files beside them.
    pub files: Vec<InputFile>,
    /// The ZIP, on disk, and a folder where its members may be put.
    pub archive: Option<(PathBuf, PathBuf)>,
}

/// A file beside the data.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// Its name, as received.
    pub name: String,
    /// Its bytes.
    pub content: Bytes,
}

/// One deposit to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// Title.
    pub title: String,
    /// Document type.
    pub document_type: String,
    /// Retention rule; that of the type when none.
    pub rule: Option<String>,
    /// The producer's identifier.
    pub external_id: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Dates of the document.
    pub dates: Dates,
    /// Agents.
    pub agents: Vec<Agent>,
    /// Links.
    pub links: Vec<DraftLink>,
    /// The producer's fields, access rule, events, warnings.
    pub produced: Produced,
    /// Its documents.
    pub payloads: Vec<DraftPayload>,
}

/// A link of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftLink {
    /// Relation.
    pub relation: String,
    /// Identifier of the target.
    pub target: String,
    /// The profile that deposited it, when it is another.
    pub profile: Option<String>,
    /// What becomes of the draft when the producer deposited no such target.
    pub known: Option<Severity>,
    /// Where the target is in what was sent.
    pub location: String,
    /// SHA-256 that a document of the target must have.
    pub digest: Option<String>,
    /// A date of this deposit, and the field of the target that it must not come before.
    pub after: Option<(String, String)>,
}

/// A document of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftPayload {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub content: Content,
}

/// The bytes of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In memory.
    Bytes(Bytes),
    /// In a file of the caller's.
    File(PathBuf),
}

/// Why something sent is refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong, in French; quotes nothing of the document but names of columns and files.
    pub detail: String,
    /// Where in what was sent: a JSON pointer, an `XPath`, `ligne 12, colonne « nom »`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Which key of the profile asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// Everything that is wrong, the first [`REFUSALS_MAX`] of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    /// What is wrong.
    pub list: Vec<Refusal>,
    /// How much more is.
    pub more: usize,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), location: None, profile: None }
    }

    /// Where in what was sent.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Which key of the profile asks for it.
    #[must_use]
    pub fn by(mut self, key: impl Into<String>) -> Self {
        self.profile = Some(key.into());
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.location {
            Some(location) => write!(f, "{location} : {}", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

impl Refusals {
    /// Adds one.
    pub fn push(&mut self, refusal: Refusal) {
        if self.list.len() < REFUSALS_MAX {
            self.list.push(refusal);
        } else {
            self.more += 1;
        }
    }

    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl From<Refusal> for Refusals {
    fn from(refusal: Refusal) -> Self {
        Self { list: vec![refusal], more: 0 }
    }
}

impl Loaded {
    /// What deposits something sent makes, or everything that is wrong with it.
    pub fn drafts(&self, input: &Input) -> Result<Vec<Draft>, Refusals> {
        let drafts = match self.profile.intake {
            Intake::Json => json::drafts(self, input),
            Intake::Csv => csv::drafts(self, input),
            Intake::ZipCsv => zip::drafts(self, input),
            Intake::Xml => xml::drafts(self, input),
            Intake::Warc => self.on_disk(input, &|path, folder| web::describe(path, folder, input, &self.profile.web)),
            Intake::Parapheur => self.on_disk(input, &|path, folder| parapheur::describe(path, folder, input)),
            Intake::Seda | Intake::Pli => Err(Refusal::new(
                "producer-intake",
                format!(
                    "ce profil reçoit des dépôts de la forme « {} » par un autre chemin",
                    self.profile.intake.as_str()
                ),
            )
            .by("entree")
            .into()),
        }?;
        same_identifiers(&drafts)?;
        Ok(drafts)
    }
}

type Describe<'a> = dyn Fn(&Path, &Path) -> Result<Described, Refusals> + 'a;

impl Loaded {
    fn on_disk(&self, input: &Input, describe: &Describe<'_>) -> Result<Vec<Draft>, Refusals> {
        let Some((path, folder)) = &input.archive else {
            return Err(Refusal::new("producer-syntax", "un fichier est attendu").by("entree").into());
        };
        described::drafts(self, describe(path, folder)?)
    }
}

/// Two deposits of one sending have not the same identifier.
fn same_identifiers(drafts: &[Draft]) -> Result<(), Refusals> {
    let mut seen = std::collections::HashMap::new();
    let mut refusals = Refusals::default();
    for (draft, n) in drafts.iter().zip(1usize..) {
        let Some(identifier) = &draft.external_id else { continue };
        if let Some(first) = seen.insert((identifier, &draft.document_type), n) {
            let detail = format!("même identifiant que le dépôt {first} du même envoi");
            refusals.push(Refusal::new("producer-duplicate", detail).at(format!("dépôt {n}")).by("identifiant"));
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}
