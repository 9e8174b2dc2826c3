//! What a receipt proves, checked from the files on disk alone, as an auditor would.

use super::tour::Deposited;
use crate::cli::terminal;
use crate::cli::verify::read_receipt;
use crate::receipt::Receipt;
use crate::verify::{self, CheckName, Outcome, Trust};
use anyhow::Context;
use std::path::Path;

/// Verifies each document against its receipt; returns how many do not hold.
pub(super) fn verify_each(deposited: &[Deposited], trust: &Path) -> anyhow::Result<usize> {
    let mut failures = 0;
    for one in deposited {
        // Everything is read again: nothing of what the deposits left in memory counts here.
        let report = verify::file(&one.document, &read_receipt(&one.saved.path)?, &Trust::load(trust)?);
        let name = one.document.file_name().unwrap_or_default().to_string_lossy();
        let checks: Vec<&str> = report.checks.iter().map(|check| check.name.label()).collect();
        if report.outcome == Outcome::Valid {
            terminal::say(format_args!("  valide   {name}  ({})", checks.join(", ")))?;
        } else {
            failures += 1;
            terminal::say(format_args!("  ÉCHEC    {name}\n{report}"))?;
        }
    }
    if let Some(one) = deposited.first() {
        let (document, receipt) = (one.document.display(), one.saved.path.display());
        terminal::say(format_args!(
            "La même chose à la main :\n  archiland verify {document} --receipt {receipt} --trust {}",
            trust.display()
        ))?;
    }
    Ok(failures)
}

/// Alters a document by one bit, then a receipt by one word; returns how many forgeries were *not* refused.
pub(super) fn refuse_forgeries(deposited: &[Deposited], trust: &Path) -> anyhow::Result<usize> {
    let Some(one) = deposited.get(1).or(deposited.first()) else { return Ok(0) };
    let trust = Trust::load(trust)?;
    let receipt = read_receipt(&one.saved.path)?;
    let mut failures = 0;

    let mut altered = std::fs::read(&one.document).context("lecture du document à altérer")?;
    let middle = altered.len() / 2;
    if let Some(byte) = altered.get_mut(middle) {
        *byte ^= 1;
    }
    let copy = one.document.with_extension("altere");
    std::fs::write(&copy, altered).with_context(|| format!("écriture de {}", copy.display()))?;
    let report = verify::file(&copy, &receipt, &trust);
    failures += refused("document dont un bit a changé", &report, CheckName::Payload)?;

    let record = String::from_utf8_lossy(&receipt.record).replacen("\"rule\":\"", "\"rule\":\"x", 1);
    let forged = Receipt { record: record.into_bytes().into(), ..receipt };
    let report = verify::file(&one.document, &forged, &trust);
    failures += refused("récépissé dont la règle de conservation a changé", &report, CheckName::Inclusion)?;
    Ok(failures)
}

/// Tells how a forgery was met: it must be refused, for the right reason.
fn refused(what: &str, report: &verify::Report, reason: CheckName) -> anyhow::Result<usize> {
    let check = report.check(reason).filter(|check| check.outcome == Outcome::Invalid);
    if let Some(check) = check {
        terminal::say(format_args!("  refusé   {what}\n           {} : {}", check.name.label(), check.detail))?;
        return Ok(0);
    }
    terminal::say(format_args!("  ÉCHEC    {what} : accepté\n{report}"))?;
    Ok(1)
}
