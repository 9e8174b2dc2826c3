//! The sequencer: puts records into the Merkle log, in batches, and publishes signed checkpoints.
//!
//! The commit protocol, each step durable before the next:
//!
//! 1. records join the pool (`pool`), bounded;
//! 2. one batch is in flight at a time, and the next takes whatever came meanwhile: a lone depositor never waits for
//!    neighbours, and batches grow with the load and with the slowness of the store;
//! 3. its tiles, records, signed checkpoint, token and seal become one tar in `staging/` (`batch`, `staging`);
//! 4. the head is compared and swapped, and **re-read**: only an observed head counts (`commit`);
//! 5. the staged objects are written in place, then the checkpoint, then the staging goes (`apply`);
//! 6. depositors are answered.
//!
//! Nobody swaps a new head before the previous staging is applied, so a crashed node's batch is finished by whoever
//! comes next, with the same `apply` that the happy path runs. Any number of nodes may sequence: the loser rebases.

mod apply;
mod batch;
mod commit;
mod evidence;
pub mod head;
mod newest;
mod pool;
mod reader;
mod recent;
mod retry;
mod run;
mod staging;
mod state;
mod sweep;

pub use batch::{CheckpointSigner, Evidence, SignError};
pub use evidence::PublishedEvidence;
pub use reader::LogReader;

use crate::package::{RECORD_BYTES_MAX, entry_of};
use crate::spec::tlog::{Hash, leaf_hash, tree};
use crate::store::{StoreError, compress_brief};
use bytes::Bytes;
use head::HeadStore;
use object_store::ObjectStore;
use pool::{Item, Placed};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// Sizes and waits of the sequencer.
#[derive(Debug, Clone)]
pub struct SequencerOptions {
    /// Records waiting; beyond, [`SubmitError::Full`].
    pub pool_max: usize,
    /// Records in one batch.
    pub batch_max: usize,
    /// How long one commit may go on trying before its depositors are told that the outcome is unknown.
    pub commit_timeout: Duration,
    /// How often an idle node looks for batches of other nodes.
    pub follow_interval: Duration,
    /// Why nothing may be written, if so: the log is read as it is published, and every record is refused with this.
    pub closed: Option<String>,
}

impl Default for SequencerOptions {
    fn default() -> Self {
        Self {
            pool_max: 8192,
            batch_max: 4096,
            commit_timeout: Duration::from_secs(30),
            follow_interval: Duration::from_secs(2),
            closed: None,
        }
    }
}

/// A record to put into the log.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Its canonical bytes.
    pub record: Bytes,
    /// Makes the record unique in the log: the digest of agency and idempotency key.
    pub idempotency: Option<[u8; 32]>,
}

/// A record in the log, under a published checkpoint.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Index of its entry, from 0.
    pub index: u64,
    /// Size of the log at the checkpoint.
    pub size: u64,
    /// The record's bytes.
    pub record: Bytes,
    /// Inclusion proof, from the leaf upwards.
    pub proof: Vec<Hash>,
    /// The checkpoint and what was made over it.
    pub evidence: Arc<Evidence>,
}

/// The newest checkpoint that depositors and readers may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Entries in the log.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Hash,
}

/// Why a record is not in the log, or not known to be.
#[derive(Debug, Clone, Error)]
pub enum SubmitError {
    /// The pool is full: come back in a moment.
    #[error("trop de dépôts en attente : réessayez dans quelques secondes")]
    Full,
    /// A record with the same idempotency digest is in the log already.
    #[error("déjà enregistré au rang {index}")]
    Duplicate {
        /// Its index.
        index: u64,
    },
    /// The store does not answer: the record may or may not be in the log. Retry with the same idempotency key.
    #[error("le journal n'a pas pu confirmer l'écriture à temps : réessayez avec la même clé d'idempotence")]
    Uncertain,
    /// The log cannot be extended at the moment; nothing was written.
    #[error("le journal est arrêté : {0}")]
    Stopped(String),
    /// Longer than a record may be.
    #[error("enregistrement trop long")]
    TooLong,
}

/// Why the log cannot be extended.
#[derive(Debug, Clone, Error)]
pub enum LogError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the bucket holds contradicts itself; an operator must decide.
    #[error("le journal est incohérent ({0}) : lancez « archiland audit » et n'écrivez plus avant d'avoir compris")]
    Inconsistent(String),
    /// The checkpoint could not be signed, timestamped or sealed.
    #[error("le point de contrôle n'a pas pu être signé : {0}")]
    Sign(#[from] SignError),
}

/// The way in to the sequencing task.
#[derive(Debug, Clone)]
pub struct Sequencer {
    pool: mpsc::Sender<Item>,
    published: watch::Receiver<Published>,
    trouble: watch::Receiver<Option<String>>,
    reader: LogReader,
}

impl Sequencer {
    /// Brings the log into a published state, finishing what a crashed node left, then starts the sequencing task on the
    /// current runtime. The task ends once every clone is dropped and the pool is empty.
    pub async fn start(
        objects: Arc<dyn ObjectStore>,
        heads: Arc<dyn HeadStore>,
        signer: Arc<dyn CheckpointSigner>,
        options: SequencerOptions,
    ) -> Result<(Self, tokio::task::JoinHandle<()>), LogError> {
        let (pool, inbox) = mpsc::channel(options.pool_max);
        if let Some(why) = options.closed {
            let reader = LogReader::new(objects);
            let (publish, published) = watch::channel(reader.published().await?);
            let (complain, trouble) = watch::channel(Some(why));
            let task = tokio::spawn(run::refuse(inbox, publish, complain));
            return Ok((Self { pool, published, trouble, reader }, task));
        }
        let mut log = commit::Log::new(objects, heads, signer, options.clone());
        let (first, reader) = (log.recover().await?, log.reader().clone());
        let (publish, published) = watch::channel(first);
        let (complain, trouble) = watch::channel(None);
        let task = tokio::spawn(run::run(log, inbox, publish, complain));
        Ok((Self { pool, published, trouble, reader }, task))
    }

    /// Puts a record into the log; returns once it is durable under a published checkpoint.
    ///
    /// Dropping the future does not withdraw the record.
    pub async fn submit(&self, submission: Submission) -> Result<Committed, SubmitError> {
        let Submission { record, idempotency } = submission;
        if record.len() > RECORD_BYTES_MAX {
            return Err(SubmitError::TooLong);
        }
        let entry = entry_of(&record);
        let frame = compress_brief(&record).map_err(|e| SubmitError::Stopped(e.to_string()))?;
        let (answer, placed) = oneshot::channel();
        let (leaf, frame) = (leaf_hash(&entry), frame.into());
        let item = Item { entry, leaf, record: record.clone(), frame, idempotency, answer };
        self.pool.try_send(item).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => SubmitError::Full,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Stopped("arrêt en cours".to_owned()),
        })?;
        let Placed { index, batch } = placed.await.map_err(|_| SubmitError::Uncertain)??;
        // The batch is committed: a proof that cannot be built from its own tiles would be a defect of ours.
        let proof =
            tree::inclusion(index, batch.size, &batch.tiles).map_err(|e| SubmitError::Stopped(e.to_string()))?;
        Ok(Committed { index, size: batch.size, record, proof, evidence: batch.evidence.clone() })
    }

    /// Reads the log; what this process committed last, from memory.
    pub fn reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Follows the newest published checkpoint.
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.clone()
    }

    /// Why the log cannot be extended at the moment, if so.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }
}
