//! `archiland validate`: what the signatures of a file are worth.

mod conformance;
mod fetch;
mod load;
mod receipt;

use super::{Ending, Outcome, Unusable, terminal};
use crate::clock;
use crate::validation::facts::InputKind;
use crate::validation::indication::Indication;
use crate::validation::policy::SignaturePolicy;
use crate::validation::trust::TrustMaterial;
use crate::validation::verdict::{Context, Verdict, judge};
use crate::validation::{self, Content, Facts, Input, report};
use serde_json::json;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The largest file read: validation looks at it in memory.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// Valider les signatures d'un fichier (XAdES, CAdES, PAdES, ASiC, horodatages, preuves).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Ne contacte personne, sauf les hôtes nommés par --fetch. Le rapport dit, pour chaque signature, ce qu'elle couvre, qui a signé et si elle tient
(ETSI EN 319 102-1). --integrity-only laisse de côté chaînes de certificats, révocations et dates d'algorithmes.

Codes de retour : 0 valide ; 1 non valide ; 2 indéterminé ; 3 aucune signature ; 4 entrée inutilisable.")]
pub(super) struct Args {
    /// Le fichier signé, ou la signature détachée.
    #[arg(value_name = "FICHIER", required_unless_present = "conformance")]
    file: Option<PathBuf>,
    /// Contenu signé qui n'est pas dans le fichier.
    #[arg(long, value_name = "FICHIER", num_args = 1..)]
    content: Vec<PathBuf>,
    /// Politique de validation (TOML) ; sans elle, celle de l'archive.
    #[arg(long, value_name = "FICHIER")]
    policy: Option<PathBuf>,
    /// Dossier d'ancres, de listes de confiance et de données de révocation (comme certs/).
    #[arg(long, value_name = "DOSSIER")]
    certs: Option<PathBuf>,
    /// Certificats (PEM ou DER) pour les signatures et les jetons qui n'apportent pas les leurs ; on ne s'y fie pas pour autant.
    #[arg(long, value_name = "FICHIER", num_args = 1..)]
    certificates: Vec<PathBuf>,
    /// Récépissé du fichier (ou de --content) : sa date, vérifiée, prouve que la signature existait.
    #[arg(long, value_name = "RÉCÉPISSÉ", conflicts_with = "existed")]
    receipt: Option<PathBuf>,
    /// Le fichier de confiance de l'archive, pour --receipt.
    #[arg(long, value_name = "FICHIER", env = "ARCHILAND_TRUST", requires = "receipt")]
    trust: Option<PathBuf>,
    /// Instant de validation (RFC 3339) ; sans lui, maintenant.
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
    /// Instant auquel le fichier existait de façon prouvée (journal de l'archive).
    #[arg(long, value_name = "INSTANT")]
    existed: Option<String>,
    /// Rapport simple, verdict JSON, rapport ETSI TS 119 102-2, rapport détaillé ou diagnostic.
    #[arg(long, value_name = "FORME", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Hôtes chez qui chercher listes de révocation et réponses OCSP (sans lui, aucun) ; gardées dans --certs.
    #[arg(long, value_name = "HÔTE", num_args = 1.., conflicts_with_all = ["integrity_only", "conformance"])]
    fetch: Vec<String>,
    /// L'arithmétique et la couverture seulement.
    #[arg(long)]
    integrity_only: bool,
    /// Valider chaque fichier d'une liste (TSV) et comparer avec ce qu'elle attend.
    #[arg(long, value_name = "TSV", conflicts_with_all = ["file", "content", "format"])]
    conformance: Option<PathBuf>,
    /// Où écrire le rapport de conformité (Markdown).
    #[arg(long, value_name = "FICHIER", requires = "conformance")]
    write: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Etsi,
    Detailed,
    Diagnostic,
}

impl Args {
    pub(super) fn run(self) -> Outcome {
        match self.answer() {
            Ok(ending) => Ok(ending),
            Err(unusable) => {
                if self.format == Format::Json {
                    let shown = json!({ "indication": null, "cryptographically_intact": null, "signatures": [], "error": unusable.0 });
                    terminal::say(serde_json::to_string_pretty(&shown)?)?;
                } else {
                    terminal::tell_error(&unusable.into());
                }
                Ok(Ending::Code(4))
            }
        }
    }

