//! `archiland rebuild`: the views again, from the bucket.

use super::place::Place;
use super::{Ending, Outcome, terminal};
use crate::catalog::{CatalogOptions, EmbeddedCatalog};
use crate::config::Config;
use crate::daemon;
use crate::search::{SearchIndex, SearchOptions};
use crate::sequencer::LogReader;
use crate::views::{Follower, LogSource, Pace, Progress, View};
use anyhow::bail;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Refaire les vues (catalogue, recherche) depuis le compartiment.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Le démon doit être arrêté. Les vues ne sont jamais la vérité : les perdre ou les refaire ne change aucune archive.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        let config = self.place.load()?;
        super::block_on(async {
            let done = rebuild(&config).await?;
            let tally = done.tally;
            terminal::say(format_args!(
                "Vues reconstruites : {} enregistrements, dont {} dépôts",
                tally.records, tally.deposits
            ))?;
            for (count, what) in [
                (tally.unknown, "d'un type inconnu de cette version (ignorés)"),
                (tally.unreadable, "illisibles : lancez « archiland audit »"),
            ] {
                if count > 0 {
                    terminal::note(format_args!("{count} enregistrement(s) {what}"));
                }
            }
            Ok(if tally.unreadable == 0 { Ending::Done } else { Ending::No })
        })
    }
}

/// Empties both views and fills them from the published log, with the follower that the daemon runs. Interrupted, it
/// leaves views that the next start goes on from.
async fn rebuild(config: &Config) -> anyhow::Result<Progress> {
    if let Some(found) = daemon::running(&config.state) {
        bail!("le démon tourne ({}) ; arrêtez-le d'abord", found.url);
    }
    // Opening locks each view: a daemon that starts meanwhile is refused, and so is this one after it.
    let catalog = EmbeddedCatalog::open(&config.state, CatalogOptions::default())?.view;
    let search = SearchIndex::open(&config.state, SearchOptions::default())?.view;
    let views: Vec<Arc<dyn View>> = vec![Arc::new(catalog), Arc::new(search)];
    for view in views.clone() {
        tokio::task::spawn_blocking(move || view.reset()).await??;
    }
    let log = LogReader::new(daemon::open_bucket(config)?);
    let follower = Follower::new(views, Arc::new(LogSource::new(log)), Pace::default());
    let progress = follower.progress();
    let bar = terminal::items_bar(0, "Reconstruction");
    let cancel = CancellationToken::new();
    let filling = follower.catch_up(&cancel);
    tokio::pin!(filling);
    loop {
        tokio::select! {
            filled = &mut filling => break filled?,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let now = progress.borrow();
                bar.set_length(now.target);
                bar.set_position(now.applied());
            }
        }
    }
    bar.finish_and_clear();
    let done = progress.borrow().clone();
    Ok(done)
}
