//! `archiland demo`: the whole life of a document in a few seconds, on a fresh machine, with nothing to install.
//!
//! A development archive in a folder, its daemon on loopback in this process, deposits over HTTP as any producer makes
//! them, then the proofs: each receipt checked offline from the files on disk, forgeries refused, consistency of the log
//! between two checkpoints.

mod log;
mod proofs;
mod tour;

use super::archive::{read_token, start_on_loopback};
use super::client::Client;
use super::samples::{AGENCY, SAMPLES};
use super::upload::{File, Metadata};
use super::{Ending, Outcome, init, terminal};
use crate::config::{Config, FILE_NAME};
use crate::daemon::{ADMIN_TOKEN_FILE, Node, Running};
use crate::package::Dates;
use anyhow::Context;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// The demonstration agency's token, within the keys' folder.
const TOKEN_FILE: &str = "demo.token";
/// The sample documents' folder.
const SAMPLES_FOLDER: &str = "samples";
/// The receipts' folder.
const RECEIPTS_FOLDER: &str = "receipts";

/// Montrer l'archive en marche, sur cette machine, avec des documents d'essai.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Crée dans le dossier une archive de développement : archiland.toml, keys/, bucket/, state/, receipts/, trust.toml.
Lancée de nouveau, elle reprend la même. Les clés ne valent que pour essayer.")]
pub(super) struct Args {
    /// Fichiers à déposer en plus des documents d'essai.
    #[arg(value_name = "FICHIER")]
    files: Vec<PathBuf>,
    /// Dossier de l'archive de démonstration.
    #[arg(long, value_name = "DOSSIER", default_value = "archiland-demo")]
    dir: PathBuf,
    /// S'arrêter à la fin, au lieu de laisser le démon en marche ; code 1 si quelque chose a échoué.
    #[arg(long)]
    once: bool,
}

/// A document to deposit.
struct Item {
    file: File,
    metadata: Metadata,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(self.show())
    }

    async fn show(self) -> Outcome {
        // Files that cannot be deposited are told before anything is made.
        let extra = self.files.iter().cloned().map(File::look).collect::<anyhow::Result<Vec<_>>>()?;
        terminal::title("L'archive")?;
        let config = prepare(&self.dir).await?;
        let running = start(&config, self.once).await?;
        // Whatever happens in the tour, the daemon is stopped properly.
        let told = tour(&self.dir, &config, &running, extra).await;
        if let (Ok(_), false) = (&told, self.once) {
            stay_up(&self.dir, &running).await?;
        }
        running.stop().await?;
        let failures = told?;
        if failures == 0 {
            terminal::say("\nTout est conforme.")?;
            return Ok(Ending::Done);
        }
        terminal::say(format_args!("\n{failures} étape(s) en échec : voir ÉCHEC ci-dessus."))?;
        Ok(Ending::No)
    }
}

/// Makes the archive's folder on the first run, reads it afterwards.
async fn prepare(dir: &Path) -> anyhow::Result<Config> {
    let file = dir.join(FILE_NAME);
    if file.exists() {
        terminal::say(format_args!("Archive reprise dans {}", dir.display()))?;
    } else {
        init::create(dir, &Config::for_directory(dir)).await?;
        terminal::say(format_args!("Archive de développement créée dans {}", dir.display()))?;
    }
    let config = Config::load(&file)?;
    for folder in [SAMPLES_FOLDER, RECEIPTS_FOLDER] {
        std::fs::create_dir_all(dir.join(folder))
            .with_context(|| format!("création de {}", dir.join(folder).display()))?;
    }
    for sample in &SAMPLES {
        let path = dir.join(SAMPLES_FOLDER).join(sample.name);
        std::fs::write(&path, sample.content).with_context(|| format!("écriture de {}", path.display()))?;
    }
    Ok(config)
}

