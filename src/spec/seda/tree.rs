//! A document as a tree, for what must be seen whole: conversions. Bounded in nodes, elements of other namespaces left out.

use super::xml::{self, Element, Handler, Limits, Position, Stop, XmlError};
use std::io::Read;
use thiserror::Error;

/// Most elements of a tree.
const NODES_MAX: usize = 1_000_000;

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) children: Vec<Self>,
}

/// Why a document is not read as a tree.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    /// Not well-formed, or out of bounds.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Too many elements.
    #[error("plus de {NODES_MAX} éléments")]
    TooMany,
}

impl Node {
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The texts of the children of that name that have one.
    pub(super) fn filled<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.children(name).map(|child| child.text.trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(attribute, _)| attribute == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn parse<R: Read>(input: R, limits: &Limits) -> Result<Node, TreeError> {
    let mut builder = Builder::default();
    xml::read(input, limits, &mut builder)?;
    if builder.crowded { Err(TreeError::TooMany) } else { Ok(builder.root.unwrap_or_default()) }
}

#[derive(Default)]
struct Builder {
    open: Vec<Node>,
    root: Option<Node>,
    /// Depth within an element of another namespace.
    foreign: usize,
    count: usize,
    crowded: bool,
}

impl Handler for Builder {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        self.count += 1;
        if self.count > NODES_MAX {
            self.crowded = true;
            return Err(Stop);
        }
        let strange = self.open.first().is_some_and(|root| root.namespace != element.namespace);
        if self.foreign > 0 || strange {
            self.foreign += 1;
            return Ok(());
        }
        let plain = element.attributes.iter().filter(|attribute| attribute.namespace.is_empty());
        self.open.push(Node {
            namespace: element.namespace.to_owned(),
            name: element.name.to_owned(),
            attributes: plain.map(|a| (a.name.to_owned(), a.value.clone().into_owned())).collect(),
            ..Node::default()
        });
        Ok(())
    }

    fn text(&mut self, text: &str, _: Position) -> Result<(), Stop> {
        if let Some(node) = self.open.last_mut().filter(|_| self.foreign == 0) {
            node.text.push_str(text);
        }
        Ok(())
    }

    fn end(&mut self, _: Position, _: u64) -> Result<(), Stop> {
        if self.foreign > 0 {
            self.foreign -= 1;
            return Ok(());
        }
        let Some(node) = self.open.pop() else { return Ok(()) };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}
