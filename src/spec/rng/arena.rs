//! Patterns, each kept once: two that are the same have the same number, and their derivatives are remembered.

use super::types::{Data, collapsed};
use std::collections::HashMap;

/// A pattern's number.
pub(super) type Id = u32;

pub(super) const EMPTY: Id = 0;
pub(super) const NOT_ALLOWED: Id = 1;
pub(super) const TEXT: Id = 2;

/// The most patterns a validation may come to.
const PATTERNS_MAX: usize = 500_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pattern {
    Empty,
    NotAllowed,
    Text,
    Choice(Id, Id),
    Interleave(Id, Id),
    Group(Id, Id),
    OneOrMore(Id),
    List(Id),
    /// A datatype, and what is excepted of it.
    Data(u32, Option<Id>),
    /// A datatype and a text.
    Value(u32, u32),
    /// A name class and a content.
    Attribute(u32, Id),
    /// A name class and a content.
    Element(u32, Id),
    /// What an element still wants, and what comes after it.
    After(Id, Id),
    /// A definition, by its number.
    Ref(u32),
}

/// What names an element or attribute may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NameClass {
    Name(String, String),
    /// Any name but these.
    Any(Option<Box<NameClass>>),
    /// Any name of a namespace but these.
    Namespace(String, Option<Box<NameClass>>),
    Choice(Vec<NameClass>),
}

impl NameClass {
    pub(super) fn contains(&self, namespace: &str, name: &str) -> bool {
        let but = |except: &Option<Box<Self>>| except.as_ref().is_none_or(|except| !except.contains(namespace, name));
        match self {
            Self::Name(of, one) => of == namespace && one == name,
            Self::Any(except) => but(except),
            Self::Namespace(of, except) => of == namespace && but(except),
            Self::Choice(several) => several.iter().any(|class| class.contains(namespace, name)),
        }
    }

    fn label(&self) -> String {
        match self {
            Self::Name(_, name) => name.clone(),
            Self::Any(_) => "n'importe quel nom".into(),
            Self::Namespace(of, _) => format!("un nom de « {of} »"),
            Self::Choice(several) => several.iter().map(Self::label).collect::<Vec<_>>().join(" ou "),
        }
    }
}

/// The patterns of a grammar, and those that a validation comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct Arena {
    patterns: Vec<Pattern>,
    known: HashMap<Pattern, Id>,
    nullable: Vec<Option<bool>>,
    pub(super) definitions: Vec<Id>,
    pub(super) classes: Vec<NameClass>,
    pub(super) datas: Vec<Data>,
    pub(super) texts: Vec<String>,
    names: HashMap<(String, String), u32>,
    opened: HashMap<(Id, u32), Id>,
    closed: HashMap<Id, Id>,
    /// More patterns than bounds allow: nothing that follows is worth anything.
    pub(super) crowded: bool,
}

impl Arena {
    pub(super) fn new() -> Self {
        let mut arena = Self::default();
        for pattern in [Pattern::Empty, Pattern::NotAllowed, Pattern::Text] {
            arena.add(pattern);
        }
        arena
    }

    pub(super) fn get(&self, id: Id) -> Pattern {
        self.patterns.get(id as usize).copied().unwrap_or(Pattern::NotAllowed)
    }

    pub(super) fn add(&mut self, pattern: Pattern) -> Id {
        if let Some(&id) = self.known.get(&pattern) {
            return id;
        }
        if self.patterns.len() >= PATTERNS_MAX {
            self.crowded = true;
            return NOT_ALLOWED;
        }
        let id = u32::try_from(self.patterns.len()).unwrap_or(NOT_ALLOWED);
        self.patterns.push(pattern);
        self.nullable.push(None);
        self.known.insert(pattern, id);
        id
    }

    pub(super) fn choice(&mut self, a: Id, b: Id) -> Id {
        match (a, b) {
            (NOT_ALLOWED, other) | (other, NOT_ALLOWED) => other,
            _ if self.offers(b, a) => b,
            _ if self.offers(a, b) => a,
            _ => self.add(Pattern::Choice(a, b)),
        }
    }

