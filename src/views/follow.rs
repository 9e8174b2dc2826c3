//! The one way a view moves: from wherever it is to the end of the log, and on.
//!
//! One task reads and parses; each view has a task of its own behind a short queue, so that a slow commit of one does not
//! hold up the other. Everything that may block on the disk runs off the runtime.

use super::{Batch, Cursor, RecordSource, SourceError, Tally, View, ViewError};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Batches waiting for one view: about a second of them under full load.
const QUEUE_LEN: usize = 16;

/// A view this far behind is catching up: it flushes rarely, since a crash only costs it the time since.
const CATCHING_UP_RECORDS: u64 = 50_000;

/// Longest wait between two tries of a source that does not answer.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Tries of a source that does not answer before a catch-up gives up; a node that follows never does.
const CATCH_UP_TRIES: u32 = 6;

/// How much at a time, and how often to disk.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Most records read at once.
    pub read_records_max: u64,
    /// About the most bytes of records read at once.
    pub read_bytes_max: usize,
    /// Longest time something taken in stays unflushed. Stretched so that flushing takes a tenth of the time at most.
    pub flush_every: Duration,
    /// The same while catching up.
    pub flush_every_behind: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            read_records_max: 2_048,
            read_bytes_max: 4 << 20,
            flush_every: Duration::from_secs(1),
            flush_every_behind: Duration::from_secs(10),
        }
    }
}

/// How far the views are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Each view's name and the number of records it has taken in.
    pub views: Vec<(&'static str, u64)>,
    /// Size of the log when last looked at.
    pub target: u64,
    /// What has been read since this follower was made.
    pub tally: Tally,
}

impl Progress {
    /// Records that every view has taken in.
    pub fn applied(&self) -> u64 {
        self.views.iter().map(|(_, size)| *size).min().unwrap_or(self.target)
    }
}

/// Why the views stopped following.
#[derive(Debug, Error)]
pub enum FollowError {
    /// The log cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The log gave more or fewer records than asked for.
    #[error("journal : {got} enregistrements reçus pour la plage {}..{}", range.start, range.end)]
    Answer {
        /// What was asked for.
        range: Range<u64>,
        /// How many came.
        got: usize,
    },
    /// The records are not those the published root stands for.
    #[error("les enregistrements lus ne donnent pas la racine publiée à {size} entrées ; lancer « archiland audit »")]
    Diverged {
        /// Size of the log.
        size: u64,
    },
    /// A view cannot go on.
    #[error("enregistrements {}..{} : {cause}", range.start, range.end)]
    View {
        /// The batch that was being taken in, or the one before a flush.
        range: Range<u64>,
        /// Why.
        cause: ViewError,
    },
    /// A task was ended by a panic or by the runtime's end.
    #[error("tâche de suivi interrompue : {0}")]
    Task(String),
}

/// Brings views to the end of the log and keeps them there.
pub struct Follower {
    views: Vec<Arc<dyn View>>,
    source: Arc<dyn RecordSource>,
    pace: Pace,
    progress: watch::Sender<Progress>,
}

impl Follower {
    /// A follower of `source` for `views`.
    pub fn new(views: Vec<Arc<dyn View>>, source: Arc<dyn RecordSource>, pace: Pace) -> Self {
        let progress = Progress {
            // Nothing, until the view is known to follow this log: nobody must take another log's view for ready.
            views: views.iter().map(|v| (v.name(), 0)).collect(),
            target: 0,
            tally: Tally::default(),
        };
        Self { views, source, pace, progress: watch::Sender::new(progress) }
    }

    /// How far the views are, as it changes: for progress bars, metrics, and for waiting until a record is in
    /// (`wait_for(|p| p.applied() > index)`).
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Brings the views to the end of the log and returns; they are flushed.
    pub async fn catch_up(&self, cancel: &CancellationToken) -> Result<(), FollowError> {
        self.run::<()>(None, cancel).await
    }

    /// Follows the log until cancelled, looking at its head whenever `published` changes; the views are then flushed.
    pub async fn follow<P: Send + Sync>(
        &self,
        published: watch::Receiver<P>,
        cancel: &CancellationToken,
    ) -> Result<(), FollowError> {
        self.run(Some(published), cancel).await
    }

