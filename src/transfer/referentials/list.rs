//! The lists that reference data are made of, as they are stored: entries by identifier, members as the archivist gave
//! them, written as canonical JSON so that one state has one digest.

use super::Referentials;
use super::file::{self, Fault};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// Agencies (`Identifier`, `Name`, `Description`).
    Agencies,
    /// Rules (`RuleId`, `RuleType`, `RuleValue`, `RuleDescription`, `RuleDuration`, `RuleMeasurement`).
    Rules,
    /// Ingest contracts (archival agreements).
    Contracts,
    /// Archive profiles.
    Profiles,
    /// Archive unit profiles.
    UnitProfiles,
    /// The grammars that archive profiles name: RELAX NG files.
    Grammars,
}

impl List {
    /// Every list, in the order they are worth importing in: those that others name come first.
    pub const ALL: [Self; 6] =
        [Self::Agencies, Self::Rules, Self::Grammars, Self::Profiles, Self::UnitProfiles, Self::Contracts];

    /// Its name in records, addresses and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agencies => "agencies",
            Self::Rules => "rules",
            Self::Contracts => "contracts",
            Self::Profiles => "profiles",
            Self::UnitProfiles => "unit-profiles",
            Self::Grammars => "grammars",
        }
    }

    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Agencies => "services agents",
            Self::Rules => "règles de gestion",
            Self::Contracts => "contrats d'entrée",
            Self::Profiles => "profils d'archivage",
            Self::UnitProfiles => "profils d'unité archivistique",
            Self::Grammars => "grammaires",
        }
    }

    /// The list of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.name() == name)
    }

    /// The member that identifies an entry.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Rules => "RuleId",
            Self::Grammars => "Name",
            _ => "Identifier",
        }
    }
}

/// The entries of a list, by identifier.
pub type Entries = BTreeMap<String, Value>;

/// How a file changes a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Its entries are added, or take the place of those of the same identifier; nothing is removed.
    #[default]
    Merge,
    /// The list is that of the file.
    Replace,
}

impl Mode {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Replace => "replace",
        }
    }

    /// The mode of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Merge, Self::Replace].into_iter().find(|mode| mode.name() == name)
    }
}

/// What a file does to a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The list after it.
    pub after: Entries,
    /// Identifiers that were not there.
    pub added: Vec<String>,
    /// Identifiers whose entry was different.
    pub changed: Vec<String>,
    /// Identifiers no longer there.
    pub removed: Vec<String>,
}

/// Applies the entries of a file to a list.
pub fn apply(before: &Entries, given: Entries, mode: Mode) -> Change {
    let mut change = Change::default();
    for (id, entry) in &given {
        match before.get(id) {
            None => change.added.push(id.clone()),
            Some(old) if old != entry => change.changed.push(id.clone()),
            Some(_) => {}
        }
    }
    change.after = given;
    for (id, entry) in before {
        if !change.after.contains_key(id) {
            match mode {
                Mode::Merge => _ = change.after.insert(id.clone(), entry.clone()),
                Mode::Replace => change.removed.push(id.clone()),
            }
        }
    }
    change
}

/// A list as it is stored: a JSON array in canonical form (RFC 8785), entries by identifier.
pub fn to_bytes(entries: &Entries) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(&entries.values().collect::<Vec<_>>())
}

/// Reads a stored list.
pub fn from_bytes(list: List, bytes: &[u8]) -> Result<Entries, Vec<Fault>> {
    file::read(list.name(), bytes, Some(list)).map(|given| given.entries)
}

/// What the lists come to, as the checks use them. A list that is absent or empty is not checked against.
pub fn referentials<'a>(lists: impl IntoIterator<Item = (List, &'a Entries)>) -> Result<Referentials, String> {
    let mut referentials = Referentials::default();
    for (list, entries) in lists {
        if !entries.is_empty() {
            referentials.take(list, entries)?;
        }
    }
    Ok(referentials)
}

/// Entries that name what is not registered: worth a warning, since files may come in any order.
pub fn dangling(list: List, entries: &Entries, referentials: &Referentials) -> Vec<String> {
    let mut told = Vec::new();
    let mut say = |id: &str, what: &str, name: &str| told.push(format!("« {id} » nomme {what} « {name} », inconnu"));
    for (id, entry) in entries {
        let texts = |member: &str| {
            let items = entry.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>()
        };
        match list {
            List::Contracts => {
                let known = |name: &str| referentials.profiles.as_ref().is_some_and(|p| p.contains_key(name));
                texts("ArchiveProfiles").into_iter().filter(|p| !known(p)).for_each(|p| say(id, "le profil", p));
                let known = |name: &str| referentials.agencies.as_ref().is_some_and(|a| a.contains_key(name));
                for member in ["OriginatingAgencies", "TransferringAgencies"] {
                    texts(member).into_iter().filter(|a| !known(a)).for_each(|a| say(id, "le service", a));
                }
            }
            List::Profiles => {
                let path = entry.get("Path").and_then(Value::as_str).filter(|path| !path.is_empty());
                path.into_iter()
                    .filter(|path| !referentials.grammars.contains_key(*path))
                    .for_each(|path| say(id, "la grammaire", path));
            }
            _ => {}
        }
    }
    told
}
