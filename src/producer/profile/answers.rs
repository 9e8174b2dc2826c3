//! Answers to a declared list of questions: every identifier known and given once, every required question answered, every
//! value among those declared, the evidence asked for among the files.

use super::questions::{Answers, Questionnaire};
use super::record::scalar;
use super::{Refusal, Refusals};
use serde_json::Value;
use std::collections::HashMap;

pub(super) fn check(answers: &Answers, model: &Questionnaire, value: &Value, files: &[&str], refusals: &mut Refusals) {
    let code = value.pointer(&answers.code).and_then(scalar);
    if code.as_deref() != Some(&model.code) {
        let detail = format!("ce n'est pas le modèle attendu, « {} »", model.code);
        refusals.push(Refusal::new("producer-model", detail).at(&answers.code).by("questionnaire.code"));
        return;
    }
    let Some(list) = value.pointer(&answers.list).and_then(Value::as_array) else {
        refusals.push(Refusal::new("producer-field-missing", "liste attendue").at(&answers.list).by("questionnaire"));
        return;
    };
    let mut given: HashMap<String, usize> = HashMap::new();
    for (answer, n) in list.iter().zip(0usize..) {
        one(answers, model, (answer, n), files, &mut given, refusals);
    }
    for question in model.questions.iter().filter(|question| question.required) {
        if !given.contains_key(&question.id) {
            let detail = format!("la question {} est obligatoire et n'a pas de réponse", question.id);
            let refusal = Refusal::new("producer-answer-missing", detail);
            refusals.push(refusal.at(&answers.list).by(format!("{} : question {}", answers.model, question.id)));
        }
    }
}

fn one(
    answers: &Answers,
    model: &Questionnaire,
    (answer, n): (&Value, usize),
    files: &[&str],
    given: &mut HashMap<String, usize>,
    refusals: &mut Refusals,
) {
    let at = |pointer: &str| answer.pointer(pointer).and_then(scalar);
    let place = |pointer: &str| format!("{}/{n}{pointer}", answers.list);
    let id = at(&answers.id).unwrap_or_default();
    let Some(question) = model.questions.iter().find(|question| question.id == id) else {
        let refusal = Refusal::new("producer-answer-unknown", "aucune question n'a cet identifiant");
        return refusals.push(refusal.at(place(&answers.id)).by("questionnaire.modele"));
    };
    let by = format!("{} : question {id}", answers.model);
    if let Some(first) = given.insert(id, n) {
        let refusal = Refusal::new("producer-answer-twice", format!("question déjà répondue en position {first}"));
        return refusals.push(refusal.at(place(&answers.id)).by(by));
    }
    if let Some(pointer) = &answers.part
        && at(pointer).is_some_and(|part| part != question.part)
    {
        let refusal =
            Refusal::new("producer-answer-part", format!("cette question est de la partie « {} »", question.part));
        refusals.push(refusal.at(place(pointer)).by(by.clone()));
    }
    let value = at(&answers.value).unwrap_or_default();
    if !model.values.contains_key(&value) {
        let known: Vec<&str> = model.values.keys().map(String::as_str).collect();
        let refusal =
            Refusal::new("producer-answer-value", format!("valeur inconnue ; admises : {}", known.join(", ")));
        return refusals.push(refusal.at(place(&answers.value)).by(by));
    }
    let Some(pointer) = &answers.evidence else { return };
    let evidence = at(pointer);
    if evidence.is_none() && question.evidence_when.contains(&value) {
        let refusal = Refusal::new("producer-evidence-missing", "cette réponse demande une preuve");
        refusals.push(refusal.at(place(pointer)).by(by));
    } else if evidence.is_some_and(|name| !files.contains(&name.as_str())) {
        let refusal = Refusal::new("producer-evidence-missing", "la preuve nommée n'est pas dans l'envoi");
        refusals.push(refusal.at(place(pointer)).by(by));
    }
}
