//! Objects and descriptions on their way to the store, together: small ones share packs, large ones stream. Each object was
//! digested when it was checked; a large one is digested again as it is written, and must be the same.

use super::operations::Operation;
use super::plan::stored;
use super::process::Work;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::digest::Digests;
use crate::package::Location;
use crate::spec::seda::fragment::Fragments;
use crate::store::{SealedPayload, StoreError, StoredPayload};
use crate::transfer::check::attached;
use crate::transfer::container::Container;
use bytes::Bytes;
use futures::future::try_join_all;
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Payloads made durable together.
const TOGETHER: usize = 512;
/// And at most so many bytes of them in memory.
const TOGETHER_BYTES: u64 = 16 << 20;
/// Bytes of a large object read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Where everything lies.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// By object.
    pub(super) objects: Vec<Option<Location>>,
    /// By unit.
    pub(super) descriptions: Vec<Option<Piece>>,
}

/// A payload that is durable.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) location: Location,
    pub(super) digests: Digests,
    pub(super) size_bytes: u64,
}

/// Makes durable what the units still to be archived need; `known` are those that are in the log already.
pub(super) async fn store(
    app: &App,
    operation: &Arc<Operation>,
    work: &Arc<Work>,
    known: &[Option<u64>],
) -> Result<Pieces, Problem> {
    let (app, operation, work, known) = (app.clone(), operation.clone(), work.clone(), known.to_vec());
    let storing = tokio::task::spawn_blocking(move || {
        let manifest = &work.message.manifest;
        let mut putting = Putting {
            app: &app,
            operation: &operation,
            runtime: Handle::current(),
            pending: Vec::new(),
            pending_bytes: 0,
            pieces: Pieces {
                objects: vec![None; manifest.objects.len()],
                descriptions: vec![None; manifest.units.len()],
            },
        };
        putting.descriptions(&work, &known)?;
        putting.objects(&work, &known)?;
        putting.flush()?;
        Ok(putting.pieces)
    });
    storing.await.map_err(|error| Problem::internal(&error))?
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Object(usize),
    Description(usize),
}

struct Putting<'a> {
    app: &'a App,
    operation: &'a Operation,
    runtime: Handle,
    pending: Vec<(Slot, SealedPayload)>,
    pending_bytes: u64,
    pieces: Pieces,
}

