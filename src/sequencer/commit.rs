//! Committing a batch: stage, swap the head, observe it, apply.

use super::apply::{PublishedCell, apply, published};
use super::batch::{Built, Evidence, SignError, draft};
use super::head::{HEAD_KEY, Head, HeadStore, Version};
use super::pool::{CommittedBatch, Item};
use super::reader::idempotency_of;
use super::recent::Recent;
use super::retry::retrying;
use super::staging::Staged;
use super::state::{LogState, get};
use super::sweep::Sweeper;
use super::{CheckpointSigner, LogError, LogReader, Published, SequencerOptions, SubmitError};
use crate::spec::tlog::EMPTY_ROOT;
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::store::StoreError;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::time::Instant;

/// Newest records looked at when a node starts: two full batches.
const RECORDS_AT_START: u64 = 8192;

/// Records of other nodes looked at for duplicates after a rebase.
const FOREIGN_RECORDS_MAX: u64 = 65_536;

/// The log as one node writes it.
pub(super) struct Log {
    objects: Arc<dyn ObjectStore>,
    heads: Arc<dyn HeadStore>,
    signer: Arc<dyn CheckpointSigner>,
    reader: LogReader,
    options: SequencerOptions,
    /// `None` when what is in the bucket is not known for sure: recover first.
    state: Option<LogState>,
    /// Size known before the state was lost, so that recovery looks at what came since.
    known_size: Option<u64>,
    /// The newest head generation ever read.
    generation_seen: u64,
    cell: PublishedCell,
    recent: Recent,
    sweeper: Sweeper,
}

/// A batch in the log.
pub(super) struct Done {
    /// Index of the first item.
    pub(super) first: u64,
    pub(super) shared: Arc<CommittedBatch>,
    pub(super) published: Published,
}

impl Log {
    pub(super) fn new(
        objects: Arc<dyn ObjectStore>,
        heads: Arc<dyn HeadStore>,
        signer: Arc<dyn CheckpointSigner>,
        options: SequencerOptions,
    ) -> Self {
        let reader = LogReader::new(objects.clone());
        let (recent, sweeper) = (Recent::default(), Sweeper::default());
        Self {
            objects,
            heads,
            signer,
            reader,
            options,
            state: None,
            known_size: None,
            generation_seen: 0,
            cell: None,
            recent,
            sweeper,
        }
    }

    pub(super) fn reader(&self) -> &LogReader {
        &self.reader
    }

    pub(super) fn options(&self) -> &SequencerOptions {
        &self.options
    }

    /// Makes the observed head readable and published, whoever committed it, and knows it from then on.
    pub(super) async fn recover(&mut self) -> Result<Published, LogError> {
        let observed = self.read_head().await?;
        if let Some(state) = &self.state
            && state.head == observed
        {
            return Ok(published_of(state));
        }
        let state = match observed {
            None => LogState::default(),
            Some((head, version)) => {
                self.finish_staged(&head).await?;
                LogState::load(&*self.objects, head, version).await?
            }
        };
        self.remember_foreign(state.size()).await?;
        let published = published_of(&state);
        self.known_size = Some(published.size);
        self.state = Some(state);
        Ok(published)
    }

    /// Puts `items` into the log. Items that are duplicates are answered and removed; on an error the rest stays.
    ///
    /// [`SubmitError::Uncertain`] inside the error means that the head may have been swapped.
    pub(super) async fn commit(&mut self, items: &mut Vec<Item>) -> Result<Option<Done>, CommitError> {
        let deadline = Instant::now() + self.options.commit_timeout;
        loop {
            // Nothing has been written yet for these items, or it was seen to have lost.
            retrying!(deadline, self.recover_within()).map_err(CommitError::Before)?;
            self.answer_duplicates(items);
            let Some(state) = &self.state else { continue };
            if items.is_empty() {
                return Ok(None);
            }
            let first = state.size();
            let before = state.head.clone();
            let draft = draft(state, items, self.signer.origin()).map_err(CommitError::Before)?;
            let built =
                self.sign(&draft.checkpoint).await.map_err(LogError::from).and_then(|evidence| draft.signed(evidence));
            let built = built.map_err(CommitError::Before)?;
            self.stage(&built, deadline).await.map_err(CommitError::Before)?;
            // From here on the outcome is unknown until the head has been read.
            self.state = None;
            match self.swap_and_observe(&built.head, before.as_ref(), deadline).await.map_err(CommitError::Unknown)? {
                Observed::Ours(version) => {
                    return self.conclude(built, version, first, items, deadline).await.map(Some);
                }
                Observed::Theirs => {
                    retrying!(deadline, self.recover_within()).map_err(CommitError::Unknown)?;
                    if self.holds(first, items).await.map_err(CommitError::Unknown)? {
                        return Ok(self.state.as_ref().map(|state| done(first, built.shared.clone(), state)));
                    }
                    self.sweeper.add(built.head.staging, Vec::new());
                }
            }
        }
    }

