//! The policies an archivist reads: retention rules and document types, embedded as defaults and replaceable by files.

use super::name::code_is_valid;
use crate::config;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

const RETENTION: &str = include_str!("../../policies/retention.toml");
const DOCUMENT_TYPES: &str = include_str!("../../policies/document-types.toml");

/// Retention rules and document types by code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    rules: BTreeMap<String, Rule>,
    types: BTreeMap<String, DocumentType>,
    access: BTreeMap<String, Access>,
    version: String,
}

/// An access rule (`policies/retention.toml`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Code, as SEDA 1.0 has it (`AccessRestrictionCode`).
    pub code: String,
    /// French title.
    #[serde(rename = "intitule")]
    pub title: String,
    /// Years after the document's latest date; none when the term cannot be computed, or never comes.
    #[serde(default, rename = "annees")]
    pub years: Option<u16>,
    /// The text the rule rests on.
    pub source: String,
}

/// A retention rule (`policies/retention.toml`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Code that deposits carry.
    pub code: String,
    /// French title.
    #[serde(rename = "intitule")]
    pub title: String,
    /// Durée d'utilité administrative; none for a rule without term.
    #[serde(default, rename = "dua_annees")]
    pub retention_years: Option<u16>,
    /// From when the years count.
    #[serde(rename = "depart")]
    pub starts: Starts,
    /// What happens then.
    #[serde(rename = "sort_final")]
    pub disposition: Disposition,
    /// The text the rule rests on.
    pub source: String,
    /// The archives service still has to confirm it.
    #[serde(default, rename = "a_confirmer")]
    pub unconfirmed: bool,
}

/// From when a retention period counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Starts {
    /// The last day of the period the document covers.
    #[serde(rename = "fin")]
    End,
    /// The day it was made.
    #[serde(rename = "creation")]
    Created,
    /// The day it was archived.
    #[serde(rename = "versement")]
    Deposited,
}

/// Sort final: what happens at the end of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Disposition {
    /// Kept for ever.
    #[serde(rename = "conservation")]
    Keep,
    /// Eliminated, once the archives service has given its visa.
    #[serde(rename = "elimination")]
    Eliminate,
    /// Sorted by the archives service.
    #[serde(rename = "tri")]
    Sample,
}

/// A document type (`policies/document-types.toml`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentType {
    /// Code that deposits carry.
    pub code: String,
    /// French title.
    #[serde(rename = "intitule")]
    pub title: String,
    /// Rule of a deposit that names none.
    #[serde(rename = "regle")]
    pub rule: String,
    /// How to use it.
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionFile {
    version: String,
    regle: Vec<Rule>,
    #[serde(default)]
    acces: Vec<Access>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypesFile {
    version: String,
    r#type: Vec<DocumentType>,
}

/// Why the policies are unusable.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// A file cannot be read.
    #[error("{} : politique illisible ({source})", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not of the expected form.
    #[error("{file}, ligne {line} : {detail}")]
    Syntax {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong there.
        detail: String,
    },
    /// A code is malformed, defined twice, or names a rule that does not exist.
    #[error("{file}, code « {code} » : {detail}")]
    Code {
        /// The file.
        file: String,
        /// The code concerned.
        code: String,
        /// What is wrong with it.
        detail: &'static str,
    },
}

impl Policies {
    /// The policies embedded in the program.
    pub fn embedded() -> Result<Self, PolicyError> {
        Self::parse(("policies/retention.toml", RETENTION), ("policies/document-types.toml", DOCUMENT_TYPES))
    }

    /// The embedded policies, or the files the configuration names instead.
    pub fn load(config: &config::Policies) -> Result<Self, PolicyError> {
        let (retention_name, retention) = read(config.retention.as_deref(), "policies/retention.toml", RETENTION)?;
        let (types_name, types) =
            read(config.document_types.as_deref(), "policies/document-types.toml", DOCUMENT_TYPES)?;
        Self::parse((&retention_name, &retention), (&types_name, &types))
    }

