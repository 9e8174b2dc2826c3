//! `archiland audit`: everything in the bucket, read again.

use super::place::Place;
use super::verify::read_receipt;
use super::{Ending, Outcome, Unusable, terminal};
use crate::audit::{self, Options, Progress};
use crate::timestamp::names;
use crate::verify::Trust;
use anyhow::Context;
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Relire toute l'archive et dire ce qui n'est pas comme il doit être.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Lit le compartiment directement, démon en marche ou arrêté, sans rien y écrire. Interrompu (Ctrl-C), il reprend où il en
était quand on relance la même commande.

Codes de retour : 0 intègre ; 1 anomalies, ou contrôle interrompu ; 2 entrée inutilisable.")]
pub(super) struct Args {
    /// Point de contrôle antérieur (note signée, ou récépissé) dont le journal doit être le prolongement.
    #[arg(long, value_name = "FICHIER")]
    since: Option<PathBuf>,
    /// Relire aussi chaque document.
    #[arg(long)]
    full: bool,
    /// Fichier de confiance [défaut : trust.toml du dossier des clés].
    #[arg(long, value_name = "FICHIER", env = "ARCHILAND_TRUST")]
    trust: Option<PathBuf>,
    /// Écrire aussi le rapport JSON dans ce fichier.
    #[arg(long, value_name = "FICHIER")]
    report: Option<PathBuf>,
    /// Ce qui s'affiche : pour une personne, ou pour un programme.
    #[arg(long, value_name = "FORME", value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(async {
            let config = self.place.load()?;
            let trust_file = self.trust.clone().unwrap_or_else(|| config.keys.join(names::TRUST));
            let trust = Trust::load(&trust_file).map_err(|e| Unusable(format!("{} : {e}", trust_file.display())))?;
            let cancel = Arc::new(AtomicBool::new(false));
            stop_on_ctrl_c(cancel.clone());
            std::fs::create_dir_all(&config.state)
                .with_context(|| format!("création de {}", config.state.display()))?;
            let options = Options {
                full: self.full,
                since: self.since.as_deref().map(read_checkpoint).transpose()?,
                state: Some(config.state.join("audit")),
                cancel,
                ..Options::default()
            };
            let store = crate::daemon::open_bucket(&config)?;
            let bar = terminal::items_bar(0, "Relecture");
            let shown = bar.clone();
            let report = audit::run(store, trust, options, crate::clock::system(), move |at| show(&shown, at)).await?;
            bar.finish_and_clear();
            let json = serde_json::to_string_pretty(&report)?;
            if let Some(file) = &self.report {
                std::fs::write(file, format!("{json}\n"))
                    .with_context(|| format!("{} : rapport non écrit", file.display()))?;
            }
            match self.format {
                Format::Text => terminal::say(report.to_french().trim_end())?,
                Format::Json => terminal::say(json)?,
            }
            Ok(if report.outcome == audit::Outcome::Intact { Ending::Done } else { Ending::No })
        })
    }
}

/// Bytes when documents are read, else entries.
fn show(bar: &ProgressBar, at: Progress) {
    let (done, total) = if at.bytes_total > 0 { (at.bytes, at.bytes_total) } else { (at.entries, at.entries_total) };
    bar.set_length(total);
    bar.set_position(done);
}

fn stop_on_ctrl_c(cancel: Arc<AtomicBool>) {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            terminal::note("Interruption demandée : l'avancement est noté…");
            cancel.store(true, Ordering::Relaxed);
        }
    });
}

/// The signed note in a checkpoint's file, or in a receipt.
fn read_checkpoint(path: &Path) -> anyhow::Result<String> {
    if let Ok(receipt) = read_receipt(path) {
        return Ok(receipt.checkpoint);
    }
    std::fs::read_to_string(path).map_err(|e| Unusable(format!("{} : illisible ({e})", path.display())).into())
}
