//! One file of reference data, as archivists and VITAM write them: which list it is of, its entries, and everything that is
//! wrong with it, each fault with its line and column. A file with a fault gives nothing at all.

use super::csv::{Row, rows};
use super::list::{Entries, List};
use super::{Contract, Profile, UnitProfile, read};
use crate::spec::rng::{Grammar, GrammarError};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The most entries of a list.
const ENTRIES_MAX: usize = 200_000;

/// The most faults told.
const FAULTS_MAX: usize = 100;

/// The longest identifier, in characters.
const IDENTIFIER_CHARS_MAX: usize = 255;

/// A file read.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The list it is of.
    pub list: List,
    /// Its entries.
    pub entries: Entries,
}

/// Something wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column or member: its name, with its number in a table.
    pub column: Option<String>,
    /// What is wrong, in French.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "ligne {}", self.line)?;
            if let Some(column) = &self.column {
                write!(f, ", colonne {column}")?;
            }
            f.write_str(" : ")?;
        }
        f.write_str(&self.detail)
    }
}

/// Reads a file; `expected` refuses a file of another list. What it is of is told by its columns and members, not its name.
pub fn read(name: &str, bytes: &[u8], expected: Option<List>) -> Result<Given, Vec<Fault>> {
    let mut reading = Reading { expected, ..Reading::default() };
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{FEFF}');
    match text.trim_start().as_bytes().first() {
        None => reading.fault(0, None, "le fichier est vide"),
        Some(b'<') => reading.grammar(name, text),
        Some(b'[' | b'{') => reading.json(text),
        // Spreadsheets still write Latin-1.
        Some(_) if std::str::from_utf8(bytes).is_err() => {
            reading.table(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>());
        }
        Some(_) => reading.table(text),
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    expected: Option<List>,
    list: Option<List>,
    entries: Entries,
    /// Where each identifier was given.
    lines: BTreeMap<String, usize>,
    faults: Vec<Fault>,
}

impl Reading {
    fn finish(self) -> Result<Given, Vec<Fault>> {
        match (self.faults.is_empty(), self.list.or(self.expected)) {
            (true, Some(list)) => Ok(Given { list, entries: self.entries }),
            (true, None) => {
                let detail = "le fichier ne contient aucun élément".to_owned();
                Err(vec![Fault { line: 0, column: None, detail }])
            }
            (false, _) => Err(self.faults),
        }
    }

    fn fault(&mut self, line: usize, column: Option<String>, detail: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { line, column, detail: detail.into() });
        }
    }

    /// The list of the file; every element is of the same one.
    fn of(&mut self, line: usize, list: List) -> bool {
        if let Some(other) = self.list.or(self.expected).filter(|other| *other != list) {
            let detail = format!("{} et non {}", list.label(), other.label());
            self.fault(line, None, detail);
            return false;
        }
        self.list = Some(list);
        true
    }

    fn entry(&mut self, line: usize, column: Option<String>, id: &str, entry: Value) {
        if id.is_empty() {
            return self.fault(line, column, "identifiant absent ou vide");
        }
        if id.chars().count() > IDENTIFIER_CHARS_MAX || id.chars().any(char::is_control) {
            let detail =
                format!("identifiant de plus de {IDENTIFIER_CHARS_MAX} caractères, ou avec des caractères de commande");
            return self.fault(line, column, detail);
        }
        if let Some(first) = self.lines.get(id) {
            let detail = format!("« {id} » est déjà donné ligne {first}");
            return self.fault(line, column, detail);
        }
        if self.entries.len() >= ENTRIES_MAX {
            return self.fault(line, None, format!("plus de {ENTRIES_MAX} éléments"));
        }
        self.lines.insert(id.to_owned(), line);
        self.entries.insert(id.to_owned(), entry);
    }

    fn grammar(&mut self, name: &str, text: &str) {
        if !self.of(1, List::Grammars) {
            return;
        }
        if let Err(error) = Grammar::parse(text) {
            let position = match &error {
                GrammarError::Refused { position, .. } => Some(*position),
                GrammarError::Xml(xml) => xml.position(),
            };
            let position = position.unwrap_or_default();
            let column = (position.column > 0).then(|| position.column.to_string());
            return self.fault(position.line as usize, column, error.to_string());
        }
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        self.entry(1, None, name, serde_json::json!({ "Name": name, "Grammar": text }));
    }

    fn table(&mut self, text: &str) {
        let rows = match rows(text) {
            Ok(rows) => rows,
            Err((line, detail)) => return self.fault(line, None, detail),
        };
        let Some(((line, head), rows)) = rows.split_first() else { return self.fault(0, None, "le fichier est vide") };
        let columns = Columns::new(head);
        let list = if columns.at("RuleId").is_some() {
            List::Rules
        } else if columns.at("Identifier").is_none() {
            let detail = "ni règles (colonne RuleId), ni services ou contrats (colonne Identifier)";
            return self.fault(*line, None, detail);
        } else if columns.at("Status").is_some() || columns.at("ArchiveProfiles").is_some() {
            List::Contracts
        } else {
            List::Agencies
        };
        if !self.of(*line, list) {
            return;
        }
        for name in required(list) {
            if columns.at(name).is_none() {
                self.fault(*line, Some((*name).to_owned()), "colonne absente");
            }
        }
        if !self.faults.is_empty() {
            return;
        }
        for row in rows {
            let given = row.1.len();
            if given > head.len() && row.1[head.len()..].iter().any(|field| !field.trim().is_empty()) {
                self.fault(row.0, None, format!("{given} champs pour {} colonnes", head.len()));
                continue;
            }
            match list {
                List::Rules => self.rule(&columns, row),
                List::Contracts => self.contract(&columns, row),
                _ => self.agency(&columns, row),
            }
        }
    }

    fn agency(&mut self, columns: &Columns, row: &Row) {
        let id = columns.field(row, "Identifier");
        let mut entry = Map::new();
        for name in ["Identifier", "Name", "Description"] {
            entry.insert(name.into(), columns.field(row, name).into());
        }
        if !id.is_empty() && columns.field(row, "Name").is_empty() {
            return self.fault(row.0, columns.label("Name"), format!("le service « {id} » n'a pas de nom"));
        }
        self.entry(row.0, columns.label("Identifier"), id, entry.into());
    }

    fn rule(&mut self, columns: &Columns, row: &Row) {
        let mut entry = Map::new();
        for name in RULE_COLUMNS {
            entry.insert(name.into(), columns.field(row, name).into());
        }
        let entry = Value::Object(entry);
        match read::rule(&entry) {
            Ok((id, _)) => self.entry(row.0, columns.label("RuleId"), &id, entry),
            Err((column, detail)) => self.fault(row.0, columns.label(column), detail),
        }
    }

    fn contract(&mut self, columns: &Columns, row: &Row) {
        let mut entry = Map::new();
        for (name, shape) in CONTRACT_COLUMNS {
            let text = columns.field(row, name);
            if text.is_empty() {
                continue;
            }
            match shape.value(text) {
                Ok(value) => _ = entry.insert((*name).into(), value),
                Err(detail) => self.fault(row.0, columns.label(name), detail),
            }
        }
        let entry = Value::Object(entry);
        if let Err((member, detail)) = typed(List::Contracts, &entry) {
            let column = columns.label(&member).or(Some(member));
            return self.fault(row.0, column, detail);
        }
        self.entry(row.0, columns.label("Identifier"), columns.field(row, "Identifier"), entry);
    }

    fn json(&mut self, text: &str) {
        let elements: Result<Vec<&RawValue>, _> =
            if text.trim_start().starts_with('[') { serde_json::from_str(text) } else { one(text) };
        let elements = match elements {
            Ok(elements) => elements,
            Err(error) => {
                let what = error.to_string();
                let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
                let column = Some(error.column().to_string());
                return self.fault(error.line(), column, format!("JSON mal formé ({what})"));
            }
        };
        let mut counted = (0, 1);
        for element in elements {
            let at = element.get().as_ptr().addr().saturating_sub(text.as_ptr().addr()).min(text.len());
            let line = counted.1 + memchr::memchr_iter(b'\n', &text.as_bytes()[counted.0..at]).count();
            counted = (at, line);
            self.element(line, element.get());
        }
    }

    fn element(&mut self, line: usize, text: &str) {
        let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(text) else {
            return self.fault(line, None, "un objet JSON est attendu");
        };
        // A contract may have no member but those of an agency.
        let list = match (list_of(&value), self.expected) {
            (List::Agencies, Some(List::Contracts)) => List::Contracts,
            (list, _) => list,
        };
        if !self.of(line, list) {
            return;
        }
        if let Err((member, detail)) = typed(list, &value) {
            // Where the member is, as far as its name can be found in the element.
            let before = text.find(&format!("\"{member}\"")).unwrap_or(0);
            let line = line + text[..before].matches('\n').count();
            return self.fault(line, Some(member), detail);
        }
        let id = value.get(list.key()).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        self.entry(line, Some(list.key().to_owned()), &id, value);
    }
}

