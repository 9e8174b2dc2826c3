//! What every batch carries over its checkpoint: the log's signature, a token of our own authority, the seal.

use super::Keyring;
use crate::clock::SharedClock;
use crate::sequencer::{CheckpointSigner, Evidence, SignError};
use crate::spec::tlog::checkpoint::Checkpoint;
use std::fmt;
use std::sync::Arc;

/// Signs the sequencer's checkpoints with the keys of the archive, at the time of its clock.
#[derive(Clone)]
pub struct Notary {
    keys: Arc<Keyring>,
    clock: SharedClock,
}

impl Notary {
    /// A notary with these keys.
    pub fn new(keys: Arc<Keyring>, clock: SharedClock) -> Self {
        Self { keys, clock }
    }
}

impl fmt::Debug for Notary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notary({})", self.keys.log.name())
    }
}

impl CheckpointSigner for Notary {
    fn origin(&self) -> &str {
        self.keys.log.name()
    }

    /// The token is over the checkpoint's text, the seal around the whole signed note: the note can be had from the seal
    /// alone.
    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        let refused = |e: &dyn fmt::Display| SignError(e.to_string());
        let text = checkpoint.text();
        let note = self.keys.log.sign(&text).map_err(|e| refused(&e))?;
        let tsr = self.keys.tsa.token(text.as_bytes(), self.clock.now()).map_err(|e| refused(&e))?;
        let seal = self.keys.seal.seal(note.as_bytes(), self.clock.now()).map_err(|e| refused(&e))?;
        Ok(Evidence { note, tsr: tsr.into(), seal: seal.into() })
    }
}
