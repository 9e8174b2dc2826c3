//! JSON Schema, as far as the profiles of archive units use it (drafts 4 to 7): types, members, lists, texts, numbers,
//! enumerations, and the combinations of schemas. References within the schema itself (`#/definitions/…`) are followed.
//!
//! `pattern`, `format`, `patternProperties` and what is not known here restrict nothing, and are told by [`Schema::ignored`].

use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::BTreeSet;

/// The deepest a schema or a document is followed.
const DEPTH_MAX: usize = 64;

/// The most schemas tried on one document.
const STEPS_MAX: u32 = 200_000;

/// The most faults told of one document.
const FAULTS_MAX: usize = 20;

/// Keywords that say something to people, or only name things.
const SILENT: [&str; 11] = [
    "$schema",
    "$id",
    "id",
    "title",
    "description",
    "default",
    "examples",
    "definitions",
    "$defs",
    "$comment",
    "readOnly",
];

const KNOWN: [&str; 23] = [
    "$ref",
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
];

/// A schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    root: Value,
    ignored: BTreeSet<String>,
}

/// Where a document leaves its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer in the document.
    pub pointer: String,
    /// What, in French.
    pub detail: String,
}

impl Schema {
    /// Reads a schema; `None` when it is no object.
    pub fn new(root: Value) -> Option<Self> {
        let mut ignored = BTreeSet::new();
        root.as_object()?;
        survey(&root, &mut ignored, 0);
        Some(Self { root, ignored })
    }

    /// Keywords that restrict nothing here.
    pub fn ignored(&self) -> &BTreeSet<String> {
        &self.ignored
    }

    /// What is wrong in a document.
    pub fn validate(&self, document: &Value) -> Vec<Fault> {
        let steps = Cell::new(STEPS_MAX);
        let mut checking = Checking { root: &self.root, steps: &steps, faults: Vec::new() };
        checking.value(&self.root, document, "", 0);
        checking.faults
    }
}

/// Notes the keywords that are not known.
fn survey(schema: &Value, ignored: &mut BTreeSet<String>, depth: usize) {
    let Some(members) = schema.as_object().filter(|_| depth < DEPTH_MAX) else { return };
    for (name, value) in members {
        match name.as_str() {
            "properties" | "definitions" | "$defs" => {
                value.as_object().into_iter().flat_map(Map::values).for_each(|one| survey(one, ignored, depth + 1));
            }
            "items" | "additionalProperties" | "not" => survey(value, ignored, depth + 1),
            "allOf" | "anyOf" | "oneOf" => {
                value.as_array().into_iter().flatten().for_each(|one| survey(one, ignored, depth + 1));
            }
            name if KNOWN.contains(&name) || SILENT.contains(&name) => {}
            name => _ = ignored.insert(name.to_owned()),
        }
    }
}

struct Checking<'a> {
    root: &'a Value,
    /// Schemas that may still be tried: combinations of combinations could be without end.
    steps: &'a Cell<u32>,
    faults: Vec<Fault>,
}

