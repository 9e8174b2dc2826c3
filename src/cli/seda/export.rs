//! `archiland seda export`: archives as a SEDA package, to be read or to be archived elsewhere.

use super::super::archive::Remote;
use super::super::client::segment;
use super::super::{Ending, Outcome, Unusable, terminal};
use anyhow::Context;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Obtenir des archives en un paquet SEDA : à communiquer (DIP), ou à verser dans un autre SAE (restitution).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
L'identifiant d'un transfert vaut pour toutes ses unités ; celui d'une unité, pour elle et celles qu'elle contient.

Codes de retour : 0 paquet écrit ; 1 refusé, ou autorisation attendue ; 2 entrée inutilisable.")]
pub(super) struct Args {
    /// Identifiants d'archives (ARK).
    #[arg(value_name = "ARCHIVE", required = true)]
    archives: Vec<String>,
    /// À quoi sert le paquet.
    #[arg(long, value_name = "SORTE", value_enum, default_value_t = Sort::Dip)]
    kind: Sort,
    /// Version du SEDA : 2.1, 2.2 ou 2.3.
    #[arg(long, value_name = "VERSION", default_value = "2.2")]
    version: String,
    /// Fichier à écrire [défaut : dip.zip ou transfert.zip].
    #[arg(long, value_name = "FICHIER")]
    output: Option<PathBuf>,
    /// Demandeur, s'il n'est pas le service versant : seules les archives communicables lui sont données.
    #[arg(long, value_name = "IDENTIFIANT")]
    requester: Option<String>,
    /// Motif de la demande, pour le service de contrôle.
    #[arg(long, value_name = "TEXTE")]
    reason: Option<String>,
    /// Restitution : service d'archives destinataire.
    #[arg(long, value_name = "IDENTIFIANT")]
    receiver: Option<String>,
    /// Restitution : contrat d'entrée chez le destinataire.
    #[arg(long, value_name = "IDENTIFIANT")]
    agreement: Option<String>,
    /// Les archives nommées seulement, sans les unités qu'elles contiennent.
    #[arg(long)]
    alone: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    /// À communiquer.
    Dip,
    /// À verser ailleurs.
    Transfer,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    id: String,
    state: String,
    package: String,
    archives: u64,
    #[serde(default)]
    reasons: Vec<String>,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::super::block_on(self.export())
    }

    async fn export(self) -> Outcome {
        let (path, default) = match self.kind {
            Sort::Dip => ("/v1/deliveries", "dip.zip"),
            Sort::Transfer => ("/v1/restitutions", "transfert.zip"),
        };
        let output = self.output.unwrap_or_else(|| default.into());
        if output.exists() {
            return Err(Unusable(format!("{} existe déjà", output.display())).into());
        }
        let request = json!({
            "archives": self.archives, "version": self.version, "requester": self.requester, "reason": self.reason,
            "receiver": self.receiver, "agreement": self.agreement, "descendants": !self.alone,
        });
        let archive = self.remote.connect().await?;
        let asked: anyhow::Result<Delivery> = archive.client().post(path, &request).await;
        let outcome = match asked {
            Ok(delivery) if delivery.state == "ready" => {
                let client = archive.client();
                let package = &delivery.package;
                let response = client.persist(1, async || Ok(client.request(Method::GET, package))).await;
                match response {
                    Ok(response) => save(response, &output).await.map(|bytes| {
                        let count = delivery.archives;
                        Some(format!("{} : {count} archives, {bytes} octets ({})", output.display(), delivery.id))
                    }),
                    Err(error) => Err(error),
                }
            }
            Ok(delivery) => {
                for reason in &delivery.reasons {
                    terminal::note(reason);
                }
                let id = segment(&delivery.id);
                terminal::note(format_args!(
                    "Autorisation du service de contrôle attendue : la demande est à /v1/deliveries/{id}/authorization"
                ));
                Ok(None)
            }
            Err(error) => Err(error),
        };
        archive.leave().await?;
        let Some(told) = outcome? else { return Ok(Ending::No) };
        terminal::say(told)?;
        Ok(Ending::Done)
    }
}

/// Writes the body to the file, which is not there before, and not there after when it could not be whole.
async fn save(mut response: reqwest::Response, output: &Path) -> anyhow::Result<u64> {
    let told = || output.display().to_string();
    let mut file = std::fs::File::create_new(output).with_context(told)?;
    let mut bytes = 0;
    let outcome: anyhow::Result<()> = async {
        while let Some(chunk) = response.chunk().await.context("paquet interrompu : à demander de nouveau")? {
            bytes += chunk.len() as u64;
            file.write_all(&chunk).with_context(told)?;
        }
        file.sync_all().with_context(told)
    }
    .await;
    if let Err(error) = outcome {
        drop(file);
        _ = std::fs::remove_file(output);
        return Err(error);
    }
    Ok(bytes)
}
