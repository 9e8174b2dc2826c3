//! `archiland seda transfer`: a package to the archive, followed until it is accepted or refused.

use super::super::archive::Remote;
use super::super::client::{ATTEMPTS_DEPOSIT, Client, read_all, segment};
use super::super::upload::File;
use super::super::{Ending, Outcome, Unusable, receipt, terminal};
use crate::transfer::event::Event;
use futures::StreamExt as _;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::io::ReaderStream;

/// Bytes read from a file at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// How often the archive is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Verser un paquet SEDA : l'envoyer, suivre ses contrôles, garder la réponse et le récépissé.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Codes de retour : 0 accepté (OK ou WARNING) ; 1 refusé (KO) ; 2 entrée inutilisable.
Un paquet envoyé deux fois n'est versé qu'une fois : relancez la commande après une coupure.")]
pub(super) struct Args {
    /// Paquet (zip, tar, tar.gz, tar.bz2), ou bordereau XML.
    #[arg(value_name = "SIP")]
    sip: PathBuf,
    /// Pièces jointes d'un bordereau seul (zip, tar, tar.gz, tar.bz2).
    #[arg(long, value_name = "FICHIER")]
    attachments: Option<PathBuf>,
    /// Contrôler seulement : rien n'est archivé que l'issue.
    #[arg(long)]
    test: bool,
    /// Dossier où garder la réponse et le récépissé.
    #[arg(long, value_name = "DOSSIER", default_value = ".")]
    receipt_dir: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

/// What the archive says of an operation.
#[derive(Debug, Deserialize)]
struct Operation {
    #[serde(rename = "operation")]
    id: String,
    state: String,
    outcome: Option<String>,
    events: Vec<Event>,
    units_done: u32,
    units: u32,
    trouble: Option<String>,
    archive: Option<String>,
    receipt: Option<String>,
    documents: Vec<String>,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::super::block_on(async {
            let sip = File::look(self.sip.clone())?;
            let attachments = self.attachments.clone().map(File::look).transpose()?;
            std::fs::create_dir_all(&self.receipt_dir)
                .map_err(|e| Unusable(format!("{} : dossier impossible à créer ({e})", self.receipt_dir.display())))?;
            let archive = self.remote.connect().await?;
            let sent = self.send(archive.client(), &sip, attachments.as_ref()).await?;
            let ended = follow(archive.client(), sent).await?;
            let accepted = self.keep(archive.client(), &ended).await;
            archive.leave().await?;
            accepted
        })
    }

    async fn send(&self, client: &Client, sip: &File, attachments: Option<&File>) -> anyhow::Result<Operation> {
        let total = sip.size_bytes() + attachments.map_or(0, File::size_bytes);
        let progress = terminal::bytes_bar(total, "Envoi");
        let path = if self.test { "/v1/transfers?test=1" } else { "/v1/transfers" };
        let response = client
            .persist(ATTEMPTS_DEPOSIT, async || {
                progress.set_position(0);
                let request = client.request(Method::POST, path);
                let Some(attachments) = attachments else {
                    let request = request.header("Archiland-Name", segment(sip.name()));
                    return Ok(request.header("Content-Length", sip.size_bytes()).body(body(sip, &progress).await?));
                };
                let part = async |file: &File| -> anyhow::Result<Part> {
                    let part = Part::stream_with_length(body(file, &progress).await?, file.size_bytes());
                    Ok(part.file_name(file.name().to_owned()))
                };
                let form = Form::new().part("manifest", part(sip).await?).part("attachments", part(attachments).await?);
                Ok(request.multipart(form))
            })
            .await?;
        progress.finish_and_clear();
        Ok(serde_json::from_slice(&read_all(response).await?)?)
    }

    /// Keeps what proves it, and says it.
    async fn keep(&self, client: &Client, ended: &Operation) -> Outcome {
        let outcome = ended.outcome.as_deref().unwrap_or_default();
        if let Some(reply) = ended.documents.iter().find(|document| document.ends_with("/reply")) {
            let path = self.receipt_dir.join(format!("{}-reponse.xml", ended.id));
            std::fs::write(&path, client.get_bytes(reply, &[]).await?)
                .map_err(|e| Unusable(format!("{} : impossible à écrire ({e})", path.display())))?;
            terminal::say(format_args!("réponse      {}", path.display()))?;
        }
        if let Some(path) = &ended.receipt {
            let saved = receipt::save(&self.receipt_dir, &client.get_bytes(path, &[]).await?)?;
            terminal::say(format_args!("récépissé    {}", saved.path.display()))?;
        }
        let units = if ended.units > 0 { format!(", {} unités archivées", ended.units) } else { String::new() };
        let archive = ended.archive.as_deref().unwrap_or_default();
        terminal::say(format_args!("{outcome:<12} {archive}{units}"))?;
        Ok(if outcome.ends_with("KO") { Ending::No } else { Ending::Done })
    }
}

async fn body(file: &File, progress: &indicatif::ProgressBar) -> anyhow::Result<Body> {
    let opened = tokio::fs::File::open(file.path())
        .await
        .map_err(|e| Unusable(format!("{} : illisible ({e})", file.path().display())))?;
    let progress = progress.clone();
    Ok(Body::wrap_stream(ReaderStream::with_capacity(opened, CHUNK_BYTES).inspect(move |chunk| {
        if let Ok(bytes) = chunk {
            progress.inc(u64::try_from(bytes.len()).unwrap_or(0));
        }
    })))
}

/// Says the checks as they come, until the end.
async fn follow(client: &Client, sent: Operation) -> anyhow::Result<Operation> {
    let path = format!("/v1/transfers/{}", segment(&sent.id));
    let (mut operation, mut told, mut trouble) = (sent, 0, None);
    loop {
        for event in operation.events.iter().skip(told) {
            let place = event.location.as_deref().map_or_else(String::new, |location| format!(" [{location}]"));
            terminal::say(format_args!("{:<8} {} : {}{place}", event.outcome.name(), event.event, event.detail))?;
        }
        told = told.max(operation.events.len());
        if operation.trouble.is_some() && operation.trouble != trouble {
            trouble.clone_from(&operation.trouble);
            terminal::note(format_args!("en attente : {}", trouble.as_deref().unwrap_or_default()));
        }
        if operation.state == "ended" {
            return Ok(operation);
        }
        if operation.state == "storing" && operation.units_done > 0 {
            tracing::debug!(done = operation.units_done, units = operation.units, "archivage");
        }
        tokio::time::sleep(ASK_EVERY).await;
        operation = client.get(&path, &[]).await?;
    }
}