    fn answer(&self) -> Result<Ending, Unusable> {
        let policy = match &self.policy {
            None if self.integrity_only => SignaturePolicy::embedded_name(),
            path => read_policy(path.as_deref())?,
        };
        let mut trust = read_trust(self.certs.as_deref())?;
        let at = instant(self.at.as_deref())?.unwrap_or_else(|| clock::system().now());
        for path in &self.certificates {
            trust.add_certificates(&name(path), &read(path)?);
        }
        for refused in &trust.refused {
            terminal::note(refused);
        }
        let existence = match &self.receipt {
            Some(receipt) => Some(receipt::existence(receipt, self.trust.as_deref(), self.file.as_deref())?),
            None => instant(self.existed.as_deref())?,
        };
        let integrity_only = self.integrity_only;
        if let Some(list) = &self.conformance {
            let context = Context { policy: &policy, trust: &trust, at, existence, beside: None, integrity_only };
            return conformance::run(list, self.write.as_deref(), &context);
        }
        let Some(file) = &self.file else { return Err(Unusable("aucun fichier".into())) };
        let bytes = read(file)?;
        let contents =
            self.content.iter().map(|path| Ok((name(path), read(path)?))).collect::<Result<Vec<_>, Unusable>>()?;
        let contents: Vec<_> = contents.iter().map(|(name, bytes)| Content { name, bytes }).collect();
        let certificates: Vec<Vec<u8>> = trust.outside_certificates().into_iter().map(<[u8]>::to_vec).collect();
        let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        let name = name(file);
        let input = Input { name: Some(&name), bytes: &bytes, contents: &contents, certificates: &certificates };
        let facts = validation::gather(&input);
        if !self.fetch.is_empty() {
            for failed in fetch::run(&facts, &self.fetch, &mut trust, self.certs.as_deref())? {
                terminal::note(&failed);
            }
        }
        let context = Context { policy: &policy, trust: &trust, at, existence, beside: None, integrity_only };
        let verdict = judge(&facts, &context);
        self.tell(file, &facts, &verdict)?;
        // Nothing to read, or no signature where one was announced.
        let unusable = bytes.is_empty() || !contents.is_empty();
        Ok(Ending::Code(exit_code(&verdict, unusable)))
    }

    fn tell(&self, file: &Path, facts: &Facts, verdict: &Verdict) -> Result<(), Unusable> {
        let pretty = |value| serde_json::to_string_pretty(&value).map_err(|error| Unusable(error.to_string()));
        let text = match self.format {
            Format::Text => format!("{}\n{}", file.display(), report::simple(verdict).trim_end()),
            Format::Json => pretty(report::json(verdict))?,
            Format::Detailed => pretty(report::detailed(facts, verdict))?,
            Format::Diagnostic => pretty(report::diagnostic(facts))?,
            Format::Etsi => report::etsi::xml(facts, verdict),
        };
        terminal::say(text).map_err(|error| Unusable(error.to_string()))
    }
}

/// 0 passed, 1 failed, 2 indeterminate, 3 no signature, 4 unusable input.
fn exit_code(verdict: &Verdict, unusable: bool) -> u8 {
    match verdict.indication {
        _ if unusable && verdict.kind == InputKind::Unknown => 4,
        Some(Indication::TotalPassed) => 0,
        Some(Indication::TotalFailed) => 1,
        Some(Indication::Indeterminate) => 2,
        None => 3,
    }
}

fn read_policy(path: Option<&Path>) -> Result<SignaturePolicy, Unusable> {
    let policy = match path {
        None => SignaturePolicy::embedded(),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| Unusable(format!("{} : {error}", path.display())))?;
            SignaturePolicy::parse(&text)
        }
    };
    policy.map_err(|error| Unusable(error.to_string()))
}

fn read_trust(folder: Option<&Path>) -> Result<TrustMaterial, Unusable> {
    let Some(folder) = folder else { return Ok(TrustMaterial::default()) };
    TrustMaterial::load(folder).map_err(|error| Unusable(format!("{} : {error}", folder.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    let unusable = |why: String| Unusable(format!("{} : {why}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| unusable(format!("illisible ({error})")))?.len();
    if length > FILE_BYTES_MAX {
        return Err(unusable("plus de 2 Gio".into()));
    }
    load::read(path, length).map_err(|error| unusable(format!("illisible ({error})")))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn instant(text: Option<&str>) -> Result<Option<OffsetDateTime>, Unusable> {
    text.map(|text| {
        OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| Unusable(format!("« {text} » : instant RFC 3339 attendu, par exemple 2026-11-23T20:00:00Z")))
    })
    .transpose()
}
