//! `archiland completions`: completion scripts.

use super::{Ending, Outcome};
use clap_complete::Shell;
use std::io::Write;

/// Écrire le script de complétion d'un interpréteur de commandes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exemple : archiland completions bash > /etc/bash_completion.d/archiland")]
pub(super) struct Args {
    /// Interpréteur.
    #[arg(value_name = "INTERPRÉTEUR")]
    shell: Shell,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        // By way of memory: the generator panics when the output is closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::usage::command(), "archiland", &mut script);
        std::io::stdout().write_all(&script)?;
        Ok(Ending::Done)
    }
}
