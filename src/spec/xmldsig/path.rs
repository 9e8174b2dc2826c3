//! The location paths that signature tools write in XPath Filter 2, and no more: `/a:b/c`, `//a:b[@Id='x']/c`,
//! `/descendant::ds:Signature`, `here()/ancestor::ds:Signature[1]`, `id('x')`, and unions of them.

use super::transform::qualified;
use crate::spec::xml::{Document, Element, Identified};

const STEPS_MAX: usize = 16;
const PATHS_MAX: usize = 8;

/// Location paths, of which the selected elements are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<One>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct One {
    start: Start,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    Root,
    Id(String),
    /// `here()/ancestor::name[1]`
    Ancestor((String, String)),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    descends: bool,
    /// `None` for `*`.
    name: Option<(String, String)>,
    /// `[@name='value']`, without namespace.
    attribute: Option<(String, String)>,
}

/// What a path selects.
#[derive(Debug, PartialEq, Eq)]
pub enum Selected<'d> {
    /// The document itself: `/`.
    Document,
    /// Elements, in document order, each once.
    Elements(Vec<Element<'d>>),
}

impl Path {
    /// Reads an expression, with the prefixes in force at `context`. `None` when it is of another form.
    pub fn parse(expression: &str, context: &Element<'_>) -> Option<Self> {
        let compact: String = expression.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let paths: Option<Vec<_>> =
            compact.split('|').take(PATHS_MAX + 1).map(|path| One::parse(path, context)).collect();
        paths.filter(|paths| paths.len() <= PATHS_MAX).map(Self)
    }

    /// What it selects. `here` is the element of the expression.
    pub fn select<'d>(&self, document: &'d Document<'d>, here: &Element<'d>) -> Selected<'d> {
        let mut elements = Vec::new();
        for path in &self.0 {
            if path.start == Start::Root && path.steps.is_empty() {
                return Selected::Document;
            }
            elements.extend(path.select(document, here));
        }
        elements.sort_by_key(Element::order);
        elements.dedup();
        Selected::Elements(elements)
    }
}

impl One {
    fn parse(path: &str, context: &Element<'_>) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("here()/ancestor::") {
            let (name, rest) = rest.split_once("[1]")?;
            let start = Start::Ancestor(qualified(name, context)?);
            return Some(Self { start, steps: steps(rest, context)? });
        }
        if let Some(rest) = path.strip_prefix("id(") {
            let (id, rest) = rest.split_once(')')?;
            let start = Start::Id(literal(id)?.to_owned());
            return Some(Self { start, steps: steps(rest, context)? });
        }
        if path == "/" {
            return Some(Self { start: Start::Root, steps: Vec::new() });
        }
        Some(Self { start: Start::Root, steps: steps(path, context).filter(|steps| !steps.is_empty())? })
    }

    fn select<'d>(&self, document: &'d Document<'d>, here: &Element<'d>) -> Vec<Element<'d>> {
        let mut current = match &self.start {
            Start::Root => return descend(vec![], &self.steps, Some(document)),
            Start::Id(id) => match document.identified(id) {
                Identified::One(element) => vec![element],
                Identified::Nothing | Identified::Several => vec![],
            },
            Start::Ancestor((namespace, name)) => {
                let around = std::iter::successors(here.parent(), Element::parent);
                around.into_iter().find(|element| element.is(namespace, name)).into_iter().collect()
            }
        };
        current = descend(current, &self.steps, None);
        current
    }
}

/// Follows steps; from the document node when it is given.
fn descend<'d>(from: Vec<Element<'d>>, steps: &[Step], document: Option<&'d Document<'d>>) -> Vec<Element<'d>> {
    let mut current = from;
    for (index, step) in steps.iter().enumerate() {
        let mut next = Vec::new();
        let mut reached = 0;
        match document.filter(|_| index == 0) {
            Some(document) if step.descends => next.extend(document.elements().filter(|element| step.takes(element))),
            Some(document) => next.extend(Some(document.root()).filter(|element| step.takes(element))),
            None => {
                for element in &current {
                    if !step.descends {
                        next.extend(element.children().filter(|child| step.takes(child)));
                        continue;
                    }
                    // What is within an element already gone through has been gone through.
                    if element.order() < reached {
                        continue;
                    }
                    for inner in element.descendants().skip(1) {
                        reached = inner.order() + 1;
                        next.extend(Some(inner).filter(|inner| step.takes(inner)));
                    }
                }
            }
        }
        next.sort_by_key(Element::order);
        next.dedup();
        current = next;
    }
    current
}

impl Step {
    fn takes(&self, element: &Element<'_>) -> bool {
        let named = self.name.as_ref().is_none_or(|(namespace, name)| element.is(namespace, name));
        named
            && self
                .attribute
                .as_ref()
                .is_none_or(|(name, value)| element.attribute(name).as_deref() == Some(value.as_str()))
    }
}

/// `/a:b[@c='d']//*…`, up to the end.
fn steps(path: &str, context: &Element<'_>) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix('/')?;
        let mut descends = false;
        if let Some(after) = rest.strip_prefix('/') {
            (rest, descends) = (after, true);
        } else if let Some(after) = rest.strip_prefix("descendant::") {
            (rest, descends) = (after, true);
        } else if let Some(after) = rest.strip_prefix("descendant-or-self::") {
            // From the document node, whose self is no element.
            (rest, descends) = (after, true);
            if !steps.is_empty() {
                return None;
            }
        } else if let Some(after) = rest.strip_prefix("child::") {
            rest = after;
        }
        let end = rest.find(['/', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let name = if name == "*" { None } else { Some(qualified(name, context)?) };
        rest = after;
        let mut attribute = None;
        if let Some(after) = rest.strip_prefix("[@") {
            let (test, after) = after.split_once(']')?;
            let (name, value) = test.split_once('=')?;
            let (namespace, name) = qualified(name, context)?;
            if !namespace.is_empty() {
                return None;
            }
            attribute = Some((name, literal(value)?.to_owned()));
            rest = after;
        }
        steps.push(Step { descends, name, attribute });
        if steps.len() > STEPS_MAX {
            return None;
        }
    }
    Some(steps)
}

fn literal(text: &str) -> Option<&str> {
    let inside = |quote| text.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inside('\'').or_else(|| inside('"')).filter(|value| !value.contains(['\'', '"']))
}