    fn parse(retention: (&str, &str), types: (&str, &str)) -> Result<Self, PolicyError> {
        let rules_file: RetentionFile = parse_file(retention)?;
        let types_file: TypesFile = parse_file(types)?;
        let mut rules = BTreeMap::new();
        for rule in rules_file.regle {
            check_code(retention.0, &rule.code, rules.contains_key(&rule.code))?;
            if rule.retention_years.is_none() && rule.disposition == Disposition::Eliminate {
                return Err(code_error(retention.0, &rule.code, "une élimination demande dua_annees"));
            }
            rules.insert(rule.code.clone(), rule);
        }
        let mut access = BTreeMap::new();
        for rule in rules_file.acces {
            check_code(retention.0, &rule.code.to_ascii_lowercase(), access.contains_key(&rule.code))?;
            access.insert(rule.code.clone(), rule);
        }
        let mut by_code = BTreeMap::new();
        for document_type in types_file.r#type {
            check_code(types.0, &document_type.code, by_code.contains_key(&document_type.code))?;
            if !rules.contains_key(&document_type.rule) {
                return Err(code_error(types.0, &document_type.code, "sa règle n'existe pas"));
            }
            by_code.insert(document_type.code.clone(), document_type);
        }
        let version = format!("{} / {}", rules_file.version, types_file.version);
        Ok(Self { rules, types: by_code, access, version })
    }

    /// The rule of that code.
    pub fn rule(&self, code: &str) -> Option<&Rule> {
        self.rules.get(code)
    }

    /// The document type of that code.
    pub fn document_type(&self, code: &str) -> Option<&DocumentType> {
        self.types.get(code)
    }

    /// The access rule of that code.
    pub fn access(&self, code: &str) -> Option<&Access> {
        self.access.get(code)
    }

    /// Every rule, by code.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// Every document type, by code.
    pub fn document_types(&self) -> impl Iterator<Item = &DocumentType> {
        self.types.values()
    }

    /// Versions of both files.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn read(path: Option<&Path>, name: &str, embedded: &str) -> Result<(String, String), PolicyError> {
    let Some(path) = path else { return Ok((name.to_owned(), embedded.to_owned())) };
    let text = std::fs::read_to_string(path).map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
    Ok((path.display().to_string(), text))
}

fn parse_file<T: serde::de::DeserializeOwned>((name, text): (&str, &str)) -> Result<T, PolicyError> {
    toml::from_str(text).map_err(|e| {
        let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        PolicyError::Syntax {
            file: name.to_owned(),
            line: before.matches('\n').count() + 1,
            detail: config::in_french(e.message()),
        }
    })
}

fn check_code(file: &str, code: &str, known: bool) -> Result<(), PolicyError> {
    if !code_is_valid(code) {
        return Err(code_error(file, code, "1 à 64 caractères parmi a-z, 0-9 et « - »"));
    }
    if known {
        return Err(code_error(file, code, "défini deux fois"));
    }
    Ok(())
}

fn code_error(file: &str, code: &str, detail: &'static str) -> PolicyError {
    PolicyError::Code { file: file.to_owned(), code: code.to_owned(), detail }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_policies_are_coherent() {
        let policies = Policies::embedded().unwrap();
        assert_eq!(policies.document_type("pes-aller").unwrap().rule, "pes-10-ans");
        assert_eq!(policies.rule("pes-10-ans").unwrap().retention_years, Some(10));
        assert_eq!(policies.rule("deliberation").unwrap().disposition, Disposition::Keep);
        assert!(policies.rules().all(|rule| !rule.source.is_empty()));
    }

    #[test]
    fn a_wrong_file_is_located() {
        let types = "version = \"1\"\n[[type]]\ncode = \"x\"\nintitule = \"X\"\nregle = \"absente\"\n";
        let error = Policies::parse(("r.toml", RETENTION), ("t.toml", types)).unwrap_err().to_string();
        assert!(error.contains("t.toml, code « x »"), "{error}");
        let error = Policies::parse(("r.toml", "version = \"1\"\nregles = []\n"), ("t.toml", types)).unwrap_err();
        assert!(error.to_string().contains("r.toml, ligne 2"), "{error}");
    }
}