    /// A key in a module may take its time: not on a thread that answers requests.
    async fn sign(&self, checkpoint: &Checkpoint) -> Result<Evidence, SignError> {
        if !self.signer.may_wait() {
            return self.signer.sign(checkpoint);
        }
        let (signer, checkpoint) = (self.signer.clone(), checkpoint.clone());
        let signed = tokio::task::spawn_blocking(move || signer.sign(&checkpoint)).await;
        signed.unwrap_or_else(|error| Err(SignError(error.to_string())))
    }

    /// Whether the batch offered at `first` is in the log although another head was observed: another node extended ours
    /// before it could be read. All of it is compared: a record sent to two nodes may begin a batch of each.
    async fn holds(&self, first: u64, items: &[Item]) -> Result<bool, LogError> {
        let entries: Vec<&[u8]> = items.iter().map(|item| item.entry.as_slice()).collect();
        self.reader.holds(first, &entries, self.state.as_ref().map_or(0, LogState::size)).await
    }

    /// A state that is still current needs no request: the swap will tell.
    async fn recover_within(&mut self) -> Result<(), LogError> {
        if self.state.is_none() {
            self.recover().await?;
        }
        Ok(())
    }

    /// Reads the head. Generations only grow: one below the newest seen comes from a cache or a lagging replica and would
    /// make a swap that succeeded look lost.
    async fn read_head(&mut self) -> Result<Option<(Head, Version)>, LogError> {
        let found = match self.heads.read(HEAD_KEY).await? {
            Some((bytes, version)) => Some((Head::parse(&bytes)?, version)),
            None => None,
        };
        let generation = found.as_ref().map_or(0, |(head, _)| head.generation);
        if generation < self.generation_seen {
            return Err(StoreError::Stale { key: HEAD_KEY.to_owned() }.into());
        }
        self.generation_seen = generation;
        Ok(found)
    }

    /// Applies the batch behind a head unless its checkpoint is published already.
    async fn finish_staged(&mut self, head: &Head) -> Result<(), LogError> {
        self.cell = published(&*self.heads).await?;
        if self.is_published(head)? {
            return Ok(());
        }
        let staged = match get(&*self.objects, &head.staging).await {
            Ok(bytes) => Staged::parse(&head.staging, &bytes)?,
            Err(StoreError::Backend { source, .. }) if matches!(*source, object_store::Error::NotFound { .. }) => {
                // A neighbour may have finished it between the two reads.
                self.cell = published(&*self.heads).await?;
                if self.is_published(head)? {
                    return Ok(());
                }
                return Err(LogError::Inconsistent(format!("lot en attente « {} » disparu", head.staging)));
            }
            Err(error) => return Err(error.into()),
        };
        apply(&*self.objects, &*self.heads, &staged, &mut self.cell).await?;
        self.sweeper.add(head.staging.clone(), Vec::new());
        Ok(())
    }

    fn is_published(&self, head: &Head) -> Result<bool, LogError> {
        match &self.cell {
            Some((checkpoint, _)) if checkpoint.size == head.size && checkpoint.root != head.root => {
                Err(LogError::Inconsistent(format!("tête et point de contrôle divergent à {} entrées", head.size)))
            }
            Some((checkpoint, _)) => Ok(checkpoint.size >= head.size),
            None => Ok(false),
        }
    }

    /// Learns the idempotency digests of entries that came since this node last knew the log.
    async fn remember_foreign(&mut self, size: u64) -> Result<(), LogError> {
        // At start, what a crashed node may have committed without a word; the views know all that is older.
        let known = self.known_size.unwrap_or_else(|| size.saturating_sub(RECORDS_AT_START));
        if size < known {
            return Err(LogError::Inconsistent(format!("le journal est revenu de {known} à {size} entrées")));
        }
        let mut from = known.max(size.saturating_sub(FOREIGN_RECORDS_MAX));
        while from < size {
            let to = (from / 256 * 256 + 256).min(size);
            for (record, index) in self.reader.records(from..to, size).await?.iter().zip(from..) {
                if let Some(digest) = idempotency_of(record) {
                    self.recent.insert(digest, index);
                }
            }
            from = to;
        }
        Ok(())
    }

