//! `archiland find`: archives by what is known of them.

use super::archive::Remote;
use super::{Ending, Outcome, Unusable, terminal};
use crate::digest::Hasher;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Chercher des archives par empreinte, référence, type ou dates.
#[derive(Debug, clap::Args)]
#[command(after_help = "Sans critère : les dernières archives. Rien de trouvé : code de retour 1.")]
pub(super) struct Args {
    /// Empreinte SHA-256 d'un document (hexadécimal).
    #[arg(long, value_name = "HEX", conflicts_with = "file")]
    sha256: Option<String>,
    /// Un fichier : son empreinte est calculée ici, rien n'est envoyé.
    #[arg(long, value_name = "FICHIER")]
    file: Option<PathBuf>,
    /// Référence donnée par le producteur.
    #[arg(long, value_name = "TEXTE")]
    external_id: Option<String>,
    /// Code du service versant.
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// Type de document.
    #[arg(long = "type", value_name = "CODE")]
    document_type: Option<String>,
    /// Versé à partir de ce jour, AAAA-MM-JJ.
    #[arg(long, value_name = "JOUR")]
    from: Option<String>,
    /// Versé jusqu'à ce jour compris, AAAA-MM-JJ.
    #[arg(long, value_name = "JOUR")]
    to: Option<String>,
    /// Nombre de réponses au plus.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Une ligne par archive, ou le JSON de l'archive.
    #[arg(long, value_name = "FORME", value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Une ligne par archive.
    Text,
    /// Le JSON de l'archive.
    Json,
}

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(alias = "hits")]
    archives: Vec<Hit>,
}

#[derive(Debug, Deserialize)]
struct Hit {
    archive: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    agency: String,
    #[serde(default, alias = "document_type", rename = "type")]
    document_type: String,
    #[serde(default)]
    title: String,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(async {
            let sha256 = match &self.file {
                Some(path) => Some(sha256_of(path)?),
                None => self.sha256.clone(),
            };
            let criteria = [
                ("sha256", sha256),
                ("external_id", self.external_id.clone()),
                ("agency", self.agency.clone()),
                ("type", self.document_type.clone()),
                ("from", self.from.clone()),
                ("to", self.to.clone()),
                ("limit", Some(self.limit.to_string())),
            ];
            let query: Vec<(&str, String)> =
                criteria.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            let archive = self.remote.connect().await?;
            let answer: serde_json::Value = archive.client().get("/v1/archives", &query).await?;
            archive.leave().await?;
            self.print(answer)
        })
    }

    fn print(&self, answer: serde_json::Value) -> Outcome {
        if self.format == Format::Json {
            terminal::say(serde_json::to_string_pretty(&answer)?)?;
        }
        let page: Page = serde_json::from_value(answer)?;
        if page.archives.is_empty() {
            terminal::note("Aucune archive ne correspond.");
            return Ok(Ending::No);
        }
        if self.format == Format::Text {
            for hit in &page.archives {
                terminal::say(format_args!(
                    "{:<26} {:<24} {:<14} {:<18} {}",
                    hit.archive, hit.time, hit.agency, hit.document_type, hit.title
                ))?;
            }
        }
        Ok(Ending::Done)
    }
}

/// The digest of a file, hexadecimal, read in pieces.
fn sha256_of(path: &Path) -> anyhow::Result<String> {
    let unreadable = |e: std::io::Error| Unusable(format!("{} : illisible ({e})", path.display()));
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 1 << 20]);
    loop {
        let read = std::io::Read::read(&mut file, &mut buffer).map_err(unreadable)?;
        if read == 0 {
            return Ok(hex::encode(hasher.finish().sha256));
        }
        hasher.update(&buffer[..read]);
    }
}