fn one(text: &str) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_str(text).map(|element| vec![element])
}

/// The list an element is of, by its members.
fn list_of(value: &Value) -> List {
    let has = |member: &str| value.get(member).is_some();
    match () {
        () if has("RuleId") => List::Rules,
        () if has("Grammar") => List::Grammars,
        () if has("ControlSchema") => List::UnitProfiles,
        () if has("Format") => List::Profiles,
        () if value.as_object().is_some_and(|o| o.keys().all(|k| AGENCY_MEMBERS.contains(&k.as_str()))) => {
            List::Agencies
        }
        () => List::Contracts,
    }
}

/// Whether an entry is of the shape of its list, else the member at fault.
fn typed(list: List, value: &Value) -> Result<(), (String, String)> {
    fn of<T: DeserializeOwned>(value: &Value) -> Result<(), (String, String)> {
        let read: Result<T, _> = serde_path_to_error::deserialize(value);
        read.map(|_| ()).map_err(|error| {
            let member = error.path().to_string();
            let member = member.split(['.', '[']).next().unwrap_or_default().to_owned();
            (member, crate::config::in_french(&error.into_inner().to_string()))
        })
    }
    match list {
        List::Rules => read::rule(value).map(|_| ()).map_err(|(member, detail)| (member.to_owned(), detail)),
        List::Contracts => of::<Contract>(value),
        List::Profiles => of::<Profile>(value),
        List::UnitProfiles => of::<UnitProfile>(value),
        List::Agencies => of::<read::AgencyMembers>(value),
        List::Grammars => of::<read::GrammarMembers>(value),
    }
}

