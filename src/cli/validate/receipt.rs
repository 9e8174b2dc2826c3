//! The archive's receipt as proof that a signed file existed.

use super::super::Unusable;
use super::super::verify::{read_receipt, trust_place};
use crate::verify::{self, Trust};
use std::path::Path;
use time::OffsetDateTime;

/// Since when `file`, one of the documents of `receipt`, provably exists: the time of the archive's verified time-stamp.
pub(super) fn existence(receipt: &Path, trust: Option<&Path>, file: Option<&Path>) -> Result<OffsetDateTime, Unusable> {
    let file = file.ok_or_else(|| Unusable("--receipt demande un fichier".into()))?;
    let place = trust_place(trust)?;
    let trust = Trust::load(&place).map_err(|error| Unusable(format!("{} : {error}", place.display())))?;
    let read = read_receipt(receipt)?;
    verify::existence(file, &read, &trust).map_err(|report| {
        let why = report.checks.iter().find(|check| check.outcome != verify::Outcome::Valid);
        let why = why.map_or_else(String::new, |check| format!(" : {}, {}", check.name.label(), check.detail));
        Unusable(format!("{} ne prouve rien{why}", receipt.display()))
    })
}