    async fn run<P>(
        &self,
        published: Option<watch::Receiver<P>>,
        cancel: &CancellationToken,
    ) -> Result<(), FollowError> {
        if self.views.is_empty() {
            return Ok(());
        }
        let tries = if published.is_some() { u32::MAX } else { CATCH_UP_TRIES };
        let Some(aligned) = cancel.run_until_cancelled(self.align(tries)).await else { return Ok(()) };
        aligned?;
        let mut tasks = JoinSet::new();
        let mut queues = Vec::new();
        for (place, view) in self.views.iter().enumerate() {
            let (queue, batches) = mpsc::channel(QUEUE_LEN);
            queues.push(queue);
            tasks.spawn(take_in(place, Arc::clone(view), batches, self.pace, self.progress.clone()));
        }
        let read = cancel.run_until_cancelled(self.read(published, tries, &queues)).await.unwrap_or(Ok(()));
        drop(queues);
        // A view's own failure explains more than the reader's.
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|e| FollowError::Task(e.to_string()))??;
        }
        read
    }

    /// Empties every view whose cursor is not a prefix of the log.
    async fn align(&self, tries: u32) -> Result<(), FollowError> {
        let head = retried(tries, || self.source.head()).await?;
        for (place, view) in self.views.iter().enumerate() {
            let cursor = view.cursor();
            if !self.is_prefix(cursor, head, tries).await? {
                tracing::warn!(
                    view = view.name(),
                    view_size = cursor.size,
                    log_size = head.size,
                    "la vue suivait un autre journal ; elle est vidée et reconstruite"
                );
                let emptied = Arc::clone(view);
                off_runtime(move || emptied.reset())
                    .await?
                    .map_err(|cause| FollowError::View { range: 0..cursor.size, cause })?;
            }
            self.progress.send_modify(|p| p.views[place].1 = view.cursor().size);
        }
        Ok(())
    }

    async fn is_prefix(&self, cursor: Cursor, head: Cursor, tries: u32) -> Result<bool, FollowError> {
        if cursor.size == 0 {
            return Ok(true);
        }
        if cursor.size >= head.size {
            return Ok(cursor == head);
        }
        Ok(retried(tries, || self.source.root_at(cursor.size)).await? == cursor.root)
    }

    /// Reads batches and hands them to every view, until the end of the log or for ever.
    async fn read<P>(
        &self,
        mut published: Option<watch::Receiver<P>>,
        tries: u32,
        queues: &[mpsc::Sender<Arc<Batch>>],
    ) -> Result<(), FollowError> {
        let mut next = self.views.iter().map(|v| v.cursor().size).min().unwrap_or(0);
        loop {
            let head = retried(tries, || self.source.head()).await?;
            // A head smaller than what we have is a stale answer: the next one will be better. A log that has really
            // gone back is the sequencer's alarm to raise, and is met in `align` at the next start.
            self.progress.send_modify(|p| p.target = p.target.max(head.size));
            while next < head.size {
                for batch in self.batches(next, head, tries).await? {
                    let batch = Arc::new(batch);
                    next = batch.end().size;
                    self.progress.send_modify(|p| p.tally.add(batch.tally()));
                    for queue in queues {
                        if queue.send(Arc::clone(&batch)).await.is_err() {
                            // That view's task has ended, and says why.
                            return Ok(());
                        }
                    }
                }
            }
            match &mut published {
                None => return Ok(()),
                Some(published) => {
                    let ended = queues.iter().map(|q| Box::pin(q.closed()));
                    tokio::select! {
                        changed = published.changed() => if changed.is_err() { return Ok(()) },
                        _ = futures::future::select_all(ended) => return Ok(()),
                    }
                }
            }
        }
    }

    /// The next batches, read, checked against the published root and parsed.
    async fn batches(&self, first: u64, head: Cursor, tries: u32) -> Result<Vec<Batch>, FollowError> {
        let range = first..head.size.min(first.saturating_add(self.pace.read_records_max.max(1)));
        let runs = retried(tries, || self.source.records(range.clone(), self.pace.read_bytes_max)).await?;
        let got: usize = runs.iter().map(|run| run.records.len()).sum();
        let end = first.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        if got == 0 || end > range.end {
            return Err(FollowError::Answer { range, got });
        }
        if end == head.size && runs.last().is_some_and(|run| run.root != head.root) {
            return Err(FollowError::Diverged { size: end });
        }
        off_runtime(move || {
            let mut next = first;
            let parsed = runs.iter().map(|run| {
                let batch = Batch::parse(next, &run.records, run.root, head.size);
                next = batch.end().size;
                batch
            });
            parsed.collect()
        })
        .await
    }
}

/// A view's task: takes batches in as they come and flushes at the pace given.
async fn take_in(
    place: usize,
    view: Arc<dyn View>,
    mut batches: mpsc::Receiver<Arc<Batch>>,
    pace: Pace,
    progress: watch::Sender<Progress>,
) -> Result<(), FollowError> {
    let mut range = 0..view.cursor().size;
    let (mut flushed_at, mut flush_took) = (Instant::now(), Duration::ZERO);
    let (mut dirty, mut catching_up) = (false, false);
    loop {
        let least = if catching_up { pace.flush_every_behind } else { pace.flush_every };
        let due = flushed_at + least.max(10 * flush_took);
        let batch = tokio::select! {
            biased;
            () = sleep_until(due), if dirty => None,
            batch = batches.recv() => match batch {
                Some(batch) => Some(batch),
                None => break,
            },
        };
        if let Some(batch) = batch {
            range = batch.first()..batch.end().size;
            (dirty, catching_up) = (true, batch.behind() > CATCHING_UP_RECORDS);
            let (taker, end) = (Arc::clone(&view), batch.end());
            let done = off_runtime(move || taker.apply(&batch)).await?;
            done.map_err(|cause| FollowError::View { range: range.clone(), cause })?;
            progress.send_modify(|p| p.views[place].1 = end.size);
        } else {
            let began = Instant::now();
            flush(&view, &range).await?;
            (flushed_at, flush_took, dirty) = (Instant::now(), began.elapsed(), false);
        }
    }
    flush(&view, &range).await
}

async fn flush(view: &Arc<dyn View>, range: &Range<u64>) -> Result<(), FollowError> {
    let flushed = Arc::clone(view);
    off_runtime(move || flushed.flush()).await?.map_err(|cause| FollowError::View { range: range.clone(), cause })
}

async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FollowError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| FollowError::Task(e.to_string()))
}

/// Asks again, ever more slowly, while the source is unavailable; says so once.
async fn retried<T, F, A>(tries: u32, ask: F) -> Result<T, SourceError>
where
    F: Fn() -> A,
    A: Future<Output = Result<T, SourceError>>,
{
    let mut wait = Duration::from_millis(100);
    let mut tried = 0;
    loop {
        match ask().await {
            Err(error @ SourceError::Unavailable { .. }) if tried + 1 < tries => {
                if tried == 0 {
                    tracing::warn!(%error, "les vues attendent le journal");
                }
                tried += 1;
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
            answer => return answer,
        }
    }
}
