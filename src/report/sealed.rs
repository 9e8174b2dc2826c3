//! A report under the archive's seal: the canonical JSON, and beside it a CMS signature over those very bytes.

use super::{REPORT_TYPE, Report};
use crate::verify::{self, Trust};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

/// The longest sealed report read, in bytes.
pub const REPORT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A report and its seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedReport {
    /// Canonical JSON: what the seal covers.
    pub report: Bytes,
    /// DER CMS SignedData without content.
    pub seal: Bytes,
}

/// Why bytes are no sealed report.
#[derive(Debug, Error)]
pub enum SealedReportError {
    /// Longer than [`REPORT_BYTES_MAX`].
    #[error("rapport de {0} octets, au-delà de la limite de {REPORT_BYTES_MAX}")]
    TooLong(usize),
    /// Not JSON of the expected shape.
    #[error("rapport illisible : {0}")]
    Json(#[from] serde_json::Error),
    /// A format version or a document that is not known.
    #[error("ce n'est pas un rapport d'intégrité de version 1")]
    Kind,
    /// The seal is no base64.
    #[error("champ « seal » : base64 attendu")]
    Seal,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    v: u64,
    #[serde(borrow)]
    report: &'a RawValue,
    seal: String,
}

impl SealedReport {
    /// Reads the JSON form; says nothing about what it is worth. Never panics, whatever the bytes. The report may have been
    /// reformatted on the way: it is put back in canonical form.
    pub fn parse(json: &[u8]) -> Result<(Self, Report), SealedReportError> {
        if json.len() > REPORT_BYTES_MAX {
            return Err(SealedReportError::TooLong(json.len()));
        }
        let wire: Wire<'_> = serde_json::from_slice(json)?;
        let report: Report = serde_json::from_str(wire.report.get())?;
        if wire.v != 1 || report.v != 1 || report.kind != REPORT_TYPE {
            return Err(SealedReportError::Kind);
        }
        let seal = STANDARD.decode(&wire.seal).map_err(|_| SealedReportError::Seal)?;
        Ok((Self { report: report.to_canonical()?.into(), seal: seal.into() }, report))
    }

    /// The JSON form, one field a line, so that `sed` finds them (`docs/rapport.md`).
    pub fn to_json(&self) -> Vec<u8> {
        let seal = STANDARD.encode(&self.seal);
        let report = String::from_utf8_lossy(&self.report);
        format!("{{\n\"v\":1,\n\"report\":\n{report}\n,\"seal\":\n\"{seal}\"\n}}\n").into_bytes()
    }

    /// Checks the seal, at the time it claims: nobody else dates it. Who sealed and when, in French; or why it does not hold.
    pub fn verify(&self, trust: &Trust) -> Result<String, String> {
        verify::seal_beside(&self.seal, &self.report, trust)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::ObservedLog;
    use super::*;

    #[test]
    fn what_was_reformatted_is_the_same_report() {
        let log = ObservedLog { origin: "o".into(), size: 1, checkpoint: String::new() };
        let report = Report::new("t".into(), "a".into(), "s".into(), log, Vec::new());
        let sealed = SealedReport { report: report.to_canonical().unwrap().into(), seal: Bytes::from_static(b"x") };
        let json = sealed.to_json();
        assert_eq!(SealedReport::parse(&json).unwrap(), (sealed.clone(), report));
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        assert_eq!(SealedReport::parse(&pretty).unwrap().0, sealed);
        let text = String::from_utf8(json).unwrap();
        // The line that `sed` takes is what was sealed.
        assert_eq!(text.lines().nth(3).unwrap().as_bytes(), &sealed.report[..]);
        for wrong in [text.replace("integrity-report", "x"), text.replace("\"v\":1,\n", "\"v\":2,\n"), "{}".into()] {
            assert!(SealedReport::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
