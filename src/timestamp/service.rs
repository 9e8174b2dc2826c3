//! The time-stamping authority at work: requests of many clients, journalled together and signed together.
//!
//! A token is never signed before the log says that it is about to be: its serial number, imprint and time are in a
//! record under a published checkpoint first. One record covers a batch; a few batches are on their way at once, so that
//! the wait for the log is shared. The queue is bounded: beyond it, the answer is [`Answer::Busy`].

use super::trust::ClockTrust;
use super::tsa::{Asked, RANKS_MAX, Refusal};
use super::{Keyring, TimestampError};
use crate::clock::{SharedClock, format_record_time};
use crate::package::{Body, RECORD_BYTES_MAX, Record, Timestamps, fresh_salt};
use crate::sequencer::{Sequencer, Submission, SubmitError};
use crate::spec::cms::algorithm::Digest;
use crate::spec::tsp::token_of;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

/// Requests waiting for a batch.
const WAITING_MAX: usize = 16_384;

/// Batches between their closing and their last signature.
const BATCHES_MAX: usize = 6;

/// What imprints may take of a record; the rest of it is a few hundred bytes.
const IMPRINTS_BYTES_MAX: usize = RECORD_BYTES_MAX - 2048;

/// The longest a token may wait for the log: its time would say little of when it was made.
pub const JOURNAL_DELAY_MAX: Duration = Duration::from_secs(10);

/// Who the record says did it.
const ACTOR: &str = "system:tsa";

/// The way in.
#[derive(Clone)]
pub struct TimestampService {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Waiting>,
}

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    /// A TimeStampResp that carries a token.
    Granted(Vec<u8>),
    /// A TimeStampResp that says no.
    Rejected(Refusal),
    /// Too many requests are waiting, for the authority or for the log.
    Busy,
}

struct Shared {
    keyring: Arc<Keyring>,
    clock: SharedClock,
    trust: ClockTrust,
    agency: String,
    certificate: String,
}

impl std::fmt::Debug for TimestampService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TimestampService({:?})", self.shared.keyring.tsa.certificate())
    }
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    answer: oneshot::Sender<Answer>,
}

impl TimestampService {
    /// Starts the authority of a keyring on the current runtime; it ends with the last clone. `agency` is whom the
    /// records of tokens belong to.
    pub fn start(
        keyring: Arc<Keyring>,
        sequencer: Sequencer,
        clock: SharedClock,
        trust: ClockTrust,
        agency: &str,
    ) -> Self {
        let (queue, inbox) = mpsc::channel(WAITING_MAX);
        let certificate = keyring.tsa.certificate().fingerprint();
        let shared = Arc::new(Shared { keyring, clock, trust, agency: agency.to_owned(), certificate });
        tokio::spawn(run(shared.clone(), sequencer, inbox));
        Self { shared, queue }
    }

    /// Answers a TimeStampReq (DER).
    pub async fn answer(&self, request: &[u8]) -> Answer {
        let admitted = self.shared.keyring.tsa.admit(request).and_then(|asked| {
            self.shared.trust.require().map_err(Refusal::of)?;
            Ok(asked)
        });
        match admitted {
            Ok(asked) => self.stamp(asked).await,
            Err(refusal) => Answer::Rejected(refusal),
        }
    }

    /// A CMS token over a digest of ours, journalled as any other. Fails when the queue is full.
    pub async fn token_over(&self, digest: Digest, imprint: &[u8]) -> Result<Vec<u8>, TimestampError> {
        self.shared.trust.require()?;
        let asked = Asked::own(digest, imprint);
        match self.stamp(asked).await {
            Answer::Granted(response) => {
                let token = token_of(&response).map_err(|error| TimestampError::Request(error.to_string()))?;
                Ok(token.to_vec())
            }
            Answer::Rejected(refusal) => Err(*refusal.cause),
            Answer::Busy => Err(TimestampError::Journal("trop de demandes en attente".to_owned())),
        }
    }

    /// Whether tokens say that they are ordered by their times.
    pub fn ordering(&self) -> bool {
        self.shared.keyring.tsa.ordering()
    }

    /// Whether the clock lets tokens be issued.
    pub fn trust(&self) -> &ClockTrust {
        &self.shared.trust
    }

    async fn stamp(&self, asked: Asked) -> Answer {
        let (answer, answered) = oneshot::channel();
        match self.queue.try_send(Waiting { asked, answer }) {
            Ok(()) => answered.await.unwrap_or(Answer::Busy),
            Err(_) => Answer::Busy,
        }
    }
}

async fn run(shared: Arc<Shared>, sequencer: Sequencer, mut inbox: mpsc::Receiver<Waiting>) {
    let places = Arc::new(Semaphore::new(BATCHES_MAX));
    while let Some(first) = inbox.recv().await {
        // While every place is taken, requests gather: the busier, the larger the batches.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let mut left = IMPRINTS_BYTES_MAX.saturating_sub(written_bytes(&first.asked));
        let mut batch = vec![first];
        while left >= LONGEST_WRITTEN
            && batch.len() < usize::from(RANKS_MAX)
            && let Ok(next) = inbox.try_recv()
        {
            left -= written_bytes(&next.asked);
            batch.push(next);
        }
        // Here, in the order of the queue: the guard refuses a time before one already given.
        match shared.keyring.tsa.now_without_blocking(&*shared.clock).await {
            Ok(at) => {
                tokio::spawn(issue(shared.clone(), sequencer.clone(), batch, at, place));
            }
            Err(cause) => refuse(batch, &cause),
        }
    }
}