    /// Whether `one` is among the alternatives of `choice`.
    fn offers(&self, choice: Id, one: Id) -> bool {
        let mut left = vec![choice];
        let mut seen = 0;
        while let Some(id) = left.pop() {
            seen += 1;
            if id == one {
                return true;
            }
            if let Pattern::Choice(a, b) = self.get(id)
                && seen < 64
            {
                left.extend([a, b]);
            }
        }
        false
    }

    pub(super) fn group(&mut self, a: Id, b: Id) -> Id {
        match (a, b) {
            (NOT_ALLOWED, _) | (_, NOT_ALLOWED) => NOT_ALLOWED,
            (EMPTY, other) | (other, EMPTY) => other,
            _ => self.add(Pattern::Group(a, b)),
        }
    }

    pub(super) fn interleave(&mut self, a: Id, b: Id) -> Id {
        match (a, b) {
            (NOT_ALLOWED, _) | (_, NOT_ALLOWED) => NOT_ALLOWED,
            (EMPTY, other) | (other, EMPTY) => other,
            _ => self.add(Pattern::Interleave(a.min(b), a.max(b))),
        }
    }

    pub(super) fn one_or_more(&mut self, a: Id) -> Id {
        if matches!(a, NOT_ALLOWED | EMPTY) { a } else { self.add(Pattern::OneOrMore(a)) }
    }

    pub(super) fn after(&mut self, a: Id, b: Id) -> Id {
        if a == NOT_ALLOWED || b == NOT_ALLOWED { NOT_ALLOWED } else { self.add(Pattern::After(a, b)) }
    }

    pub(super) fn definition(&self, number: u32) -> Id {
        self.definitions.get(number as usize).copied().unwrap_or(NOT_ALLOWED)
    }

    /// Whether nothing at all satisfies it.
    pub(super) fn nullable(&mut self, id: Id) -> bool {
        if let Some(known) = self.nullable.get(id as usize).copied().flatten() {
            return known;
        }
        let nullable = match self.get(id) {
            Pattern::Empty | Pattern::Text => true,
            Pattern::Choice(a, b) => self.nullable(a) || self.nullable(b),
            Pattern::Interleave(a, b) | Pattern::Group(a, b) => self.nullable(a) && self.nullable(b),
            Pattern::OneOrMore(a) => self.nullable(a),
            Pattern::Ref(number) => self.nullable(self.definition(number)),
            _ => false,
        };
        if let Some(place) = self.nullable.get_mut(id as usize) {
            *place = Some(nullable);
        }
        nullable
    }

    fn then(&mut self, id: Id, make: &mut dyn FnMut(&mut Self, Id) -> Id) -> Id {
        match self.get(id) {
            Pattern::After(a, b) => {
                let b = make(self, b);
                self.after(a, b)
            }
            Pattern::Choice(a, b) => {
                let (a, b) = (self.then(a, make), self.then(b, make));
                self.choice(a, b)
            }
            _ => NOT_ALLOWED,
        }
    }

    fn name(&mut self, namespace: &str, name: &str) -> u32 {
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        *self.names.entry((namespace.to_owned(), name.to_owned())).or_insert(next)
    }

    /// After the name of a start tag.
    pub(super) fn open(&mut self, id: Id, namespace: &str, name: &str) -> Id {
        let number = self.name(namespace, name);
        self.open_named(id, number, namespace, name)
    }

