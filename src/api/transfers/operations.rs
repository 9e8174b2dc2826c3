//! The operations this node knows of: those under way, with what has happened so far, and where those that ended lately
//! have their record.

use super::job::Job;
use crate::spec::seda::Head;
use crate::transfer::event::Event;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Transfers checked and archived at once: each keeps a core busy and a bordereau in memory.
const AT_ONCE: usize = 2;

/// Transfers waiting or under way; beyond, the sender comes back later.
const KNOWN_MAX: usize = 256;

/// Ended operations remembered: their record answers for older ones.
const ENDED_MAX: usize = 8192;

/// How far an operation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::api) enum Stage {
    /// Received; waits for its turn.
    #[default]
    Received,
    /// Being checked.
    Checking,
    /// Being archived.
    Storing,
    /// Ended: it has an outcome and a record.
    Ended,
}

/// What changes of an operation under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::api) struct Progress {
    pub(in crate::api) stage: Stage,
    /// Units archived so far, and in all.
    pub(in crate::api) units: (u32, u32),
    /// Why it waits: it goes on by itself.
    pub(in crate::api) trouble: Option<String>,
    /// Index of its record, once it has ended.
    pub(in crate::api) index: Option<u64>,
}

/// An operation under way.
#[derive(Debug)]
pub(in crate::api) struct Operation {
    pub(in crate::api) job: Job,
    pub(in crate::api) progress: watch::Sender<Progress>,
    /// Who sends what, once read.
    pub(in crate::api) head: OnceLock<Option<Head>>,
    /// When the acknowledgement was made; it says the same ever after.
    pub(in crate::api) acknowledged: OnceLock<String>,
    events: Mutex<Vec<Event>>,
    cancelled: AtomicBool,
}

impl Operation {
    fn new(job: Job) -> Arc<Self> {
        Arc::new(Self {
            job,
            progress: watch::Sender::new(Progress::default()),
            head: OnceLock::new(),
            acknowledged: OnceLock::new(),
            events: Mutex::default(),
            cancelled: AtomicBool::new(false),
        })
    }

    /// The head of its bordereau, when it could be read.
    pub(in crate::api) fn head(&self) -> Option<&Head> {
        self.head.get().and_then(Option::as_ref)
    }

    /// What has happened so far.
    pub(in crate::api) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn tell(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// Begins again.
    pub(super) fn untell(&self) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Asks for it to be given up; heeded until it is being stored.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn at(&self, stage: Stage) {
        self.progress.send_modify(|progress| progress.stage = stage);
    }
}

/// What is known of an operation here.
#[derive(Debug, Clone)]
pub(in crate::api) enum Found {
    /// Under way.
    Running(Arc<Operation>),
    /// Ended: its record's index.
    Ended(u64),
}

/// Operations of this node.
#[derive(Debug)]
pub(in crate::api) struct Operations {
    /// Where transfers wait.
    pub(in crate::api) spool: PathBuf,
    pub(super) places: Semaphore,
    pub(super) stop: CancellationToken,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    running: HashMap<String, Arc<Operation>>,
    ended: HashMap<String, u64>,
    order: VecDeque<String>,
    /// By agency and `MessageIdentifier`: the operation, the latest one when there are several.
    messages: HashMap<(String, String), String>,
}

impl Operations {
    pub(in crate::api) fn new(spool: PathBuf) -> Self {
        let (places, stop) = (Semaphore::new(AT_ONCE), CancellationToken::new());
        Self { spool, places, stop, table: Mutex::default() }
    }

    /// The operation of this identifier, if it is under way or ended lately.
    pub(in crate::api) fn find(&self, operation: &str) -> Option<Found> {
        let table = self.table();
        if let Some(running) = table.running.get(operation) {
            return Some(Found::Running(running.clone()));
        }
        table.ended.get(operation).map(|index| Found::Ended(*index))
    }

    /// The latest operation of a message, if it is under way or ended lately.
    pub(in crate::api) fn of_message(&self, agency: &str, message: &str) -> Option<Found> {
        let operation = self.table().messages.get(&(agency.to_owned(), message.to_owned())).cloned()?;
        self.find(&operation)
    }

    /// Takes a job in; `None` when too many wait. One that is under way already is found again.
    pub(super) fn take(&self, job: Job) -> Option<(Arc<Operation>, bool)> {
        let mut table = self.table();
        if let Some(running) = table.running.get(&job.operation) {
            return Some((running.clone(), false));
        }
        if table.running.len() >= KNOWN_MAX {
            return None;
        }
        let operation = Operation::new(job);
        table.running.insert(operation.job.operation.clone(), operation.clone());
        Some((operation, true))
    }

    /// Gives up an operation that could not begin.
    pub(super) fn leave(&self, operation: &Operation) {
        self.table().running.remove(&operation.job.operation);
    }

    /// Notes which message an operation is about.
    pub(super) fn about(&self, operation: &Operation, message: &str) {
        let key = (operation.job.agency.clone(), message.to_owned());
        self.table().messages.insert(key, operation.job.operation.clone());
    }

    /// Notes that an operation has ended.
    pub(super) fn end(&self, operation: &Operation, index: u64) {
        let id = operation.job.operation.clone();
        let mut table = self.table();
        table.running.remove(&id);
        table.ended.insert(id.clone(), index);
        table.order.push_back(id);
        while table.order.len() > ENDED_MAX {
            if let Some(old) = table.order.pop_front() {
                table.ended.remove(&old);
                table.messages.retain(|_, operation| *operation != old);
            }
        }
        drop(table);
        operation.progress.send_modify(|progress| {
            (progress.stage, progress.trouble, progress.index) = (Stage::Ended, None, Some(index));
        });
    }

    /// Lets no transfer go on: what is not ended is begun again by the next start.
    pub(in crate::api) fn stop(&self) {
        self.stop.cancel();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
