//! Signs, timestamps and seals each checkpoint with the archive's keys.

use crate::clock::SharedClock;
use crate::sequencer::{CheckpointSigner, Evidence, SignError};
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::timestamp::{ClockTrust, Keyring};
use std::sync::Arc;

/// The archive's own keys as the sequencer's signer.
#[derive(Clone)]
pub struct KeyringSigner {
    keyring: Arc<Keyring>,
    clock: SharedClock,
    trust: ClockTrust,
}

impl KeyringSigner {
    /// Signs with these keys, at this clock's time.
    pub fn new(keyring: Arc<Keyring>, clock: SharedClock) -> Self {
        Self { keyring, clock, trust: ClockTrust::blind() }
    }

    /// Signs nothing while the clock is known to be wrong. Servers of time that do not answer do not stop deposits.
    #[must_use]
    pub fn trusting(mut self, trust: ClockTrust) -> Self {
        self.trust = trust;
        self
    }
}

impl CheckpointSigner for KeyringSigner {
    fn origin(&self) -> &str {
        self.keyring.log.name()
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        let failed = |e: &dyn std::fmt::Display| SignError(e.to_string());
        self.trust.refuse_wrong().map_err(|e| failed(&e))?;
        let text = checkpoint.text();
        let at = self.clock.now();
        let tsr = self.keyring.tsa.token(text.as_bytes(), at).map_err(|e| failed(&e))?;
        let note = self.keyring.log.sign(&text).map_err(|e| failed(&e))?;
        let seal = self.keyring.seal.seal(note.as_bytes(), at).map_err(|e| failed(&e))?;
        Ok(Evidence { note, tsr: tsr.into(), seal: seal.into() })
    }
}
