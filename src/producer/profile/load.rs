//! Profiles read and judged: those the program carries, then those of a folder, which replace them by code.

use super::model::{CsvUnit, Field, Form, Intake, Profile, Severity, Web};
use super::questions::Questionnaire;
use super::text::{Piece, pieces};
use crate::admission::{Policies, code_is_valid};
use crate::config::in_french;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use thiserror::Error;

/// The profiles the program carries: name within `policies/producers/`, text.
const CARRIED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/producer_profiles.rs"));

/// Longest profile, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A profile, with the list of questions it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The profile.
    pub profile: Profile,
    /// The list of questions.
    pub questionnaire: Option<Questionnaire>,
    /// The file it comes from.
    pub file: String,
}

/// Every profile, by code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles(BTreeMap<String, Loaded>);

/// Why a profile is unusable.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// It cannot be read.
    #[error("{file} : profil illisible ({source})")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or a key is unknown, missing or of the wrong type.
    #[error("{file}, ligne {line}, colonne {column} : {detail}")]
    Syntax {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong there.
        detail: String,
    },
    /// A value contradicts another, or names what does not exist.
    #[error("{file}, clé {key} : {detail}")]
    Key {
        /// The file.
        file: String,
        /// Path of the key, as `champ[3].source`.
        key: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl Profiles {
    /// Those the program carries, and those of `folder`.
    pub fn load(folder: Option<&Path>, policies: &Policies) -> Result<Self, ProfileError> {
        let mut profiles = Self::default();
        let carried: Vec<(String, String)> =
            CARRIED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        profiles.add(&carried, policies)?;
        if let Some(folder) = folder {
            profiles.add(&read_folder(folder)?, policies)?;
        }
        Ok(profiles)
    }

    /// The profile of a code.
    pub fn get(&self, code: &str) -> Option<&Loaded> {
        self.0.get(code)
    }

    /// Every profile, by code.
    pub fn iter(&self) -> impl Iterator<Item = &Loaded> {
        self.0.values()
    }

    fn add(&mut self, files: &[(String, String)], policies: &Policies) -> Result<(), ProfileError> {
        for (name, text) in files.iter().filter(|(name, _)| !name.contains('/')) {
            let loaded = Loaded::parse(name, text, &|model| {
                let wanted = files.iter().find(|(file, _)| file == model)?;
                Some(wanted.1.clone())
            })?;
            loaded.known(policies)?;
            self.0.insert(loaded.profile.code.clone(), loaded);
        }
        Ok(())
    }
}

/// The TOML files of a folder, and those of its `modeles`.
fn read_folder(folder: &Path) -> Result<Vec<(String, String)>, ProfileError> {
    let mut files = Vec::new();
    for (place, prefix) in [(folder.to_owned(), ""), (folder.join("modeles"), "modeles/")] {
        if !prefix.is_empty() && !place.is_dir() {
            continue;
        }
        let unreadable = |source| ProfileError::Read { file: place.display().to_string(), source };
        for entry in std::fs::read_dir(&place).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|end| end == "toml") {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                files.push((format!("{prefix}{name}"), read_file(&path)?));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<String, ProfileError> {
    let unreadable = |source| ProfileError::Read { file: path.display().to_string(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(unreadable(std::io::Error::other(format!("plus de {FILE_BYTES_MAX} octets"))));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn parsed<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, ProfileError> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ProfileError::Syntax {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            detail: in_french(error.message()),
        }
    })
}

impl Loaded {
    /// Reads a profile of a file and what it names beside it.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        Self::parse(&path.display().to_string(), &read_file(path)?, &|model| {
            let inside = !model.starts_with('/') && !model.split('/').any(|part| part == "..");
            inside.then(|| read_file(&folder.join(model)).ok()).flatten()
        })
    }

    /// Reads a profile's text; `beside` gives the text of a file that it names.
    pub fn parse(file: &str, text: &str, beside: &dyn Fn(&str) -> Option<String>) -> Result<Self, ProfileError> {
        let profile: Profile = parsed(file, text)?;
        let mut loaded = Self { profile, questionnaire: None, file: file.to_owned() };
        loaded.check()?;
        if let Some(answers) = &loaded.profile.questionnaire {
            let missing = || loaded.fault("questionnaire.modele", "ce fichier n'est pas à côté du profil");
            let text = beside(&answers.model).ok_or_else(missing)?;
            let questionnaire: Questionnaire = parsed(&answers.model, &text)?;
            questions(&answers.model, &questionnaire)?;
            loaded.questionnaire = Some(questionnaire);
        }
        Ok(loaded)
    }

    /// The types and rules it names are those of the policies.
    pub fn known(&self, policies: &Policies) -> Result<(), ProfileError> {
        let profile = &self.profile;
        let of_type = |key: &str, code: &str| match policies.document_type(code) {
            Some(_) => Ok(()),
            None => Err(self.fault(key, "type absent de policies/document-types.toml")),
        };
        let of_rule = |key: &str, code: Option<&String>| match code {
            Some(code) if policies.rule(code).is_none() => {
                Err(self.fault(key, "règle absente de policies/retention.toml"))
            }
            _ => Ok(()),
        };
        let of_access = |key: &str, code: Option<&String>| match code {
            Some(code) if policies.access(code).is_none() => {
                Err(self.fault(key, "règle d'accès absente de policies/retention.toml"))
            }
            _ => Ok(()),
        };
        of_type("type", &profile.document_type)?;
        of_access("acces", profile.access.as_ref())?;
        of_rule("regle", profile.rule.as_ref())?;
        for (case, n) in profile.cases.iter().zip(0usize..) {
            if let Some(code) = &case.document_type {
                of_type(&format!("cas[{n}].type"), code)?;
            }
            of_rule(&format!("cas[{n}].regle"), case.rule.as_ref())?;
            of_access(&format!("cas[{n}].acces"), case.access.as_ref())?;
        }
        Ok(())
    }

    fn fault(&self, key: impl Into<String>, detail: impl Into<String>) -> ProfileError {
        ProfileError::Key { file: self.file.clone(), key: key.into(), detail: detail.into() }
    }

    fn check(&self) -> Result<(), ProfileError> {
        let profile = &self.profile;
        if !code_is_valid(&profile.code) {
            return Err(self.fault("code", "minuscules, chiffres et tirets attendus, 64 au plus"));
        }
        let mut names = BTreeSet::new();
        for (field, n) in profile.fields.iter().zip(0usize..) {
            self.check_field(field, n)?;
            let known = |name: &&String| profile.fields.iter().any(|other| other.name == **name);
            if let Some(unknown) = field.unique_with.iter().find(|name| !known(name)) {
                let detail = format!("aucun champ ne s'appelle « {unknown} »");
                return Err(self.fault(format!("champ[{n}].unique_avec"), detail));
            }
            if !names.insert(field.name.as_str()) {
                return Err(self.fault(format!("champ[{n}].nom"), "nom déjà pris par un autre champ"));
            }
        }
        let texts = [
            ("titre", Some(&profile.archive_title)),
            ("identifiant", profile.external_id.as_ref()),
            ("description", profile.description.as_ref()),
            ("dates.creation", profile.dates.created.as_ref()),
            ("dates.debut", profile.dates.start.as_ref()),
            ("dates.fin", profile.dates.end.as_ref()),
        ];
        for (key, text) in texts {
            self.check_text(key, text, &names)?;
        }
        for (agent, n) in profile.agents.iter().zip(0usize..) {
            self.check_text(&format!("agent[{n}].nom"), Some(&agent.name), &names)?;
        }
        for (link, n) in profile.links.iter().zip(0usize..) {
            self.check_text(&format!("lien[{n}].cible"), link.target.as_ref(), &names)?;
            self.check_pointer(&format!("lien[{n}].liste"), link.list.as_ref())?;
            self.check_text(&format!("lien[{n}].empreinte"), link.digest.as_ref(), &names)?;
            self.check_text(&format!("lien[{n}].apres.date"), link.after.as_ref().map(|after| &after.date), &names)?;
            let needs_target = link.digest.is_some() || link.after.is_some();
            if needs_target && (link.known != Some(Severity::Refuser) || link.target.is_none()) {
                let detail = "« empreinte » et « apres » demandent une « cible » et connu = \"refuser\"";
                return Err(self.fault(format!("lien[{n}]"), detail));
            }
            if link.target.is_some() == link.list.is_some() {
                return Err(self.fault(format!("lien[{n}]"), "« cible » ou « liste », l'une des deux"));
            }
        }
        for (case, n) in profile.cases.iter().zip(0usize..) {
            let named = case.when.iter().map(|condition| &condition.field).chain(&case.requires);
            if let Some(unknown) = named.into_iter().find(|name| !names.contains(name.as_str())) {
                return Err(self.fault(format!("cas[{n}]"), format!("aucun champ ne s'appelle « {unknown} »")));
            }
            if case.when.is_empty() {
                return Err(self.fault(format!("cas[{n}].si"), "au moins une condition attendue"));
            }
        }
        self.check_sections()
    }

    fn check_field(&self, field: &Field, n: usize) -> Result<(), ProfileError> {
        let key = |member: &str| format!("champ[{n}].{member}");
        let name_valid = !field.name.is_empty()
            && field.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !name_valid {
            return Err(self.fault(key("nom"), "minuscules sans accent, chiffres et « _ » attendus"));
        }
        let Some(source) = &field.source else {
            return match field.constant {
                Some(_) => Ok(()),
                None => Err(self.fault(format!("champ[{n}]"), "« source » ou « constante » attendue")),
            };
        };
        if field.constant.is_some() {
            return Err(self.fault(key("constante"), "« source » et « constante » s'excluent"));
        }
        match self.profile.intake {
            Intake::Json | Intake::Warc | Intake::Parapheur => self.check_pointer(&key("source"), Some(source)),
            Intake::Xml if !source.starts_with('/') => {
                Err(self.fault(key("source"), "chemin XPath attendu, comme /a/b"))
            }
            Intake::Csv | Intake::ZipCsv => {
                let columns = self.profile.csv.as_ref().map_or(&[][..], |csv| csv.columns.as_slice());
                let known = columns.is_empty() || columns.contains(source);
                if known { Ok(()) } else { Err(self.fault(key("source"), "cette colonne n'est pas dans csv.colonnes")) }
            }
            _ => Ok(()),
        }
    }

    fn check_pointer(&self, key: &str, pointer: Option<&String>) -> Result<(), ProfileError> {
        match pointer {
            Some(pointer) if !pointer.starts_with('/') => {
                Err(self.fault(key, "pointeur JSON attendu, comme /expediteur/nom (RFC 6901)"))
            }
            _ => Ok(()),
        }
    }

    fn check_text(&self, key: &str, text: Option<&String>, names: &BTreeSet<&str>) -> Result<(), ProfileError> {
        let Some(text) = text else { return Ok(()) };
        let pieces = pieces(text).ok_or_else(|| self.fault(key, "accolade non refermée"))?;
        for piece in pieces {
            if let Piece::Field { name, .. } = piece
                && !names.contains(name)
                && !(name == "lignes" && self.profile.csv.as_ref().is_some_and(|csv| csv.unit == CsvUnit::Fichier))
            {
                return Err(self.fault(key, format!("aucun champ ne s'appelle « {name} »")));
            }
        }
        Ok(())
    }

    fn check_sections(&self) -> Result<(), ProfileError> {
        let profile = &self.profile;
        let tabular = matches!(profile.intake, Intake::Csv | Intake::ZipCsv);
        if profile.csv.is_some() && !tabular {
            return Err(self.fault("csv", "cette section demande entree = \"csv\" ou \"zip-csv\""));
        }
        let columns = profile.csv.as_ref().map_or(&[][..], |csv| csv.columns.as_slice());
        let aliases = profile.csv.iter().flat_map(|csv| csv.aliases.values());
        if let Some(unknown) = aliases.into_iter().find(|name| !columns.contains(name)) {
            return Err(self.fault("csv.alias", format!("« {unknown} » n'est pas dans csv.colonnes")));
        }
        if profile.files.readable && profile.intake != Intake::Json {
            return Err(self.fault("fichiers.lisible", "cette clé demande entree = \"json\""));
        }
        if profile.zip.is_some() && profile.intake != Intake::ZipCsv {
            return Err(self.fault("zip", "cette section demande entree = \"zip-csv\""));
        }
        if let Some(deadline) = &profile.deadline {
            let limit = profile.fields.iter().find(|field| field.name == deadline.limit);
            if limit.is_none_or(|field| field.form != Form::DateHeure || !field.required) {
                return Err(self.fault("delai.limite", "champ obligatoire de forme « date-heure » attendu"));
            }
            if profile.fields.iter().any(|field| field.name == deadline.field) {
                return Err(self.fault("delai.champ", "nom déjà pris par un champ"));
            }
        }
        if profile.web != Web::default() && profile.intake != Intake::Warc {
            return Err(self.fault("web", "cette section demande entree = \"warc\""));
        }
        if profile.questionnaire.is_some() && profile.intake != Intake::Json {
            return Err(self.fault("questionnaire", "cette section demande entree = \"json\""));
        }
        for (source, n) in profile.events.iter().zip(0usize..) {
            self.check_pointer(&format!("evenement[{n}].liste"), Some(&source.list))?;
        }
        Ok(())
    }
}