/// The daemon, on the configured port; on any free one when that is taken or nobody stays to look.
async fn start(config: &Config, once: bool) -> anyhow::Result<Running> {
    let taken = std::net::TcpListener::bind(config.http.listen).is_err();
    let running = if once || taken {
        start_on_loopback(config.clone()).await?
    } else {
        Node::boot(config.clone(), crate::clock::system()).await?.serve().await?
    };
    terminal::say(format_args!("Démon en écoute : {}", running.url()))?;
    Ok(running)
}

async fn tour(dir: &Path, config: &Config, running: &Running, extra: Vec<File>) -> anyhow::Result<usize> {
    let client = as_agency(config, running).await?;
    let before = log::checkpoint(&client).await?;
    let items = items(dir, extra)?;

    terminal::title("Dépôts")?;
    let deposited = tour::deposit(&client, &items, &dir.join(RECEIPTS_FOLDER)).await?;
    for one in &deposited {
        terminal::say(&one.saved.receipt)?;
    }

    terminal::title("Vérification hors ligne (fichiers du disque et trust.toml seulement)")?;
    let trust = dir.join(init::TRUST_FILE);
    let mut failures = proofs::verify_each(&deposited, &trust)?;

    terminal::title("Falsifications")?;
    failures += proofs::refuse_forgeries(&deposited, &trust)?;

    terminal::title("Cohérence du journal")?;
    failures += log::consistency(&client, &before, &trust, &dir.join(RECEIPTS_FOLDER)).await?;
    Ok(failures)
}

/// The demonstration agency and its token, made on the first run.
async fn as_agency(config: &Config, running: &Running) -> anyhow::Result<Client> {
    #[derive(Deserialize)]
    struct Created {
        secret: String,
    }
    let token_file = config.keys.join(TOKEN_FILE);
    if !token_file.exists() {
        let admin = Client::new(running.url(), Some(read_token(&config.keys.join(ADMIN_TOKEN_FILE))?), None)?;
        let (code, name) = AGENCY;
        let _: serde_json::Value = admin.post("/v1/agencies", &json!({ "code": code, "name": name })).await?;
        let body = json!({ "agency": code, "scopes": ["deposit", "read"], "label": "démonstration" });
        let created: Created = admin.post("/v1/tokens", &body).await?;
        super::place::write_secret(&token_file, &format!("{}\n", created.secret))
            .with_context(|| format!("écriture de {}", token_file.display()))?;
        terminal::say(format_args!("Service versant inscrit : {code}, {name}"))?;
    }
    Client::new(running.url(), Some(read_token(&token_file)?), None)
}

fn items(dir: &Path, extra: Vec<File>) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::with_capacity(SAMPLES.len() + extra.len());
    for sample in &SAMPLES {
        items.push(Item {
            file: File::look(dir.join(SAMPLES_FOLDER).join(sample.name))?,
            metadata: Metadata {
                title: sample.title.to_owned(),
                document_type: sample.document_type.to_owned(),
                external_id: Some(sample.external_id.to_owned()),
                dates: Dates { created: Some(sample.created.to_owned()), ..Dates::default() },
                ..Metadata::default()
            },
        });
    }
    items.extend(extra.into_iter().map(|file| Item {
        metadata: Metadata {
            title: file.name().to_owned(),
            document_type: "document".to_owned(),
            ..Metadata::default()
        },
        file,
    }));
    Ok(items)
}

async fn stay_up(dir: &Path, running: &Running) -> anyhow::Result<()> {
    let (url, dir) = (running.url(), dir.display());
    terminal::title("Le démon reste en marche ; Ctrl-C pour l'arrêter")?;
    for (what, path) in [
        ("état", "/readyz"),
        ("mesures", "/metrics"),
        ("point de contrôle du journal", "/log/checkpoint"),
        ("interface (OpenAPI)", "/v1/openapi.json"),
    ] {
        terminal::say(format_args!("  {what:<31} {url}{path}"))?;
    }
    terminal::say(format_args!("Dans un autre terminal :"))?;
    for command in
        ["find --type deliberation", "deposit FICHIER --agency 214099996", "audit --full", "key show log --vkey"]
    {
        terminal::say(format_args!("  archiland {command} --dir {dir}"))?;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    terminal::note("Arrêt…");
    Ok(())
}