impl<'a> Checking<'a> {
    fn fault(&mut self, pointer: &str, detail: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { pointer: pointer.to_owned(), detail });
        }
    }

    fn value(&mut self, schema: &'a Value, value: &Value, pointer: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return self.fault(pointer, format!("plus de {DEPTH_MAX} niveaux"));
        }
        let Some(left) = self.steps.get().checked_sub(1) else {
            return self.fault(pointer, "schéma trop complexe : contrôle interrompu".into());
        };
        self.steps.set(left);
        let Some(schema) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                self.fault(pointer, "rien n'est admis ici".into());
            }
            return;
        };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            match self.root.pointer(reference.strip_prefix('#').unwrap_or("?")) {
                Some(target) => self.value(target, value, pointer, depth + 1),
                None => self.fault(pointer, format!("le schéma renvoie à « {reference} », introuvable")),
            }
            return;
        }
        self.plain(schema, value, pointer);
        match value {
            Value::Object(members) => self.object(schema, members, pointer, depth),
            Value::Array(items) => self.list(schema, items, pointer, depth),
            Value::String(text) => self.text(schema, text, pointer),
            Value::Number(number) => self.number(schema, number.as_f64().unwrap_or(0.0), pointer),
            _ => {}
        }
        self.combinations(schema, value, pointer, depth);
    }

    fn plain(&mut self, schema: &Map<String, Value>, value: &Value, pointer: &str) {
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !types.is_empty() && !types.iter().any(|one| is_of(value, one)) {
            self.fault(pointer, format!("{} attendu, et non {}", types.join(" ou "), kind(value)));
        }
        if let Some(Value::Array(allowed)) = schema.get("enum")
            && !allowed.contains(value)
        {
            let shown: Vec<String> = allowed.iter().take(8).map(ToString::to_string).collect();
            self.fault(pointer, format!("{} n'est pas parmi {}", short(value), shown.join(", ")));
        }
        if let Some(constant) = schema.get("const").filter(|constant| *constant != value) {
            self.fault(pointer, format!("{constant} attendu, et non {}", short(value)));
        }
    }

    fn object(&mut self, schema: &'a Map<String, Value>, members: &Map<String, Value>, pointer: &str, depth: usize) {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                self.fault(pointer, format!("« {name} » manque"));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (name, value) in members {
            let place = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            match (properties.and_then(|properties| properties.get(name)), others) {
                (Some(schema), _) => self.value(schema, value, &place, depth + 1),
                // Names by pattern are not looked at: they may allow it.
                (None, Some(Value::Bool(false))) if !schema.contains_key("patternProperties") => {
                    self.fault(&place, format!("« {name} » n'est pas prévu"));
                }
                (None, Some(other @ Value::Object(_))) => self.value(other, value, &place, depth + 1),
                _ => {}
            }
        }
        self.count(schema, "minProperties", "maxProperties", members.len(), pointer, "membres");
    }

    fn list(&mut self, schema: &'a Map<String, Value>, items: &[Value], pointer: &str, depth: usize) {
        self.count(schema, "minItems", "maxItems", items.len(), pointer, "éléments");
        if schema.get("uniqueItems") == Some(&Value::Bool(true))
            && items.iter().enumerate().any(|(at, item)| items[..at].contains(item))
        {
            self.fault(pointer, "des éléments sont en double".into());
        }
        match schema.get("items") {
            Some(Value::Array(each)) => {
                for (at, (item, schema)) in items.iter().zip(each).enumerate() {
                    self.value(schema, item, &format!("{pointer}/{at}"), depth + 1);
                }
            }
            Some(all) => {
                for (at, item) in items.iter().enumerate() {
                    self.value(all, item, &format!("{pointer}/{at}"), depth + 1);
                }
            }
            None => {}
        }
    }

    fn text(&mut self, schema: &Map<String, Value>, text: &str, pointer: &str) {
        self.count(schema, "minLength", "maxLength", text.chars().count(), pointer, "caractères");
    }

    fn count(&mut self, schema: &Map<String, Value>, least: &str, most: &str, found: usize, pointer: &str, what: &str) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
        if let Some(least) = bound(least).filter(|least| (found as u64) < *least) {
            self.fault(pointer, format!("{found} {what}, au moins {least} attendus"));
        }
        if let Some(most) = bound(most).filter(|most| found as u64 > *most) {
            self.fault(pointer, format!("{found} {what}, au plus {most} attendus"));
        }
    }

    fn number(&mut self, schema: &Map<String, Value>, number: f64, pointer: &str) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        // Draft 4 has a boolean beside the bound, draft 6 a bound of its own.
        let strict = |name: &str| schema.get(name) == Some(&Value::Bool(true));
        let low = bound("minimum").is_some_and(|min| number < min || strict("exclusiveMinimum") && number <= min);
        let high = bound("maximum").is_some_and(|max| number > max || strict("exclusiveMaximum") && number >= max);
        if low || bound("exclusiveMinimum").is_some_and(|min| number <= min) {
            self.fault(pointer, format!("{number} est trop petit"));
        }
        if high || bound("exclusiveMaximum").is_some_and(|max| number >= max) {
            self.fault(pointer, format!("{number} est trop grand"));
        }
    }

    fn combinations(&mut self, schema: &'a Map<String, Value>, value: &Value, pointer: &str, depth: usize) {
        let all = |name: &str| schema.get(name).and_then(Value::as_array);
        for one in all("allOf").into_iter().flatten() {
            self.value(one, value, pointer, depth + 1);
        }
        let fits = |one: &'a Value| {
            let mut trying = Checking { root: self.root, steps: self.steps, faults: Vec::new() };
            trying.value(one, value, pointer, depth + 1);
            trying.faults.is_empty()
        };
        let any = all("anyOf").is_none_or(|any| any.iter().any(fits));
        let one = all("oneOf").is_none_or(|one| one.iter().filter(|one| fits(one)).count() == 1);
        let not = schema.get("not").is_none_or(|not| !fits(not));
        if !any {
            self.fault(pointer, "aucune des formes admises (anyOf)".into());
        }
        if !one {
            self.fault(pointer, "pas exactement une des formes admises (oneOf)".into());
        }
        if !not {
            self.fault(pointer, "forme exclue (not)".into());
        }
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "un objet",
        Value::Array(_) => "une liste",
        Value::String(_) => "un texte",
        Value::Bool(_) => "un booléen",
        Value::Null => "rien",
        Value::Number(_) => "un nombre",
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn faults(schema: Value, document: &Value) -> Vec<String> {
        let found = Schema::new(schema).unwrap().validate(document);
        found.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn members_types_and_values() {
        let schema = json!({ "type": "object", "required": ["Title", "Writer"], "additionalProperties": false, "properties": {
            "Title": { "type": "string", "enum": ["A", "B"] },
            "Language": { "type": "array", "minItems": 1, "maxItems": 2, "items": { "$ref": "#/definitions/l" } } },
            "definitions": { "l": { "type": "string", "minLength": 3, "maxLength": 3 } } });
        let told = faults(schema.clone(), &json!({ "Title": "C", "Language": ["fr", "fra", "fre"], "Other": 1 }));
        assert_eq!(
            told,
            [
                " « Writer » manque",
                "/Language 3 éléments, au plus 2 attendus",
                "/Language/0 2 caractères, au moins 3 attendus",
                "/Other « Other » n'est pas prévu",
                "/Title \"C\" n'est pas parmi \"A\", \"B\"",
            ]
        );
        assert_eq!(faults(schema, &json!([])), [" object attendu, et non une liste"]);
    }

    #[test]
    fn combinations_and_numbers() {
        let schema = json!({ "oneOf": [{ "minimum": 3 }, { "maximum": 5 }], "not": { "const": 9 } });
        assert!(faults(schema.clone(), &json!(1)).is_empty());
        assert_eq!(faults(schema.clone(), &json!(4)), [" pas exactement une des formes admises (oneOf)"]);
        assert_eq!(faults(schema, &json!(9)), [" forme exclue (not)"]);
        assert!(!faults(json!({ "minimum": 3, "exclusiveMinimum": true }), &json!(3)).is_empty());
    }

    #[test]
    fn what_is_not_known_is_told_and_endless_schemas_end() {
        let schema = Schema::new(json!({ "properties": { "a": { "pattern": "x", "format": "date" } } })).unwrap();
        assert_eq!(schema.ignored().iter().collect::<Vec<_>>(), ["format", "pattern"]);
        assert_eq!(faults(json!({ "$ref": "#" }), &json!(1)).len(), 1);
        let doubling =
            json!({ "allOf": [{ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] }, { "not": { "$ref": "#" } }] });
        assert!(!faults(doubling, &json!(1)).is_empty());
        assert_eq!(Schema::new(json!(3)), None);
    }
}
