//! The reports of a validation: simple (for people, one screen), detailed, diagnostic (JSON) and ETSI TS 119 102-2.

mod detailed;
pub mod etsi;
mod simple;

pub use detailed::detailed;
pub use simple::simple;

use super::Facts;
use super::verdict::Verdict;
use serde_json::{Value, json};

/// The verdict as JSON: what `archiland validate --format json` and `POST /v1/validations` answer.
pub fn json(verdict: &Verdict) -> Value {
    let mut value = serde_json::to_value(verdict).unwrap_or_default();
    if verdict.indication.is_none() {
        value["indication"] = json!("NO_SIGNATURE_FOUND");
    }
    value
}

/// The diagnostic report: the facts as they were gathered, from which the verdict can be given again.
pub fn diagnostic(facts: &Facts) -> Value {
    serde_json::to_value(facts).unwrap_or_default()
}
