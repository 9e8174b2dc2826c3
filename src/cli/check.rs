//! `archiland config`: what the configuration says, before the daemon is told.

use super::place::Place;
use super::{Ending, Outcome, terminal};
use crate::config::StoreConfig;

/// Vérifier ou afficher la configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lire la configuration : une clé inconnue ou une valeur hors bornes est refusée, avec sa ligne.
    Check(Place),
    /// Afficher la configuration telle qu'elle est comprise, valeurs par défaut comprises.
    Show(Place),
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            What::Check(place) => {
                let config = place.load()?;
                let store = match &config.store {
                    StoreConfig::Local { path } => format!("disque local, {}", path.display()),
                    StoreConfig::S3(s3) => format!("S3, {} (compartiment {})", s3.endpoint, s3.bucket),
                    StoreConfig::Memory => "mémoire (tests)".to_owned(),
                };
                // The secrets are read too: better now than at the next restart.
                if let StoreConfig::S3(s3) = &config.store {
                    s3.keys()?;
                }
                terminal::say(format_args!("{} : configuration valide", place.file().display()))?;
                terminal::say(format_args!(
                    "  archive   ark:/{}/{}-…, {}",
                    config.archive.naan, config.archive.log, config.archive.origin
                ))?;
                terminal::say(format_args!("  stockage  {store}"))?;
                let scheme = if config.http.tls.is_some() { "https" } else { "http" };
                terminal::say(format_args!("  écoute    {scheme}://{}", config.http.listen))?;
            }
            What::Show(place) => terminal::say(place.load()?.to_toml().trim_end())?,
        }
        Ok(Ending::Done)
    }
}
