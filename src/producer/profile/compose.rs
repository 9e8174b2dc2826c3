//! From a unit of what was sent to a draft: fields taken and checked, cases applied, texts filled.

use super::load::Loaded;
use super::model::{Case, Condition, EventSource, Field, Severity};
use super::record::{Record, scalar};
use super::text::{filled, glob};
use super::value::{checked, day_of};
use super::{Draft, DraftLink, DraftPayload, Refusal, Refusals};
use crate::admission::{DESCRIPTION_CHARS_MAX, LIST_MAX, SHORT_CHARS_MAX, TITLE_CHARS_MAX, cleaned};
use crate::package::{Agent, Dates, LifeEvent, Produced};
use std::collections::BTreeMap;

/// Most events of one document.
const EVENTS_MAX: usize = 200;
/// Longest text of an event, in characters.
const EVENT_CHARS_MAX: usize = 500;

/// Fields of one unit, and what was noted of it.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) values: BTreeMap<String, String>,
    pub(super) warnings: Vec<String>,
}

/// Takes the fields of a unit; what is wrong with them goes to `refusals`.
pub(super) fn fields(loaded: &Loaded, record: &dyn Record, refusals: &mut Refusals) -> Fields {
    let mut fields = Fields::default();
    for (field, n) in loaded.profile.fields.iter().zip(0usize..) {
        field_of(field, n, record, &mut fields, refusals);
    }
    fields
}

fn field_of(field: &Field, n: usize, record: &dyn Record, fields: &mut Fields, refusals: &mut Refusals) {
    if let Some(constant) = &field.constant {
        fields.values.insert(field.name.clone(), constant.clone());
        return;
    }
    let source = field.source.as_deref().unwrap_or_default();
    let Some(value) = record.value(source) else {
        if field.required {
            let refusal = Refusal::new("producer-field-missing", "champ obligatoire absent ou vide");
            told(field, refusal.at(record.place(source)).by(format!("champ[{n}].obligatoire")), fields, refusals);
        }
        return;
    };
    match checked(field, &value) {
        Ok(kept) => _ = fields.values.insert(field.name.clone(), kept),
        Err(why) => {
            let key = if field.values.is_empty() { "forme" } else { "valeurs" };
            let refusal = Refusal::new("producer-field-invalid", why);
            told(field, refusal.at(record.place(source)).by(format!("champ[{n}].{key}")), fields, refusals);
        }
    }
}

fn told(field: &Field, refusal: Refusal, fields: &mut Fields, refusals: &mut Refusals) {
    match field.severity {
        Severity::Refuser => refusals.push(refusal),
        Severity::Avertir => fields.warnings.push(refusal.to_string()),
    }
}

/// A draft of a unit whose fields were taken.
pub(super) fn draft(
    loaded: &Loaded,
    record: &dyn Record,
    mut fields: Fields,
    payloads: Vec<DraftPayload>,
    refusals: &mut Refusals,
) -> Draft {
    let profile = &loaded.profile;
    let mut draft = Draft {
        document_type: profile.document_type.clone(),
        rule: profile.rule.clone(),
        payloads,
        ..Draft::default()
    };
    let mut access = profile.access.clone();
    for (case, n) in profile.cases.iter().zip(0usize..) {
        if case.when.iter().all(|condition| holds(condition, &fields.values)) {
            draft.document_type = case.document_type.clone().unwrap_or(draft.document_type);
            draft.rule = case.rule.clone().or(draft.rule);
            access = case.access.clone().or(access);
            apply(case, n, record, loaded, &mut fields, refusals);
        }
    }
    let values = &fields.values;
    let text = |key: &str, text: &str, chars_max: usize, refusals: &mut Refusals| match filled(text, values) {
        Ok(text) => Some(cleaned(&text, chars_max)).filter(|text| !text.is_empty()),
        Err(missing) => {
            let detail = format!("le champ « {missing} » manque pour « {key} »");
            refusals.push(Refusal::new("producer-field-missing", detail).at(place_of(loaded, record, missing)).by(key));
            None
        }
    };
    draft.title = text("titre", &profile.archive_title, TITLE_CHARS_MAX, refusals).unwrap_or_default();
    draft.external_id =
        profile.external_id.as_deref().and_then(|id| text("identifiant", id, SHORT_CHARS_MAX, refusals));
    let optional = |text: Option<&str>, chars_max: usize| {
        text.and_then(|text| filled(text, values).ok()).map(|text| cleaned(&text, chars_max)).filter(|t| !t.is_empty())
    };
    draft.description = optional(profile.description.as_deref(), DESCRIPTION_CHARS_MAX);
    let day = |text: &Option<String>| optional(text.as_deref(), SHORT_CHARS_MAX).and_then(|text| day_of(&text));
    draft.dates =
        Dates { created: day(&profile.dates.created), start: day(&profile.dates.start), end: day(&profile.dates.end) };
    let agents = profile.agents.iter().filter_map(|agent| {
        let name = optional(Some(&agent.name), SHORT_CHARS_MAX)?;
        Some(Agent { role: agent.role.clone(), name })
    });
    draft.agents = agents.collect();
    draft.links = links(loaded, record, values);
    let events = profile.events.iter().flat_map(|source| events(source, record)).take(EVENTS_MAX).collect();
    let kept = |name: &str| !profile.fields.iter().any(|field| field.checked_only && field.name == name);
    let Fields { mut values, warnings } = fields;
    values.retain(|name, _| kept(name));
    draft.produced = Produced {
        profile: profile.code.clone(),
        version: profile.version.clone(),
        fields: values,
        access,
        access_until: None,
        events,
        warnings,
    };
    draft
}

