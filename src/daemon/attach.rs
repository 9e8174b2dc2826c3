//! Has the newest checkpoint stamped by other authorities, one after the other, for as long as the daemon lives.

use crate::sequencer::{LogReader, Published};
use crate::store::external_key;
use crate::timestamp::ExternalTsas;
use object_store::path::Path;
use object_store::{Error, ObjectStore, PutMode, PutOptions, PutPayload};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// The wait after a round in which no authority answered; it doubles, up to [`WAIT_MAX`].
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What the task needs.
pub(super) struct Attaching {
    pub(super) tsas: ExternalTsas,
    pub(super) log: LogReader,
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Between two checkpoints stamped.
    pub(super) every: Duration,
}

impl Attaching {
    /// Stamps the newest checkpoint whenever there is one; `stamped` tells up to which size.
    pub(super) async fn run(self, mut published: watch::Receiver<Published>, stamped: watch::Sender<u64>) {
        let mut wait = WAIT_FIRST;
        loop {
            let known = *stamped.borrow();
            if published.wait_for(|published| published.size > known).await.is_err() {
                return;
            }
            match self.round().await {
                Ok(Some((size, url))) => {
                    wait = WAIT_FIRST;
                    stamped.send_replace(size);
                    tracing::debug!(size, %url, "point de contrôle horodaté par une autorité externe");
                    sleep(self.every).await;
                }
                // Published, and not readable yet.
                Ok(None) => sleep(WAIT_FIRST).await,
                Err(error) => {
                    tracing::warn!(%error, "aucune autorité d'horodatage externe ne répond ; nouvel essai plus tard");
                    sleep(wait).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
            }
        }
    }

    async fn round(&self) -> anyhow::Result<Option<(u64, String)>> {
        let Some((_, checkpoint)) = self.log.checkpoint().await? else { return Ok(None) };
        let token = self.tsas.stamp(checkpoint.text().as_bytes()).await?;
        let key = external_key(checkpoint.size);
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects.put_opts(&Path::from(key), PutPayload::from(token.response), create).await {
            // Another node was first: its token is as good.
            Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Some((checkpoint.size, token.url)))
    }
}
