//! A producer profile as it is written: TOML with French keys, read strictly. What its keys mean for people is in
//! `docs/producteurs-profils.md`; its JSON Schema is `policies/producers/schema.json`.

use super::questions::Answers;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A profile (`policies/producers/<code>.toml`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Code, which addresses carry.
    pub code: String,
    /// Version of the profile, kept with what it let in.
    pub version: String,
    /// French title.
    #[serde(rename = "intitule")]
    pub title: String,
    /// How deposits come.
    #[serde(rename = "entree")]
    pub intake: Intake,
    /// Document type of what is deposited.
    #[serde(rename = "type")]
    pub document_type: String,
    /// Retention rule; that of the type by default.
    #[serde(default, rename = "regle")]
    pub rule: Option<String>,
    /// Access rule.
    #[serde(default, rename = "acces")]
    pub access: Option<String>,
    /// What becomes of a second deposit with the same identifier.
    #[serde(default, rename = "doublons")]
    pub duplicates: Duplicates,
    /// Title of the archive, a text with `{champ}`.
    #[serde(rename = "titre")]
    pub archive_title: String,
    /// The producer's identifier, a text with `{champ}`.
    #[serde(default, rename = "identifiant")]
    pub external_id: Option<String>,
    /// Description, a text with `{champ}`.
    #[serde(default)]
    pub description: Option<String>,
    /// Dates of the document.
    #[serde(default)]
    pub dates: DateTexts,
    /// Whether files come with the data, or the data alone are the document.
    #[serde(default, rename = "fichiers")]
    pub files: Files,
    /// How CSV is read.
    #[serde(default)]
    pub csv: Option<Csv>,
    /// How a ZIP is read.
    #[serde(default)]
    pub zip: Option<Zip>,
    /// How a web capture is judged.
    #[serde(default)]
    pub web: Web,
    /// A deadline.
    #[serde(default, rename = "delai")]
    pub deadline: Option<Deadline>,
    /// Fields, by name.
    #[serde(default, rename = "champ")]
    pub fields: Vec<Field>,
    /// Cases: other types, rules, requirements, refusals.
    #[serde(default, rename = "cas")]
    pub cases: Vec<Case>,
    /// Agents.
    #[serde(default, rename = "agent")]
    pub agents: Vec<AgentTexts>,
    /// Links.
    #[serde(default, rename = "lien")]
    pub links: Vec<LinkTexts>,
    /// What happened to the document at the producer's.
    #[serde(default, rename = "evenement")]
    pub events: Vec<EventSource>,
    /// Answers to a declared list of questions.
    #[serde(default, rename = "questionnaire")]
    pub questionnaire: Option<Answers>,
}

/// The mechanisms that deposits come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intake {
    /// A JSON document, alone or with files.
    Json,
    /// A CSV file.
    Csv,
    /// A ZIP with a CSV manifest.
    ZipCsv,
    /// An XML document, alone or with files.
    Xml,
    /// A web capture (WARC, WACZ).
    Warc,
    /// A folder of i-Parapheur (ZIP and PREMIS).
    Parapheur,
    /// A SEDA transfer.
    Seda,
    /// A sealed bid.
    Pli,
}

impl Intake {
    /// Whether what is sent is put on disk, not held in memory.
    pub fn is_on_disk(self) -> bool {
        matches!(self, Self::ZipCsv | Self::Warc | Self::Parapheur)
    }

    /// As profiles write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::ZipCsv => "zip-csv",
            Self::Xml => "xml",
            Self::Warc => "warc",
            Self::Parapheur => "parapheur",
            Self::Seda => "seda",
            Self::Pli => "pli",
        }
    }
}

/// What becomes of a second deposit with the same identifier and other content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// It is an archive of its own.
    #[default]
    Admettre,
    /// It is refused.
    Refuser,
    /// It is a new version: a link says which archive it replaces.
    Version,
}

/// Texts that give dates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateTexts {
    /// When it was made.
    #[serde(default, rename = "creation")]
    pub created: Option<String>,
    /// First day of the period it covers.
    #[serde(default, rename = "debut")]
    pub start: Option<String>,
    /// Last day of that period.
    #[serde(default, rename = "fin")]
    pub end: Option<String>,
}

