//! A unit of what was sent, field by field: a JSON document, a row of CSV, an XML document.

use crate::spec::xml::{Document, Element};
use serde_json::Value;
use std::collections::HashMap;

/// Something that fields are taken from.
pub(super) trait Record {
    /// The value at a place; `None` when there is none, or it is empty.
    fn value(&self, source: &str) -> Option<String>;
    /// How the place is told to the sender.
    fn place(&self, source: &str) -> String;
    /// The JSON document, when it is one: lists are in it.
    fn json(&self) -> Option<&Value> {
        None
    }
}

/// A JSON document.
pub(super) struct Json<'a>(pub(super) &'a Value);

impl Record for Json<'_> {
    fn value(&self, source: &str) -> Option<String> {
        scalar(self.0.pointer(source)?)
    }

    fn place(&self, source: &str) -> String {
        source.to_owned()
    }

    fn json(&self) -> Option<&Value> {
        Some(self.0)
    }
}

/// The text of a JSON value that is no list and no object.
pub(super) fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// A row of CSV.
pub(super) struct Row<'a> {
    pub(super) columns: &'a HashMap<String, usize>,
    pub(super) cells: &'a [String],
    /// As a reader counts them, the header being 1.
    pub(super) line: usize,
}

impl Record for Row<'_> {
    fn value(&self, source: &str) -> Option<String> {
        let cell = self.cells.get(*self.columns.get(source)?)?;
        (!cell.trim().is_empty()).then(|| cell.clone())
    }

    fn place(&self, source: &str) -> String {
        format!("ligne {}, colonne « {source} »", self.line)
    }
}

/// An XML document.
pub(super) struct Xml<'a>(pub(super) &'a Document<'a>);

impl Record for Xml<'_> {
    fn value(&self, source: &str) -> Option<String> {
        let (path, attribute) = match source.rsplit_once("/@") {
            Some((path, attribute)) => (path, Some(attribute)),
            None => (source, None),
        };
        let element = walk(self.0.root(), path)?;
        let text = match attribute {
            Some(name) => element.attribute(name)?.into_owned(),
            None => element.text().into_owned(),
        };
        (!text.trim().is_empty()).then_some(text)
    }

    fn place(&self, source: &str) -> String {
        source.to_owned()
    }
}

/// The first element of a path: `/a/b` from the root, `//b` anywhere, names without their namespace.
fn walk<'d>(root: Element<'d>, path: &str) -> Option<Element<'d>> {
    if let Some(name) = path.strip_prefix("//") {
        let (first, rest) = name.split_once('/').unwrap_or((name, ""));
        let found = if root.name() == first { root } else { root.descendants().find(|e| e.name() == first)? };
        return below(found, rest);
    }
    let (first, rest) = path.strip_prefix('/')?.split_once('/').unwrap_or((path.strip_prefix('/')?, ""));
    if root.name() == first { below(root, rest) } else { None }
}

fn below<'d>(from: Element<'d>, path: &str) -> Option<Element<'d>> {
    let mut element = from;
    for step in path.split('/').filter(|step| !step.is_empty()) {
        element = element.children().find(|child| child.name() == step)?;
    }
    Some(element)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spec::xml::Limits;

    #[test]
    fn values_are_found_in_xml() {
        let text = br#"<a xmlns="urn:x"><b n="1"><c>deux</c></b></a>"#;
        let document = Document::parse(text, &Limits::default()).unwrap();
        let record = Xml(&document);
        assert_eq!(record.value("/a/b/c").as_deref(), Some("deux"));
        assert_eq!(record.value("//b/@n").as_deref(), Some("1"));
        assert_eq!(record.value("//c").as_deref(), Some("deux"));
        assert_eq!(record.value("/b"), None);
    }
}
