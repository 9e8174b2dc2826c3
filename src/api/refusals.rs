//! Refusals as records: an agency's failed deposits are part of its journal. Best effort and bounded: the answer never
//! waits for it, a storm of refusals is recorded as a few, and nothing is recorded for who is not authenticated.

use crate::clock::format_record_time;
use crate::package::{Body, Record, fresh_salt};
use crate::sequencer::{Sequencer, Submission};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

/// Refusals waiting to be recorded; beyond, they are only counted.
const WAITING_MAX: usize = 256;

/// At most this many a second, for all agencies.
const PER_SECOND: u32 = 20;

/// The way to the recording task.
#[derive(Debug, Clone)]
pub(super) struct Refusals {
    waiting: mpsc::Sender<Record>,
}

impl Refusals {
    pub(super) fn start(sequencer: Sequencer) -> Self {
        let (waiting, inbox) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(sequencer, inbox));
        Self { waiting }
    }

    /// Asks for a refusal to be recorded.
    pub(super) fn record(&self, agency: &str, actor: &str, code: &str, detail: &str, now: OffsetDateTime) {
        let Ok(place) = self.waiting.try_reserve() else { return };
        let Ok(salt) = fresh_salt() else { return };
        place.send(Record {
            v: 1,
            time: format_record_time(now),
            agency: agency.to_owned(),
            actor: actor.to_owned(),
            id: Uuid::now_v7(),
            references: Vec::new(),
            salt,
            body: Body::Refusal { code: code.to_owned(), detail: detail.to_owned() },
        });
    }
}

async fn run(sequencer: Sequencer, mut inbox: mpsc::Receiver<Record>) {
    let mut pace = interval(Duration::from_secs(1) / PER_SECOND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(record) = inbox.recv().await {
        pace.tick().await;
        let Ok(bytes) = record.to_canonical() else { continue };
        if let Err(error) = sequencer.submit(Submission { record: bytes.into(), idempotency: None }).await {
            tracing::debug!(%error, "un refus n'a pas été consigné");
        }
    }
}
