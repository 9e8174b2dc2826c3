//! `archiland report`: every check of archives made again, sealed; and the seal of such a report checked offline.

use super::archive::Remote;
use super::client::{read_all, segment};
use super::timestamp::read_up_to;
use super::verify::trust_place;
use super::{Ending, Outcome, Unusable, terminal};
use crate::report::{Indication, REPORT_BYTES_MAX, Report, SealedReport};
use crate::verify::Trust;
use anyhow::Context;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Rapport d'intégrité : tous les contrôles refaits, pour une archive ou plusieurs.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Codes de retour : 0 tout est conforme ; 1 un contrôle ne l'est pas, ou n'a pu conclure ; 2 entrée inutilisable.
Les signatures que portent les documents sont dites à part : elles ne changent pas le code de retour."
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    make: Make,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Vérifier hors ligne le cachet d'un rapport (JSON).
    Verify {
        /// Le rapport.
        #[arg(value_name = "RAPPORT")]
        report: PathBuf,
        /// Le fichier de confiance de l'archive.
        #[arg(long, value_name = "FICHIER", env = "ARCHILAND_TRUST")]
        trust: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Make {
    /// Identifiants d'archives (ark:/… ou leur dernière partie).
    #[arg(value_name = "IDENTIFIANT")]
    ids: Vec<String>,
    /// Un transfert SEDA entier, par son opération.
    #[arg(long, value_name = "OPÉRATION", conflicts_with = "ids")]
    transfer: Option<String>,
    /// Code du service versant.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["ids", "transfer"])]
    agency: Option<String>,
    /// Type de document.
    #[arg(long = "type", value_name = "CODE", conflicts_with_all = ["ids", "transfer"])]
    document_type: Option<String>,
    /// Référence donnée par le producteur.
    #[arg(long, value_name = "TEXTE", conflicts_with_all = ["ids", "transfer"])]
    external_id: Option<String>,
    /// Versé à partir de ce jour, AAAA-MM-JJ.
    #[arg(long, value_name = "JOUR", conflicts_with_all = ["ids", "transfer"])]
    from: Option<String>,
    /// Versé jusqu'à ce jour compris, AAAA-MM-JJ.
    #[arg(long, value_name = "JOUR", conflicts_with_all = ["ids", "transfer"])]
    to: Option<String>,
    /// Forme : lisible, JSON scellé, ou PDF/A scellé.
    #[arg(long, value_name = "FORME", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Fichier où l'écrire, au lieu de la sortie standard.
    #[arg(short, long, value_name = "FICHIER")]
    output: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Pdf,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            Some(What::Verify { report, trust }) => verify(&report, trust.as_deref()),
            None => self.make.run(),
        }
    }
}

impl Make {
    fn run(self) -> Outcome {
        if self.format == Format::Pdf && self.output.is_none() && std::io::stdout().is_terminal() {
            return Err(Unusable("un PDF est binaire : donnez --output FICHIER".into()).into());
        }
        let asked = self.asked()?;
        super::block_on(async {
            let archive = self.remote.connect().await?;
            let accept = if self.format == Format::Pdf { "application/pdf" } else { "application/json" };
            let client = archive.client();
            let request = match &asked {
                Asked::One(id) => client.request(Method::GET, &format!("/v1/archives/{}/report", segment(id))),
                Asked::Set(body) => client.request(Method::POST, "/v1/reports").json(body),
            };
            let response = client.once(request.header(ACCEPT, accept)).await?;
            let indication = response.headers().get("archiland-indication").cloned();
            let bytes = read_all(response).await;
            archive.leave().await?;
            self.give(&bytes?)?;
            let passed = indication.is_some_and(|value| value.as_bytes() == b"passed");
            Ok(if passed { Ending::Done } else { Ending::No })
        })
    }

    fn asked(&self) -> Result<Asked, Unusable> {
        if let [only] = self.ids.as_slice() {
            return Ok(Asked::One(only.clone()));
        }
        if let Some(operation) = &self.transfer {
            return Ok(Asked::Set(json!({ "transfer": operation })));
        }
        if !self.ids.is_empty() {
            return Ok(Asked::Set(json!({ "archives": self.ids })));
        }
        let criteria = [
            ("agency", &self.agency),
            ("type", &self.document_type),
            ("external_id", &self.external_id),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let pairs: Vec<String> = criteria
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_deref()?))))
            .collect();
        if pairs.is_empty() {
            return Err(Unusable("donnez un identifiant, --transfer, ou un critère (--type, --from, --to…)".into()));
        }
        Ok(Asked::Set(json!({ "query": pairs.join("&") })))
    }

    fn give(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let told;
        let shown = if self.format == Format::Text {
            let (_, report) = SealedReport::parse(bytes).context("la réponse n'est pas un rapport")?;
            told = report.to_string();
            told.as_bytes()
        } else {
            bytes
        };
        match &self.output {
            Some(file) => {
                std::fs::write(file, shown).with_context(|| format!("{} : écriture impossible", file.display()))
            }
            None => Ok(std::io::stdout().write_all(shown)?),
        }
    }
}

enum Asked {
    One(String),
    Set(Value),
}

fn verify(file: &Path, trust: Option<&Path>) -> Outcome {
    let place = trust_place(trust)?;
    let trust = Trust::load(&place).map_err(|e| Unusable(format!("{} : {e}", place.display())))?;
    let bytes = read_up_to(file, REPORT_BYTES_MAX as u64)?;
    let (sealed, report): (SealedReport, Report) =
        SealedReport::parse(&bytes).map_err(|e| Unusable(format!("{} : {e}", file.display())))?;
    match sealed.verify(&trust) {
        Err(why) => {
            terminal::say(format_args!("cachet NON conforme : {why}"))?;
            Ok(Ending::No)
        }
        Ok(told) => {
            terminal::say(format_args!("{report}Cachet conforme, {told}\nConfiance : {}", place.display()))?;
            Ok(if report.indication == Indication::Passed { Ending::Done } else { Ending::No })
        }
    }
}
