//! A declared list of questions, and where the answers to it are.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Answers to a declared list of questions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// File of the list, beside the profile.
    #[serde(rename = "modele")]
    pub model: String,
    /// JSON pointer of the model's code in the data.
    #[serde(rename = "code")]
    pub code: String,
    /// JSON pointer of the list of answers.
    #[serde(rename = "liste")]
    pub list: String,
    /// Pointers within an answer.
    #[serde(default = "id_pointer", rename = "id")]
    pub id: String,
    /// Of the part.
    #[serde(default, rename = "partie")]
    pub part: Option<String>,
    /// Of the value.
    #[serde(default = "value_pointer", rename = "valeur")]
    pub value: String,
    /// Of the evidence: the name of a file.
    #[serde(default, rename = "preuve")]
    pub evidence: Option<String>,
}

fn id_pointer() -> String {
    "/id".to_owned()
}

fn value_pointer() -> String {
    "/valeur".to_owned()
}

/// A declared list of questions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questionnaire {
    /// Code, which answers carry.
    pub code: String,
    /// French title.
    #[serde(rename = "intitule")]
    pub title: String,
    /// The values an answer may have.
    #[serde(rename = "valeurs")]
    pub values: BTreeMap<String, String>,
    /// Its parts, by code.
    #[serde(rename = "parties")]
    pub parts: BTreeMap<String, String>,
    /// The questions.
    #[serde(rename = "question")]
    pub questions: Vec<Question>,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Identifier.
    pub id: String,
    /// Code of its part.
    #[serde(rename = "partie")]
    pub part: String,
    /// The question.
    #[serde(rename = "texte")]
    pub text: String,
    /// It must be answered.
    #[serde(default = "yes", rename = "obligatoire")]
    pub required: bool,
    /// Values that ask for evidence.
    #[serde(default, rename = "preuve_si")]
    pub evidence_when: Vec<String>,
}

fn yes() -> bool {
    true
}