async fn issue(
    shared: Arc<Shared>,
    sequencer: Sequencer,
    batch: Vec<Waiting>,
    at: OffsetDateTime,
    _place: OwnedSemaphorePermit,
) {
    let (id, closed) = (Uuid::now_v7(), Instant::now());
    let record = match shared.record(id, &batch, at) {
        Ok(record) => record,
        Err(cause) => return refuse(batch, &cause),
    };
    match sequencer.submit(Submission { record: record.into(), idempotency: None }).await {
        Ok(_) if closed.elapsed() <= JOURNAL_DELAY_MAX => {}
        Ok(_) => {
            let why = format!("le journal a mis plus de {} s à consigner les jetons", JOURNAL_DELAY_MAX.as_secs());
            return refuse(batch, &TimestampError::ClockUntrusted(why));
        }
        Err(SubmitError::Full) => return batch.into_iter().for_each(|waiting| tell(waiting, Answer::Busy)),
        Err(error) => return refuse(batch, &TimestampError::Journal(error.to_string())),
    }
    // Between the intent and the signatures the clock may have been found wrong.
    if let Err(cause) = shared.trust.require() {
        return refuse(batch, &cause);
    }
    let signed = tokio::task::spawn_blocking(move || {
        for (waiting, rank) in batch.into_iter().zip(0_u16..) {
            let tsa = &shared.keyring.tsa;
            let answer = match tsa.issue(&waiting.asked, &serial(id, rank), tsa.ranked(at, rank)) {
                Ok(response) => Answer::Granted(response),
                Err(cause) => Answer::Rejected(Refusal::of(cause)),
            };
            tell(waiting, answer);
        }
    });
    if let Err(error) = signed.await {
        tracing::error!(%error, "des jetons consignés n'ont pas été signés");
    }
}

impl Shared {
    /// The canonical record of a batch.
    fn record(&self, id: Uuid, batch: &[Waiting], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        let record = Record {
            v: 1,
            time: format_record_time(at),
            agency: self.agency.clone(),
            actor: ACTOR.to_owned(),
            id,
            references: Vec::new(),
            salt: fresh_salt().map_err(|_| TimestampError::Random)?,
            body: Body::Timestamps(Timestamps {
                policy: self.keyring.tsa.policy(),
                certificate: self.certificate.clone(),
                serial: hex::encode(serial(id, 0)),
                imprints: batch.iter().map(|waiting| written(&waiting.asked)).collect(),
            }),
        };
        record.to_canonical().map_err(|error| TimestampError::Journal(error.to_string()))
    }
}

/// The serial number of a token: the record's own identifier (UUID version 7), which no other record bears on any node,
/// then the token's rank. 144 bits of the 160 that RFC 3161 § 2.4.2 admits.
fn serial(record: Uuid, rank: u16) -> [u8; 18] {
    let mut serial = [0; 18];
    serial[..16].copy_from_slice(record.as_bytes());
    serial[16..].copy_from_slice(&rank.to_be_bytes());
    serial
}

/// `sha512:` and 128 digits, quotes and comma.
const LONGEST_WRITTEN: usize = 7 + 128 + 3;

fn written_bytes(asked: &Asked) -> usize {
    7 + 2 * asked.imprint.len() + 3
}

fn written(asked: &Asked) -> String {
    // The three that `Tsa::admit` lets in.
    let longer = [(Digest::Sha384, "sha384"), (Digest::Sha512, "sha512")];
    let name = longer.iter().find(|(digest, _)| *digest == asked.digest).map_or("sha256", |(_, name)| name);
    format!("{name}:{}", hex::encode(&asked.imprint))
}

fn refuse(batch: Vec<Waiting>, cause: &TimestampError) {
    tracing::error!(error = %cause, tokens = batch.len(), "des jetons n'ont pas été émis");
    for waiting in batch {
        tell(waiting, Answer::Rejected(Refusal::of(cause.clone())));
    }
}

fn tell(waiting: Waiting, answer: Answer) {
    // A client that has gone away needs no answer; its token is journalled all the same.
    let _ = waiting.answer.send(answer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_positive_and_follow_each_other() {
        let id = Uuid::now_v7();
        let (first, last) = (serial(id, 0), serial(id, u16::MAX));
        // The high bit of a UUID version 7 is that of a 48-bit count of milliseconds.
        assert!(first[0] < 0x80 && first < last && first[..16] == last[..16]);
        // A full batch of the shortest imprints has ranks to spare.
        assert!(IMPRINTS_BYTES_MAX / (7 + 64 + 3) < usize::from(u16::MAX));
    }
}