fn questions(file: &str, list: &Questionnaire) -> Result<(), ProfileError> {
    let mut seen = BTreeSet::new();
    for (question, n) in list.questions.iter().zip(0usize..) {
        let fault = |member: &str, detail: &str| ProfileError::Key {
            file: file.to_owned(),
            key: format!("question[{n}].{member}"),
            detail: detail.to_owned(),
        };
        if !seen.insert(&question.id) {
            return Err(fault("id", "identifiant déjà pris"));
        }
        if !list.parts.contains_key(&question.part) {
            return Err(fault("partie", "cette partie n'est pas dans [parties]"));
        }
        if question.evidence_when.iter().any(|value| !list.values.contains_key(value)) {
            return Err(fault("preuve_si", "cette valeur n'est pas dans [valeurs]"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::SCHEMA;
    use super::*;
    use crate::spec::json_schema::Schema;
    use serde_json::Value;

    fn as_json(text: &str) -> Value {
        serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap()
    }

    #[test]
    fn the_schema_takes_every_carried_profile_and_knows_every_key() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let validator = Schema::new(schema.clone()).unwrap();
        for (name, text) in CARRIED.iter().filter(|(name, _)| !name.contains('/')) {
            let faults = validator.validate(&as_json(text));
            assert!(faults.is_empty(), "{name}: {faults:?}");
        }
        assert!(!validator.validate(&as_json(&format!("{MINIMAL}couleur = 1\n"))).is_empty());
        // The reader says which keys it expects where it meets another one: the schema has the same.
        for (section, place) in [
            ("", "/properties"),
            ("[dates]\n", "/$defs/dates/properties"),
            ("[fichiers]\n", "/$defs/fichiers/properties"),
            ("[[fichiers.empreintes]]\n", "/$defs/empreinte/properties"),
            ("[csv]\n", "/$defs/csv/properties"),
            ("[zip]\n", "/$defs/zip/properties"),
            ("[web]\n", "/$defs/web/properties"),
            ("[delai]\n", "/$defs/delai/properties"),
            ("[[champ]]\n", "/$defs/champ/properties"),
            ("[[cas]]\n", "/$defs/cas/properties"),
            ("[[cas]]\n[[cas.si]]\n", "/$defs/condition/properties"),
            ("[[agent]]\n", "/$defs/agent/properties"),
            ("[[lien]]\n", "/$defs/lien/properties"),
            ("[[lien]]\n[lien.apres]\n", "/$defs/apres/properties"),
            ("[[evenement]]\n", "/$defs/evenement/properties"),
            ("[questionnaire]\n", "/$defs/questionnaire/properties"),
        ] {
            let error = toml::from_str::<Profile>(&format!("{section}zzz = 1\n")).unwrap_err();
            let expected = error.message().split_once("expected").map(|(_, names)| names.to_owned()).unwrap();
            let named: BTreeSet<&str> = expected.split('`').skip(1).step_by(2).collect();
            let known = schema.pointer(place).and_then(Value::as_object).unwrap();
            assert_eq!(named, known.keys().map(String::as_str).collect(), "{section}");
        }
    }

    fn refused(text: &str) -> String {
        Loaded::parse("p.toml", text, &|_| None).unwrap_err().to_string()
    }

    const MINIMAL: &str = "code = \"x\"\nversion = \"1\"\nintitule = \"X\"\nentree = \"json\"\ntype = \"ticket\"\ntitre = \"{a}\"\n[[champ]]\nnom = \"a\"\nsource = \"/a\"\n";

    #[test]
    fn the_carried_profiles_are_sound() {
        let profiles = Profiles::load(None, &Policies::embedded().unwrap()).unwrap();
        assert!(profiles.iter().count() > 0);
        for loaded in profiles.iter() {
            assert_eq!(loaded.file, format!("{}.toml", loaded.profile.code));
        }
    }

    #[test]
    fn faults_are_located() {
        assert!(Loaded::parse("p.toml", MINIMAL, &|_| None).is_ok());
        assert!(
            refused(&format!("{MINIMAL}couleur = 1\n"))
                .starts_with("p.toml, ligne 10, colonne 1 : clé inconnue « couleur »")
        );
        assert!(refused(&MINIMAL.replace("\"/a\"", "\"a\"")).contains("clé champ[0].source : pointeur JSON"));
        assert!(refused(&MINIMAL.replace("{a}", "{b}")).contains("clé titre : aucun champ ne s'appelle « b »"));
        assert!(refused(&MINIMAL.replace("\"json\"", "\"fax\"")).contains("ligne 4"));
        assert!(refused(&format!("{MINIMAL}[[champ]]\nnom = \"a\"\nsource = \"/b\"\n")).contains("champ[1].nom"));
    }
}
