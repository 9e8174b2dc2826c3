//! The states of transmissions: a row for each, found by number, by what must be distinct, by state and by term.

use crate::digest::sha256;
use crate::package::{Direction, Flow};
use crate::views::{Entry, Transmitted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const ROW: u8 = b'x';
const DISTINCT: u8 = b'u';
const BY_STATE: u8 = b'l';
const BY_TERM: u8 = b'k';
const BY_CHANGE: u8 = b'w';

/// The state of a transmission that ended in error: another may take its place.
const ERROR: i8 = -1;

/// Added to the state of a `PES_Retour` in the list by state: it has states of its own.
const RETOUR: i8 = 64;

/// Moves kept of one transmission; the log has them all.
const HISTORY_MAX: usize = 64;

/// A transmission as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transmission {
    /// Its number: the index of its first record.
    pub number: u64,
    /// Whose it is.
    pub agency: String,
    /// When it was received, Unix milliseconds.
    pub received_ms: u64,
    /// What was received.
    pub flow: Flow,
    /// The archive it is in; none when it was refused.
    #[serde(default)]
    pub archive: Option<String>,
    /// The archive of the accountant's answer.
    #[serde(default)]
    pub acquit: Option<String>,
    /// What happened, oldest first.
    pub history: Vec<Move>,
    /// Index of the last record about it.
    #[serde(default)]
    pub changed: u64,
}

/// A state reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The state.
    pub state: i8,
    /// When, Unix milliseconds.
    pub time_ms: u64,
    /// What is told of it.
    pub message: String,
}

/// What two transmissions of an agency must not share.
#[derive(Debug, Clone, Copy)]
pub enum Distinct<'a> {
    /// SHA-1 of the file, hexadecimal.
    Sha1(&'a str),
    /// `NomFic` and `CodCol`.
    Name(&'a str, &'a str),
}

/// Which transmissions.
#[derive(Debug, Clone, Copy)]
pub enum Listing<'a> {
    /// Flows of this direction in this state; skips `offset`, gives at most `limit`. Received within the bounds, in Unix
    /// milliseconds, both inclusive.
    State {
        /// Which way.
        direction: Direction,
        /// The state.
        state: i8,
        /// How many to pass over.
        offset: usize,
        /// How many at most.
        limit: usize,
        /// From.
        from_ms: u64,
        /// To.
        to_ms: u64,
    },
    /// Those to the accountant that changed after an index of the log, by their last change.
    Changed {
        /// Only changes after this index.
        after: Option<u64>,
        /// How many at most.
        limit: usize,
    },
    /// Those found by a term (`bordereau:37`), from a number on.
    Term {
        /// The term.
        term: &'a str,
        /// Only numbers above.
        after: u64,
        /// How many at most.
        limit: usize,
    },
}

impl Transmission {
    /// The state now.
    pub fn state(&self) -> i8 {
        self.history.last().map_or(ERROR, |last| last.state)
    }

    /// What is told of it.
    pub fn message(&self) -> &str {
        self.history.last().map_or("", |last| &last.message)
    }

    fn distinct(&self) -> Vec<[u8; 33]> {
        if self.flow.direction != Direction::Aller {
            return Vec::new();
        }
        let mut keys = vec![distinct_key(&self.agency, &Distinct::Sha1(&self.flow.sha1))];
        if let (Some(name), Some(code)) = (&self.flow.nom_fic, &self.flow.cod_col) {
            keys.push(distinct_key(&self.agency, &Distinct::Name(name, code)));
        }
        keys
    }

    fn state_key(&self) -> [u8; 18] {
        state_key(&self.agency, self.flow.direction, self.state(), self.number)
    }
}

/// Rows that a batch changes.
pub(super) struct Rows<'t> {
    tree: &'t sled::Db,
    changed: BTreeMap<u64, Transmission>,
}

impl<'t> Rows<'t> {
    pub(super) fn new(tree: &'t sled::Db) -> Self {
        Self { tree, changed: BTreeMap::new() }
    }

    /// Takes a record in. One that speaks of a transmission that is not there is passed over.
    pub(super) fn take(&mut self, entry: &Entry, said: &Transmitted, writes: &mut sled::Batch) -> sled::Result<()> {
        let moved = Move { state: said.body.state, time_ms: entry.time_ms, message: said.body.message.clone() };
        let Some(number) = said.body.transaction else {
            let Some(flow) = &said.body.flow else { return Ok(()) };
            let row = Transmission {
                number: entry.index,
                agency: entry.agency.to_string(),
                received_ms: entry.time_ms,
                flow: (**flow).clone(),
                archive: said.references.first().cloned(),
                acquit: None,
                history: vec![moved],
                changed: entry.index,
            };
            for term in row.flow.terms() {
                writes.insert(term_key(&row.agency, &term, row.number).as_slice(), &[][..]);
            }
            enter(&row, writes);
            self.changed.insert(row.number, row);
            return Ok(());
        };
        let known = match self.changed.remove(&number) {
            Some(row) => Some(row),
            None => get(self.tree, number)?,
        };
        let Some(mut row) = known.filter(|row| row.agency == *entry.agency) else { return Ok(()) };
        writes.remove(row.state_key().as_slice());
        writes.remove(change_key(&row.agency, row.changed).as_slice());
        row.changed = entry.index;
        if row.state() != ERROR {
            for key in row.distinct() {
                writes.remove(key.as_slice());
            }
        }
        if let Some(acquit) = said.references.first() {
            row.acquit = Some(acquit.clone());
        }
        if row.history.len() >= HISTORY_MAX {
            // The first says when it came.
            row.history.remove(1);
        }
        row.history.push(moved);
        enter(&row, writes);
        self.changed.insert(number, row);
        Ok(())
    }

