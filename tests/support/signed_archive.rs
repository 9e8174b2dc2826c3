//! A small signed archive, made by the store and the sequencer themselves.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use archiland::clock::{SharedClock, format_record_time, system};
use archiland::package::{Body, Deposit, Payload, Record, fresh_salt};
use archiland::sequencer::head::{ConditionalHead, HeadStore};
use archiland::sequencer::{CheckpointSigner, Committed, Evidence, Sequencer, SequencerOptions, SignError, Submission};
use archiland::spec::tlog::checkpoint::Checkpoint;
use archiland::store::{Store, StoreOptions};
use archiland::timestamp::Keyring;
use bytes::Bytes;
use futures::future::join_all;
use object_store::ObjectStore;
use std::sync::Arc;
use uuid::Uuid;

pub const ORIGIN: &str = "test.example/journal";

/// Signs with a keyring.
pub struct Signer {
    pub keyring: Arc<Keyring>,
    pub clock: SharedClock,
}

impl CheckpointSigner for Signer {
    fn origin(&self) -> &str {
        ORIGIN
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        let failed = |error: &dyn std::fmt::Display| SignError(error.to_string());
        let text = checkpoint.text();
        let note = self.keyring.log.sign(&text).map_err(|e| failed(&e))?;
        let now = self.clock.now();
        let tsr = self.keyring.tsa.token(text.as_bytes(), now).map_err(|e| failed(&e))?;
        let seal = self.keyring.seal.seal(note.as_bytes(), now).map_err(|e| failed(&e))?;
        Ok(Evidence { note, tsr: tsr.into(), seal: seal.into() })
    }
}

/// Keys for tests, in a directory that goes away.
pub fn keyring() -> Arc<Keyring> {
    let directory = tempfile::tempdir().unwrap();
    Arc::new(Keyring::create_development(&directory.path().join("keys"), ORIGIN, &*system()).unwrap())
}

/// An archive that takes deposits.
pub struct Archive {
    pub store: Store,
    pub sequencer: Sequencer,
}

impl Archive {
    pub async fn open(objects: Arc<dyn ObjectStore>, keyring: Arc<Keyring>) -> Self {
        let heads: Arc<dyn HeadStore> = Arc::new(ConditionalHead::new(objects.clone()));
        let signer = Arc::new(Signer { keyring, clock: system() });
        let store = Store::new(objects.clone(), StoreOptions::default());
        let (sequencer, _task) = Sequencer::start(objects, heads, signer, SequencerOptions::default()).await.unwrap();
        Self { store, sequencer }
    }

    /// Deposits documents of one agency together, as one record each.
    pub async fn deposit(&self, agency: &str, documents: Vec<Bytes>) -> Vec<Committed> {
        join_all(documents.into_iter().map(|document| self.one(agency, document))).await
    }

    async fn one(&self, agency: &str, document: Bytes) -> Committed {
        let mut writer = self.store.payload(agency, "permanent").unwrap();
        writer.write(document).await.unwrap();
        let stored = writer.finish().await.unwrap();
        let payload = Payload {
            name: "délibération.pdf".to_owned(),
            size_bytes: stored.size_bytes,
            sha256: hex::encode(stored.digests.sha256),
            sha512: hex::encode(stored.digests.sha512),
            media_type: "application/pdf".to_owned(),
            puid: None,
            location: stored.location,
        };
        let record = deposit_record(agency, vec![payload]);
        let submission = Submission { record: record.to_canonical().unwrap().into(), idempotency: None };
        self.sequencer.submit(submission).await.unwrap()
    }
}

/// A record of a deposit.
pub fn deposit_record(agency: &str, payloads: Vec<Payload>) -> Record {
    Record {
        v: 1,
        time: format_record_time(system().now()),
        agency: agency.to_owned(),
        actor: "token:test".to_owned(),
        id: Uuid::now_v7(),
        references: vec![],
        salt: fresh_salt().unwrap(),
        body: Body::Deposit(Deposit {
            title: "Délibération".to_owned(),
            document_type: "deliberation".to_owned(),
            rule: "permanent".to_owned(),
            content: "ab".repeat(32),
            payloads,
            ..Deposit::default()
        }),
    }
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}
