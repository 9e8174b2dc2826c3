//! `archiland seda convert`: a bordereau of 0.2 or 1.0 rewritten as 2.x.

use super::super::{Ending, Outcome, Unusable, terminal};
use crate::spec::seda::Version;
use crate::spec::seda::write::convert;
use crate::spec::seda::xml::Limits;
use anyhow::Context;
use std::path::PathBuf;

/// Convertir un bordereau SEDA 0.2 ou 1.0 en 2.x.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Ce que le 2.x ne reprend pas, et ce qui manque, est dit sur la sortie d'erreur.

Codes de retour : 0 converti ; 2 entrée inutilisable.")]
pub(super) struct Args {
    /// Bordereau XML, SEDA 0.2 ou 1.0.
    #[arg(value_name = "BORDEREAU")]
    manifest: PathBuf,
    /// Version à écrire : 2.1, 2.2 ou 2.3.
    #[arg(long, value_name = "VERSION", default_value = "2.2")]
    to: String,
    /// Fichier à écrire [défaut : la sortie standard].
    #[arg(long, value_name = "FICHIER")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        let unusable = |detail: String| Unusable(format!("{} : {detail}", self.manifest.display()));
        let target = Version::of_number(&self.to).filter(|version| version.is_second());
        let target = target.ok_or_else(|| Unusable(format!("--to {} : 2.1, 2.2 ou 2.3 est attendu", self.to)))?;
        let input = std::fs::File::open(&self.manifest).map_err(|error| unusable(error.to_string()))?;
        let converted = convert(input, target, &Limits::default()).map_err(|error| unusable(error.to_string()))?;
        for note in &converted.notes {
            terminal::note(note);
        }
        match &self.output {
            Some(file) => std::fs::write(file, &converted.manifest).with_context(|| file.display().to_string())?,
            None => terminal::say(converted.manifest.trim_end())?,
        }
        Ok(Ending::Done)
    }
}
