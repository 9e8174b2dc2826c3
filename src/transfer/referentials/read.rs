//! Reading the files of a directory.

use super::csv::{Row, rows};
use super::{Agency, Contract, Duration, Measure, Profile, ReferentialError, Referentials, Rule, UnitProfile};
use crate::spec::seda::manifest::Kind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

pub(super) fn directory(directory: &Path) -> Result<Referentials, ReferentialError> {
    let fault = |file: &Path, detail: String| ReferentialError { file: file.display().to_string(), detail };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| fault(directory, error.to_string()))? {
        files.push(entry.map_err(|error| fault(directory, error.to_string()))?.path());
    }
    files.sort();
    let mut referentials = Referentials::default();
    for file in files {
        let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !matches!(extension.as_str(), "csv" | "json" | "rng") {
            continue;
        }
        let text = text(&file).map_err(|detail| fault(&file, detail))?;
        match extension.as_str() {
            "csv" => table(&mut referentials, &text),
            "json" => list(&mut referentials, &text),
            _ => {
                let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                referentials.grammars.insert(name, text);
                Ok(())
            }
        }
        .map_err(|detail| fault(&file, detail))?;
    }
    Ok(referentials)
}

fn text(file: &Path) -> Result<String, String> {
    let length = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("plus de {FILE_BYTES_MAX} octets"));
    }
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    // Spreadsheets still write Latin-1.
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

fn table(referentials: &mut Referentials, text: &str) -> Result<(), String> {
    let mut rows = rows(text)?.into_iter();
    let Some((_, head)) = rows.next() else { return Ok(()) };
    let columns: BTreeMap<String, usize> =
        head.iter().enumerate().map(|(at, name)| (name.trim().to_ascii_lowercase(), at)).collect();
    let column = |name: &str| columns.get(&name.to_ascii_lowercase()).copied();
    match (column("RuleId"), column("Identifier")) {
        (Some(_), _) => {
            let rules = referentials.rules.get_or_insert_with(BTreeMap::new);
            for row in rows {
                let (id, rule) = rule(&row, &column)?;
                rules.insert(id, rule);
            }
        }
        (_, Some(identifier)) => {
            let agencies = referentials.agencies.get_or_insert_with(BTreeMap::new);
            let (name, description) = (column("Name"), column("Description"));
            for row in rows {
                let id = field(&row, Some(identifier)).to_owned();
                if id.is_empty() {
                    return Err(format!("ligne {} : identifiant vide", row.0));
                }
                let (name, description) = (field(&row, name).to_owned(), field(&row, description).to_owned());
                agencies.insert(id, Agency { name, description });
            }
        }
        _ => return Err("ni règles (colonne RuleId) ni services (colonne Identifier)".into()),
    }
    Ok(())
}

fn field(row: &Row, column: Option<usize>) -> &str {
    column.and_then(|at| row.1.get(at)).map_or("", |field| field.trim())
}

fn rule(row: &Row, column: &dyn Fn(&str) -> Option<usize>) -> Result<(String, Rule), String> {
    let get = |name| field(row, column(name));
    let id = get("RuleId");
    let fault = |detail: String| format!("ligne {} : {detail}", row.0);
    if id.is_empty() {
        return Err(fault("identifiant de règle vide".into()));
    }
    let kind = Kind::of_name(get("RuleType")).ok_or_else(|| fault(format!("type de règle « {} »", get("RuleType"))))?;
    let measure = match get("RuleMeasurement").to_ascii_lowercase().as_str() {
        "day" | "days" => Some(Measure::Day),
        "month" | "months" => Some(Measure::Month),
        "year" | "years" => Some(Measure::Year),
        _ => None,
    };
    let duration = match (get("RuleDuration"), measure) {
        ("", _) => Duration::Undefined,
        ("unlimited", _) => Duration::Unlimited,
        (count, Some(measure)) => match count.parse() {
            Ok(count) => Duration::Of(count, measure),
            Err(_) => return Err(fault(format!("durée « {count} »"))),
        },
        (_, None) => return Err(fault(format!("unité de durée « {} »", get("RuleMeasurement")))),
    };
    Ok((id.to_owned(), Rule { kind, value: get("RuleValue").to_owned(), duration }))
}

fn list(referentials: &mut Referentials, text: &str) -> Result<(), String> {
    let values: Vec<Value> = match serde_json::from_str(text.trim_start_matches('\u{FEFF}')) {
        Ok(Value::Array(values)) => values,
        Ok(value @ Value::Object(_)) => vec![value],
        Ok(_) => return Err("ni liste ni objet JSON".into()),
        Err(error) => return Err(error.to_string()),
    };
    for value in values {
        let has = |member: &str| value.get(member).is_some();
        if has("ControlSchema") {
            let profile: UnitProfile = parse(value)?;
            referentials.unit_profiles.insert(profile.identifier.clone(), profile);
        } else if has("Format") {
            let profile: Profile = parse(value)?;
            referentials.profiles.get_or_insert_with(BTreeMap::new).insert(profile.identifier.clone(), profile);
        } else {
            let contract: Contract = parse(value)?;
            referentials.contracts.get_or_insert_with(BTreeMap::new).insert(contract.identifier.clone(), contract);
        }
    }
    Ok(())
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    let id = value.get("Identifier").and_then(Value::as_str).unwrap_or_default().to_owned();
    if id.is_empty() {
        return Err("élément sans Identifier".into());
    }
    serde_json::from_value(value).map_err(|error| format!("« {id} » : {error}"))
}
