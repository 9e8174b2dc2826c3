//! Signs, timestamps and seals each checkpoint with the archive's keys.

use crate::clock::SharedClock;
use crate::sequencer::{CheckpointSigner, Evidence, SignError};
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::timestamp::{ClockTrust, Intents, Keyring};
use std::sync::Arc;

/// The archive's own keys as the sequencer's signer.
#[derive(Clone)]
pub struct KeyringSigner {
    keyring: Arc<Keyring>,
    clock: SharedClock,
    trust: ClockTrust,
    intents: Option<Arc<Intents>>,
}

impl KeyringSigner {
    /// Signs with these keys, at this clock's time.
    pub fn new(keyring: Arc<Keyring>, clock: SharedClock) -> Self {
        Self { keyring, clock, trust: ClockTrust::blind(), intents: None }
    }

    /// Signs nothing while the clock is known to be wrong. Servers of time that do not answer do not stop deposits.
    #[must_use]
    pub fn trusting(mut self, trust: ClockTrust) -> Self {
        self.trust = trust;
        self
    }

    /// Writes what it is about to sign in this journal, before it signs.
    #[must_use]
    pub fn announcing(mut self, intents: Arc<Intents>) -> Self {
        self.intents = Some(intents);
        self
    }
}

impl CheckpointSigner for KeyringSigner {
    fn origin(&self) -> &str {
        self.keyring.log.name()
    }

    fn may_wait(&self) -> bool {
        true
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        let failed = |e: &dyn std::fmt::Display| SignError(e.to_string());
        self.trust.refuse_wrong().map_err(|e| failed(&e))?;
        let text = checkpoint.text();
        // Taken before it is announced: tokens for others are stamped meanwhile, with later times.
        let at = self.keyring.tsa.now(&*self.clock).map_err(|e| failed(&e))?;
        if let Some(intents) = &self.intents {
            let log = hex::encode(self.keyring.log.vkey().id());
            let (tsa, seal) = (self.keyring.tsa.certificate(), self.keyring.seal.certificate());
            let announced = intents.announce(checkpoint, at, [&log, &tsa.fingerprint(), &seal.fingerprint()]);
            announced.map_err(|e| failed(&format!("journal des signatures : {e}")))?;
        }
        let tsr = self.keyring.tsa.token_then(text.as_bytes(), at).map_err(|e| failed(&e))?;
        let note = self.keyring.log.sign(&text).map_err(|e| failed(&e))?;
        let seal = self.keyring.seal.seal_now(note.as_bytes(), &*self.clock).map_err(|e| failed(&e))?;
        Ok(Evidence { note, tsr: tsr.into(), seal: seal.into() })
    }
}
