//! Reading a grammar.

use super::arena::{Arena, EMPTY, Id, NOT_ALLOWED, NameClass, Pattern, TEXT};
use super::types::{Data, collapsed};
use crate::spec::seda::xml::{self, Element, Handler, Limits, Position, Stop, XmlError};
use std::collections::{BTreeMap, HashMap};
use thiserror::Error;

const NAMESPACE: &str = "http://relaxng.org/ns/structure/1.0";

/// The most elements of a grammar.
const NODES_MAX: usize = 200_000;

/// The deepest a grammar is read.
const DEPTH_MAX: usize = 100;

/// A grammar that has been read.
#[derive(Debug, Clone)]
pub struct Grammar {
    pub(super) arena: Arena,
    pub(super) start: Id,
}

/// Why a grammar is not read.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum GrammarError {
    /// Not well-formed, or out of bounds.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Not a grammar, or one that uses what is not read here.
    #[error("{position} : {detail}")]
    Refused {
        /// Where.
        position: Position,
        /// Why.
        detail: String,
    },
}

impl Grammar {
    /// Reads a grammar.
    ///
    /// # Errors
    ///
    /// What is not RELAX NG, or not read here, with its place.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        let limits = Limits { bytes_max: 32 << 20, depth_max: DEPTH_MAX, attributes_max: 64 };
        let mut tree = Tree::default();
        let read = xml::read(text.as_bytes(), &limits, &mut tree);
        if tree.crowded {
            return Err(refuse(Position::default(), format!("plus de {NODES_MAX} éléments")));
        }
        read?;
        let root = tree.root.ok_or_else(|| refuse(Position::default(), "grammaire vide"))?;
        let mut loading = Loading { arena: Arena::new(), numbers: HashMap::new(), prefixes: prefixes(text) };
        let start = loading.whole(&root)?;
        Ok(Self { arena: loading.arena, start })
    }
}

fn refuse(position: Position, detail: impl Into<String>) -> GrammarError {
    GrammarError::Refused { position, detail: detail.into() }
}

/// Declarations of prefixes, wherever they are: names with a prefix are rare, and each prefix has one meaning.
fn prefixes(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (at, _) in text.match_indices("xmlns:") {
        let rest = &text[at + 6..];
        let Some((prefix, value)) = rest.split_once('=') else { continue };
        let value = value.trim_start();
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
        if let Some((uri, _)) = value[1..].split_once(quote) {
            found.entry(prefix.trim().to_owned()).or_insert_with(|| uri.to_owned());
        }
    }
    found
}

/// An element of the grammar, annotations left out; `ns` and `datatypeLibrary` as inherited.
#[derive(Debug, Clone, Default)]
struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    namespace: String,
    text: String,
    position: Position,
    children: Vec<Node>,
}

impl Node {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }
}

#[derive(Default)]
struct Tree {
    open: Vec<Node>,
    foreign: usize,
    count: usize,
    crowded: bool,
    root: Option<Node>,
}