    /// Answers items whose idempotency digest is in the log already, or comes twice in the batch.
    fn answer_duplicates(&self, items: &mut Vec<Item>) {
        let mut seen = HashSet::new();
        let mut kept = Vec::with_capacity(items.len());
        for item in items.drain(..) {
            let known = item.idempotency.and_then(|digest| self.recent.get(&digest));
            let twice = item.idempotency.is_some_and(|digest| !seen.insert(digest));
            match known {
                Some(index) => answer(item, SubmitError::Duplicate { index }),
                // The first of the two is about to be committed: a retry will find it.
                None if twice => answer(item, SubmitError::Uncertain),
                None => kept.push(item),
            }
        }
        *items = kept;
    }

    async fn stage(&self, built: &Built, deadline: Instant) -> Result<(), LogError> {
        let key = &built.head.staging;
        let tar = built.staged.to_tar().map_err(|e| LogError::Inconsistent(e.to_string()))?;
        retrying!(deadline, async {
            let put = self.objects.put(&Path::from(key.as_str()), PutPayload::from(tar.clone())).await;
            put.map(|_| ()).map_err(|e| StoreError::backend(key, e).into())
        })
    }

    /// Swaps the head and reads it until it is known whose it is. The same bytes are offered again as long as the head
    /// has not moved.
    async fn swap_and_observe(
        &mut self,
        ours: &Head,
        before: Option<&(Head, Version)>,
        deadline: Instant,
    ) -> Result<Observed, LogError> {
        retrying!(deadline, async {
            let expected = before.map(|(_, version)| version);
            let answer = self.heads.swap(HEAD_KEY, expected, ours.to_bytes()).await;
            match self.read_head().await? {
                Some((head, version)) if head == *ours => Ok(Observed::Ours(version)),
                observed if observed.as_ref() == before => Err(match answer {
                    Err(error) => error.into(),
                    Ok(_) => StoreError::Timeout { key: HEAD_KEY.to_owned() }.into(),
                }),
                // Ours may be below theirs: what they extended tells. Recovery finds our records there.
                _ => Ok(Observed::Theirs),
            }
        })
    }

    /// The head is ours: write the batch in place and remember it.
    async fn conclude(
        &mut self,
        built: Built,
        version: Version,
        first: u64,
        items: &[Item],
        deadline: Instant,
    ) -> Result<Done, CommitError> {
        let Built { head, staged, mut next, shared, replaced } = built;
        self.known_size = Some(first);
        retrying!(deadline, apply(&*self.objects, &*self.heads, &staged, &mut self.cell))
            .map_err(CommitError::Unknown)?;
        self.sweeper.add(head.staging.clone(), replaced);
        if self.sweeper.is_full() {
            self.tidy_up();
        }
        for (item, index) in items.iter().zip(first..) {
            if let Some(digest) = item.idempotency {
                self.recent.insert(digest, index);
            }
        }
        self.reader.newest.extend(first, items.iter().map(|item| item.record.clone()));
        self.known_size = Some(head.size);
        next.head = Some((head, version));
        let done = done(first, shared, &next);
        self.state = Some(next);
        Ok(done)
    }

    /// Deletes what a quiet moment was waited for.
    pub(super) fn tidy_up(&mut self) {
        self.sweeper.sweep(&self.objects);
    }
}

/// Where a failed commit stands.
#[derive(Debug)]
pub(super) enum CommitError {
    /// The head was not touched.
    Before(LogError),
    /// The head may have been swapped.
    Unknown(LogError),
}

/// Whose head was read after a swap.
enum Observed {
    Ours(Version),
    Theirs,
}

pub(super) fn answer(item: Item, error: SubmitError) {
    // A depositor that has gone away needs no answer.
    let _ = item.answer.send(Err(error));
}

fn done(first: u64, shared: Arc<CommittedBatch>, state: &LogState) -> Done {
    Done { first, shared, published: published_of(state) }
}

fn published_of(state: &LogState) -> Published {
    match &state.head {
        Some((head, _)) => Published { size: head.size, root: head.root },
        None => Published { size: 0, root: EMPTY_ROOT },
    }
}
