//! `archiland seda referential`: the reference data of the archive.

use super::super::archive::Remote;
use super::super::client::segment;
use super::super::{Ending, Outcome, Unusable, terminal};
use anyhow::Context;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

/// Consulter et changer les référentiels : services, règles, contrats d'entrée, profils.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Importer un fichier CSV, JSON ou RNG : tout ou rien, et un enregistrement au journal.
    #[command(after_help = "\
La liste visée se reconnaît aux colonnes ou aux membres du fichier.

Codes de retour : 0 importé, ou rien à changer ; 1 refusé ; 2 entrée inutilisable.")]
    Import {
        /// Fichier.
        #[arg(value_name = "FICHIER")]
        file: PathBuf,
        /// La liste devient celle du fichier : ce qu'il ne nomme pas est retiré.
        #[arg(long)]
        replace: bool,
        /// Liste attendue : agencies, rules, contracts, profiles, unit-profiles ou grammars.
        #[arg(long, value_name = "LISTE")]
        list: Option<String>,
        /// Dire ce qui changerait, sans rien changer.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Lister les référentiels.
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Afficher une liste, ou l'un de ses éléments.
    Show {
        /// Liste : agencies, rules, contracts, profiles, unit-profiles ou grammars.
        #[arg(value_name = "LISTE")]
        list: String,
        /// Identifiant d'un élément.
        #[arg(value_name = "IDENTIFIANT")]
        id: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Afficher les changements d'une liste, du plus récent au plus ancien.
    History {
        /// Liste.
        #[arg(value_name = "LISTE")]
        list: String,
        #[command(flatten)]
        remote: Remote,
    },
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::super::block_on(async {
            match self.what {
                What::Import { file, replace, list, dry_run, remote } => {
                    let mode = if replace { "replace" } else { "merge" };
                    import(&file, mode, list, dry_run, &remote).await
                }
                What::List { remote } => lists(&remote).await,
                What::Show { list, id, remote } => show(&list, id.as_deref(), &remote).await,
                What::History { list, remote } => history(&list, &remote).await,
            }
        })
    }
}

#[derive(Debug, Deserialize)]
struct Imported {
    list: String,
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
    entries: usize,
    record: Option<String>,
    warnings: Vec<String>,
}

async fn import(file: &PathBuf, mode: &str, list: Option<String>, dry_run: bool, remote: &Remote) -> Outcome {
    let bytes = std::fs::read(file).map_err(|error| Unusable(format!("{} : {error}", file.display())))?;
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut path = format!("/v1/referentials?mode={mode}&name={}", segment(&name));
    if let Some(list) = &list {
        path = format!("{path}&list={}", segment(list));
    }
    if dry_run {
        path.push_str("&dry_run=true");
    }
    let archive = remote.connect().await?;
    let client = archive.client();
    // The same file again changes nothing: it may be sent again.
    let answer = client.persist(3, async || Ok(client.request(Method::POST, &path).body(bytes.clone()))).await;
    let answer = match answer {
        Ok(response) => super::super::client::read_all(response).await,
        Err(error) => Err(error.context(file.display().to_string())),
    };
    archive.leave().await?;
    let imported: Imported = serde_json::from_slice(&answer?).context("réponse inattendue")?;
    for (ids, what) in [(&imported.added, "ajouté"), (&imported.changed, "changé"), (&imported.removed, "retiré")] {
        for id in ids.iter().take(50) {
            terminal::say(format_args!("{what:<7} {id}"))?;
        }
        if ids.len() > 50 {
            terminal::say(format_args!("{what:<7} … et {} autres", ids.len() - 50))?;
        }
    }
    for warning in &imported.warnings {
        terminal::note(format_args!("attention : {warning}"));
    }
    let (added, changed, removed) = (imported.added.len(), imported.changed.len(), imported.removed.len());
    let sum = format!("{added} ajoutés, {changed} changés, {removed} retirés ; {} en tout", imported.entries);
    match &imported.record {
        Some(record) => terminal::say(format_args!("{} : {sum} ({record})", imported.list))?,
        None => terminal::say(format_args!("{} : {sum} (rien n'est écrit)", imported.list))?,
    }
    Ok(Ending::Done)
}

async fn lists(remote: &Remote) -> Outcome {
    let archive = remote.connect().await?;
    let answer: Value = archive.client().get("/v1/referentials", &[]).await?;
    archive.leave().await?;
    for list in answer["referentials"].as_array().into_iter().flatten() {
        let text = |member: &str| list[member].as_str().unwrap_or("-").to_owned();
        let (name, label, changed) = (text("list"), text("label"), text("changed"));
        terminal::say(format_args!("{name:<14} {label:<32} {:>7}  {changed}", list["entries"]))?;
    }
    Ok(Ending::Done)
}

async fn show(list: &str, id: Option<&str>, remote: &Remote) -> Outcome {
    let archive = remote.connect().await?;
    let path = match id {
        Some(id) => format!("/v1/referentials/{}/entries/{}", segment(list), segment(id)),
        None => format!("/v1/referentials/{}", segment(list)),
    };
    let answer: Value = archive.client().get(&path, &[]).await?;
    archive.leave().await?;
    terminal::say(serde_json::to_string_pretty(&answer)?)?;
    Ok(Ending::Done)
}

async fn history(list: &str, remote: &Remote) -> Outcome {
    let archive = remote.connect().await?;
    let answer: Value = archive.client().get(&format!("/v1/referentials/{}/changes", segment(list)), &[]).await?;
    archive.leave().await?;
    for change in answer["changes"].as_array().into_iter().flatten() {
        let text = |member: &str| change[member].as_str().unwrap_or("-").to_owned();
        let (time, actor, file, record) = (text("time"), text("actor"), text("file"), text("record"));
        let (added, changed, removed) = (&change["added"], &change["changed"], &change["removed"]);
        terminal::say(format_args!("{time}  +{added} ~{changed} -{removed}  {file}  {actor}  {record}"))?;
    }
    Ok(Ending::Done)
}
