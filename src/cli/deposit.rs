//! `archiland deposit`: documents in, a receipt out.

use super::archive::Remote;
use super::upload::{self, File, Metadata};
use super::{Ending, Outcome, Unusable, receipt, terminal};
use crate::package::Dates;
use std::path::PathBuf;

/// Déposer des fichiers : une archive, un récépissé.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tous les fichiers donnés forment une seule archive ; --each fait une archive par fichier.
Sans --idempotency-key, une clé au hasard protège des coupures pendant cette commande ; donnez la vôtre
(numéro de la pièce dans votre logiciel, par exemple) pour pouvoir relancer la commande sans archiver deux fois.")]
pub(super) struct Args {
    /// Fichiers à déposer.
    #[arg(value_name = "FICHIER", required = true)]
    files: Vec<PathBuf>,
    /// Une archive par fichier, au lieu d'une pour tous.
    #[arg(long, conflicts_with_all = ["title", "idempotency_key", "external_id"])]
    each: bool,
    /// Code du service versant, s'il n'est pas celui du jeton.
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// Type de document (deliberation, pes-aller, courrier-arrive…).
    #[arg(long = "type", value_name = "CODE", default_value = "document")]
    document_type: String,
    /// Intitulé [défaut : le nom du premier fichier].
    #[arg(long, value_name = "TEXTE")]
    title: Option<String>,
    /// Règle de conservation [défaut : celle du type].
    #[arg(long, value_name = "CODE")]
    rule: Option<String>,
    /// Référence du document chez le producteur.
    #[arg(long, value_name = "TEXTE")]
    external_id: Option<String>,
    /// Date du document, AAAA-MM-JJ.
    #[arg(long, value_name = "JOUR")]
    created: Option<String>,
    /// Clé d'idempotence : même clé et même contenu, même récépissé.
    #[arg(long, value_name = "CLÉ")]
    idempotency_key: Option<String>,
    /// Dossier où garder les récépissés.
    #[arg(long, value_name = "DOSSIER", default_value = ".")]
    receipt_dir: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        super::block_on(async {
            let files = self.files.iter().cloned().map(File::look).collect::<anyhow::Result<Vec<_>>>()?;
            std::fs::create_dir_all(&self.receipt_dir)
                .map_err(|e| Unusable(format!("{} : dossier impossible à créer ({e})", self.receipt_dir.display())))?;
            let archive = self.remote.connect().await?;
            let progress = terminal::bytes_bar(files.iter().map(File::size_bytes).sum(), "Dépôt");
            let groups: Vec<&[File]> = if self.each { files.chunks(1).collect() } else { vec![&files] };
            let mut lines = Vec::new();
            for group in groups {
                let (metadata, key) = (self.metadata(group), self.key()?);
                let accepted = upload::deposit(archive.client(), &metadata, group, &key, &progress).await?;
                let saved = receipt::save(&self.receipt_dir, &accepted.receipt)?;
                let again = if accepted.created { "" } else { " (déjà déposé : même récépissé)" };
                lines.push(format!("{}  {}{again}", saved.receipt.archive, saved.path.display()));
            }
            progress.finish_and_clear();
            archive.leave().await?;
            lines.into_iter().try_for_each(terminal::say)?;
            Ok(Ending::Done)
        })
    }

    fn metadata(&self, files: &[File]) -> Metadata {
        let first = files.first().map(File::name).unwrap_or_default();
        Metadata {
            title: self.title.clone().unwrap_or_else(|| first.to_owned()),
            document_type: self.document_type.clone(),
            rule: self.rule.clone(),
            external_id: self.external_id.clone(),
            description: None,
            dates: Dates { created: self.created.clone(), ..Dates::default() },
            agency: self.agency.clone(),
        }
    }

    fn key(&self) -> anyhow::Result<String> {
        match &self.idempotency_key {
            Some(key) if key.is_empty() || key.len() > 255 || !key.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(Unusable("--idempotency-key : 1 à 255 caractères ASCII visibles, sans espace".into()).into())
            }
            Some(key) => Ok(key.clone()),
            None => Ok(uuid::Uuid::new_v4().to_string()),
        }
    }
}
