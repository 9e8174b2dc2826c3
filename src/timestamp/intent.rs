//! What is about to be signed over the log itself, on this node's disk before it is signed: the journal that tells, after
//! a key was in somebody else's hands, which signatures were ours.
//!
//! Tokens asked for by others are announced in the log (`timestamps` records). A checkpoint's own signatures cannot be: the
//! record would need a checkpoint, which would need a record. So their intent is a line in `signatures/<day>.jsonl`, synced
//! before the first of the three signatures: time, size and root of the log, certificates. Signed checkpoints that lost the
//! race for the head, which the bucket never shows, are there too. So are the documents that the archive seals (replies to
//! transfers, reports, attestations), by their SHA-256.

use crate::clock::format_record_time;
use crate::spec::tlog::checkpoint::Checkpoint;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use time::{Date, OffsetDateTime};

/// The journal's folder, in the state folder.
const FOLDER: &str = "signatures";

/// The journal of one node.
#[derive(Debug)]
pub struct Intents {
    folder: PathBuf,
    /// Of the day.
    open: Mutex<Option<(Date, File)>>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    size: u64,
    root: String,
    log: &'a str,
    tsa: &'a str,
    seal: &'a str,
}

#[derive(Serialize)]
struct DocumentLine<'a> {
    time: String,
    document: &'a str,
    sha256: String,
    seal: &'a str,
}

impl Intents {
    /// In the folder `signatures` of a state folder.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join(FOLDER), open: Mutex::new(None) }
    }

    /// Writes that a checkpoint is about to be signed, stamped and sealed by these keys; durable when it returns.
    pub fn announce(&self, checkpoint: &Checkpoint, at: OffsetDateTime, keys: [&str; 3]) -> std::io::Result<()> {
        let [log, tsa, seal] = keys;
        let line = Line {
            time: format_record_time(at),
            size: checkpoint.size,
            root: hex::encode(checkpoint.root),
            log,
            tsa,
            seal,
        };
        self.append(&line, at)
    }

    /// Writes that a document of this kind is about to be sealed by this key; durable when it returns.
    pub fn announce_document(
        &self,
        kind: &str,
        sha256: &[u8; 32],
        at: OffsetDateTime,
        seal: &str,
    ) -> std::io::Result<()> {
        let line = DocumentLine { time: format_record_time(at), document: kind, sha256: hex::encode(sha256), seal };
        self.append(&line, at)
    }

    fn append(&self, line: &impl Serialize, at: OffsetDateTime) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let day = at.date();
        let mut file = match open.take() {
            Some((of, file)) if of == day => file,
            _ => self.create(day)?,
        };
        file.write_all(&text)?;
        file.sync_data()?;
        *open = Some((day, file));
        Ok(())
    }

    fn create(&self, day: Date) -> std::io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{day}.jsonl"));
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use time::macros::datetime;

    #[test]
    fn each_intent_is_a_line_of_its_day() {
        let state = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint { origin: "o".into(), size: 3, root: [7; 32] };
        let intents = Intents::new(state.path());
        for at in
            [datetime!(2026-11-24 23:59:59.5 UTC), datetime!(2026-11-24 23:59:59.6 UTC), datetime!(2026-11-25 0:00 UTC)]
        {
            intents.announce(&checkpoint, at, ["l", "t", "s"]).unwrap();
        }
        // A restart goes on in the same file.
        Intents::new(state.path()).announce(&checkpoint, datetime!(2026-11-25 1:00 UTC), ["l", "t", "s"]).unwrap();
        let lines =
            |day: &str| std::fs::read_to_string(state.path().join("signatures").join(day)).unwrap().lines().count();
        assert_eq!((lines("2026-11-24.jsonl"), lines("2026-11-25.jsonl")), (2, 2));
        let line = std::fs::read_to_string(state.path().join("signatures/2026-11-25.jsonl")).unwrap();
        assert!(line.starts_with("{\"time\":\"2026-11-25T00:00:00.000Z\",\"size\":3,\"root\":\"0707"), "{line}");
        Intents::new(state.path()).announce_document("report", &[9; 32], datetime!(2026-11-26 1:00 UTC), "s").unwrap();
        let line = std::fs::read_to_string(state.path().join("signatures/2026-11-26.jsonl")).unwrap();
        assert!(line.contains("\"document\":\"report\",\"sha256\":\"0909"), "{line}");
        // What cannot be announced is not signed.
        let file = state.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Intents::new(&file).announce(&checkpoint, datetime!(2026-11-25 1:00 UTC), ["l", "t", "s"]).is_err());
    }
}
