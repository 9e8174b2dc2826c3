//! `archiland receipt`: a receipt again, in any of its forms; and receipts kept on disk.

use super::archive::Remote;
use super::client::segment;
use super::{Ending, Outcome, Unusable};
use crate::receipt::{Form, Receipt};
use anyhow::Context;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Redemander un récépissé à l'archive.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Identifiant de l'archive (ark:/… ou sa dernière partie).
    #[arg(value_name = "IDENTIFIANT")]
    id: String,
    /// Forme : lisible, JSON (la preuve entière), preuve C2SP, jeton RFC 3161, cachet CMS, ou tout en ZIP.
    #[arg(long, value_name = "FORME", value_enum, default_value_t = Shape::Text)]
    format: Shape,
    /// Fichier où l'écrire, au lieu de la sortie standard.
    #[arg(short, long, value_name = "FICHIER")]
    output: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    Text,
    Json,
    TlogProof,
    Tsr,
    P7s,
    Zip,
}

impl Shape {
    fn form(self) -> Form {
        match self {
            Self::Text | Self::Json => Form::Json,
            Self::TlogProof => Form::TlogProof,
            Self::Tsr => Form::Tsr,
            Self::P7s => Form::P7s,
            Self::Zip => Form::Zip,
        }
    }

    fn is_binary(self) -> bool {
        matches!(self, Self::Tsr | Self::P7s | Self::Zip)
    }
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        if self.format.is_binary() && self.output.is_none() && std::io::stdout().is_terminal() {
            return Err(Unusable("cette forme est binaire : donnez --output FICHIER".into()).into());
        }
        super::block_on(async {
            let archive = self.remote.connect().await?;
            let path = format!("/v1/receipts/{}", segment(&self.id));
            let json = archive.client().get_bytes(&path, &[]).await?;
            archive.leave().await?;
            let receipt = Receipt::parse(&json).context("la réponse n'est pas un récépissé")?;
            let bytes = match self.format {
                Shape::Text => receipt.to_string().into_bytes(),
                Shape::Json => json,
                other => receipt.render(other.form())?,
            };
            match &self.output {
                Some(file) => write_file(file, &bytes)?,
                None => std::io::stdout().write_all(&bytes)?,
            }
            Ok(Ending::Done)
        })
    }
}

/// A receipt kept.
#[derive(Debug)]
pub(crate) struct Saved {
    /// What it says.
    pub(crate) receipt: Receipt,
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// Keeps a receipt, byte for byte as received, as `<name part of the ARK>.json` in `folder`.
pub(crate) fn save(folder: &Path, json: &[u8]) -> anyhow::Result<Saved> {
    let receipt = Receipt::parse(json).context("la réponse n'est pas un récépissé")?;
    let path = folder.join(receipt.file_name(Form::Json));
    write_file(&path, json)
        .with_context(|| format!("récépissé non gardé ; redemandez-le : archiland receipt {}", receipt.archive))?;
    Ok(Saved { receipt, path })
}

fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} : écriture impossible", path.display()))
}
