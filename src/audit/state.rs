//! Where an audit stands, so that an interrupted one goes on. Bound to the checkpoint and the options audited.
//!
//! Two files are written in turn, each ending with its own digest: whatever happens while one is written, the other
//! stands. A third takes the digests of object keys that records have named so far.

use super::bundle::key_digest;
use super::eliminated::Suspects;
use super::forest::Forest;
use super::report::{Counts, Findings};
use crate::digest::sha256;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What is being audited: a state of anything else is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subject {
    /// Text of the checkpoint audited.
    pub(super) checkpoint: String,
    pub(super) full: bool,
    /// Text of the earlier checkpoint.
    pub(super) since: Option<String>,
}

/// Everything known after a whole number of bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    v: u8,
    pub(super) subject: Subject,
    pub(super) forest: Forest,
    /// The first entry that nothing trustworthy gives.
    pub(super) unknown: Option<u64>,
    /// The log was seen to extend the earlier checkpoint.
    pub(super) since_held: bool,
    pub(super) counts: Counts,
    pub(super) findings: Findings,
    /// What an elimination may explain.
    #[serde(default)]
    pub(super) suspects: Suspects,
    /// Objects named so far.
    named: u64,
    /// States written so far.
    turn: u64,
}

impl State {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            v: 1,
            subject,
            forest: Forest::new(),
            unknown: None,
            since_held: false,
            counts: Counts::default(),
            findings: Findings::default(),
            suspects: Suspects::default(),
            named: 0,
            turn: 0,
        }
    }
}

/// The files of one audit's state.
pub(super) struct StateFiles {
    path: PathBuf,
}

impl StateFiles {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn file(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// The furthest state written, and the digests of the keys named so far.
    pub(super) fn load(&self) -> Option<(State, Vec<[u8; 16]>)> {
        let states = ["", ".1"].map(|suffix| read_state(&self.file(suffix)));
        let state = states.into_iter().flatten().max_by_key(|state| state.forest.bundles)?;
        let mut bytes = vec![0; usize::try_from(state.named).ok()?.checked_mul(16)?];
        fs::File::open(self.file(".objects")).ok()?.read_exact(&mut bytes).ok()?;
        let named = bytes.as_chunks::<16>().0.to_vec();
        Some((state, named))
    }

    /// Writes a state and the keys named since the one before.
    pub(super) fn save(&self, state: &mut State, named: &[String]) -> io::Result<()> {
        let mut objects = OpenOptions::new().create(true).truncate(false).write(true).open(self.file(".objects"))?;
        objects.seek(SeekFrom::Start(state.named * 16))?;
        let digests: Vec<u8> = named.iter().flat_map(|key| key_digest(key)).collect();
        objects.write_all(&digests)?;
        objects.sync_data()?;
        state.named += named.len() as u64;
        state.turn += 1;
        let mut bytes = serde_json::to_vec(state)?;
        let digest = hex::encode(sha256(&bytes));
        bytes.extend_from_slice(b"\n");
        bytes.extend_from_slice(digest.as_bytes());
        let turn = if state.turn.is_multiple_of(2) { ".1" } else { "" };
        fs::write(self.file(turn), bytes)
    }

    /// Removes the state of an audit that is done.
    pub(super) fn remove(&self) {
        for suffix in ["", ".1", ".objects"] {
            // What is not there need not be removed; what cannot be is bound to its checkpoint and harms nobody.
            let _ = fs::remove_file(self.file(suffix));
        }
    }
}

fn read_state(path: &Path) -> Option<State> {
    let bytes = fs::read(path).ok()?;
    let end = bytes.iter().rposition(|&b| b == b'\n')?;
    if bytes[end + 1..] != *hex::encode(sha256(&bytes[..end])).as_bytes() {
        return None;
    }
    let state: State = serde_json::from_slice(&bytes[..end]).ok()?;
    (state.v == 1).then_some(state)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_furthest_sound_state_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let files = StateFiles::new(&directory.path().join("state"));
        assert!(files.load().is_none());
        let subject = Subject { checkpoint: "c".into(), full: true, since: None };
        let mut state = State::new(subject);
        state.forest.push([1; 32]);
        files.save(&mut state, &["a".into(), "b".into()]).unwrap();
        let first = state.clone();
        state.forest.push([2; 32]);
        files.save(&mut state, &["c".into()]).unwrap();
        let (loaded, named) = files.load().unwrap();
        assert_eq!(loaded, state);
        assert_eq!(named, ["a", "b", "c"].map(key_digest));
        // A write cut short leaves the one before.
        let cut = fs::read(files.file(".1")).unwrap();
        fs::write(files.file(".1"), &cut[..cut.len() - 1]).unwrap();
        let (loaded, named) = files.load().unwrap();
        assert_eq!(loaded, first);
        assert_eq!(named.len(), 2);
        files.remove();
        assert!(files.load().is_none());
    }
}
