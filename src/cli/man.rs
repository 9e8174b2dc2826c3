//! `archiland man`: the manual pages.

use super::{Ending, Outcome, terminal};
use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;

/// Écrire les pages de manuel : sur la sortie standard, ou toutes dans un dossier.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Dossier où écrire archiland.1 et une page par commande.
    #[arg(long, value_name = "DOSSIER")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        let command = super::usage::command();
        let Some(folder) = self.output else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            std::io::stdout().write_all(&page)?;
            return Ok(Ending::Done);
        };
        std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(command, &folder))
            .with_context(|| format!("écriture des pages dans {}", folder.display()))?;
        terminal::say(format_args!("Pages écrites dans {} : man -l {0}/archiland.1", folder.display()))?;
        Ok(Ending::Done)
    }
}
