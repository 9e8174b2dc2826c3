//! A deposit's files, from the body to the store: each byte once, in bounded memory, judged before it is durable.

use super::problem::Problem;
use super::services::Services;
use super::signatures::Collected;
use super::source::{File, Source};
use crate::admission::{Admitted, Declared, Deposit, HEAD_BYTES, Reason, Received, Refusal, identify};
use crate::digest::{Digests, Hasher};
use crate::package::Location;
use crate::store::{PayloadWriter, SealedPayload, StoreError};
use bytes::{Bytes, BytesMut};
use futures::future::try_join_all;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// Sealed payloads held in memory by one deposit before they go to the store, in KiB.
const SEALED_KIB_MAX: u32 = 16 * 1024;

/// Why a deposit does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// The producer's to mend: worth a record.
    Refused(Refusal),
    /// The archive's.
    Failed(Problem),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Reason> for Halt {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Payloads that have passed, on their way to being durable.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    /// In order; `None` while the payload is in `sealed`.
    locations: Vec<Option<Location>>,
    sealed: Vec<(usize, SealedPayload)>,
    held: Option<OwnedSemaphorePermit>,
    /// The right to one large upload, while a large payload is sealed.
    large: Option<OwnedSemaphorePermit>,
}

/// Reads every file into the store's hands. Nothing is durable yet, so that a refusal leaves nothing behind, but what a
/// deposit of several large files, or of many above [`SEALED_KIB_MAX`], has already had to put down: no record ever names
/// it, and the audit lists it.
pub(super) async fn take(
    app: &Services,
    agency: &str,
    mut deposit: Deposit<Received>,
    source: &mut Source,
) -> Result<(Deposit<Admitted>, Payloads), Halt> {
    let mut payloads = Payloads::default();
    let mut signed = Collected::new(app, deposit.document_type());
    while let Some(file) = source.file().await? {
        let (name, declared) = expect(&deposit, &file)?;
        let writer = app.store.payload(agency, deposit.rule())?;
        signed.begin(&name);
        let (sealed, head) = payloads.pass(app, writer, source, &mut signed).await?;
        let format = identify(&head, &name);
        deposit.arrived(name, &declared, *sealed.digests(), sealed.size_bytes(), format)?;
        payloads.sealed.push((payloads.locations.len(), sealed));
        payloads.locations.push(None);
        if payloads.held.as_ref().is_some_and(|held| held.num_permits() > SEALED_KIB_MAX as usize) {
            payloads.put_down().await?;
        }
    }
    let mut deposit = deposit.admit()?;
    if let Some(judged) = signed.judge(app).await? {
        for report in judged.reports {
            let mut name = report.name;
            while deposit.has(&name) {
                name.insert(0, '_');
            }
            let mut writer = app.store.payload(agency, deposit.rule())?;
            writer.write(report.content).await?;
            let sealed = writer.seal().await?;
            deposit.attach(&name, *sealed.digests(), sealed.size_bytes(), report.media_type);
            payloads.sealed.push((payloads.locations.len(), sealed));
            payloads.locations.push(None);
        }
        deposit.judged(judged.summary);
    }
    Ok((deposit, payloads))
}

/// Reads every file for its digests only: the content of a retry is compared, not stored again.
pub(super) async fn compare(mut deposit: Deposit<Received>, source: &mut Source) -> Result<Deposit<Admitted>, Halt> {
    while let Some(file) = source.file().await? {
        let (name, declared) = expect(&deposit, &file)?;
        let (mut hasher, mut size_bytes) = (Hasher::new(), 0u64);
        let mut head = Head::default();
        while let Some(data) = source.data().await? {
            head.take(&data);
            hasher.update(&data);
            size_bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
        }
        let digests: Digests = hasher.finish();
        let format = identify(head.bytes(), &name);
        deposit.arrived(name, &declared, digests, size_bytes, format)?;
    }
    Ok(deposit.admit()?)
}

/// What is declared of a file in the metadata, or else in the request's headers.
fn expect(deposit: &Deposit<Received>, file: &File) -> Result<(String, Declared), Refusal> {
    let (name, declared) = deposit.expect(&file.name)?;
    let declared = Declared {
        sha256: declared.sha256.or(file.declared.sha256),
        sha512: declared.sha512.or(file.declared.sha512),
        size_bytes: declared.size_bytes.or(file.declared.size_bytes),
    };
    Ok((name, declared))
}

impl Payloads {
    /// Everything is durable when this returns; locations in order.
    pub(super) async fn store(mut self) -> Result<Vec<Location>, StoreError> {
        self.put_down().await?;
        Ok(self.locations.into_iter().flatten().collect())
    }

    /// Makes what is sealed durable, together, and gives its memory back.
    async fn put_down(&mut self) -> Result<(), StoreError> {
        let sealed = std::mem::take(&mut self.sealed);
        let stores =
            sealed.into_iter().map(async |(place, payload)| Ok::<_, StoreError>((place, payload.store().await?)));
        for (place, stored) in try_join_all(stores).await? {
            self.locations[place] = Some(stored.location);
        }
        self.held = None;
        self.large = None;
        Ok(())
    }

    /// Passes the bytes of one file to its writer: counted against the common memory while small, then one of a few.
    async fn pass(
        &mut self,
        app: &Services,
        mut writer: PayloadWriter,
        source: &mut Source,
        signed: &mut Collected,
    ) -> Result<(SealedPayload, Bytes), Halt> {
        let mut head = Head::default();
        let (mut length, mut counted_kib) = (0usize, 0u32);
        let mut large = false;
        while let Some(data) = source.data().await? {
            head.take(&data);
            length = length.saturating_add(data.len());
            if length < app.small_bytes_max {
                let needed_kib = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
                self.hold(app, needed_kib - counted_kib)?;
                counted_kib = needed_kib;
            } else if !large {
                self.begin_large(app).await?;
                self.release(counted_kib);
                large = true;
            }
            signed.take(app, &data);
            writer.write(data).await?;
        }
        let sealed = writer.seal().await?;
        Ok((sealed, head.0.freeze()))
    }

    /// Waits for the right to a large upload, holding no other: two deposits never wait for each other.
    async fn begin_large(&mut self, app: &Services) -> Result<(), Halt> {
        if self.large.is_some() {
            self.put_down().await?;
        }
        let wait_max = Duration::from_millis(app.limits.commit_ms_max);
        match timeout(wait_max, app.large_uploads.clone().acquire_owned()).await {
            Ok(Ok(permit)) => self.large = Some(permit),
            _ => return Err(Problem::busy().into()),
        }
        Ok(())
    }

    fn hold(&mut self, app: &Services, kib: u32) -> Result<(), Problem> {
        if kib == 0 {
            return Ok(());
        }
        let permit = app.buffers.clone().try_acquire_many_owned(kib).map_err(|_| Problem::busy())?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }

    fn release(&mut self, kib: u32) {
        if let Some(held) = &mut self.held {
            drop(held.split(kib as usize));
        }
    }
}

/// The first bytes of a file, for its format.
#[derive(Debug, Default)]
struct Head(BytesMut);

impl Head {
    fn take(&mut self, data: &[u8]) {
        let room = HEAD_BYTES - self.0.len();
        if room > 0 {
            self.0.extend_from_slice(&data[..data.len().min(room)]);
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}