/// Files beside the data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Name under which the data themselves are archived.
    #[serde(default = "data_name", rename = "donnees")]
    pub data_name: String,
    /// Whether a page that people read, made of the data, is archived beside them.
    #[serde(default, rename = "lisible")]
    pub readable: bool,
    /// At least so many files beside them.
    #[serde(default, rename = "minimum")]
    pub count_min: usize,
    /// At most so many.
    #[serde(default = "files_max", rename = "maximum")]
    pub count_max: usize,
    /// Longest file, in bytes.
    #[serde(default = "file_bytes_max", rename = "octets_max")]
    pub bytes_max: u64,
    /// Places in the data that name files: each must be there.
    #[serde(default, rename = "nommes_par")]
    pub named_by: Vec<String>,
    /// Where the data give the digests of files: pairs of places, of a name and of its SHA-256.
    #[serde(default, rename = "empreintes")]
    pub digests: Vec<DigestPlace>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            data_name: data_name(),
            readable: false,
            count_min: 0,
            count_max: files_max(),
            bytes_max: file_bytes_max(),
            named_by: Vec::new(),
            digests: Vec::new(),
        }
    }
}

fn data_name() -> String {
    "donnees".to_owned()
}

fn files_max() -> usize {
    50
}

fn file_bytes_max() -> u64 {
    100 << 20
}

/// A list in the data whose members give a file's name and digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestPlace {
    /// JSON pointer of the list.
    #[serde(rename = "liste")]
    pub list: String,
    /// Pointer of the name within a member.
    #[serde(rename = "nom")]
    pub name: String,
    /// Pointer of the SHA-256 within a member.
    pub sha256: String,
}

/// How CSV is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Csv {
    /// Between columns.
    #[serde(default = "semicolon", rename = "separateur")]
    pub separator: char,
    /// What one deposit is.
    #[serde(default, rename = "unite")]
    pub unit: CsvUnit,
    /// The columns there must be, by name; no other when there are some.
    #[serde(default, rename = "colonnes")]
    pub columns: Vec<String>,
    /// Other names of columns, as other versions of an export write them: the name written, the name of `columns`.
    #[serde(default, rename = "alias")]
    pub aliases: BTreeMap<String, String>,
    /// Whether bytes that are no UTF-8 are read as Latin-1.
    #[serde(default, rename = "latin1")]
    pub latin1: bool,
    /// Most rows.
    #[serde(default = "rows_max", rename = "lignes_max")]
    pub rows_max: usize,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            separator: ';',
            unit: CsvUnit::default(),
            columns: Vec::new(),
            aliases: BTreeMap::new(),
            latin1: false,
            rows_max: rows_max(),
        }
    }
}

fn semicolon() -> char {
    ';'
}

fn rows_max() -> usize {
    200_000
}

/// What one deposit is, in a CSV file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CsvUnit {
    /// Every row.
    #[default]
    Ligne,
    /// The file.
    Fichier,
}

/// How a ZIP is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zip {
    /// Name of the manifest.
    #[serde(default = "manifest", rename = "manifeste")]
    pub manifest: String,
    /// Column with the path of a row's file.
    #[serde(default = "path", rename = "chemin")]
    pub path: String,
    /// Column with its SHA-256.
    #[serde(default, rename = "empreinte")]
    pub digest: Option<String>,
    /// Names that are never archived, with `*` and `?`.
    #[serde(default, rename = "exclusions")]
    pub excluded: Vec<String>,
    /// Whether files that the manifest does not name are refused, or left out with a warning.
    #[serde(default, rename = "non_listes")]
    pub unlisted: Severity,
}

fn manifest() -> String {
    "manifest.csv".to_owned()
}

fn path() -> String {
    "chemin".to_owned()
}

/// How a web capture is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Hosts other than the site's whose pages are admitted, with `*` and `?`.
    #[serde(default, rename = "hotes")]
    pub hosts: Vec<String>,
    /// Whether pages of other hosts are refused.
    #[serde(default, rename = "pages_etrangeres")]
    pub foreign_pages: Severity,
}

/// Whether something prevents the deposit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It does.
    #[default]
    Refuser,
    /// It is told, and kept with the archive.
    Avertir,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name here and in searches.
    #[serde(rename = "nom")]
    pub name: String,
    /// Where it is: JSON Pointer, `XPath`, or a column's name.
    #[serde(default)]
    pub source: Option<String>,
    /// Its value, whatever is sent.
    #[serde(default, rename = "constante")]
    pub constant: Option<String>,
    /// It must be there.
    #[serde(default, rename = "obligatoire")]
    pub required: bool,
    /// What it looks like.
    #[serde(default, rename = "forme")]
    pub form: Form,
    /// The only values it may have.
    #[serde(default, rename = "valeurs")]
    pub values: Vec<String>,
    /// Longest value, in characters.
    #[serde(default = "chars_max", rename = "longueur_max")]
    pub chars_max: usize,
    /// No two rows of a file have the same.
    #[serde(default, rename = "unique")]
    pub unique: bool,
    /// Fields within whose values it is unique: a number within an office.
    #[serde(default, rename = "unique_avec")]
    pub unique_with: Vec<String>,
    /// What is made of a value that is not as it should be.
    #[serde(default, rename = "gravite")]
    pub severity: Severity,
    /// Checked, and not kept: personal data that nothing is looked up by.
    #[serde(default, rename = "controle_seul")]
    pub checked_only: bool,
}

