//! A folder of packages with the outcome expected of each (`expected.tsv`), played through the checks: what agrees, what
//! does not, and a page that says so.
//!
//! Columns of `expected.tsv`: file, version, expected outcome, expected failing check, scope (`package` where the package
//! alone decides, anything else where reference data are needed), source.

use super::check::{Options, check};
use super::event::{Outcome, Report};
use super::referentials::Referentials;
use crate::spec::seda::Mode;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A package and what was expected of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The package.
    pub file: String,
    /// The outcome expected.
    pub expected: Outcome,
    /// The failing check expected, without its outcome; empty for none.
    pub failing: String,
    /// Whether the package alone decides.
    pub alone: bool,
    /// What the checks say.
    pub report: Report,
}

impl Case {
    /// The first failing check.
    pub fn first_ko(&self) -> Option<&str> {
        self.report.events.iter().find(|event| event.outcome == Outcome::Ko).map(|event| event.event.as_str())
    }

    /// Whether the outcome is the expected one.
    pub fn agrees(&self) -> bool {
        self.report.outcome == self.expected
    }

    /// Whether the failing check bears the expected name, or a more precise one; `None` when no name was expected.
    pub fn named(&self) -> Option<bool> {
        if self.failing.is_empty() || self.expected != Outcome::Ko {
            return None;
        }
        Some(self.first_ko().is_some_and(|found| {
            found == self.failing || found.strip_prefix(&self.failing).is_some_and(|rest| rest.starts_with('.'))
        }))
    }
}

/// Plays every package of a folder.
pub fn play(folder: &Path, referentials: &Referentials) -> anyhow::Result<Vec<Case>> {
    use anyhow::Context as _;
    let list = folder.join("expected.tsv");
    let text = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let mut cases = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _, expected, failing, scope, ..] = columns.as_slice() else {
            anyhow::bail!("{} : ligne {} : cinq colonnes attendues", list.display(), number + 1);
        };
        let Some(expected) = Outcome::of_name(expected) else {
            anyhow::bail!("{} : ligne {} : issue « {expected} »", list.display(), number + 1);
        };
        let alone = *scope == "package";
        let options =
            Options { mode: Mode::Lenient, referentials: Some(referentials).filter(|_| !alone), ..Options::default() };
        let checked = check(&folder.join(file), &options)?;
        cases.push(Case { file: (*file).to_owned(), expected, failing: plain(failing), alone, report: checked.report });
    }
    Ok(cases)
}

/// An expected check without its outcome and the remarks between parentheses; the schema of any version is CHECK_SEDA's.
fn plain(failing: &str) -> String {
    let name = failing.split(" (").next().unwrap_or_default().trim();
    let name = name.strip_suffix(".KO").unwrap_or(name);
    if name == "XSD" { "CHECK_SEDA.NOT_XSD_VALID".into() } else { name.to_owned() }
}

/// How many agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// Packages.
    pub cases: usize,
    /// Outcomes as expected.
    pub outcomes: usize,
    /// Packages whose failing check was expected by name.
    pub names: usize,
    /// Of those, rightly named.
    pub named: usize,
}

/// Counts.
pub fn score(cases: &[Case]) -> Score {
    Score {
        cases: cases.len(),
        outcomes: cases.iter().filter(|case| case.agrees()).count(),
        names: cases.iter().filter(|case| case.named().is_some()).count(),
        named: cases.iter().filter(|case| case.named() == Some(true)).count(),
    }
}

/// The page: the score, every deviation with its reason when one is known, then every package.
pub fn page(cases: &[Case], reasons: &BTreeMap<String, String>) -> String {
    let score = score(cases);
    let mut page = String::from("# Conformité des contrôles SEDA\n\n");
    _ = writeln!(
        page,
        "Page produite par `archiland seda conformance DOSSIER --referentials DOSSIER --output docs/seda-conformance.md`.\n\n\
         | | |\n|---|---|\n| paquets | {} |\n| issue attendue | {} sur {} |\n| contrôle en échec nommé comme attendu | {} sur {} |\n\n\
         Un contrôle est nommé comme attendu quand le premier événement KO porte le nom attendu, ou un nom plus précis. Les\n\
         paquets que le paquet seul décide sont contrôlés sans référentiels, les autres avec.\n\n## Écarts\n",
        score.cases, score.outcomes, score.cases, score.named, score.names
    );
    let mut none = true;
    for case in cases.iter().filter(|case| !case.agrees() || case.named() == Some(false)) {
        none = false;
        let (expected, found) = (case.expected.name(), case.report.outcome.name());
        _ = writeln!(
            page,
            "### {}\n\nAttendu : {expected} {} ; obtenu : {found} {}\n",
            case.file,
            case.failing,
            case.first_ko().unwrap_or_default()
        );
        let reason = reasons.get(&case.file).map_or("Sans explication : à examiner.", String::as_str);
        _ = writeln!(page, "{reason}\n");
        for event in case.report.events.iter().filter(|event| event.outcome != Outcome::Ok).take(5) {
            _ = writeln!(page, "- `{}` {} : {}", event.event, event.outcome.name(), event.detail);
        }
        page.push('\n');
    }
    if none {
        page.push_str("\nAucun.\n\n");
    }
    page.push_str("## Paquets\n\n| paquet | attendu | obtenu | premier contrôle en échec |\n|---|---|---|---|\n");
    for case in cases {
        let mark = if case.agrees() && case.named() != Some(false) { "" } else { " (écart)" };
        let found = case.report.outcome.name();
        _ = writeln!(
            page,
            "| {} | {} | {found}{mark} | {} |",
            case.file,
            case.expected.name(),
            case.first_ko().unwrap_or_default()
        );
    }
    while page.ends_with("\n\n") {
        page.pop();
    }
    page.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}
