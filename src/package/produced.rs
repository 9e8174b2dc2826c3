//! What a producer's system says of a document beside what every deposit says: its own fields, its access rule, the life
//! the document had there.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a producer profile made of what it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Produced {
    /// Code of the profile (`policies/producers/`).
    pub profile: String,
    /// Its version: what it asked for at that time.
    pub version: String,
    /// The producer's fields, flat.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// Code of the access rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// When it ends, `YYYY-MM-DD`; none when that cannot be told, or never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_until: Option<String>,
    /// What happened to the document before its deposit, in the producer's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<LifeEvent>,
    /// What was not as expected, and did not prevent the deposit, in French.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Something that happened to a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeEvent {
    /// `visa`, `suivi`, `signature`, …
    pub kind: String,
    /// When, as the producer writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Longest value that a term of the look-up view is made of, in characters.
const TERM_CHARS_MAX: usize = 200;
/// Most terms of one archive.
const TERMS_MAX: usize = 256;

/// The term that a field's value, or a word of it, is found by.
pub fn term(name: &str, value: &str) -> String {
    let value: String = value.trim().chars().take(TERM_CHARS_MAX).collect();
    format!("{name}:{}", value.to_lowercase())
}

impl Produced {
    /// What it is found by: every field's value, and every word of it; the profile; the access rule.
    pub fn terms(&self) -> Vec<String> {
        let mut terms = vec![term("profil", &self.profile)];
        terms.extend(self.access.iter().map(|access| term("acces", access)));
        for (name, value) in &self.fields {
            terms.push(term(name, value));
            let words = value.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 1);
            terms.extend(words.map(|word| term(name, word)));
        }
        terms.truncate(TERMS_MAX);
        terms.sort_unstable();
        terms.dedup();
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_value_and_by_word_in_any_case() {
        let fields = BTreeMap::from([("societe".to_owned(), "SARL Lafitte TP".to_owned())]);
        let produced = Produced { profile: "courrier".into(), fields, ..Produced::default() };
        let terms = produced.terms();
        for wanted in ["profil:courrier", "societe:sarl lafitte tp", "societe:lafitte", "societe:tp"] {
            assert!(terms.contains(&wanted.to_owned()), "{wanted}: {terms:?}");
        }
    }
}
