//! Documents that are absent or empty because they were eliminated: no fault, once the record that says so has been read.
//! It comes after those of the archives; until the end of the log, what is missing is only suspect.

use super::FINDINGS_MAX;
use super::report::{Code, Finding, Findings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most suspects kept with what was found; of those beyond, only the entry is.
const TOLD_MAX: usize = 10 * FINDINGS_MAX;

/// What an elimination may explain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Suspects {
    eliminated: BTreeSet<u64>,
    told: Vec<Finding>,
    /// Entries of the others.
    untold: Vec<u64>,
}

impl Suspects {
    /// Archives that a record says were eliminated.
    pub(super) fn eliminated(&mut self, archives: Vec<u64>) {
        self.eliminated.extend(archives);
    }

    /// Keeps what an elimination may explain, and gives the rest back.
    pub(super) fn sift(&mut self, findings: Vec<Finding>) -> Vec<Finding> {
        let (suspect, others): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| {
            matches!(finding.code, Code::PayloadMissing | Code::PayloadDamaged) && finding.index.is_some()
        });
        for finding in suspect {
            let Some(index) = finding.index.filter(|index| !self.eliminated.contains(index)) else { continue };
            if self.told.len() < TOLD_MAX {
                self.told.push(finding);
            } else {
                self.untold.push(index);
            }
        }
        others
    }

    /// What no elimination explains.
    pub(super) fn conclude(self, findings: &mut Findings) {
        let Self { eliminated, told, untold } = self;
        let left = |index: Option<u64>| index.is_none_or(|index| !eliminated.contains(&index));
        findings.extend(told.into_iter().filter(|finding| left(finding.index)).collect());
        for index in untold.into_iter().filter(|index| left(Some(*index))) {
            findings.push(Finding::new(Code::PayloadDamaged, "payload", "document absent ou altéré").index(index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_eliminated_is_explained() {
        let missing = |index| Finding::new(Code::PayloadMissing, "payload/a/b.zst", "objet absent").index(index);
        let tile = Finding::new(Code::TileMissing, "log/tile/0/000", "objet absent");
        let mut suspects = Suspects::default();
        assert_eq!(suspects.sift(vec![missing(3), tile.clone(), missing(4)]), [tile]);
        suspects.eliminated(vec![3, 9]);
        assert!(suspects.sift(vec![missing(9)]).is_empty());
        let mut findings = Findings::default();
        suspects.conclude(&mut findings);
        assert_eq!(findings.faults, [missing(4)]);
    }
}