impl Handler for Tree {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        self.count += 1;
        if self.count > NODES_MAX {
            self.crowded = true;
            return Err(Stop);
        }
        if self.foreign > 0 || (element.namespace != NAMESPACE && !self.open.is_empty()) {
            self.foreign += 1;
            return Ok(());
        }
        let inherited = self.open.last().map(|parent| parent.namespace.clone()).unwrap_or_default();
        self.open.push(Node {
            name: if element.namespace == NAMESPACE { element.name.to_owned() } else { String::new() },
            namespace: element.attribute("ns").map_or(inherited, str::to_owned),
            attributes: element
                .attributes
                .iter()
                .filter(|attribute| attribute.namespace.is_empty())
                .map(|attribute| (attribute.name.to_owned(), attribute.value.clone().into_owned()))
                .collect(),
            position: element.position,
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

struct Loading {
    arena: Arena,
    /// Definitions by name.
    numbers: HashMap<String, u32>,
    prefixes: BTreeMap<String, String>,
}

type Result2<T> = Result<T, GrammarError>;

impl Loading {
    fn whole(&mut self, root: &Node) -> Result2<Id> {
        if root.name != "grammar" {
            return self.pattern(root);
        }
        let mut parts = Vec::new();
        flatten(root, &mut parts);
        // Names first: definitions refer to one another.
        for part in parts.iter().filter(|part| part.name == "define") {
            let name = part.attribute("name").ok_or_else(|| refuse(part.position, "define sans nom"))?;
            let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            self.numbers.entry(name.to_owned()).or_insert(next);
        }
        self.arena.definitions = vec![NOT_ALLOWED; self.numbers.len()];
        let mut seen = vec![None; self.numbers.len()];
        let mut start = None;
        for part in &parts {
            match part.name.as_str() {
                "define" => {
                    let content = self.grouped(&part.children)?;
                    let number = self.numbers[part.attribute("name").unwrap_or_default()] as usize;
                    let joined = self.combined(part, seen[number], content, &parts)?;
                    seen[number] = Some(joined);
                    self.arena.definitions[number] = joined;
                }
                "start" => {
                    let content = self.grouped(&part.children)?;
                    start = Some(self.combined(part, start, content, &parts)?);
                }
                other => return Err(refuse(part.position, format!("« {other} » n'est pas pris en charge ici"))),
            }
        }
        self.no_endless_definition(root.position)?;
        start.ok_or_else(|| refuse(root.position, "grammaire sans start"))
    }

    /// Several definitions of one name: as `combine` says, on any of them.
    fn combined(&mut self, part: &Node, before: Option<Id>, content: Id, parts: &[&Node]) -> Result2<Id> {
        let Some(before) = before else { return Ok(content) };
        let same = |other: &&&Node| other.name == part.name && other.attribute("name") == part.attribute("name");
        match parts.iter().filter(same).find_map(|other| other.attribute("combine")) {
            Some("choice") => Ok(self.arena.choice(before, content)),
            Some("interleave") => Ok(self.arena.interleave(before, content)),
            _ => Err(refuse(part.position, "deux définitions du même nom sans combine")),
        }
    }

    /// A definition that comes back to itself without an element between would never end.
    fn no_endless_definition(&self, position: Position) -> Result2<()> {
        for start in 0..self.arena.definitions.len() {
            let (mut left, mut seen) = (vec![self.arena.definitions[start]], vec![false; self.arena.definitions.len()]);
            while let Some(id) = left.pop() {
                match self.arena.get(id) {
                    Pattern::Choice(a, b) | Pattern::Interleave(a, b) | Pattern::Group(a, b) => left.extend([a, b]),
                    Pattern::OneOrMore(a) | Pattern::List(a) | Pattern::Attribute(_, a) => left.push(a),
                    Pattern::Ref(number) if number as usize == start => {
                        return Err(refuse(position, "une définition se contient elle-même sans élément"));
                    }
                    Pattern::Ref(number) if !std::mem::replace(&mut seen[number as usize], true) => {
                        left.push(self.arena.definitions[number as usize]);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn grouped(&mut self, nodes: &[Node]) -> Result2<Id> {
        let mut parts = Vec::new();
        for node in nodes {
            parts.push(self.pattern(node)?);
        }
        // From the end, so that what comes first is met first.
        Ok(parts.into_iter().rev().fold(EMPTY, |rest, part| self.arena.group(part, rest)))
    }

    fn pattern(&mut self, node: &Node) -> Result2<Id> {
        match node.name.as_str() {
            "element" | "attribute" => self.named(node),
            "group" => self.grouped(&node.children),
            "interleave" => self.joined(&node.children, Arena::interleave),
            "choice" => {
                let mut all = NOT_ALLOWED;
                for child in &node.children {
                    let one = self.pattern(child)?;
                    all = self.arena.choice(all, one);
                }
                Ok(all)
            }
            "optional" => {
                let content = self.grouped(&node.children)?;
                Ok(self.arena.choice(content, EMPTY))
            }
            "zeroOrMore" => {
                let content = self.grouped(&node.children)?;
                let many = self.arena.one_or_more(content);
                Ok(self.arena.choice(many, EMPTY))
            }
            "oneOrMore" => {
                let content = self.grouped(&node.children)?;
                Ok(self.arena.one_or_more(content))
            }
            "mixed" => {
                let content = self.grouped(&node.children)?;
                Ok(self.arena.interleave(content, TEXT))
            }
            "list" => {
                let content = self.grouped(&node.children)?;
                Ok(self.arena.add(Pattern::List(content)))
            }
            "ref" => {
                let name = node.attribute("name").unwrap_or_default();
                let number = self.numbers.get(name).copied();
                let number = number.ok_or_else(|| refuse(node.position, format!("« {name} » n'est pas défini")))?;
                Ok(self.arena.add(Pattern::Ref(number)))
            }
            "empty" => Ok(EMPTY),
            "notAllowed" => Ok(NOT_ALLOWED),
            "text" => Ok(TEXT),
            "data" => self.data(node),
            "value" => {
                let data = self.datatype(node.attribute("type").unwrap_or("token"), node.position)?;
                let text = self.text(&node.text);
                Ok(self.arena.add(Pattern::Value(data, text)))
            }
            other => Err(refuse(node.position, format!("« {other} » n'est pas pris en charge"))),
        }
    }

    fn joined(&mut self, nodes: &[Node], join: fn(&mut Arena, Id, Id) -> Id) -> Result2<Id> {
        let mut all = EMPTY;
        for node in nodes {
            let one = self.pattern(node)?;
            all = join(&mut self.arena, all, one);
        }
        Ok(all)
    }

    fn named(&mut self, node: &Node) -> Result2<Id> {
        let attribute = node.name == "attribute";
        let (class, content) = match (node.attribute("name"), node.children.as_slice()) {
            (Some(name), content) => {
                // An attribute is of no namespace unless it says so itself.
                let own = node.attribute("ns");
                let namespace = if attribute { own.unwrap_or_default() } else { &node.namespace };
                (self.qualified(name, namespace, node.position)?, content)
            }
            (None, [class, content @ ..]) => (self.class(class)?, content),
            (None, []) => return Err(refuse(node.position, format!("« {} » sans nom", node.name))),
        };
        let content = if attribute && content.is_empty() { TEXT } else { self.grouped(content)? };
        let class = self.add_class(class);
        Ok(self.arena.add(if attribute {
            Pattern::Attribute(class, content)
        } else {
            Pattern::Element(class, content)
        }))
    }

    fn qualified(&self, name: &str, namespace: &str, position: Position) -> Result2<NameClass> {
        match name.split_once(':') {
            None => Ok(NameClass::Name(namespace.to_owned(), name.to_owned())),
            Some(("xml", local)) => {
                Ok(NameClass::Name("http://www.w3.org/XML/1998/namespace".to_owned(), local.to_owned()))
            }
            Some((prefix, local)) => match self.prefixes.get(prefix) {
                Some(namespace) => Ok(NameClass::Name(namespace.clone(), local.to_owned())),
                None => Err(refuse(position, format!("préfixe « {prefix} » non déclaré"))),
            },
        }
    }

    fn class(&self, node: &Node) -> Result2<NameClass> {
        let except = |this: &Self| -> Result2<Option<Box<NameClass>>> {
            let Some(except) = node.children.iter().find(|child| child.name == "except") else { return Ok(None) };
            let classes: Result2<Vec<_>> = except.children.iter().map(|child| this.class(child)).collect();
            Ok(Some(Box::new(NameClass::Choice(classes?))))
        };
        match node.name.as_str() {
            "name" => self.qualified(node.text.trim(), &node.namespace, node.position),
            "anyName" => Ok(NameClass::Any(except(self)?)),
            "nsName" => Ok(NameClass::Namespace(node.namespace.clone(), except(self)?)),
            "choice" => {
                let classes: Result2<Vec<_>> = node.children.iter().map(|child| self.class(child)).collect();
                Ok(NameClass::Choice(classes?))
            }
            other => Err(refuse(node.position, format!("« {other} » n'est pas une classe de noms"))),
        }
    }

    fn add_class(&mut self, class: NameClass) -> u32 {
        let known = self.arena.classes.iter().position(|known| *known == class);
        let at = known.unwrap_or_else(|| {
            self.arena.classes.push(class);
            self.arena.classes.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn data(&mut self, node: &Node) -> Result2<Id> {
        let name = node.attribute("type").unwrap_or_default();
        let mut data = known(name, node.position)?;
        let mut except = None;
        for child in &node.children {
            match child.name.as_str() {
                "param" => {
                    let facet = child.attribute("name").unwrap_or_default();
                    data.facet(facet, &child.text).map_err(|detail| refuse(child.position, detail))?;
                }
                "except" => {
                    let mut all = NOT_ALLOWED;
                    for one in &child.children {
                        let one = self.pattern(one)?;
                        all = self.arena.choice(all, one);
                    }
                    except = Some(all);
                }
                other => return Err(refuse(child.position, format!("« {other} » dans data"))),
            }
        }
        let data = self.add_data(data);
        Ok(self.arena.add(Pattern::Data(data, except)))
    }

    fn datatype(&mut self, name: &str, position: Position) -> Result2<u32> {
        known(name, position).map(|data| self.add_data(data))
    }

    fn add_data(&mut self, data: Data) -> u32 {
        let at = self.arena.datas.iter().position(|one| *one == data).unwrap_or_else(|| {
            self.arena.datas.push(data);
            self.arena.datas.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn text(&mut self, text: &str) -> u32 {
        let at = self.arena.texts.iter().position(|one| one == text).unwrap_or_else(|| {
            self.arena.texts.push(text.to_owned());
            self.arena.texts.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }
}

fn known(name: &str, position: Position) -> Result2<Data> {
    Data::of_name(&collapsed(name))
        .ok_or_else(|| refuse(position, format!("type de données « {name} » non pris en charge")))
}

/// The parts of a grammar, those of its `div`s included.
fn flatten<'a>(node: &'a Node, parts: &mut Vec<&'a Node>) {
    for child in &node.children {
        if child.name == "div" { flatten(child, parts) } else { parts.push(child) }
    }
}
