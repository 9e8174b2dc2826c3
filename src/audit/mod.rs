//! Re-reading a whole bucket and saying what is wrong with it.
//!
//! [`run`] takes nothing for granted: it recomputes the tree from the entries, compares entries, tiles and records with
//! one another and with the signed checkpoint, verifies every timestamp and seal, and with [`Options::full`] every byte
//! of every document. It shares the parsers of [`crate::spec`] with the writer, and none of the writer's bookkeeping.
//!
//! 1. head, checkpoint and the batch between them (`cells`);
//! 2. a listing: payload objects, and the sizes that have a timestamp or a seal (`inventory`);
//! 3. the log, a window of bundles at a time and the bundles of a window in parallel: entries, leaf tiles, records
//!    (`bundle`), the tiles above (`forest`), timestamps and seals (`evidence`), documents (`content`, `frame`, `tar`);
//! 4. the root, the earlier checkpoint;
//! 5. a second listing: earlier partial tiles, leftovers, orphans, strangers.
//!
//! Memory is bounded by the window, and about 50 bytes for each payload object.

mod bundle;
mod cells;
mod content;
mod eliminated;
mod evidence;
mod forest;
mod frame;
mod inventory;
mod pass;
mod report;
mod source;
mod state;
mod tar;
mod xxh64;

pub use report::{CheckpointShown, Code, Counts, FINDINGS_MAX, Finding, Outcome, Report};

use crate::clock::{Clock, format_record_time};
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::verify::Trust;
use frame::Workspace;
use object_store::ObjectStore;
use source::Bucket;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use time::OffsetDateTime;

/// How deep and how to audit.
#[derive(Debug, Clone)]
pub struct Options {
    /// Read every document too.
    pub full: bool,
    /// An earlier signed checkpoint that the log must extend.
    pub since: Option<String>,
    /// Where to keep what is needed to go on after an interruption; three files whose names begin like this.
    pub state: Option<PathBuf>,
    /// Set it to stop early.
    pub cancel: Arc<AtomicBool>,
    /// Threads; by default one a core, and eight times as many when the store is remote.
    pub threads: Option<usize>,
    /// Bundles of 256 entries between two states written.
    pub window_bundles: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { full: false, since: None, state: None, cancel: Arc::default(), threads: None, window_bundles: 16 }
    }
}

/// How far an audit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries checked.
    pub entries: u64,
    /// Entries there are.
    pub entries_total: u64,
    /// Bytes of payload objects read.
    pub bytes: u64,
    /// Bytes of payload objects there are; 0 when they are not read.
    pub bytes_total: u64,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The earlier checkpoint is not one of this log.
    #[error("le point de contrôle antérieur n'est pas utilisable : {0}")]
    Since(String),
    /// The bucket cannot be listed.
    #[error("le contenu du stockage ne peut pas être énuméré : {0}")]
    List(String),
    /// The state cannot be written.
    #[error("l'avancement du contrôle ne peut pas être noté dans « {} » : {source}", path.display())]
    State {
        /// The state's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread could not be started or the runtime is going down.
    #[error("le contrôle n'a pas pu être mené : {0}")]
    Internal(String),
}

/// Audits a bucket. `progress` is called often and from several threads.
pub async fn run(
    store: Arc<dyn ObjectStore>,
    trust: Trust,
    options: Options,
    clock: Arc<dyn Clock>,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Report, AuditError> {
    let bucket = Bucket::new(store, tokio::runtime::Handle::current());
    let audit = move || pass::audit(&bucket, &trust, &options, &*clock, &progress);
    tokio::task::spawn_blocking(audit).await.map_err(|e| AuditError::Internal(e.to_string()))?
}

/// What every part of an audit needs.
struct Context<'a> {
    bucket: &'a Bucket,
    trust: &'a Trust,
    checkpoint: Checkpoint,
    now: OffsetDateTime,
    threads: usize,
    cancel: &'a AtomicBool,
    workspaces: Mutex<Vec<Workspace>>,
    meter: Meter<'a>,
}

/// Counts what passes.
struct Meter<'a> {
    entries: AtomicU64,
    entries_total: u64,
    bytes: AtomicU64,
    bytes_total: u64,
    progress: &'a (dyn Fn(Progress) + Sync),
}

impl Meter<'_> {
    fn tell(&self) {
        (self.progress)(Progress {
            entries: self.entries.load(Ordering::Relaxed),
            entries_total: self.entries_total,
            bytes: self.bytes.load(Ordering::Relaxed),
            bytes_total: self.bytes_total,
        });
    }

    fn entries(&self, count: u64) {
        self.entries.fetch_add(count, Ordering::Relaxed);
        self.tell();
    }

    fn bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
        self.tell();
    }
}

impl Context<'_> {
    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Applies `work` to every item, on all threads; results come in the items' order. Once cancelled, the rest is left
    /// out.
    fn parallel<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&T, &mut Workspace) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(items.len()));
        let worker = || {
            let held = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut workspace) = held.or_else(|| Workspace::new().ok()) else { return };
            while !self.cancelled() {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { break };
                let result = work(item, &mut workspace);
                results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
            }
            self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads.min(items.len()) {
                scope.spawn(worker);
            }
            worker();
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, result)| result).collect()
    }
}
