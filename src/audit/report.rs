//! What an audit found: a JSON object of stable shape, and the same for people, in French.

use crate::spec::tlog::checkpoint::Checkpoint;
use crate::spec::tlog::encode_hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Findings kept in full; beyond, they are only counted.
pub const FINDINGS_MAX: usize = 10_000;

/// What is wrong, by kind. The JSON name is part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// There is no published checkpoint although there is a log.
    CheckpointMissing,
    /// The published checkpoint is not a note signed by this log.
    CheckpointInvalid,
    /// The head is ahead of the checkpoint and the batch that leads to it is gone.
    CheckpointBehind,
    /// There is no head although there is a checkpoint.
    HeadMissing,
    /// The head is unreadable or contradicts itself.
    HeadInvalid,
    /// The head is behind the checkpoint.
    HeadBehind,
    /// Head and checkpoint give two roots for one size.
    HeadMismatch,
    /// The batch being committed cannot be read.
    StagingDamaged,
    /// The entries do not give the root of the checkpoint.
    RootMismatch,
    /// A bundle of entries is absent.
    EntriesMissing,
    /// A bundle of entries is not what records and tiles say.
    EntriesDamaged,
    /// A tile is absent.
    TileMissing,
    /// A tile is not what the entries give.
    TileDamaged,
    /// A bundle of records is absent.
    RecordsMissing,
    /// A bundle of records is unreadable, or a record is not the one its entry commits to.
    RecordsDamaged,
    /// A record is what its entry commits to, but makes no sense.
    RecordInvalid,
    /// The timestamp of a checkpoint is absent.
    TimestampMissing,
    /// A timestamp does not hold.
    TimestampInvalid,
    /// The seal of a checkpoint is absent.
    SealMissing,
    /// A seal does not hold.
    SealInvalid,
    /// The object a record names is absent.
    PayloadMissing,
    /// A document is not what its record says.
    PayloadDamaged,
    /// A pack is damaged beside the documents in it.
    PackDamaged,
    /// The log is smaller than the earlier checkpoint.
    SinceAhead,
    /// The log does not extend the earlier checkpoint.
    SinceInconsistent,
    /// The store cannot read an object.
    Unreadable,
    /// Notice: a payload object that no record names.
    Orphan,
    /// Notice: a staged batch that is committed, or never was.
    StagingLeftover,
    /// Notice: a batch is being committed.
    StagingPending,
    /// Notice: an object of the log beyond the audited checkpoint.
    Beyond,
    /// Notice: an object that is no part of an archive.
    Unknown,
}

impl Code {
    /// Whether this is worth knowing but no fault.
    pub fn is_notice(self) -> bool {
        matches!(self, Self::Orphan | Self::StagingLeftover | Self::StagingPending | Self::Beyond | Self::Unknown)
    }

    /// The name in JSON.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// One thing found, located.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Index in the log of the (first) entry concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Key of the object.
    pub object: String,
    /// What kind of thing.
    pub code: Code,
    /// Where in the object, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// A French sentence.
    pub detail: String,
}

impl Finding {
    pub(super) fn new(code: Code, object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { index: None, object: object.into(), code, offset: None, detail: detail.into() }
    }

    pub(super) fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(super) fn index(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }
}

/// How an audit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything read is what it should be.
    Intact,
    /// Something is wrong: see the findings.
    Faults,
    /// Stopped before the end; the state file says where to go on from.
    Interrupted,
}

/// A checkpoint, as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointShown {
    /// The log.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root, base64.
    pub root: String,
}

impl From<&Checkpoint> for CheckpointShown {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self { origin: checkpoint.origin.clone(), size: checkpoint.size, root: encode_hash(&checkpoint.root) }
    }
}

/// How much was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Entries whose record and leaf hash were recomputed.
    pub entries: u64,
    /// Tiles recomputed, earlier partial ones included.
    pub tiles: u64,
    /// Bundles of entries and of records, earlier partial ones included.
    pub bundles: u64,
    /// Records parsed.
    pub records: u64,
    /// Timestamps verified.
    pub timestamps: u64,
    /// Seals verified.
    pub seals: u64,
    /// Payloads of the records seen.
    pub payloads: u64,
    /// Payloads whose digest was recomputed.
    pub payloads_hashed: u64,
    /// Their length in bytes.
    pub payload_bytes_hashed: u64,
    /// Objects in the bucket.
    pub objects: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.tiles += other.tiles;
        self.bundles += other.bundles;
        self.records += other.records;
        self.timestamps += other.timestamps;
        self.seals += other.seals;
        self.payloads += other.payloads;
        self.payloads_hashed += other.payloads_hashed;
        self.payload_bytes_hashed += other.payload_bytes_hashed;
        self.objects += other.objects;
    }
}

/// The report of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Format version: 1.
    pub v: u8,
    /// When the audit ended, in record time.
    pub time: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether payloads were read.
    pub full: bool,
    /// The checkpoint audited; none when there is none to rely on.
    pub checkpoint: Option<CheckpointShown>,
    /// The earlier checkpoint that the log had to extend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<CheckpointShown>,
    /// How much was checked.
    pub counts: Counts,
    /// Number of findings by code, notices included.
    pub totals: BTreeMap<Code, u64>,
    /// What is wrong, by index then object; the first [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// What is worth knowing and no fault; the first [`FINDINGS_MAX`].
    pub notices: Vec<Finding>,
}

