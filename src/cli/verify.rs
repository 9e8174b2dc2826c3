//! `archiland verify`: a document against its receipt, with no network and no archive.

use super::{Ending, Outcome, Unusable, terminal};
use crate::receipt::{RECEIPT_BYTES_MAX, Receipt};
use crate::verify::{self, Report, Trust};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Where the trust file is looked for when it is not given: here, then where an administrator puts it. Never beside the
/// receipt: whoever forges one would forge the other.
const TRUST_PLACES: [&str; 2] = ["trust.toml", "/etc/archiland/trust.toml"];

/// Vérifier un document et son récépissé, hors ligne.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Ne contacte personne : tout ce à quoi l'on se fie est dans le fichier de confiance, que l'archive remet une fois
(archiland key trust) et que l'on garde. Sans --trust : ./trust.toml, puis /etc/archiland/trust.toml.

Codes de retour : 0 valide ; 1 non valide ; 2 entrée inutilisable.")]
pub(super) struct Args {
    /// Le document.
    #[arg(value_name = "FICHIER")]
    file: PathBuf,
    /// Son récépissé (JSON).
    #[arg(long, value_name = "RÉCÉPISSÉ")]
    receipt: PathBuf,
    /// Le fichier de confiance de l'archive.
    #[arg(long, value_name = "FICHIER", env = "ARCHILAND_TRUST")]
    trust: Option<PathBuf>,
    /// Pour une personne, ou pour un programme.
    #[arg(long, value_name = "FORME", value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        let checked = self.check();
        if self.format == Format::Json {
            let shown = match &checked {
                Ok((report, trust)) => {
                    let mut shown = serde_json::to_value(report)?;
                    shown["trust"] = json!(trust);
                    shown
                }
                Err(error) => json!({ "outcome": "unusable", "checks": [], "error": error.to_string() }),
            };
            terminal::say(serde_json::to_string_pretty(&shown)?)?;
            return Ok(checked.map_or(Ending::Unusable, |(report, _)| ending(&report)));
        }
        let (report, trust) = checked?;
        terminal::say(format_args!("{}\n{report}Confiance : {}", self.file.display(), trust.display()))?;
        Ok(ending(&report))
    }

    fn check(&self) -> Result<(Report, PathBuf), Unusable> {
        let place = trust_place(self.trust.as_deref())?;
        let trust = Trust::load(&place).map_err(|e| Unusable(format!("{} : {e}", place.display())))?;
        let receipt = read_receipt(&self.receipt)?;
        Ok((verify::file(&self.file, &receipt, &trust), place))
    }
}

/// The trust file given, or the first there is.
pub(super) fn trust_place(given: Option<&Path>) -> Result<PathBuf, Unusable> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    TRUST_PLACES.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
        Unusable(
            "aucun fichier de confiance ; demandez trust.toml à l'archive (archiland key trust) et donnez-le avec --trust"
                .into(),
        )
    })
}

fn ending(report: &Report) -> Ending {
    match report.outcome {
        verify::Outcome::Valid => Ending::Done,
        verify::Outcome::Invalid => Ending::No,
        verify::Outcome::Unusable => Ending::Unusable,
    }
}

/// Reads a receipt's file, whose length is looked at first.
pub(crate) fn read_receipt(path: &Path) -> Result<Receipt, Unusable> {
    let unusable = |why: String| Unusable(format!("{} : {why}", path.display()));
    let length = std::fs::metadata(path).map_err(|e| unusable(format!("récépissé illisible ({e})")))?.len();
    if length > u64::try_from(RECEIPT_BYTES_MAX).unwrap_or(u64::MAX) {
        return Err(unusable("trop long pour un récépissé".into()));
    }
    let bytes = std::fs::read(path).map_err(|e| unusable(format!("récépissé illisible ({e})")))?;
    Receipt::parse(&bytes).map_err(|e| unusable(e.to_string()))
}
