//! `archiland seda check`: a package through every check, and nothing stored.

use super::super::{Ending, Outcome, Unusable, terminal};
use crate::spec::seda::Mode;
use crate::transfer::check::{Options, Signing, check};
use crate::transfer::clamd::{Address, Clamd};
use crate::transfer::event::{self, Report};
use crate::transfer::referentials::SignatureVerification;
use crate::validation::Rules;
use std::path::PathBuf;
use std::time::Duration;

/// Contrôler un paquet SEDA (zip, tar, tar.gz, tar.bz2) ou un bordereau seul, sans rien archiver.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Codes de retour : 0 recevable (OK ou WARNING) ; 1 refusé (KO) ; 2 entrée inutilisable.")]
pub(super) struct Args {
    /// Paquet, ou bordereau XML.
    #[arg(value_name = "SIP")]
    sip: PathBuf,
    /// Schéma officiel, ou ce que les SAE acceptent (les écarts sont alors signalés).
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Held::Lenient)]
    mode: Held,
    /// Dossier des référentiels (services, contrats, profils, règles : CSV et JSON de VITAM).
    #[arg(long, value_name = "DOSSIER")]
    referentials: Option<PathBuf>,
    /// Pièces jointes d'un bordereau seul (zip, tar, tar.gz, tar.bz2).
    #[arg(long, value_name = "FICHIER")]
    attachments: Option<PathBuf>,
    /// Antivirus clamd : hôte:port, ou chemin de son socket.
    #[arg(long, value_name = "ADRESSE", env = "ARCHILAND_CLAMD")]
    clamd: Option<String>,
    /// Contrôler les signatures des objets, avec les autorités de ce dossier (comme certs/) ; le contrat d'entrée dit ce
    /// qu'elles doivent valoir, sinon leur verdict est seulement rapporté.
    #[arg(long, value_name = "DOSSIER")]
    certificates: Option<PathBuf>,
    /// Ce qui s'affiche : pour une personne, ou pour un programme.
    #[arg(long, value_name = "FORME", value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Held {
    Strict,
    Lenient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        let referentials = self.referentials.as_deref().map(super::referentials).transpose()?;
        let clamd = self
            .clamd
            .as_deref()
            .map(|address| Clamd { address: Address::parse(address), timeout: Duration::from_secs(120) });
        let rules = match &self.certificates {
            Some(folder) => Some(Rules::load(None, Some(folder)).map_err(|error| Unusable(error.to_string()))?),
            None => None,
        };
        let at = crate::clock::system().now();
        let signatures = rules.as_ref().map(|rules| Signing { rules, at, otherwise: SignatureVerification::Record });
        let options = Options {
            signatures,
            mode: if self.mode == Held::Strict { Mode::Strict } else { Mode::Lenient },
            referentials: referentials.as_ref(),
            clamd: clamd.as_ref(),
            attachments: self.attachments.as_deref(),
            ..Options::default()
        };
        let checked = check(&self.sip, &options).map_err(|error| Unusable(error.to_string()))?;
        match self.format {
            Format::Json => terminal::say(serde_json::to_string_pretty(&checked.report)?)?,
            Format::Text => say(&checked.report)?,
        }
        Ok(if checked.report.outcome == event::Outcome::Ko { Ending::No } else { Ending::Done })
    }
}

fn say(report: &Report) -> std::io::Result<()> {
    for event in &report.events {
        let location = event.location.as_deref().map_or_else(String::new, |location| format!(" [{location}]"));
        terminal::say(format_args!("{:<8} {} : {}{location}", event.outcome.name(), event.event, event.detail))?;
    }
    let version = report.version.as_deref().map_or_else(String::new, |version| format!(" (SEDA {version})"));
    terminal::say(format_args!("{}{version}", report.outcome.name()))
}