    fn open_named(&mut self, id: Id, number: u32, namespace: &str, name: &str) -> Id {
        if let Some(&known) = self.opened.get(&(id, number)) {
            return known;
        }
        let opened = match self.get(id) {
            Pattern::Choice(a, b) => {
                let (a, b) = (self.open_named(a, number, namespace, name), self.open_named(b, number, namespace, name));
                self.choice(a, b)
            }
            Pattern::Element(class, content) => {
                let fits = self.classes.get(class as usize).is_some_and(|class| class.contains(namespace, name));
                if fits { self.after(content, EMPTY) } else { NOT_ALLOWED }
            }
            Pattern::Interleave(a, b) => {
                let left = self.open_named(a, number, namespace, name);
                let left = self.then(left, &mut |arena, x| arena.interleave(x, b));
                let right = self.open_named(b, number, namespace, name);
                let right = self.then(right, &mut |arena, x| arena.interleave(a, x));
                self.choice(left, right)
            }
            Pattern::OneOrMore(a) => {
                let more = self.choice(id, EMPTY);
                let first = self.open_named(a, number, namespace, name);
                self.then(first, &mut |arena, x| arena.group(x, more))
            }
            Pattern::Group(a, b) => {
                let first = self.open_named(a, number, namespace, name);
                let first = self.then(first, &mut |arena, x| arena.group(x, b));
                if self.nullable(a) {
                    let second = self.open_named(b, number, namespace, name);
                    self.choice(first, second)
                } else {
                    first
                }
            }
            Pattern::After(a, b) => {
                let first = self.open_named(a, number, namespace, name);
                self.then(first, &mut |arena, x| arena.after(x, b))
            }
            Pattern::Ref(definition) => self.open_named(self.definition(definition), number, namespace, name),
            _ => NOT_ALLOWED,
        };
        self.opened.insert((id, number), opened);
        opened
    }

    /// After an attribute.
    pub(super) fn attribute(&mut self, id: Id, namespace: &str, name: &str, value: &str) -> Id {
        match self.get(id) {
            Pattern::After(a, b) => {
                let a = self.attribute(a, namespace, name, value);
                self.after(a, b)
            }
            Pattern::Choice(a, b) => {
                let (a, b) = (self.attribute(a, namespace, name, value), self.attribute(b, namespace, name, value));
                self.choice(a, b)
            }
            Pattern::Group(a, b) | Pattern::Interleave(a, b) => {
                let grouped = matches!(self.get(id), Pattern::Group(..));
                let join = |arena: &mut Self, a, b| if grouped { arena.group(a, b) } else { arena.interleave(a, b) };
                let (x, y) = (self.attribute(a, namespace, name, value), self.attribute(b, namespace, name, value));
                let (x, y) = (join(self, x, b), join(self, a, y));
                self.choice(x, y)
            }
            Pattern::OneOrMore(a) => {
                let more = self.choice(id, EMPTY);
                let first = self.attribute(a, namespace, name, value);
                self.group(first, more)
            }
            Pattern::Attribute(class, content) => {
                let fits = self.classes.get(class as usize).is_some_and(|class| class.contains(namespace, name));
                let blank = |arena: &mut Self| arena.nullable(content) && value.trim().is_empty();
                let right = fits
                    && (blank(self) || {
                        let after = self.text(content, value);
                        self.nullable(after)
                    });
                if right { EMPTY } else { NOT_ALLOWED }
            }
            Pattern::Ref(definition) => self.attribute(self.definition(definition), namespace, name, value),
            _ => NOT_ALLOWED,
        }
    }

    /// At the end of a start tag: attributes still wanted are missing.
    pub(super) fn close(&mut self, id: Id) -> Id {
        if let Some(&known) = self.closed.get(&id) {
            return known;
        }
        let closed = match self.get(id) {
            Pattern::After(a, b) => {
                let a = self.close(a);
                self.after(a, b)
            }
            Pattern::Choice(a, b) => {
                let (a, b) = (self.close(a), self.close(b));
                self.choice(a, b)
            }
            Pattern::Group(a, b) => {
                let (a, b) = (self.close(a), self.close(b));
                self.group(a, b)
            }
            Pattern::Interleave(a, b) => {
                let (a, b) = (self.close(a), self.close(b));
                self.interleave(a, b)
            }
            Pattern::OneOrMore(a) => {
                let a = self.close(a);
                self.one_or_more(a)
            }
            Pattern::Attribute(..) => NOT_ALLOWED,
            Pattern::Ref(definition) => self.close(self.definition(definition)),
            _ => id,
        };
        self.closed.insert(id, closed);
        closed
    }

