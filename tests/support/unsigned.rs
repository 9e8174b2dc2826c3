//! A signer without keys, for tests about the log itself.

use archiland::sequencer::{CheckpointSigner, Evidence, SignError};
use archiland::spec::tlog::checkpoint::Checkpoint;
use bytes::Bytes;

/// Signs nothing: enough where nobody verifies.
pub struct Unsigned;

impl CheckpointSigner for Unsigned {
    fn origin(&self) -> &'static str {
        "test.example/log"
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        let note = format!("{}\n— test AAAA\n", checkpoint.text());
        Ok(Evidence { note, tsr: Bytes::from_static(b"tsr"), seal: Bytes::from_static(b"seal") })
    }
}
