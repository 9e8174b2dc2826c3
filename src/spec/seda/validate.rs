//! Validation of a document against the model of its version, event by event: order, number, text, attributes and
//! identifiers. One pass gives both verdicts: what only the official schema refuses comes out as a deviation.

use super::Version;
use super::finding::{Finding, Findings, Weight};
use super::model::{Automaton, Content, Datatype, Extension, Particle, Schema, Symbol, Type, TypeId, schema};
use super::xml::{Element, Position};
use std::collections::{HashMap, HashSet};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// State of an automaton once an element of no schema has been accepted.
const EXTENDED: u16 = u16::MAX;
/// How much of a value is repeated in a finding, in characters.
const SHOWN_CHARS: usize = 60;

/// Holds a document to the model of one version.
#[derive(Debug)]
pub(super) struct Validator {
    schema: &'static Schema,
    namespace: &'static str,
    stack: Vec<Frame>,
    text: String,
    ids: HashSet<Box<str>>,
    /// References whose identifier has not been met yet, with the place of the first one.
    pending: HashMap<Box<str>, Position>,
    pub(super) findings: Findings,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    /// `None` within what no schema describes.
    of: Option<TypeId>,
    symbol: Symbol,
    state: u16,
    /// Members already met of an `!all`.
    seen: u32,
    /// A fault of order has been told: the following ones would only repeat it.
    told: bool,
    nil: bool,
    position: Position,
}

impl Validator {
    pub(super) fn new(version: Version) -> Self {
        Self {
            schema: schema(version),
            namespace: version.namespace(),
            stack: Vec::new(),
            text: String::new(),
            ids: HashSet::new(),
            pending: HashMap::new(),
            findings: Findings::default(),
        }
    }

    pub(super) fn start(&mut self, element: &Element<'_>) {
        let symbol = (element.namespace == self.namespace).then(|| self.schema.symbol(element.name)).flatten();
        let particle = match self.stack.last().copied() {
            None => self.root(element, symbol),
            Some(Frame { of: None, .. }) => None,
            Some(parent) => self.child(parent, element, symbol),
        };
        let mut frame = Frame {
            of: particle.map(|p| p.of),
            symbol: symbol.unwrap_or(Symbol::MAX),
            state: 0,
            seen: 0,
            told: false,
            nil: false,
            position: element.position,
        };
        if let Some(particle) = particle {
            frame.nil = self.attributes(element, particle);
        }
        self.text.clear();
        self.stack.push(frame);
    }

