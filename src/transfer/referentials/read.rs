//! From entries to what the checks use, and reading the files of a directory.

use super::file;
use super::list::{Entries, List};
use super::{Agency, Duration, Measure, ReferentialError, Referentials, Rule};
use crate::spec::seda::manifest::Kind;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The longest duration, in its unit (VITAM's own limit).
const DURATION_MAX: u32 = 999;

pub(super) fn directory(directory: &Path) -> Result<Referentials, ReferentialError> {
    let fault = |file: &Path, detail: String| ReferentialError { file: file.display().to_string(), detail };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| fault(directory, error.to_string()))? {
        files.push(entry.map_err(|error| fault(directory, error.to_string()))?.path());
    }
    files.sort();
    let mut referentials = Referentials::default();
    for path in files {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !matches!(extension.as_str(), "csv" | "json" | "rng") {
            continue;
        }
        let length = std::fs::metadata(&path).map_err(|error| fault(&path, error.to_string()))?.len();
        if length > FILE_BYTES_MAX {
            return Err(fault(&path, format!("plus de {FILE_BYTES_MAX} octets")));
        }
        let bytes = std::fs::read(&path).map_err(|error| fault(&path, error.to_string()))?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let given = file::read(&name, &bytes, None).map_err(|faults| fault(&path, join(&faults)))?;
        referentials.take(given.list, &given.entries).map_err(|detail| fault(&path, detail))?;
    }
    Ok(referentials)
}

fn join(faults: &[file::Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ; ")
}

/// What an entry of the agencies holds.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AgencyMembers {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
}

/// What an entry of the grammars holds.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GrammarMembers {
    grammar: String,
}

impl Referentials {
    /// Adds the entries of a list; those of the same identifier take the place of earlier ones.
    pub(super) fn take(&mut self, list: List, entries: &Entries) -> Result<(), String> {
        match list {
            List::Agencies => {
                let agency = |members: AgencyMembers| Agency { name: members.name, description: members.description };
                let found = typed(entries)?.into_iter().map(|(id, members)| (id, agency(members)));
                self.agencies.get_or_insert_with(BTreeMap::new).extend(found);
            }
            List::Rules => {
                let rules = self.rules.get_or_insert_with(BTreeMap::new);
                for entry in entries.values() {
                    let (id, rule) = rule(entry).map_err(|(column, detail)| format!("{column} : {detail}"))?;
                    rules.insert(id, rule);
                }
            }
            List::Contracts => self.contracts.get_or_insert_with(BTreeMap::new).extend(typed(entries)?),
            List::Profiles => self.profiles.get_or_insert_with(BTreeMap::new).extend(typed(entries)?),
            List::UnitProfiles => self.unit_profiles.extend(typed(entries)?),
            List::Grammars => {
                let found =
                    typed::<GrammarMembers>(entries)?.into_iter().map(|(name, members)| (name, members.grammar));
                self.grammars.extend(found);
            }
        }
        Ok(())
    }
}

fn typed<T: serde::de::DeserializeOwned>(entries: &Entries) -> Result<Vec<(String, T)>, String> {
    let one = |(id, value): (&String, &Value)| match T::deserialize(value) {
        Ok(typed) => Ok((id.clone(), typed)),
        Err(error) => Err(format!("« {id} » : {error}")),
    };
    entries.iter().map(one).collect()
}

/// A rule and its identifier, else the member at fault and why.
pub(super) fn rule(entry: &Value) -> Result<(String, Rule), (&'static str, String)> {
    let get = |name: &str| match entry.get(name) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let id = get("RuleId");
    if id.is_empty() {
        return Err(("RuleId", "identifiant de règle vide".into()));
    }
    let kind = get("RuleType");
    let kind = Kind::of_name(&kind).ok_or_else(|| ("RuleType", format!("type de règle inconnu : « {kind} »")))?;
    let unit = get("RuleMeasurement");
    let measure = match unit.to_ascii_lowercase().as_str() {
        "day" | "days" => Some(Measure::Day),
        "month" | "months" => Some(Measure::Month),
        "year" | "years" => Some(Measure::Year),
        _ => None,
    };
    let count = get("RuleDuration");
    let duration = match (count.to_ascii_lowercase().as_str(), measure) {
        // Only a hold may leave its end to its own date.
        ("", _) if kind == Kind::Hold => Duration::Undefined,
        ("", _) => return Err(("RuleDuration", "durée absente".into())),
        ("unlimited", _) => Duration::Unlimited,
        (count, Some(measure)) => match count.parse::<u32>() {
            Ok(count) if count <= DURATION_MAX => Duration::Of(count, measure),
            Ok(_) => return Err(("RuleDuration", format!("durée « {count} » : au plus {DURATION_MAX}"))),
            Err(_) => return Err(("RuleDuration", format!("durée « {count} »"))),
        },
        (_, None) => return Err(("RuleMeasurement", format!("unité de durée « {unit} » : Day, Month ou Year"))),
    };
    Ok((id, Rule { kind, value: get("RuleValue"), duration }))
}
