//! `archiland seda eliminate`: archives whose time is over, destroyed with the visa of the control authority.

use super::super::archive::Remote;
use super::super::client::{Client, segment};
use super::super::{Ending, Outcome, terminal};
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// Éliminer des archives arrivées à échéance, avec le visa du service de contrôle.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Demander l'élimination : refusée tant qu'une règle court, que le sort final n'est pas de détruire, ou qu'un gel tient.
    Request {
        /// Identifiants d'archives (ARK) ; les unités qu'elles contiennent partent avec elles.
        #[arg(value_name = "ARCHIVE", required = true)]
        archives: Vec<String>,
        /// Motif, pour le service de contrôle.
        #[arg(long, value_name = "TEXTE")]
        reason: String,
        /// Version du SEDA des messages : 2.1, 2.2 ou 2.3.
        #[arg(long, value_name = "VERSION", default_value = "2.2")]
        version: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Consigner la réponse du service de contrôle (administrateur).
    Visa {
        /// Identifiant de la demande.
        request: String,
        /// Son message `AuthorizationControlAuthorityRequestReply` ; sinon --granted ou --refused.
        #[arg(long, value_name = "FICHIER", conflicts_with_all = ["granted", "refused"])]
        message: Option<PathBuf>,
        /// Visa accordé, sous cet identifiant.
        #[arg(long, value_name = "IDENTIFIANT", conflicts_with = "refused")]
        granted: Option<String>,
        /// Visa refusé, sous cet identifiant.
        #[arg(long, value_name = "IDENTIFIANT")]
        refused: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Détruire, une fois le visa donné : tout est contrôlé de nouveau, enregistré, puis effacé.
    Execute {
        /// Identifiant de la demande.
        request: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Où en est une élimination.
    Show {
        /// Identifiant de la demande.
        request: String,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Debug, Deserialize)]
struct Elimination {
    id: String,
    state: String,
    archives: u64,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::super::block_on(self.eliminate())
    }

    async fn eliminate(self) -> Outcome {
        let archive = match &self.what {
            What::Request { remote, .. }
            | What::Visa { remote, .. }
            | What::Execute { remote, .. }
            | What::Show { remote, .. } => remote.connect().await?,
        };
        let told = ask(archive.client(), &self.what).await;
        archive.leave().await?;
        let told = told?;
        let state = match told.state.as_str() {
            "authorization-required" => "visa du service de contrôle attendu",
            "authorized" => "visa donné, à exécuter",
            "refused" => "visa refusé",
            "eliminating" => "enregistrée, destruction en cours",
            "eliminated" => "éliminées",
            other => other,
        };
        terminal::say(format_args!("{} : {} archives, {state}", told.id, told.archives))?;
        Ok(if told.state == "refused" { Ending::No } else { Ending::Done })
    }
}

async fn ask(client: &Client, what: &What) -> anyhow::Result<Elimination> {
    let path = |request: &str, end: &str| format!("/v1/eliminations/{}{end}", segment(request));
    match what {
        What::Request { archives, reason, version, .. } => {
            let request = json!({ "archives": archives, "reason": reason, "version": version });
            client.post("/v1/eliminations", &request).await
        }
        What::Visa { request, message: Some(file), .. } => {
            let message = std::fs::read(file).map_err(|e| anyhow::anyhow!("{} : {e}", file.display()))?;
            let path = path(request, "/authorization");
            let sending = async || {
                Ok(client
                    .request(reqwest::Method::POST, &path)
                    .header("content-type", "application/xml")
                    .body(message.clone()))
            };
            Ok(client.persist(1, sending).await?.json().await?)
        }
        What::Visa { request, granted, refused, .. } => {
            let identifier = granted.as_ref().or(refused.as_ref());
            let Some(identifier) = identifier else { anyhow::bail!("donnez --message, --granted ou --refused") };
            let answer = json!({ "granted": granted.is_some(), "identifier": identifier });
            client.post(&path(request, "/authorization"), &answer).await
        }
        What::Execute { request, .. } => client.post(&path(request, "/execution"), &json!({})).await,
        What::Show { request, .. } => client.get(&path(request, ""), &[]).await,
    }
}
