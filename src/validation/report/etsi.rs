//! The ETSI TS 119 102-2 report.

use crate::validation::Facts;
use crate::validation::verdict::Verdict;

/// The report.
pub fn xml(_facts: &Facts, _verdict: &Verdict) -> String {
    String::new()
}
