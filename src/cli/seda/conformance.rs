//! `archiland seda conformance`: a folder of packages with the outcome expected of each.

use super::super::{Ending, Outcome, Unusable, terminal};
use crate::transfer::conformance::{page, play, score};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Passer aux contrôles un dossier de paquets dont l'issue est connue (expected.tsv), et dire les écarts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Codes de retour : 0 tout est comme attendu ; 1 des écarts ; 2 entrée inutilisable.")]
pub(super) struct Args {
    /// Dossier des paquets, avec expected.tsv.
    #[arg(value_name = "DOSSIER")]
    folder: PathBuf,
    /// Dossier des référentiels [défaut : referentials dans le dossier des paquets].
    #[arg(long, value_name = "DOSSIER")]
    referentials: Option<PathBuf>,
    /// Raisons des écarts déjà examinés : une ligne « paquet, tabulation, raison » chacun.
    #[arg(long, value_name = "FICHIER")]
    reasons: Option<PathBuf>,
    /// Page à écrire.
    #[arg(long, value_name = "FICHIER")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        let directory = self.referentials.clone().unwrap_or_else(|| self.folder.join("referentials"));
        let referentials = super::referentials(&directory)?;
        let cases = play(&self.folder, &referentials).map_err(|error| Unusable(format!("{error:#}")))?;
        let reasons = match &self.reasons {
            Some(file) => read_reasons(&std::fs::read_to_string(file).with_context(|| file.display().to_string())?),
            None => BTreeMap::new(),
        };
        if let Some(file) = &self.output {
            std::fs::write(file, page(&cases, &reasons)).with_context(|| file.display().to_string())?;
        }
        for case in cases.iter().filter(|case| !case.agrees() || case.named() == Some(false)) {
            terminal::say(format_args!(
                "{} : attendu {} {}, obtenu {} {}",
                case.file,
                case.expected.name(),
                case.failing,
                case.report.outcome.name(),
                case.first_ko().unwrap_or_default()
            ))?;
        }
        let score = score(&cases);
        terminal::say(format_args!(
            "issues : {} sur {} ; contrôles nommés : {} sur {}",
            score.outcomes, score.cases, score.named, score.names
        ))?;
        let whole = score.outcomes == score.cases && score.named == score.names;
        Ok(if whole { Ending::Done } else { Ending::No })
    }
}

fn read_reasons(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(|line| line.split_once('\t')).map(|(file, why)| (file.into(), why.into())).collect()
}
