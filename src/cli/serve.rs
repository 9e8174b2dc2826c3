//! `archiland serve`: the daemon.

use super::place::Place;
use super::{Ending, Outcome};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Servir l'archive, jusqu'à SIGTERM ou Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Le détail des journaux se règle par la variable RUST_LOG (info par défaut). À l'arrêt, les requêtes en cours se terminent.")]
pub(super) struct Args {
    /// Journaux en JSON, un objet par ligne.
    #[arg(long)]
    json_logs: bool,
    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        let config = self.place.load()?;
        start_logs(self.json_logs);
        super::block_on(async {
            crate::daemon::serve_until_signal(config, crate::clock::system()).await?;
            Ok(Ending::Done)
        })
    }
}

/// Events go to standard error; systemd adds the time by itself, a terminal does not.
fn start_logs(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call in one process is refused, and the first one stands.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