fn chars_max() -> usize {
    1_000
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Any text.
    #[default]
    Texte,
    /// `AAAA-MM-JJ`, a day of the calendar.
    Date,
    /// A date, or a date and time of RFC 3339.
    DateHeure,
    /// `JJ/MM/AAAA`, a day of the calendar.
    DateFr,
    /// Digits.
    Entier,
    /// `true`, `false`, `oui`, `non`, `1`, `0`.
    Booleen,
    /// Nine digits with Luhn's key.
    Siren,
    /// Fourteen digits.
    Siret,
    /// Sixty-four hexadecimal digits.
    Sha256,
    /// `2025-2026`: two years that follow.
    AnneeScolaire,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is about, for the message.
    #[serde(default, rename = "intitule")]
    pub title: Option<String>,
    /// All of these hold.
    #[serde(rename = "si")]
    pub when: Vec<Condition>,
    /// Then the type is this one.
    #[serde(default, rename = "type")]
    pub document_type: Option<String>,
    /// The retention rule.
    #[serde(default, rename = "regle")]
    pub rule: Option<String>,
    /// The access rule.
    #[serde(default, rename = "acces")]
    pub access: Option<String>,
    /// These fields must be there.
    #[serde(default, rename = "exige")]
    pub requires: Vec<String>,
    /// The deposit is refused, in these words.
    #[serde(default, rename = "refuse")]
    pub refuses: Option<String>,
    /// A warning, in these words.
    #[serde(default, rename = "avertit")]
    pub warns: Option<String>,
}

/// A condition on a field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field.
    #[serde(rename = "champ")]
    pub field: String,
    /// It is one of these.
    #[serde(default, rename = "vaut")]
    pub equals: Vec<String>,
    /// It is none of these; it may be absent.
    #[serde(default, rename = "ne_vaut_pas")]
    pub differs: Vec<String>,
    /// It looks like one of these, with `*` and `?`.
    #[serde(default, rename = "motif")]
    pub matches: Vec<String>,
    /// It is there, or is not.
    #[serde(default)]
    pub present: Option<bool>,
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentTexts {
    /// `author`, `addressee`, …
    pub role: String,
    /// A text with `{champ}`; without the fields there is no agent.
    #[serde(rename = "nom")]
    pub name: String,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkTexts {
    /// `replies-to`, `part-of`, …
    pub relation: String,
    /// A text with `{champ}`; without the fields there is no link.
    #[serde(default, rename = "cible")]
    pub target: Option<String>,
    /// JSON pointer of a list of targets.
    #[serde(default, rename = "liste")]
    pub list: Option<String>,
    /// Code of the profile that deposited the target; this one by default.
    #[serde(default, rename = "profil")]
    pub profile: Option<String>,
    /// Whether the target must be an identifier that this producer deposited.
    #[serde(default, rename = "connu")]
    pub known: Option<Severity>,
    /// Text of a SHA-256 that a document of the target must have; the document is read again from the store.
    #[serde(default, rename = "empreinte")]
    pub digest: Option<String>,
    /// The target must have been over by then.
    #[serde(default, rename = "apres")]
    pub after: Option<After>,
}

/// A date of this deposit that must not come before one of the target's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// Text of a date and time with its zone.
    pub date: String,
    /// Field of the target, with another.
    #[serde(rename = "champ")]
    pub field: String,
}

/// A deadline: late is told, and kept as a field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadline {
    /// Field with the deadline, a date and time with its zone.
    #[serde(rename = "limite")]
    pub limit: String,
    /// Field that says whether the deposit is late: `oui` or `non`.
    #[serde(rename = "champ")]
    pub field: String,
}

/// A list of events in the data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSource {
    /// JSON pointer of the list.
    #[serde(rename = "liste")]
    pub list: String,
    /// What each is: a constant.
    #[serde(rename = "nature")]
    pub kind: String,
    /// Pointer of the date within a member.
    #[serde(default)]
    pub date: Option<String>,
    /// Of the agent.
    #[serde(default)]
    pub agent: Option<String>,
    /// Of the outcome.
    #[serde(default, rename = "resultat")]
    pub outcome: Option<String>,
    /// Of the detail.
    #[serde(default)]
    pub detail: Option<String>,
}