fn apply(case: &Case, n: usize, record: &dyn Record, loaded: &Loaded, fields: &mut Fields, refusals: &mut Refusals) {
    let place = || {
        let field = case.when.first().map(|condition| condition.field.as_str()).unwrap_or_default();
        place_of(loaded, record, field)
    };
    for wanted in case.requires.iter().filter(|wanted| !fields.values.contains_key(*wanted)) {
        let about = case.title.as_deref().map_or_else(String::new, |title| format!(" ({title})"));
        let refusal = Refusal::new("producer-field-missing", format!("champ « {wanted} » exigé ici{about}"));
        refusals.push(refusal.at(place_of(loaded, record, wanted)).by(format!("cas[{n}].exige")));
    }
    if let Some(why) = &case.refuses {
        refusals.push(Refusal::new("producer-case-refused", why).at(place()).by(format!("cas[{n}].refuse")));
    }
    if let Some(why) = &case.warns {
        fields.warnings.push(format!("{} : {why}", place()));
    }
}

/// Where a field is in what was sent.
fn place_of(loaded: &Loaded, record: &dyn Record, name: &str) -> String {
    let field = loaded.profile.fields.iter().find(|field| field.name == name);
    match field.and_then(|field| field.source.as_deref()) {
        Some(source) => record.place(source),
        None => format!("champ « {name} »"),
    }
}

fn holds(condition: &Condition, values: &BTreeMap<String, String>) -> bool {
    let value = values.get(&condition.field);
    let present = condition.present.is_none_or(|present| present == value.is_some());
    let equals = condition.equals.is_empty() || value.is_some_and(|value| condition.equals.contains(value));
    let differs = condition.differs.is_empty() || !value.is_some_and(|value| condition.differs.contains(value));
    let matches =
        condition.matches.is_empty() || value.is_some_and(|value| condition.matches.iter().any(|m| glob(m, value)));
    present && equals && differs && matches
}

fn links(loaded: &Loaded, record: &dyn Record, values: &BTreeMap<String, String>) -> Vec<DraftLink> {
    let mut links = Vec::new();
    for link in &loaded.profile.links {
        let mut add = |target: String, location: String| {
            let target = cleaned(&target, SHORT_CHARS_MAX);
            if !target.is_empty() && links.len() < LIST_MAX {
                let (relation, profile) = (link.relation.clone(), link.profile.clone());
                let text = |text: &String| filled(text, values).ok();
                let digest = link.digest.as_ref().and_then(text).map(|digest| digest.to_ascii_lowercase());
                let after = link.after.as_ref().and_then(|after| Some((text(&after.date)?, after.field.clone())));
                links.push(DraftLink { relation, target, profile, known: link.known, location, digest, after });
            }
        };
        if let Some(target) = link.target.as_deref().and_then(|text| filled(text, values).ok()) {
            let named = link.target.as_deref().and_then(|text| text.split_once('{')?.1.split_once('}'));
            add(target, named.map_or_else(String::new, |(name, _)| place_of(loaded, record, name)));
        }
        let list = link.list.as_deref().and_then(|list| record.json()?.pointer(list)?.as_array());
        for (member, n) in list.into_iter().flatten().zip(0usize..) {
            if let Some(target) = scalar(member) {
                add(target, format!("{}/{n}", link.list.as_deref().unwrap_or_default()));
            }
        }
    }
    links
}

fn events(source: &EventSource, record: &dyn Record) -> Vec<LifeEvent> {
    let list = record.json().and_then(|json| json.pointer(&source.list)?.as_array());
    let members = list.into_iter().flatten().map(|member| {
        let take = |pointer: &Option<String>| {
            let value = scalar(member.pointer(pointer.as_deref()?)?)?;
            Some(cleaned(&value, EVENT_CHARS_MAX)).filter(|value| !value.is_empty())
        };
        LifeEvent {
            kind: source.kind.clone(),
            time: take(&source.date),
            agent: take(&source.agent),
            outcome: take(&source.outcome),
            detail: take(&source.detail),
        }
    });
    members.collect()
}
