//! The state file of `archiland push`: a JSON line per file archived or refused, written when that is known. It saves
//! asking again; without it nothing is archived twice either, as the idempotency keys come from the content.

use crate::cli::Unusable;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Name of the file in the folder that is pushed.
pub(super) const NAME: &str = ".archiland-push.jsonl";
/// Longest state file, in bytes.
const BYTES_MAX: u64 = 256 << 20;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Path within the folder.
    pub(super) file: String,
    /// Where to, and as what: a file pushed to another archive or by another profile is another matter.
    pub(super) to: String,
    /// Length and time of the file and of those with it.
    pub(super) stamp: Vec<(u64, u64)>,
    /// The archives made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) archives: Vec<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

/// The open state file; nobody else pushes this folder meanwhile.
#[derive(Debug)]
pub(super) struct State {
    file: File,
    known: HashMap<String, Line>,
}

impl State {
    /// Opens or creates it, and reads what is known of sendings `to` this archive. A last line that a kill cut short is
    /// dropped.
    pub(super) fn open(path: &Path, to: &str) -> anyhow::Result<Self> {
        let unusable = |why: String| Unusable(format!("{} : {why}", path.display()));
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(|error| unusable(format!("fichier d'état inutilisable ({error})")))?;
        if file.try_lock().is_err() {
            return Err(unusable("ce dossier est déjà en cours d'envoi par une autre commande".into()).into());
        }
        if file.metadata()?.len() > BYTES_MAX {
            return Err(unusable(format!("fichier d'état de plus de {BYTES_MAX} octets")).into());
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| unusable(format!("fichier d'état illisible ({error})")))?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            file.set_len(u64::try_from(whole)?)?;
            file.seek(SeekFrom::End(0))?;
        }
        let mut known = HashMap::new();
        for (line, n) in text[..whole].lines().zip(1usize..) {
            let line: Line = serde_json::from_str(line)
                .map_err(|_| unusable(format!("ligne {n} : ce n'est pas un fichier d'état d'archiland push")))?;
            if line.to == to {
                known.insert(line.file.clone(), line);
            }
        }
        Ok(Self { file, known })
    }

    /// What became of a file that has not changed since.
    pub(super) fn of(&self, name: &str, stamp: &[(u64, u64)]) -> Option<&Line> {
        self.known.get(name).filter(|line| line.stamp == stamp)
    }

    /// Writes a line down, to the disk.
    pub(super) fn note(&mut self, line: &Line) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.context("fichier d'état : écriture impossible")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(file: &str) -> Line {
        Line {
            file: file.into(),
            to: "x".into(),
            stamp: vec![(1, 2)],
            archives: vec!["ark:/1/a".into()],
            refused: None,
        }
    }

    #[test]
    fn a_line_cut_short_is_forgotten_and_the_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut state = State::open(&path, "x").unwrap();
        state.note(&line("a")).unwrap();
        state.note(&line("b")).unwrap();
        assert!(State::open(&path, "x").is_err(), "locked");
        drop(state);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        let mut state = State::open(&path, "x").unwrap();
        assert!(state.of("a", &[(1, 2)]).is_some() && state.of("b", &[(1, 2)]).is_none());
        assert!(state.of("a", &[(1, 3)]).is_none(), "changed since");
        state.note(&line("c")).unwrap();
        drop(state);
        assert!(State::open(&path, "y").unwrap().of("a", &[(1, 2)]).is_none(), "another archive");
        let state = State::open(&path, "x").unwrap();
        assert!(state.of("a", &[(1, 2)]).is_some() && state.of("c", &[(1, 2)]).is_some());
    }

    #[test]
    fn another_file_is_not_taken_for_a_state_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, "bonjour\n").unwrap();
        assert!(State::open(&path, "x").unwrap_err().is::<Unusable>());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "bonjour\n");
    }
}
