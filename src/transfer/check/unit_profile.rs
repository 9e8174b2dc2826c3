//! CHECK_ARCHIVE_UNIT_PROFILE, the control schema: each unit, written as the JSON that VITAM's profiles of archive units
//! describe, held to the JSON Schema of the profile it names.
//!
//! Descriptions are members of the unit itself, those that may be repeated are lists; a title or description with a language
//! is `Title_` or `Description_`, by language; rules are under `#management`.

use crate::spec::seda::xml::{self, Element, Handler, Limits, Position, Stop};
use serde_json::{Map, Value, json};

/// Descriptions that may be repeated.
const LISTS: [&str; 19] = [
    "FilePlanPosition",
    "SystemId",
    "OriginatingSystemId",
    "ArchivalAgencyArchiveUnitIdentifier",
    "OriginatingAgencyArchiveUnitIdentifier",
    "TransferringAgencyArchiveUnitIdentifier",
    "Language",
    "Tag",
    "Keyword",
    "Agent",
    "AuthorizedAgent",
    "Writer",
    "Addressee",
    "Recipient",
    "Transmitter",
    "Sender",
    "Event",
    "Signature",
    "PersistentIdentifier",
];

/// A unit's own element as JSON; `None` when it does not read.
pub(super) fn unit(fragment: &[u8]) -> Option<Value> {
    let mut tree = Tree::default();
    xml::read(fragment, &Limits::default(), &mut tree).ok()?;
    let root = tree.root?;
    let mut members = Map::new();
    for node in &root.children {
        match node.name.as_str() {
            "Content" => content(node, &mut members),
            "Management" => _ = members.insert("#management".into(), management(node)),
            "ArchiveUnitProfile" => _ = members.insert("ArchiveUnitProfile".into(), node.text.trim().into()),
            _ => {}
        }
    }
    Some(members.into())
}

#[derive(Default)]
struct Node {
    name: String,
    language: Option<String>,
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn value(&self) -> Value {
        if self.children.is_empty() {
            return self.text.trim().into();
        }
        let mut members = Map::new();
        for child in &self.children {
            add(&mut members, &child.name, child.value(), false);
        }
        members.into()
    }
}

/// Adds a member; what is there already becomes a list.
fn add(members: &mut Map<String, Value>, name: &str, value: Value, list: bool) {
    match members.get_mut(name) {
        Some(Value::Array(several)) => several.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
        None if list => _ = members.insert(name.to_owned(), Value::Array(vec![value])),
        None => _ = members.insert(name.to_owned(), value),
    }
}

fn content(node: &Node, members: &mut Map<String, Value>) {
    for child in &node.children {
        let name = child.name.as_str();
        match &child.language {
            Some(language) if matches!(name, "Title" | "Description") => {
                let languages = members.entry(format!("{name}_")).or_insert_with(|| json!({}));
                if let Some(languages) = languages.as_object_mut() {
                    languages.insert(language.clone(), child.text.trim().into());
                }
            }
            _ => add(members, name, child.value(), LISTS.contains(&name)),
        }
    }
}

/// Rules: a category's `Rules`, its `Inheritance`, and what else it says.
fn management(node: &Node) -> Value {
    let mut members = Map::new();
    for category in &node.children {
        if !category.name.ends_with("Rule") {
            add(&mut members, &category.name, category.value(), false);
            continue;
        }
        let (mut rules, mut inheritance, mut rest): (Vec<Value>, _, _) = (Vec::new(), Map::new(), Map::new());
        for said in &category.children {
            match (said.name.as_str(), rules.last_mut().and_then(Value::as_object_mut)) {
                ("Rule", _) => rules.push(json!({ "Rule": said.text.trim() })),
                ("PreventInheritance", _) => {
                    let prevents = matches!(said.text.trim(), "true" | "1");
                    inheritance.insert("PreventInheritance".into(), prevents.into());
                }
                ("RefNonRuleId", _) => add(&mut inheritance, "PreventRulesId", said.text.trim().into(), true),
                ("StartDate", Some(rule)) => _ = rule.insert("StartDate".into(), said.text.trim().into()),
                (name, Some(rule)) if name.starts_with("Hold") || name == "PreventRearrangement" => {
                    rule.insert(name.to_owned(), said.value());
                }
                (name, _) => add(&mut rest, name, said.value(), false),
            }
        }
        if !rules.is_empty() {
            rest.insert("Rules".into(), rules.into());
        }
        if !inheritance.is_empty() {
            rest.insert("Inheritance".into(), inheritance.into());
        }
        members.insert(category.name.clone(), rest.into());
    }
    members.into()
}

#[derive(Default)]
struct Tree {
    open: Vec<Node>,
    root: Option<Node>,
}

impl Handler for Tree {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        let language = element.attributes.iter().find(|attribute| attribute.name == "lang");
        self.open.push(Node {
            name: element.name.to_owned(),
            language: language.map(|attribute| attribute.value.clone().into_owned()),
            ..Node::default()
        });
        Ok(())
    }

    fn text(&mut self, text: &str, _: Position) -> Result<(), Stop> {
        if let Some(node) = self.open.last_mut() {
            node.text.push_str(text);
        }
        Ok(())
    }

    fn end(&mut self, _: Position, _: u64) -> Result<(), Stop> {
        let Some(node) = self.open.pop() else { return Ok(()) };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_unit_is_written_as_profiles_describe_it() {
        let fragment = "<u:ArchiveUnit xmlns:u=\"n\" id=\"a\"><u:ArchiveUnitProfile>AUP</u:ArchiveUnitProfile><u:Management>\
             <u:AccessRule><u:Rule>ACC-1</u:Rule><u:StartDate>2020-01-01</u:StartDate><u:Rule>ACC-2</u:Rule>\
             <u:RefNonRuleId>ACC-3</u:RefNonRuleId></u:AccessRule><u:AppraisalRule><u:Rule>APP-1</u:Rule>\
             <u:PreventInheritance>true</u:PreventInheritance><u:FinalAction>Keep</u:FinalAction></u:AppraisalRule></u:Management>\
             <u:Content><u:DescriptionLevel>Item</u:DescriptionLevel><u:Title>T</u:Title><u:Description xml:lang=\"fr\">D</u:Description>\
             <u:Language>fra</u:Language><u:Writer><u:FirstName>A</u:FirstName><u:Identifier>1</u:Identifier>\
             <u:Identifier>2</u:Identifier></u:Writer></u:Content></u:ArchiveUnit>";
        let expected = json!({
            "ArchiveUnitProfile": "AUP", "DescriptionLevel": "Item", "Title": "T", "Description_": { "fr": "D" },
            "Language": ["fra"], "Writer": [{ "FirstName": "A", "Identifier": ["1", "2"] }],
            "#management": {
                "AccessRule": { "Rules": [{ "Rule": "ACC-1", "StartDate": "2020-01-01" }, { "Rule": "ACC-2" }],
                    "Inheritance": { "PreventRulesId": ["ACC-3"] } },
                "AppraisalRule": { "Rules": [{ "Rule": "APP-1" }], "Inheritance": { "PreventInheritance": true }, "FinalAction": "Keep" },
            },
        });
        assert_eq!(unit(fragment.as_bytes()).unwrap(), expected);
        assert_eq!(unit(b"<a>"), None);
    }
}
