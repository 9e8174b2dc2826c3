//! What became of archives since their deposit: their title, their rules, their end.

use super::keys;
use crate::package::AppliedRule;
use crate::views::{Entry, Event};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of an archive since its deposit; nothing is kept for one to which nothing happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Indexes of the records that changed it, the oldest first; the last ones.
    pub changes: Vec<u64>,
    /// Its title, when it changed.
    pub title: Option<String>,
    /// The rules that apply to it, when they changed.
    pub rules: Option<Vec<AppliedRule>>,
    /// Index of the record of its elimination.
    pub eliminated: Option<u64>,
}

/// The most records of changes kept by archive.
const CHANGES_MAX: usize = 100;

const PREFIX: u8 = b's';

pub(super) fn get(tree: &sled::Db, archive: u64) -> sled::Result<Option<Standing>> {
    let value = tree.get(keys::numbered(PREFIX, archive))?;
    // What does not read is told as damage by whoever opens the catalog; here, as nothing known.
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
}

/// Standings that a batch changes.
pub(super) struct Standings<'t> {
    tree: &'t sled::Db,
    changed: BTreeMap<u64, Standing>,
}

impl<'t> Standings<'t> {
    pub(super) fn new(tree: &'t sled::Db) -> Self {
        Self { tree, changed: BTreeMap::new() }
    }

    pub(super) fn take(&mut self, entry: &Entry) -> sled::Result<()> {
        match &entry.event {
            Event::Modified(change) => {
                let standing = self.of(change.archive)?;
                if standing.changes.len() >= CHANGES_MAX {
                    standing.changes.remove(0);
                }
                standing.changes.push(entry.index);
                if let Some(title) = &change.title {
                    standing.title = Some(title.clone());
                }
                if let Some(rules) = &change.rules {
                    standing.rules = Some(rules.clone());
                }
            }
            Event::Eliminated(gone) => {
                for archive in &gone.archives {
                    self.of(*archive)?.eliminated.get_or_insert(entry.index);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn write(self, writes: &mut sled::Batch) {
        for (archive, standing) in self.changed {
            // Text and numbers: no failing case.
            writes.insert(&keys::numbered(PREFIX, archive)[..], serde_json::to_vec(&standing).unwrap_or_default());
        }
    }

    fn of(&mut self, archive: u64) -> sled::Result<&mut Standing> {
        if !self.changed.contains_key(&archive) {
            let known = get(self.tree, archive)?.unwrap_or_default();
            self.changed.insert(archive, known);
        }
        Ok(self.changed.entry(archive).or_default())
    }
}