    pub(super) fn text(&mut self, text: &str, position: Position) {
        let Some(frame) = self.stack.last().copied() else { return };
        let Some(of) = frame.of else { return };
        if let Content::Simple(..) = self.type_of(of).content {
            self.text.push_str(text);
        } else if !frame.told && !text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            self.tell_in_parent();
            let name = self.schema.name(frame.symbol);
            self.findings.add(Weight::Error, position, || {
                format!("l'élément « {name} » ne contient que des éléments, pas de texte : « {} »", shown(text))
            });
        }
    }

    pub(super) fn end(&mut self, position: Position) {
        let Some(frame) = self.stack.pop() else { return };
        let Some(of) = frame.of else { return };
        let of = self.type_of(of);
        if frame.nil {
            if !self.text.is_empty() {
                let name = self.schema.name(frame.symbol);
                let detail = || format!("l'élément « {name} » est déclaré nul (xsi:nil) et doit être vide");
                self.findings.add(Weight::Error, position, detail);
            }
            return;
        }
        match &of.content {
            Content::Simple(datatype, values) => self.value(frame, *datatype, values),
            Content::Elements(automaton) if !frame.told => self.complete(frame, automaton, position),
            _ => {}
        }
        self.text.clear();
    }

    /// The end of the document: references must have met their identifier.
    pub(super) fn finish(&mut self) {
        let mut lost: Vec<(Position, Box<str>)> =
            std::mem::take(&mut self.pending).into_iter().map(|(id, position)| (position, id)).collect();
        lost.sort();
        for (position, id) in lost {
            let detail = || format!("la référence « {} » ne désigne aucun identifiant du bordereau", shown(&id));
            self.findings.add(Weight::Error, position, detail);
        }
    }

    fn type_of(&self, of: TypeId) -> &'static Type {
        &self.schema.types[usize::from(of)]
    }

    fn tell_in_parent(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            frame.told = true;
        }
    }

    fn root(&mut self, element: &Element<'_>, symbol: Option<Symbol>) -> Option<Particle> {
        let root = self.schema.roots.iter().find(|(root, _)| Some(*root) == symbol);
        if root.is_none() {
            let name = element.name;
            let detail = || format!("« {} » n'est pas un message du SEDA", shown(name));
            self.findings.add(Weight::Error, element.position, detail);
        }
        root.map(|(symbol, of)| Particle { symbol: *symbol, of: *of, nillable: false, deviation: false })
    }

    /// What the parent makes of a child, or `None` when nothing describes it.
    fn child(&mut self, parent: Frame, element: &Element<'_>, symbol: Option<Symbol>) -> Option<Particle> {
        let of = self.type_of(parent.of?);
        match &of.content {
            Content::Elements(automaton) => self.step(parent, automaton, element, symbol),
            Content::All(members) => self.member(parent, members, element, symbol),
            Content::Open => {
                if element.namespace == self.namespace || element.namespace.is_empty() {
                    let (name, within) = (element.name, self.schema.name(parent.symbol));
                    self.findings.add(Weight::Deviation, element.position, || {
                        format!("« {} » dans « {within} » doit relever d'un autre espace de noms", shown(name))
                    });
                }
                None
            }
            Content::Simple(..) | Content::Empty | Content::Abstract => {
                if !parent.told {
                    self.tell_in_parent();
                    let (name, within) = (element.name, self.schema.name(parent.symbol));
                    self.findings.add(Weight::Error, element.position, || {
                        format!("« {within} » ne contient pas d'élément, et « {} » s'y trouve", shown(name))
                    });
                }
                None
            }
        }
    }

    fn step(
        &mut self,
        parent: Frame,
        automaton: &'static Automaton,
        element: &Element<'_>,
        symbol: Option<Symbol>,
    ) -> Option<Particle> {
        let declared = symbol.and_then(|symbol| automaton.particles.iter().find(|p| p.symbol == symbol)).copied();
        if parent.told {
            return declared;
        }
        if parent.state != EXTENDED {
            let follow = &automaton.follow[usize::from(parent.state)];
            let matching = |deviation: bool| {
                follow.iter().copied().find(|&next| {
                    let particle = &automaton.particles[usize::from(next) - 1];
                    Some(particle.symbol) == symbol && particle.deviation == deviation
                })
            };
            if let Some(next) = matching(false).or_else(|| matching(true)) {
                let particle = automaton.particles[usize::from(next) - 1];
                if particle.deviation {
                    self.beyond_schema(parent, element);
                }
                self.move_to(next);
                return Some(particle);
            }
        }
        let complete = parent.state == EXTENDED || automaton.last[usize::from(parent.state)];
        let extensible = match automaton.extension {
            Extension::No => false,
            Extension::AtEnd => complete,
            Extension::Anywhere => true,
        };
        let refused = symbol.is_some_and(|symbol| automaton.refused.contains(&symbol));
        if extensible && declared.is_none() && !refused {
            self.beyond_schema(parent, element);
            self.move_to(EXTENDED);
            return None;
        }
        self.tell_in_parent();
        let expected = self.expected(automaton, parent.state);
        let (name, within) = (element.name, self.schema.name(parent.symbol));
        self.findings.add(Weight::Error, element.position, || {
            format!("l'élément « {} » n'est pas attendu ici dans « {within} » ; attendu : {expected}", shown(name))
        });
        declared
    }

    fn beyond_schema(&mut self, parent: Frame, element: &Element<'_>) {
        let (name, within) = (element.name, self.schema.name(parent.symbol));
        self.findings.add(Weight::Deviation, element.position, || {
            format!("l'élément « {} » dans « {within} » n'est pas prévu par le schéma officiel", shown(name))
        });
    }

    fn move_to(&mut self, state: u16) {
        if let Some(frame) = self.stack.last_mut() {
            frame.state = state;
        }
    }

    fn member(
        &mut self,
        parent: Frame,
        members: &'static [Particle],
        element: &Element<'_>,
        symbol: Option<Symbol>,
    ) -> Option<Particle> {
        let at = members.iter().position(|p| Some(p.symbol) == symbol);
        let fresh = at.is_some_and(|at| parent.seen & (1 << at) == 0);
        if let (Some(at), Some(frame)) = (at, self.stack.last_mut()) {
            frame.seen |= 1 << at;
        }
        if !fresh && !parent.told {
            self.tell_in_parent();
            let (name, within) = (element.name, self.schema.name(parent.symbol));
            self.findings.add(Weight::Error, element.position, || {
                format!("l'élément « {} » n'est pas attendu ici dans « {within} »", shown(name))
            });
        }
        at.map(|at| members[at])
    }

    fn complete(&mut self, frame: Frame, automaton: &'static Automaton, position: Position) {
        if frame.state == EXTENDED || automaton.last[usize::from(frame.state)] {
            return;
        }
        let expected = self.expected(automaton, frame.state);
        let name = self.schema.name(frame.symbol);
        self.findings.add(Weight::Error, position, || {
            format!("l'élément « {name} » (ouvert {}) est incomplet ; attendu : {expected}", frame.position)
        });
    }

    fn expected(&self, automaton: &Automaton, state: u16) -> String {
        let Some(follow) = automaton.follow.get(usize::from(state)) else { return "la fin de l'élément".into() };
        let mut names: Vec<&str> = follow
            .iter()
            .map(|&next| &automaton.particles[usize::from(next) - 1])
            .filter(|particle| !particle.deviation)
            .map(|particle| self.schema.name(particle.symbol))
            .collect();
        names.dedup();
        if names.is_empty() {
            return "la fin de l'élément".into();
        }
        let more = names.len() > 12;
        names.truncate(12);
        names.join(", ") + if more { "…" } else { "" }
    }

    /// Checks the attributes of an element; returns whether it is nil.
    fn attributes(&mut self, element: &Element<'_>, particle: Particle) -> bool {
        let of = self.type_of(particle.of);
        let mut nil = false;
        if matches!(of.content, Content::Abstract) {
            let detail = || format!("« {} » est d'un type abstrait", shown(element.name));
            self.findings.add(Weight::Error, element.position, detail);
        }
        for attribute in element.attributes {
            if attribute.namespace == XSI {
                nil |= attribute.name == "nil" && matches!(attribute.value.trim(), "true" | "1");
                if attribute.name == "nil" && !particle.nillable {
                    let detail = || format!("« {} » ne peut être nul (xsi:nil)", shown(element.name));
                    self.findings.add(Weight::Error, element.position, detail);
                }
                continue;
            }
            let declared = of
                .attributes
                .iter()
                .find(|declared| declared.name == attribute.name && declared.namespace == attribute.namespace);
            let Some(declared) = declared else {
                let detail = || format!("attribut « {} » non prévu pour « {} »", shown(attribute.name), element.name);
                self.findings.add(Weight::Deviation, element.position, detail);
                continue;
            };
            if let Content::Simple(datatype, values) = &self.type_of(declared.value).content {
                self.attribute_value(element, attribute.name, &attribute.value, *datatype, values);
            }
        }
        for declared in of.attributes.iter().filter(|declared| declared.required) {
            let given = |a: &&super::xml::Attribute<'_>| a.name == declared.name && a.namespace == declared.namespace;
            if !element.attributes.iter().any(|a| given(&a)) {
                let detail = || format!("attribut « {} » absent de « {} »", declared.name, element.name);
                self.findings.add(Weight::Error, element.position, detail);
            }
        }
        nil
    }

    fn attribute_value(
        &mut self,
        element: &Element<'_>,
        name: &str,
        value: &str,
        datatype: Datatype,
        values: &[String],
    ) {
        if !datatype.accepts(value) || !listed(value, values) {
            let detail = || {
                let (value, within) = (shown(value), element.name);
                format!(
                    "« {value} » n'est pas une valeur de l'attribut « {name} » de « {within} »{}",
                    of(datatype, values)
                )
            };
            self.findings.add(Weight::Error, element.position, detail);
        } else {
            self.identify(datatype, value, element.position);
        }
    }

    fn value(&mut self, frame: Frame, datatype: Datatype, values: &[String]) {
        let text = std::mem::take(&mut self.text);
        if !datatype.accepts(&text) || !listed(&text, values) {
            let name = self.schema.name(frame.symbol);
            self.findings.add(Weight::Error, frame.position, || match text.trim() {
                "" => format!("« {name} » est vide{}", of(datatype, values)),
                value => format!("« {} » n'est pas une valeur de « {name} »{}", shown(value), of(datatype, values)),
            });
        } else {
            self.identify(datatype, text.trim(), frame.position);
        }
        self.text = text;
        self.text.clear();
    }

    fn identify(&mut self, datatype: Datatype, value: &str, position: Position) {
        match datatype {
            Datatype::Id => {
                if self.ids.contains(value) {
                    let detail = || format!("identifiant « {} » déjà employé", shown(value));
                    self.findings.add(Weight::Error, position, detail);
                } else {
                    self.pending.remove(value);
                    self.ids.insert(value.into());
                }
            }
            Datatype::IdRef if !self.ids.contains(value) && !self.pending.contains_key(value) => {
                self.pending.insert(value.into(), position);
            }
            _ => {}
        }
    }
}

/// Whether a value is in a code list; an empty list takes all.
fn listed(value: &str, values: &[String]) -> bool {
    let mut words = value.split([' ', '\t', '\n', '\r']).filter(|w| !w.is_empty()).peekable();
    values.is_empty() || {
        let mut collapsed = String::with_capacity(value.len());
        while let Some(word) = words.next() {
            collapsed.push_str(word);
            if words.peek().is_some() {
                collapsed.push(' ');
            }
        }
        values.contains(&collapsed)
    }
}

fn of(datatype: Datatype, values: &[String]) -> String {
    match values {
        [] => format!(" ; attendu : {}", datatype.label()),
        few if few.len() <= 12 => format!(" ; attendu : {}", few.join(", ")),
        many => format!(" ; attendu : l'une des {} valeurs de la liste", many.len()),
    }
}

/// The beginning of a value, on one line.
pub(super) fn shown(value: &str) -> String {
    let mut shown: String =
        value.trim().chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.trim().chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

impl Finding {
    /// Whether it makes a document faulty in a mode.
    pub fn is_fault(&self, mode: super::Mode) -> bool {
        mode == super::Mode::Strict || self.weight == Weight::Error
    }
}
