//! The search view on tantivy: one indexing thread with the smallest heap, commits at the follower's pace.

use super::schema::{Fields, INDEX, parse_payload, payload};
use super::{Order, PAGE_HITS_MAX, Page, Query, SearchError};
use crate::views::{Batch, Cursor, Event, OpenError, Opened, Shelf, ShelfError, View, ViewError, is_environment};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tantivy::collector::TopDocs;
use tantivy::directory::MmapDirectory;
use tantivy::directory::error::{OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError};

const NAME: &str = "search";

/// Records taken in without a deposit among them before the cursor alone is worth a commit.
const CURSOR_COMMIT_RECORDS: u64 = 50_000;

/// How the engine is set.
#[derive(Debug, Clone, Copy)]
pub struct SearchOptions {
    /// Heap of the indexing thread, in bytes; tantivy asks for 15 MB at least.
    pub heap_bytes: usize,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { heap_bytes: 16_000_000 }
    }
}

/// The search view kept in the state directory.
pub struct SearchIndex {
    shelf: Shelf,
    fields: Fields,
    reader: IndexReader,
    writing: Mutex<Writing>,
}

struct Writing {
    writer: IndexWriter,
    /// What has been given to the writer.
    applied: Cursor,
    /// What is in the last commit.
    committed: Cursor,
    /// Documents since the last commit.
    pending: usize,
}

impl SearchIndex {
    /// Opens the index under the state directory, or an empty one in place of one that does not open.
    pub fn open(state: &Path, options: SearchOptions) -> Result<Opened<Self>, ShelfError> {
        let shelf = Shelf::lock(state, NAME, "/tantivy")?;
        let fields = Fields::new();
        let opened = shelf.open(|dir| open_engine(dir, &fields, options))?;
        let (reader, writing) = opened.view;
        let view = Self { shelf, fields, reader, writing: Mutex::new(writing) };
        Ok(Opened { view, set_aside: opened.set_aside })
    }

    /// Answers a question from the last commit. Reads the disk: call it off the runtime.
    pub fn find(&self, query: &Query) -> Result<Page, SearchError> {
        self.shelf.inside(|| self.page(query)).map_err(|error| SearchError(self.blame(&error).to_string()))
    }

    /// How many archives the last commit has.
    pub fn archives(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    fn page(&self, query: &Query) -> tantivy::Result<Page> {
        let limit = query.limit.clamp(1, PAGE_HITS_MAX);
        let order = match query.order {
            Order::OldestFirst => tantivy::Order::Asc,
            Order::NewestFirst => tantivy::Order::Desc,
        };
        let searcher = self.reader.searcher();
        // One more than asked for tells whether there is a next page.
        let top = TopDocs::with_limit(limit + 1).order_by_u64_field(INDEX, order);
        let found = searcher.search(&*self.fields.query(query), &top)?;
        let mut hits = Vec::with_capacity(found.len().min(limit));
        for (_, address) in found.iter().take(limit) {
            let document: TantivyDocument = searcher.doc(*address)?;
            let hit = self.fields.hit(&document);
            hits.push(hit.ok_or_else(|| TantivyError::InternalError(format!("document {address:?} sans contenu")))?);
        }
        let next = if found.len() > limit { hits.last().map(|hit| hit.index) } else { None };
        Ok(Page { hits, next })
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `call` with the writer, and holds what goes wrong against the index or the machine.
    fn on_writer<T>(&self, call: impl FnOnce(&mut Writing) -> tantivy::Result<T>) -> Result<T, ViewError> {
        let mut writing = self.writing();
        self.shelf.inside(|| call(&mut writing)).map_err(|error| self.blame(&error))
    }

    fn blame(&self, error: &TantivyError) -> ViewError {
        match diagnose(error) {
            OpenError::Environment(cause) => ViewError::Environment { view: NAME, cause },
            OpenError::Damaged(cause) => {
                self.shelf.mark_damaged(&cause);
                ViewError::Damaged { view: NAME, cause }
            }
        }
    }
}

impl View for SearchIndex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cursor(&self) -> Cursor {
        self.writing().applied
    }

    fn apply(&self, batch: &Batch) -> Result<(), ViewError> {
        let size = self.cursor().size;
        let entries = batch.after(size).ok_or(ViewError::Gap { view: NAME, first: batch.first(), size })?;
        if batch.end().size <= size {
            return Ok(());
        }
        let documents: Vec<_> = entries
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::Deposit(deposit) => Some(UserOperation::Add(self.fields.document(entry, deposit))),
                _ => None,
            })
            .collect();
        self.on_writer(|writing| {
            writing.pending += documents.len();
            writing.writer.run(documents)?;
            writing.applied = batch.end();
            Ok(())
        })
    }

    fn flush(&self) -> Result<(), ViewError> {
        self.on_writer(|writing| {
            let moved = writing.applied.size - writing.committed.size;
            if writing.pending == 0 && moved < CURSOR_COMMIT_RECORDS {
                return Ok(());
            }
            writing.commit()
        })?;
        self.shelf.inside(|| self.reader.reload()).map_err(|error| self.blame(&error))
    }

    fn reset(&self) -> Result<(), ViewError> {
        self.on_writer(|writing| {
            writing.writer.delete_all_documents()?;
            writing.applied = Cursor::start();
            writing.commit()
        })?;
        self.shelf.inside(|| self.reader.reload()).map_err(|error| self.blame(&error))
    }
}

impl Writing {
    fn commit(&mut self) -> tantivy::Result<()> {
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&payload(self.applied));
        commit.commit()?;
        (self.committed, self.pending) = (self.applied, 0);
        Ok(())
    }
}

fn open_engine(dir: &Path, fields: &Fields, options: SearchOptions) -> Result<(IndexReader, Writing), OpenError> {
    let directory = MmapDirectory::open(dir).map_err(|e| diagnose(&e.into()))?;
    let open = || -> tantivy::Result<_> {
        let index = Index::open_or_create(directory, fields.schema.clone())?;
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(options.heap_bytes)
            .build();
        let writer = index.writer_with_options(options)?;
        // By hand, after our own commits: no thread watching the directory.
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok((reader, writer, index.load_metas()?.payload))
    };
    let (reader, writer, payload): (IndexReader, _, _) = open().map_err(|e| diagnose(&e))?;
    let cursor = match payload {
        Some(text) => parse_payload(&text)
            .ok_or_else(|| OpenError::Damaged(format!("curseur illisible ou d'un autre schéma : {text}")))?,
        None if reader.searcher().num_docs() == 0 => Cursor::start(),
        None => return Err(OpenError::Damaged("des documents sans curseur".into())),
    };
    Ok((reader, Writing { writer, applied: cursor, committed: cursor, pending: 0 }))
}

fn diagnose(error: &TantivyError) -> OpenError {
    let io: Option<&io::Error> = match error {
        TantivyError::IoError(io)
        | TantivyError::OpenDirectoryError(OpenDirectoryError::IoError { io_error: io, .. })
        | TantivyError::OpenReadError(OpenReadError::IoError { io_error: io, .. })
        | TantivyError::OpenWriteError(OpenWriteError::IoError { io_error: io, .. }) => Some(io),
        _ => None,
    };
    match error {
        // The indexing thread died, of a full disk most likely, and does not say why: what is committed is whole.
        TantivyError::ErrorInThread(text) => OpenError::Environment(text.clone()),
        _ if io.is_some_and(is_environment) => OpenError::Environment(error.to_string()),
        _ => OpenError::Damaged(error.to_string()),
    }
}
