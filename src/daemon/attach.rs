//! Has the newest checkpoint stamped by other authorities and cosigned by witnesses, one checkpoint after the other, for as
//! long as the daemon lives.

use crate::sequencer::{LogReader, Published};
use crate::spec::tlog::checkpoint::Checkpoint;
use crate::store::{cosigned_key, external_key};
use crate::timestamp::ExternalTsas;
use crate::witness::{Doubt, Gatherer};
use object_store::path::Path;
use object_store::{Error, ObjectStore, PutMode, PutOptions, PutPayload};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// The wait after a round in which nobody answered; it doubles, up to [`WAIT_MAX`].
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What the task needs.
pub(super) struct Attaching {
    pub(super) tsas: Option<ExternalTsas>,
    pub(super) gatherer: Option<Gatherer>,
    /// Nothing is attached without the quorum.
    pub(super) quorum_required: bool,
    pub(super) log: LogReader,
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Between two checkpoints.
    pub(super) every: Duration,
    /// Up to which size it is done.
    pub(super) reached: watch::Sender<u64>,
    /// What witnesses know better.
    pub(super) doubts: watch::Sender<Vec<Doubt>>,
}

impl Attaching {
    /// Works on the newest checkpoint whenever there is one.
    pub(super) async fn run(self, mut published: watch::Receiver<Published>) {
        let mut wait = WAIT_FIRST;
        loop {
            let known = *self.reached.borrow();
            if published.wait_for(|published| published.size > known).await.is_err() {
                return;
            }
            match self.round().await {
                Ok(Some(size)) => {
                    wait = WAIT_FIRST;
                    self.reached.send_replace(size);
                    sleep(self.every).await;
                }
                // Published, and not readable yet.
                Ok(None) => sleep(WAIT_FIRST).await,
                Err(error) => {
                    tracing::warn!(%error, "point de contrôle ni horodaté ni cosigné ailleurs ; nouvel essai plus tard");
                    sleep(wait).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
            }
        }
    }

    async fn round(&self) -> anyhow::Result<Option<u64>> {
        let Some((note, checkpoint)) = self.log.checkpoint().await? else { return Ok(None) };
        if let Some(gatherer) = &self.gatherer
            && let Err(error) = self.cosign(gatherer, &note, &checkpoint).await
        {
            // Where the quorum is not required, silent witnesses do not keep the authorities from stamping.
            if self.quorum_required || self.tsas.is_none() {
                return Err(error);
            }
            tracing::warn!(%error, size = checkpoint.size, "point de contrôle sans cosignature");
        }
        if let Some(tsas) = &self.tsas {
            let token = tsas.stamp(checkpoint.text().as_bytes()).await?;
            self.create(external_key(checkpoint.size), token.response).await?;
        }
        Ok(Some(checkpoint.size))
    }

    async fn cosign(&self, gatherer: &Gatherer, note: &str, checkpoint: &Checkpoint) -> anyhow::Result<()> {
        let gathered = gatherer.gather(note, checkpoint).await?;
        self.doubts.send_if_modified(|known| {
            let changed = *known != gathered.doubts;
            known.clone_from(&gathered.doubts);
            changed
        });
        anyhow::ensure!(gathered.enough || !self.quorum_required, "le quorum de témoins n'a pas cosigné");
        anyhow::ensure!(gathered.note != note, "aucun témoin n'a cosigné");
        self.create(cosigned_key(checkpoint.size), gathered.note.into_bytes()).await
    }

    async fn create(&self, key: String, content: Vec<u8>) -> anyhow::Result<()> {
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects.put_opts(&Path::from(key), PutPayload::from(content), create).await {
            // Another node was first: what it has is as good.
            Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
