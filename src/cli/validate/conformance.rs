//! A list of files with what is known of them, held against what this validator says.
//!
//! The list is a TSV with at least the columns `file`, `kind`, `cryptographically_intact`, `expected_verdict` and
//! `detached_content`; `disagreement` says when independent tools differ. How its words relate to our answer:
//!
//! | the list says | our answer agrees when |
//! |---|---|
//! | intact `yes` | at least one signature, time-stamp or record is intact and none that counts is broken |
//! | intact `no` | nothing is intact |
//! | intact `partial` | something is intact, and not everything is or not everything is covered |
//! | `accept` | TOTAL-PASSED |
//! | `reject` | not TOTAL-PASSED |
//! | `partial` | not TOTAL-PASSED, though something is intact |

use super::super::{Ending, Unusable, terminal};
use super::{name, read};
use crate::validation::indication::Indication;
use crate::validation::verdict::{Context, Integrity, SignatureVerdict, Verdict, judge};
use crate::validation::{self, Content, Input};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

/// Reasons an auditor gave for deviations, beside the list or in the repository: `file<TAB>reason`.
const REASONS: &str = include_str!("../../../docs/signature-deviations.tsv");

struct Row {
    file: String,
    kind: String,
    intact: String,
    verdict: String,
    content: String,
    disagreement: String,
    note: String,
}

struct Outcome {
    row: Row,
    intact: &'static str,
    indication: String,
    intact_agrees: bool,
    verdict_agrees: bool,
    why: String,
    elapsed_ms: u128,
}

pub(super) fn run(list: &Path, write: Option<&Path>, context: &Context<'_>) -> Result<Ending, Unusable> {
    let text = read(list)?;
    let rows = rows(&String::from_utf8_lossy(&text))?;
    let folder = list.parent().unwrap_or_else(|| Path::new("."));
    let outcomes: Vec<_> = rows.into_iter().map(|row| one(folder, row, context)).collect::<Result<_, _>>()?;
    let report = markdown(&outcomes, context);
    match write {
        Some(path) => {
            std::fs::write(path, &report).map_err(|error| Unusable(format!("{} : {error}", path.display())))?;
        }
        None => terminal::say(report.trim_end()).map_err(|error| Unusable(error.to_string()))?,
    }
    let tally = Tally::of(&outcomes);
    if write.is_some() {
        terminal::say(tally.line()).map_err(|error| Unusable(error.to_string()))?;
    }
    Ok(if tally.reached() { Ending::Done } else { Ending::No })
}

fn rows(text: &str) -> Result<Vec<Row>, Unusable> {
    let mut lines = text.lines();
    let header: Vec<_> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |wanted: &str| header.iter().position(|name| *name == wanted);
    let needed =
        |wanted: &str| column(wanted).ok_or_else(|| Unusable(format!("la liste n'a pas de colonne « {wanted} »")));
    let (file, intact, verdict) = (needed("file")?, needed("cryptographically_intact")?, needed("expected_verdict")?);
    let optional: BTreeMap<_, _> =
        ["kind", "detached_content", "disagreement", "note"].iter().map(|name| (*name, column(name))).collect();
    Ok(lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let cells: Vec<_> = line.split('\t').map(|cell| cell.trim_matches('"').to_owned()).collect();
            let at = |index: usize| cells.get(index).cloned().unwrap_or_default();
            let named = |name: &str| optional.get(name).copied().flatten().map(at).unwrap_or_default();
            Row {
                file: at(file),
                intact: at(intact),
                verdict: at(verdict),
                kind: named("kind"),
                content: named("detached_content"),
                disagreement: named("disagreement"),
                note: named("note"),
            }
        })
        .collect())
}

fn one(folder: &Path, row: Row, context: &Context<'_>) -> Result<Outcome, Unusable> {
    let path = folder.join(&row.file);
    let bytes = read(&path)?;
    let files: Vec<_> = row.content.split([';', '|']).map(str::trim).filter(|file| !file.is_empty()).collect();
    let files = files
        .into_iter()
        .map(|file| Ok((name(Path::new(file)), read(&folder.join(file))?)))
        .collect::<Result<Vec<_>, Unusable>>()?;
    let contents: Vec<_> = files.iter().map(|(name, bytes)| Content { name, bytes }).collect();
    let started = Instant::now();
    let facts =
        validation::gather(&Input { name: Some(&name(&path)), bytes: &bytes, contents: &contents, certificates: &[] });
    let verdict = judge(&facts, context);
    let elapsed_ms = started.elapsed().as_millis();
    let intact = match verdict.integrity {
        Integrity::Whole => "yes",
        Integrity::Partial => "partial",
        Integrity::Broken | Integrity::Unknown => "no",
    };
    let passed = verdict.indication == Some(Indication::TotalPassed);
    let verdict_agrees = match row.verdict.as_str() {
        "accept" => passed,
        "partial" => !passed && matches!(verdict.integrity, Integrity::Partial | Integrity::Whole),
        _ => !passed,
    };
    let indication = match (verdict.indication, verdict.sub_indication) {
        (None, _) => "aucune signature".to_owned(),
        (Some(indication), None) => indication.to_string(),
        (Some(indication), Some(sub)) => format!("{indication}/{sub}"),
    };
    Ok(Outcome {
        intact_agrees: intact == row.intact,
        verdict_agrees,
        intact,
        indication,
        why: why(&verdict),
        elapsed_ms,
        row,
    })
}

