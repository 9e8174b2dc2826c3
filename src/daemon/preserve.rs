//! Makes evidence for what comes into the log, and renews what is due once a day, or when asked.

use super::init::OPERATOR;
use crate::api::{RenewalRequest, administrative_record};
use crate::clock::SharedClock;
use crate::evidence::{EvidenceError, Journal, Maker, Renewal, Renewed};
use crate::package::{Body, EvidenceRenewal};
use crate::sequencer::{Published, Sequencer, Submission};
use async_trait::async_trait;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Between two looks at what is due.
pub const RENEWAL_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The first look, once what came since the last stop has its evidence.
const RENEWAL_FIRST: Duration = Duration::from_secs(600);

/// The wait after a failure; it doubles, up to [`WAIT_MAX`].
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The way into the log for intents of renewal.
pub(super) struct LogJournal {
    pub(super) sequencer: Sequencer,
    pub(super) clock: SharedClock,
}

#[async_trait]
impl Journal for LogJournal {
    async fn record(&self, renewal: EvidenceRenewal) -> Result<(), EvidenceError> {
        let body = Body::EvidenceRenewal(renewal);
        let record = administrative_record(OPERATOR, "system:evidence", body, self.clock.now())
            .map_err(|problem| EvidenceError::Journal(problem.detail))?;
        let submission = Submission { record: record.into(), idempotency: None };
        self.sequencer.submit(submission).await.map(drop).map_err(|error| EvidenceError::Journal(error.to_string()))
    }
}

/// What the task needs.
pub(super) struct Preserving {
    pub(super) maker: Maker,
    pub(super) renewal: Renewal,
    pub(super) clock: SharedClock,
    /// When the certificate of our authority ends.
    pub(super) until: OffsetDateTime,
    /// The time that neighbours are waited for.
    pub(super) every: Duration,
}

impl Preserving {
    pub(super) async fn run(
        self,
        mut published: watch::Receiver<Published>,
        mut asked: mpsc::Receiver<RenewalRequest>,
    ) {
        let (mut reached, mut wait, mut next) = (None, WAIT_FIRST, Instant::now() + RENEWAL_FIRST);
        loop {
            let size = published.borrow_and_update().size;
            match self.catch_up(reached, size).await {
                Ok(size) => {
                    reached = Some(size);
                    wait = WAIT_FIRST;
                }
                Err(error) => {
                    tracing::warn!(%error, "preuves en retard ; nouvel essai plus tard");
                    sleep(wait).await;
                    wait = (wait * 2).min(WAIT_MAX);
                    continue;
                }
            }
            tokio::select! {
                changed = published.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    sleep(self.every).await;
                }
                Some(request) = asked.recv() => {
                    let renewed = self.renew().await;
                    // Whoever asked may have gone.
                    let _ = request.send(renewed);
                }
                () = sleep_until(next) => {
                    next = Instant::now() + RENEWAL_EVERY;
                    if let Err(error) = self.renew().await {
                        tracing::error!(%error, "preuves non renouvelées");
                    }
                }
            }
        }
    }

    /// Makes the evidence of everything up to `size`.
    async fn catch_up(&self, reached: Option<u64>, size: u64) -> Result<u64, EvidenceError> {
        let mut reached = match reached {
            Some(reached) => reached,
            None => self.maker.resume().await?.min(size),
        };
        while reached < size {
            reached = self.maker.advance(reached, size).await?;
        }
        Ok(reached)
    }

    async fn renew(&self) -> Result<Renewed, EvidenceError> {
        let renewed = self.renewal.pass(self.clock.now(), self.until).await?;
        if !renewed.waiting.is_empty() {
            let batches = renewed.waiting.len();
            tracing::error!(
                batches,
                "des preuves sont à renouveler, et le certificat d'horodatage actuel ne durerait pas plus : remplacez-le"
            );
        }
        let (restamped, rehashed) = (renewed.restamped.len(), renewed.rehashed.len());
        tracing::info!(seen = renewed.seen, restamped, rehashed, "preuves passées en revue");
        Ok(renewed)
    }
}