/// Findings as they come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Findings {
    pub(super) totals: BTreeMap<Code, u64>,
    pub(super) faults: Vec<Finding>,
    pub(super) notices: Vec<Finding>,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        *self.totals.entry(finding.code).or_default() += 1;
        let kept = if finding.code.is_notice() { &mut self.notices } else { &mut self.faults };
        if kept.len() < FINDINGS_MAX {
            kept.push(finding);
        }
    }

    pub(super) fn extend(&mut self, mut findings: Vec<Finding>) {
        // Workers finish in any order; the report does not depend on it.
        findings.sort();
        for finding in findings {
            self.push(finding);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl Report {
    /// The report for people.
    pub fn to_french(&self) -> String {
        let mut text = String::new();
        let verdict = match self.outcome {
            Outcome::Intact => "INTÈGRE : tout ce qui a été relu est conforme.",
            Outcome::Faults => "ANOMALIES : voir la liste ci-dessous.",
            Outcome::Interrupted => {
                "INTERROMPU : relancez la même commande pour reprendre là où le contrôle s'est arrêté."
            }
        };
        let depth = if self.full { "complet (documents relus)" } else { "journal et enregistrements" };
        _ = writeln!(text, "Contrôle d'intégrité du {}\nNiveau : {depth}\nRésultat : {verdict}\n", self.time);
        match &self.checkpoint {
            Some(c) => {
                _ = writeln!(text, "Journal {}\n  {} entrées, racine {}", c.origin, c.size, c.root);
            }
            None => text.push_str("Aucun point de contrôle digne de foi.\n"),
        }
        if let Some(since) = &self.since {
            _ = writeln!(text, "Continuité vérifiée depuis {} entrées, racine {}", since.size, since.root);
        }
        let c = &self.counts;
        _ = writeln!(
            text,
            "\nContrôlé : {} entrées, {} enregistrements, {} tuiles, {} paquets d'entrées ou d'enregistrements,\n  \
             {} horodatages, {} cachets, {} documents dont {} relus ({} octets), {} objets",
            c.entries,
            c.records,
            c.tiles,
            c.bundles,
            c.timestamps,
            c.seals,
            c.payloads,
            c.payloads_hashed,
            c.payload_bytes_hashed,
            c.objects
        );
        self.list(&mut text, "Anomalies", &self.findings, false);
        self.list(&mut text, "Remarques", &self.notices, true);
        text
    }

    fn list(&self, text: &mut String, title: &str, findings: &[Finding], notices: bool) {
        let total: u64 = self.totals.iter().filter(|(code, _)| code.is_notice() == notices).map(|(_, n)| n).sum();
        if total == 0 {
            return;
        }
        _ = writeln!(text, "\n{title} ({total})");
        for finding in findings {
            _ = write!(text, "  [{}] {}", finding.code.name(), finding.object);
            if let Some(offset) = finding.offset {
                _ = write!(text, ", octet {offset}");
            }
            if let Some(index) = finding.index {
                _ = write!(text, ", entrée n° {index}");
            }
            _ = writeln!(text, " : {}", finding.detail);
        }
        let listed = findings.len() as u64;
        if total > listed {
            _ = writeln!(text, "  … et {} autres", total - listed);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_json_shape_is_stable() {
        let mut findings = Findings::default();
        findings.push(Finding::new(Code::TileDamaged, "log/tile/0/000", "tuile altérée").at(64).index(2));
        findings.push(Finding::new(Code::Orphan, "payload/a/b.zst", "objet sans enregistrement"));
        let report = Report {
            v: 1,
            time: "2026-11-23T20:06:13.042Z".into(),
            outcome: Outcome::Faults,
            full: false,
            checkpoint: Some(CheckpointShown { origin: "o".into(), size: 3, root: "r".into() }),
            since: None,
            counts: Counts::default(),
            totals: findings.totals,
            findings: findings.faults,
            notices: findings.notices,
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["outcome"], "faults");
        assert_eq!(json["totals"]["tile-damaged"], 1);
        let finding = serde_json::json!({
            "code": "tile-damaged", "object": "log/tile/0/000", "offset": 64, "index": 2, "detail": "tuile altérée"
        });
        assert_eq!(json["findings"][0], finding);
        assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
        let text = report.to_french();
        assert!(text.contains("[tile-damaged] log/tile/0/000, octet 64, entrée n° 2 : tuile altérée"), "{text}");
        assert!(text.contains("Remarques (1)"));
    }

    #[test]
    fn findings_are_bounded() {
        let mut findings = Findings::default();
        for n in 0..=FINDINGS_MAX as u64 {
            findings.push(Finding::new(Code::TileMissing, "t", "").index(n));
        }
        assert_eq!(
            (findings.faults.len(), findings.totals[&Code::TileMissing]),
            (FINDINGS_MAX, FINDINGS_MAX as u64 + 1)
        );
    }
}