/// The first thing the validator has to say against the file.
fn why(verdict: &Verdict) -> String {
    fn first(signature: &SignatureVerdict) -> Option<String> {
        let own = signature.messages.first().cloned();
        let stamps = signature.timestamps.iter().find_map(|stamp| stamp.messages.first().cloned());
        own.or(stamps).or_else(|| signature.counter_signatures.iter().find_map(first))
    }
    let refused = verdict.faults.first().map(|fault| fault.detail.clone());
    let signatures = verdict.signatures.iter().find_map(first);
    let stamps = verdict.timestamps.iter().find_map(|stamp| stamp.messages.first().cloned());
    let records = verdict.evidence_records.iter().find_map(|record| record.messages.first().cloned());
    refused.or(signatures).or(stamps).or(records).unwrap_or_default()
}

struct Tally {
    files: usize,
    agreed_files: usize,
    agreed_intact: usize,
    verdicts: usize,
}

impl Tally {
    fn of(outcomes: &[Outcome]) -> Self {
        let agreed = outcomes.iter().filter(|outcome| outcome.row.disagreement.is_empty());
        Self {
            files: outcomes.len(),
            agreed_files: agreed.clone().count(),
            agreed_intact: agreed.filter(|outcome| outcome.intact_agrees).count(),
            verdicts: outcomes.iter().filter(|outcome| outcome.verdict_agrees).count(),
        }
    }

    /// Every integrity right where the tools agree, and nineteen verdicts in twenty.
    fn reached(&self) -> bool {
        self.agreed_intact == self.agreed_files && self.verdicts * 20 >= self.files * 19
    }

    fn line(&self) -> String {
        format!(
            "intégrité {} sur {} (outils d'accord) ; verdict {} sur {}",
            self.agreed_intact, self.agreed_files, self.verdicts, self.files
        )
    }
}

fn markdown(outcomes: &[Outcome], context: &Context<'_>) -> String {
    let reasons: BTreeMap<_, _> = REASONS.lines().filter_map(|line| line.split_once('\t')).collect();
    let tally = Tally::of(outcomes);
    let mut text = String::from("# Conformité de la validation des signatures\n\n");
    let scope = if context.integrity_only { " --integrity-only" } else { "" };
    _ = writeln!(
        text,
        "Produit par `archiland validate --conformance LISTE.tsv{scope} --write docs/signature-conformance.md`.\n"
    );
    _ = writeln!(text, "{}.\n", tally.line());
    text.push_str(
        "Lecture de la liste : `yes` si tout est intègre, `no` si rien ne l'est (ou ne peut être dit), `partial` entre les deux ; \
         `accept` : TOTAL-PASSED ; `reject` : autre chose ; `partial` : autre chose, bien qu'une partie soit intègre.\n\n",
    );
    text.push_str("## Écarts\n\n");
    let deviations: Vec<_> =
        outcomes.iter().filter(|outcome| !outcome.intact_agrees || !outcome.verdict_agrees).collect();
    if deviations.is_empty() {
        text.push_str("Aucun.\n");
    }
    for outcome in deviations {
        let row = &outcome.row;
        let reason = reasons.get(row.file.as_str()).copied().unwrap_or("raison à établir");
        let tools = if row.disagreement.is_empty() {
            String::new()
        } else {
            format!(" Outils en désaccord : {}.", row.disagreement)
        };
        _ = writeln!(
            text,
            "- `{}` ({}) : attendu {}/{}, obtenu {}/{}. {reason}.{tools}",
            row.file, row.kind, row.intact, row.verdict, outcome.intact, outcome.indication
        );
        if !outcome.why.is_empty() {
            _ = writeln!(text, "  Le validateur dit : {}.", outcome.why.trim_end_matches('.'));
        }
        if !row.note.is_empty() {
            _ = writeln!(text, "  Note de la liste : {}.", row.note.trim_end_matches('.'));
        }
    }
    text.push_str("\n## Fichier par fichier\n\n| fichier | attendu | obtenu | ms |\n|---|---|---|---|\n");
    for outcome in outcomes {
        let row = &outcome.row;
        _ = writeln!(
            text,
            "| {} | {}/{} | {}/{} | {} |",
            row.file.replace('|', "\\|"),
            row.intact,
            row.verdict,
            outcome.intact,
            outcome.indication,
            outcome.elapsed_ms
        );
    }
    text
}