const RULE_COLUMNS: [&str; 6] =
    ["RuleId", "RuleType", "RuleValue", "RuleDescription", "RuleDuration", "RuleMeasurement"];

const AGENCY_MEMBERS: [&str; 3] = ["Identifier", "Name", "Description"];

fn required(list: List) -> &'static [&'static str] {
    match list {
        List::Rules => &["RuleId", "RuleType", "RuleDuration", "RuleMeasurement"],
        List::Agencies => &["Identifier", "Name"],
        _ => &["Identifier"],
    }
}

/// What a column of a table of contracts holds.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Number,
    /// Several, separated by `|`.
    Texts,
}

impl Shape {
    fn value(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Text => Ok(text.into()),
            Self::Flag => match text.to_lowercase().as_str() {
                "true" | "vrai" | "oui" | "1" => Ok(true.into()),
                "false" | "faux" | "non" | "0" => Ok(false.into()),
                _ => Err(format!("« {text} » : vrai ou faux est attendu")),
            },
            Self::Number => {
                text.parse::<u64>().map(Value::from).map_err(|_| format!("« {text} » : un nombre est attendu"))
            }
            Self::Texts => Ok(text.split('|').map(str::trim).filter(|item| !item.is_empty()).collect()),
        }
    }
}

const CONTRACT_COLUMNS: &[(&str, Shape)] = &[
    ("Identifier", Shape::Text),
    ("Name", Shape::Text),
    ("Description", Shape::Text),
    ("Status", Shape::Text),
    ("ArchiveProfiles", Shape::Texts),
    ("MasterMandatory", Shape::Flag),
    ("EveryDataObjectVersion", Shape::Flag),
    ("DataObjectVersion", Shape::Texts),
    ("FormatUnidentifiedAuthorized", Shape::Flag),
    ("EveryFormatType", Shape::Flag),
    ("FormatType", Shape::Texts),
    ("OriginatingAgencies", Shape::Texts),
    ("TransferringAgencies", Shape::Texts),
    ("UnitsMax", Shape::Number),
    ("ObjectsMax", Shape::Number),
    ("BytesMax", Shape::Number),
    ("ObjectBytesMax", Shape::Number),
    ("SignatureVerification", Shape::Text),
];

/// The columns of a table, whatever their order and case.
struct Columns(BTreeMap<String, (usize, String)>);

impl Columns {
    fn new(head: &[String]) -> Self {
        let named =
            head.iter().enumerate().map(|(at, name)| (name.trim().to_ascii_lowercase(), (at, name.trim().to_owned())));
        Self(named.collect())
    }

    fn at(&self, name: &str) -> Option<usize> {
        self.0.get(&name.to_ascii_lowercase()).map(|(at, _)| *at)
    }

    fn field<'r>(&self, row: &'r Row, name: &str) -> &'r str {
        self.at(name).and_then(|at| row.1.get(at)).map_or("", |field| field.trim())
    }

    /// `5 (RuleDuration)`.
    fn label(&self, name: &str) -> Option<String> {
        self.0.get(&name.to_ascii_lowercase()).map(|(at, name)| format!("{} ({name})", at + 1))
    }
}