impl Putting<'_> {
    fn descriptions(&mut self, work: &Work, known: &[Option<u64>]) -> Result<(), Problem> {
        let manifest = &work.message.manifest;
        let fragments = Fragments::new(&work.document, manifest);
        for unit in work.new_units(known) {
            let place = u32::try_from(unit).unwrap_or(u32::MAX);
            let own = fragments.unit(place).ok_or_else(|| Problem::internal(&"unité sans place dans son bordereau"))?;
            let class = work.plan.class(manifest, unit);
            let digests = Digests::of(&own);
            self.put(Slot::Description(unit), &class, &mut own.as_slice(), own.len() as u64, &digests)?;
        }
        Ok(())
    }

    fn objects(&mut self, work: &Work, known: &[Option<u64>]) -> Result<(), Problem> {
        let manifest = &work.message.manifest;
        // Each object once, in the class of the first unit that has it.
        let mut wanted: HashMap<u32, usize> = HashMap::new();
        for unit in work.new_units(known) {
            for object in work.plan.units[unit].objects.iter().filter(|o| stored(manifest, &work.seen, **o)) {
                wanted.entry(*object).or_insert(unit);
            }
        }
        let mut members: HashMap<usize, (u32, usize)> = HashMap::new();
        for (&object, &unit) in &wanted {
            let index = object as usize;
            match (work.seen[index].member, &manifest.objects[index].inline) {
                (Some(member), _) => _ = members.insert(member, (object, unit)),
                (None, Some(_)) => {
                    let content = attached(&work.document, &manifest.objects[index]).ok_or_else(unreadable)?;
                    self.object(work, index, unit, &mut content.as_slice())?;
                }
                (None, None) => return Err(unreadable()),
            }
        }
        let Some(container) = work.holder() else { return Ok(()) };
        let mut failed = None;
        self.members(work, container, &members, &mut failed);
        failed.map_or(Ok(()), Err)
    }

    fn members(
        &mut self,
        work: &Work,
        container: &Container,
        members: &HashMap<usize, (u32, usize)>,
        failed: &mut Option<Problem>,
    ) {
        let read = container.each(&|member| members.contains_key(&member), &mut |member, content| {
            let Some(&(object, unit)) = members.get(&member) else { return Ok(true) };
            match self.object(work, object as usize, unit, content) {
                Ok(()) => Ok(true),
                Err(problem) => {
                    *failed = Some(problem);
                    Ok(false)
                }
            }
        });
        if let (Err(error), None) = (read, &failed) {
            *failed = Some(Problem::internal(&error));
        }
    }

    fn object(&mut self, work: &Work, index: usize, unit: usize, content: &mut dyn Read) -> Result<(), Problem> {
        let seen = &work.seen[index];
        let Some(digests) = seen.digests else { return Ok(()) };
        let class = work.plan.class(&work.message.manifest, unit);
        self.put(Slot::Object(index), &class, content, seen.size_bytes, &digests)
    }

    fn put(
        &mut self,
        slot: Slot,
        class: &str,
        content: &mut dyn Read,
        size_bytes: u64,
        digests: &Digests,
    ) -> Result<(), Problem> {
        let agency = &self.operation.job.agency;
        if size_bytes < self.app.small_bytes_max as u64 {
            let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
            content.take(size_bytes + 1).read_to_end(&mut bytes).map_err(|e| Problem::internal(&e))?;
            if bytes.len() as u64 != size_bytes {
                return Err(Problem::internal(&"un objet n'a plus la taille contrôlée"));
            }
            let sealed = self.app.store.known(agency, class, &bytes, *digests)?;
            self.pending.push((slot, sealed));
            self.pending_bytes += size_bytes;
            if self.pending.len() >= TOGETHER || self.pending_bytes >= TOGETHER_BYTES {
                self.flush()?;
            }
            return Ok(());
        }
        let writer = self.app.store.payload(agency, class)?;
        let runtime = self.runtime.clone();
        let uploads = self.app.large_uploads.clone();
        let _large = runtime.block_on(uploads.acquire_owned()).map_err(|e| Problem::internal(&e))?;
        let sealed = stream(&runtime, writer, content)?;
        if sealed.digests() != digests {
            return Err(Problem::internal(&"un objet a changé entre son contrôle et son archivage"));
        }
        let stored = runtime.block_on(sealed.store())?;
        self.placed(slot, Piece { location: stored.location, digests: *digests, size_bytes });
        Ok(())
    }

    /// Makes what waits durable.
    fn flush(&mut self) -> Result<(), Problem> {
        self.pending_bytes = 0;
        let stores = std::mem::take(&mut self.pending).into_iter().map(durable);
        for (slot, stored) in self.runtime.block_on(try_join_all(stores))? {
            let (location, digests) = (stored.location, stored.digests);
            self.placed(slot, Piece { location, digests, size_bytes: stored.size_bytes });
        }
        Ok(())
    }

    fn placed(&mut self, slot: Slot, piece: Piece) {
        match slot {
            Slot::Object(index) => self.pieces.objects[index] = Some(piece.location),
            Slot::Description(unit) => self.pieces.descriptions[unit] = Some(piece),
        }
    }
}

fn unreadable() -> Problem {
    Problem::internal(&"objet contrôlé et introuvable à la relecture")
}

async fn durable((slot, sealed): (Slot, SealedPayload)) -> Result<(Slot, StoredPayload), StoreError> {
    Ok((slot, sealed.store().await?))
}

fn stream(
    runtime: &Handle,
    mut writer: crate::store::PayloadWriter,
    content: &mut dyn Read,
) -> Result<SealedPayload, Problem> {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = match content.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Problem::internal(&error)),
        };
        chunk.truncate(count);
        runtime.block_on(writer.write(Bytes::from(chunk)))?;
    }
    Ok(runtime.block_on(writer.seal())?)
}
