//! The table of signatures, and the formats a content shows.

use super::WINDOW_BYTES;
use super::pattern::Pattern;
use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("../../../seda/pronom/signatures.tsv");

/// The table that is shipped.
pub fn table() -> &'static Table {
    static READ: OnceLock<Table> = OnceLock::new();
    READ.get_or_init(|| Table::parse(TABLE))
}

/// Formats and their signatures.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    by_puid: HashMap<&'static str, usize>,
}

/// A format.
#[derive(Debug)]
pub struct Entry {
    /// PRONOM identifier: `fmt/18`.
    pub puid: &'static str,
    /// Its name, its version with it.
    pub name: String,
    /// Media type; empty when there is none.
    pub media_type: &'static str,
    /// Formats it is a more precise one of.
    pub priority_over: Vec<&'static str>,
    signatures: Vec<Vec<(Place, Pattern)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    End,
    Anywhere,
}

impl Entry {
    /// Whether bytes can tell it at all.
    pub fn has_signature(&self) -> bool {
        !self.signatures.is_empty()
    }

    fn fits(&self, head: &[u8], tail: &[u8]) -> bool {
        self.signatures.iter().any(|signature| {
            signature.iter().all(|(place, pattern)| match place {
                Place::Start => pattern.at_start(head),
                Place::End => pattern.at_end(tail),
                Place::Anywhere => pattern.anywhere(head) || pattern.anywhere(tail),
            })
        })
    }
}

impl Table {
    fn parse(text: &'static str) -> Self {
        let entries: Vec<Entry> = text.lines().filter_map(entry).collect();
        let by_puid = entries.iter().enumerate().map(|(at, entry)| (entry.puid, at)).collect();
        Self { entries, by_puid }
    }

    /// The format of an identifier.
    pub fn get(&self, puid: &str) -> Option<&Entry> {
        self.by_puid.get(puid).and_then(|at| self.entries.get(*at))
    }

    /// How many formats there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The formats whose signature the content has, but those that another of them is a more precise one of. `head` is its
    /// first bytes, `tail` its last ones: at most [`WINDOW_BYTES`] of each are looked at.
    pub fn identify(&self, head: &[u8], tail: &[u8]) -> Vec<&Entry> {
        let head = &head[..head.len().min(WINDOW_BYTES)];
        let tail = &tail[tail.len().saturating_sub(WINDOW_BYTES)..];
        let found: Vec<&Entry> = self.entries.iter().filter(|entry| entry.fits(head, tail)).collect();
        let beaten = |one: &Entry| found.iter().any(|other| other.priority_over.contains(&one.puid));
        found.iter().copied().filter(|one| !beaten(one)).collect()
    }
}

/// A line of the table; a signature that does not read is none.
fn entry(line: &'static str) -> Option<Entry> {
    let columns: Vec<&'static str> = line.split('\t').collect();
    let [puid, name, version, media_type, _, over, signatures] = columns.as_slice() else { return None };
    let signature = |text: &'static str| text.split(' ').map(placed).collect::<Option<Vec<_>>>();
    Some(Entry {
        puid,
        name: format!("{name} {version}").trim().to_owned(),
        media_type,
        priority_over: over.split(',').filter(|puid| !puid.is_empty()).collect(),
        signatures: signatures.split(';').filter(|text| !text.is_empty()).filter_map(signature).collect(),
    })
}

fn placed(text: &str) -> Option<(Place, Pattern)> {
    let (place, text) = text.split_at_checked(1)?;
    let place = match place {
        "B" => Place::Start,
        "E" => Place::End,
        "V" => Place::Anywhere,
        _ => return None,
    };
    Some((place, Pattern::parse(text)?))
}
