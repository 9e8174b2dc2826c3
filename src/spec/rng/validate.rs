//! A document held to a grammar as it is read. After a fault the validation goes on as well as it can: an element that has no
//! place is passed over with what it contains, and what is missing at the end of an element is taken as there.

use super::arena::{Arena, Id, NOT_ALLOWED};
use super::load::Grammar;
use crate::spec::seda::xml::{self, Element, Handler, Limits, Position, Stop, XmlError};
use std::fmt;
use std::io::Read;

/// The most faults told.
pub(super) const FAULTS_MAX: usize = 50;

/// Longest text compared, in bytes; a longer one is no value of a profile.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Where a document leaves its grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub position: Position,
    /// What, in French.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} : {}", self.position, self.detail)
    }
}

/// Holds a document to a grammar: what is wrong, at most the first fifty faults.
///
/// # Errors
///
/// What is not well-formed, or out of bounds.
pub fn validate<R: Read>(grammar: &Grammar, input: R, limits: &Limits) -> Result<Vec<Fault>, XmlError> {
    let mut validator = Validator::new(grammar);
    xml::read(input, limits, &mut validator)?;
    Ok(validator.faults)
}

/// A validation under way.
#[derive(Debug)]
pub struct Validator {
    arena: Arena,
    pattern: Id,
    /// Faults so far.
    pub faults: Vec<Fault>,
    /// Text since the last tag, and where it began.
    text: String,
    text_at: Position,
    /// Of each open element: its name, and whether it has had a child.
    open: Vec<(String, bool)>,
    /// Depth within an element that is passed over.
    skipped: usize,
    /// A fault in the text of the element that is open was told: its end tells no other.
    forgive: bool,
}

impl Validator {
    /// A validation by `grammar`.
    pub fn new(grammar: &Grammar) -> Self {
        Self {
            arena: grammar.arena.clone(),
            pattern: grammar.start,
            faults: Vec::new(),
            text: String::new(),
            text_at: Position::default(),
            open: Vec::new(),
            skipped: 0,
            forgive: false,
        }
    }

    fn fault(&mut self, position: Position, detail: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { position, detail });
        }
    }

    fn expected(&mut self) -> String {
        let mut found = Vec::new();
        self.arena.expected(self.pattern, &mut found);
        if found.is_empty() { "rien".to_owned() } else { found.join(", ") }
    }

    /// The text before a tag: white space between elements is nothing.
    fn take_text(&mut self, at_end: bool) {
        let text = std::mem::take(&mut self.text);
        let blank = text.trim_matches([' ', '\t', '\r', '\n']).is_empty();
        let had_children = self.open.last().is_some_and(|(_, children)| *children);
        if blank && (!at_end || had_children) {
            return;
        }
        let after = self.arena.text(self.pattern, &text);
        // An element without a child may be empty, or hold white space.
        let after = if blank { self.arena.choice(after, self.pattern) } else { after };
        if after == NOT_ALLOWED {
            let name = self.open.last().map(|(name, _)| name.clone()).unwrap_or_default();
            let (shown, expected) = (shown(&text), self.expected());
            self.fault(self.text_at, format!("« {shown} » dans « {name} » ; attendu : {expected}"));
            // As if the right text had been there.
            if let Some((_, children)) = self.open.last_mut() {
                *children = true;
            }
            self.forgive = true;
        } else {
            self.pattern = after;
        }
    }
}

fn shown(text: &str) -> String {
    let text = text.trim();
    let short: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

impl Handler for Validator {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        if self.faults.len() >= FAULTS_MAX {
            return Err(Stop);
        }
        if self.skipped > 0 {
            self.skipped += 1;
            return Ok(());
        }
        self.take_text(false);
        if let Some((_, children)) = self.open.last_mut() {
            *children = true;
        }
        let opened = self.arena.open(self.pattern, element.namespace, element.name);
        if opened == NOT_ALLOWED {
            let expected = self.expected();
            let name = shown(element.name);
            self.fault(element.position, format!("l'élément « {name} » n'est pas attendu ici ; attendu : {expected}"));
            self.skipped = 1;
            return Ok(());
        }
        let mut with = opened;
        for attribute in element.attributes {
            let after = self.arena.attribute(with, attribute.namespace, attribute.name, &attribute.value);
            if after == NOT_ALLOWED {
                let (name, value) = (shown(attribute.name), shown(&attribute.value));
                let detail = format!("attribut {name}=« {value} » de « {} » non prévu par le profil", element.name);
                self.fault(element.position, detail);
            } else {
                with = after;
            }
        }
        let closed = self.arena.close(with);
        if closed == NOT_ALLOWED {
            self.pattern = with;
            let expected = self.expected();
            let name = shown(element.name);
            self.fault(element.position, format!("« {name} » : il manque {expected}"));
            self.skipped = 1;
            // What follows it is still expected.
            self.pattern = self.arena.end(with, true);
            return Ok(());
        }
        self.pattern = closed;
        self.open.push((element.name.to_owned(), false));
        Ok(())
    }

    fn text(&mut self, text: &str, position: Position) -> Result<(), Stop> {
        if self.skipped == 0 && self.text.len() < TEXT_BYTES_MAX {
            if self.text.is_empty() {
                self.text_at = position;
            }
            self.text.push_str(text);
        }
        Ok(())
    }

    fn end(&mut self, position: Position, _: u64) -> Result<(), Stop> {
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(());
        }
        self.take_text(true);
        let forgiven = std::mem::take(&mut self.forgive);
        let ended = self.arena.end(self.pattern, forgiven);
        if ended == NOT_ALLOWED {
            let name = self.open.last().map(|(name, _)| name.clone()).unwrap_or_default();
            let expected = self.expected();
            self.fault(position, format!("« {name} » est incomplet ; attendu : {expected}"));
            self.pattern = self.arena.end(self.pattern, true);
        } else {
            self.pattern = ended;
        }
        self.open.pop();
        if self.arena.crowded {
            self.fault(position, "profil trop complexe pour ce bordereau : contrôle interrompu".into());
            return Err(Stop);
        }
        Ok(())
    }
}