    pub(super) fn write(self, writes: &mut sled::Batch) {
        for (number, row) in self.changed {
            // Text and numbers: no failing case.
            writes.insert(row_key(number).as_slice(), serde_json::to_vec(&row).unwrap_or_default());
        }
    }
}

fn enter(row: &Transmission, writes: &mut sled::Batch) {
    writes.insert(row.state_key().as_slice(), &[][..]);
    if row.flow.direction == Direction::Aller {
        writes.insert(change_key(&row.agency, row.changed).as_slice(), &row.number.to_be_bytes()[..]);
    }
    if row.state() != ERROR {
        for key in row.distinct() {
            writes.insert(key.as_slice(), &row.number.to_be_bytes()[..]);
        }
    }
}

pub(super) fn get(tree: &sled::Db, number: u64) -> sled::Result<Option<Transmission>> {
    Ok(tree.get(row_key(number))?.and_then(|value| serde_json::from_slice(&value).ok()))
}

pub(super) fn with(tree: &sled::Db, agency: &str, what: &Distinct<'_>) -> sled::Result<Option<u64>> {
    let found = tree.get(distinct_key(agency, what))?;
    Ok(found.and_then(|value| Some(u64::from_be_bytes(value.as_ref().try_into().ok()?))))
}

pub(super) fn list(tree: &sled::Db, agency: &str, listing: &Listing<'_>) -> sled::Result<Vec<Transmission>> {
    let (prefix, first, offset, limit, from_ms, to_ms) = match *listing {
        Listing::Changed { after, limit } => return changed(tree, agency, after, limit),
        Listing::State { direction, state, offset, limit, from_ms, to_ms } => {
            let key = state_key(agency, direction, state, 0);
            (key[..10].to_vec(), 0, offset, limit, from_ms, to_ms)
        }
        Listing::Term { term, after, limit } => {
            let key = term_key(agency, term, 0);
            (key[..17].to_vec(), after.saturating_add(1), 0, limit, 0, u64::MAX)
        }
    };
    let at = |number: u64| [&prefix[..], &number.to_be_bytes()].concat();
    let (mut found, mut passed) = (Vec::new(), 0);
    for key in tree.range(at(first)..=at(u64::MAX)).keys() {
        if found.len() == limit {
            break;
        }
        let key = key?;
        let Some(number) = key.last_chunk().map(|number| u64::from_be_bytes(*number)) else { continue };
        let Some(row) = get(tree, number)? else { continue };
        // Digests are short: another agency's row may stand among these.
        if row.agency != agency || row.received_ms < from_ms || row.received_ms > to_ms {
            continue;
        }
        if passed < offset {
            passed += 1;
            continue;
        }
        found.push(row);
    }
    Ok(found)
}

fn changed(tree: &sled::Db, agency: &str, after: Option<u64>, limit: usize) -> sled::Result<Vec<Transmission>> {
    let first = after.map_or(0, |after| after.saturating_add(1));
    let range = change_key(agency, first)..=change_key(agency, u64::MAX);
    let mut found = Vec::new();
    for entry in tree.range(range) {
        let (_, value) = entry?;
        let Ok(number) = value.as_ref().try_into().map(u64::from_be_bytes) else { continue };
        // Digests are short: another agency's row may stand among these.
        found.extend(get(tree, number)?.filter(|row| row.agency == agency));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

fn change_key(agency: &str, index: u64) -> [u8; 17] {
    let mut key = [BY_CHANGE; 17];
    key[1..9].copy_from_slice(&sha256(agency.as_bytes())[..8]);
    key[9..].copy_from_slice(&index.to_be_bytes());
    key
}

fn row_key(number: u64) -> Vec<u8> {
    [&[ROW][..], &number.to_be_bytes()].concat()
}

fn distinct_key(agency: &str, what: &Distinct<'_>) -> [u8; 33] {
    let text = match what {
        Distinct::Sha1(sha1) => format!("{agency}\0sha1\0{sha1}"),
        Distinct::Name(name, code) => format!("{agency}\0name\0{name}\0{code}"),
    };
    let mut key = [DISTINCT; 33];
    key[1..].copy_from_slice(&sha256(text.as_bytes()));
    key
}

fn state_key(agency: &str, direction: Direction, state: i8, number: u64) -> [u8; 18] {
    let state = if direction == Direction::Retour { state.saturating_add(RETOUR) } else { state };
    let mut key = [BY_STATE; 18];
    key[1..9].copy_from_slice(&sha256(agency.as_bytes())[..8]);
    key[9] = state.cast_unsigned() ^ 0x80;
    key[10..].copy_from_slice(&number.to_be_bytes());
    key
}

fn term_key(agency: &str, term: &str, number: u64) -> [u8; 25] {
    let mut key = [BY_TERM; 25];
    key[1..17].copy_from_slice(&sha256(format!("{agency}\0{term}").as_bytes())[..16]);
    key[17..].copy_from_slice(&number.to_be_bytes());
    key
}
