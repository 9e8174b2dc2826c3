//! `archiland attestation`: the printable attestation of an archive.

use super::archive::Remote;
use super::client::segment;
use super::{Ending, Outcome, terminal};
use anyhow::Context;
use std::path::PathBuf;

/// Attestation d'archivage : une page en PDF/A, le récépissé joint.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Identifiant de l'archive (ark:/… ou sa dernière partie).
    #[arg(value_name = "IDENTIFIANT")]
    id: String,
    /// Où l'écrire.
    #[arg(short, long, value_name = "FICHIER")]
    output: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(async {
            let archive = self.remote.connect().await?;
            let path = format!("/v1/archives/{}/attestation.pdf", segment(&self.id));
            let fetched = archive.client().get_bytes(&path, &[]).await;
            archive.leave().await?;
            let output = &self.output;
            std::fs::write(output, fetched?).with_context(|| format!("{} : écriture impossible", output.display()))?;
            terminal::say(format_args!("écrite dans {}", output.display()))?;
            Ok(Ending::Done)
        })
    }
}
