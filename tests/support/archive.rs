//! A little archive made of the real parts: keys, store, sequencer, receipts, on a local directory.

use archiland::clock::{Clock, SystemClock, format_record_time};
use archiland::package::{Ark, Body, Deposit, Payload, Record, fresh_salt};
use archiland::receipt::Receipt;
use archiland::sequencer::head;
use archiland::sequencer::{CheckpointSigner, Evidence, Sequencer, SequencerOptions, SignError, Submission};
use archiland::spec::tlog::checkpoint::Checkpoint;
use archiland::store::{Backend, Store, StoreOptions, open_backend};
use archiland::timestamp::Keyring;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Signs as the daemon does.
struct Signer(Keyring);

impl CheckpointSigner for Signer {
    fn origin(&self) -> &str {
        self.0.log.name()
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        let failed = |error: &dyn std::fmt::Display| SignError(error.to_string());
        let (text, now) = (checkpoint.text(), SystemClock.now());
        let note = self.0.log.sign(&text).map_err(|e| failed(&e))?;
        let tsr = self.0.tsa.token(text.as_bytes(), now).map_err(|e| failed(&e))?.into();
        let seal = self.0.seal.seal(note.as_bytes(), now).map_err(|e| failed(&e))?.into();
        Ok(Evidence { note, tsr, seal })
    }
}

/// The archive, in a directory: `bucket/`, `keys/`, `trust.toml`.
pub struct Archive {
    /// Where it is.
    pub directory: PathBuf,
    store: Store,
    sequencer: Sequencer,
}

impl Archive {
    /// Makes one in an empty directory.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn create(directory: &Path) -> Self {
        let keyring =
            Keyring::create_development(&directory.join("keys"), "archives.example/essai", &SystemClock).unwrap();
        std::fs::write(directory.join("trust.toml"), keyring.trust_toml().unwrap()).unwrap();
        let backend = Backend::Local(directory.join("bucket"));
        let objects = open_backend(&backend).unwrap();
        let heads = head::open(&backend, &objects);
        let signer = Arc::new(Signer(keyring));
        let sequencer = Sequencer::start(objects.clone(), heads, signer, SequencerOptions::default()).await.unwrap().0;
        let store = Store::new(objects, StoreOptions::default());
        Self { directory: directory.to_owned(), store, sequencer }
    }

    /// Deposits documents together, as one archive.
    ///
    /// # Panics
    ///
    /// When the deposit fails.
    pub async fn deposit(&self, title: &str, documents: &[(&str, &[u8])]) -> Receipt {
        let store = |&(name, content): &(&str, &[u8])| {
            let (name, content) = (name.to_owned(), Bytes::copy_from_slice(content));
            async move {
                let mut writer = self.store.payload("200040475", "permanent").unwrap();
                writer.write(content).await.unwrap();
                let stored = writer.finish().await.unwrap();
                Payload {
                    name,
                    size_bytes: stored.size_bytes,
                    sha256: hex::encode(stored.digests.sha256),
                    sha512: hex::encode(stored.digests.sha512),
                    media_type: "application/octet-stream".to_owned(),
                    puid: None,
                    location: stored.location,
                }
            }
        };
        let payloads = futures::future::join_all(documents.iter().map(store)).await;
        let record = Record {
            v: 1,
            time: format_record_time(SystemClock.now()),
            agency: "200040475".to_owned(),
            actor: "token:essai".to_owned(),
            id: uuid::Uuid::now_v7(),
            references: vec![],
            salt: fresh_salt().unwrap(),
            body: Body::Deposit(Deposit {
                title: title.to_owned(),
                document_type: "deliberation".to_owned(),
                rule: "permanent".to_owned(),
                content: "00".repeat(32),
                payloads,
                ..Deposit::default()
            }),
        };
        let record = Bytes::from(record.to_canonical().unwrap());
        let committed = self.sequencer.submit(Submission { record, idempotency: None }).await.unwrap();
        Receipt {
            archive: Ark::new("99999", "c1", committed.index),
            index: committed.index,
            record: committed.record,
            proof: committed.proof,
            checkpoint: committed.evidence.note.clone(),
            timestamps: vec![committed.evidence.tsr.clone()],
            seal: committed.evidence.seal.clone(),
        }
    }

    /// Adds records of no consequence, a few thousand at a time.
    ///
    /// # Panics
    ///
    /// When the log refuses one.
    pub async fn fill(&self, count: u64) {
        let numbers: Vec<u64> = (0..count).collect();
        for some in numbers.chunks(4_096) {
            let submitted = some.iter().map(|number| {
                let record = Record {
                    v: 1,
                    time: format_record_time(SystemClock.now()),
                    agency: "200040475".to_owned(),
                    actor: "token:essai".to_owned(),
                    id: uuid::Uuid::from_u128(u128::from(*number)),
                    references: vec![],
                    salt: fresh_salt().unwrap(),
                    body: Body::Refusal { code: "essai".to_owned(), detail: number.to_string() },
                };
                let record = Bytes::from(record.to_canonical().unwrap());
                self.sequencer.submit(Submission { record, idempotency: None })
            });
            for placed in futures::future::join_all(submitted).await {
                placed.unwrap();
            }
        }
    }
}