    /// After a text.
    pub(super) fn text(&mut self, id: Id, text: &str) -> Id {
        match self.get(id) {
            Pattern::Choice(a, b) => {
                let (a, b) = (self.text(a, text), self.text(b, text));
                self.choice(a, b)
            }
            Pattern::Interleave(a, b) => {
                let (x, y) = (self.text(a, text), self.text(b, text));
                let (x, y) = (self.interleave(x, b), self.interleave(a, y));
                self.choice(x, y)
            }
            Pattern::Group(a, b) => {
                let first = self.text(a, text);
                let first = self.group(first, b);
                if self.nullable(a) {
                    let second = self.text(b, text);
                    self.choice(first, second)
                } else {
                    first
                }
            }
            Pattern::After(a, b) => {
                let a = self.text(a, text);
                self.after(a, b)
            }
            Pattern::OneOrMore(a) => {
                let more = self.choice(id, EMPTY);
                let first = self.text(a, text);
                self.group(first, more)
            }
            Pattern::Text => TEXT,
            Pattern::Value(data, expected) => {
                let (data, expected) = (&self.datas[data as usize], &self.texts[expected as usize]);
                if data.is(expected, text) { EMPTY } else { NOT_ALLOWED }
            }
            Pattern::Data(data, except) => {
                let fits = self.datas[data as usize].accepts(text);
                let excepted = except.is_some_and(|except| {
                    let after = self.text(except, text);
                    self.nullable(after)
                });
                if fits && !excepted { EMPTY } else { NOT_ALLOWED }
            }
            Pattern::List(a) => {
                let words = collapsed(text);
                let mut rest = a;
                for word in words.split(' ').filter(|word| !word.is_empty()) {
                    rest = self.text(rest, word);
                }
                if self.nullable(rest) { EMPTY } else { NOT_ALLOWED }
            }
            Pattern::Ref(definition) => self.text(self.definition(definition), text),
            _ => NOT_ALLOWED,
        }
    }

    /// After an end tag; `forgiven` goes on as if nothing were missing.
    pub(super) fn end(&mut self, id: Id, forgiven: bool) -> Id {
        match self.get(id) {
            Pattern::Choice(a, b) => {
                let (a, b) = (self.end(a, forgiven), self.end(b, forgiven));
                self.choice(a, b)
            }
            Pattern::After(a, b) => {
                if forgiven || self.nullable(a) {
                    b
                } else {
                    NOT_ALLOWED
                }
            }
            _ => NOT_ALLOWED,
        }
    }

    /// What may come next, for people.
    pub(super) fn expected(&mut self, id: Id, found: &mut Vec<String>) {
        if found.len() >= 12 {
            return;
        }
        match self.get(id) {
            Pattern::Choice(a, b) | Pattern::Interleave(a, b) => {
                self.expected(a, found);
                self.expected(b, found);
            }
            Pattern::Group(a, b) => {
                self.expected(a, found);
                if self.nullable(a) {
                    self.expected(b, found);
                }
            }
            Pattern::OneOrMore(a) | Pattern::After(a, _) => self.expected(a, found),
            Pattern::Ref(definition) => self.expected(self.definition(definition), found),
            Pattern::Element(class, _) => {
                let label = self.classes.get(class as usize).map(NameClass::label).unwrap_or_default();
                if !found.contains(&label) {
                    found.push(label);
                }
            }
            Pattern::Value(_, text) => found.push(format!("« {} »", self.texts[text as usize])),
            Pattern::Attribute(class, _) => {
                let label = self.classes.get(class as usize).map(NameClass::label).unwrap_or_default();
                found.push(format!("l'attribut {label}"));
            }
            _ => {}
        }
    }
}
