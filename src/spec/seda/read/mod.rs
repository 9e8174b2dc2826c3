//! Reading a message whole, in one pass: validated, and gathered into the common model.

mod first;
mod second;

use super::check::{Checked, Gate};
use super::manifest::{Extent, Manifest};
use super::xml::{self, Element, Handler, Limits, Position, Stop, XmlError};
use first::First;
pub(super) use first::level;
use second::Second;
use std::io::Read;

/// A well-formed message: what the schema says of it, and what it says.
#[derive(Debug, Default)]
pub struct Message {
    /// The verdicts.
    pub checked: Checked,
    /// The content; whatever could be read when the schema is not respected.
    pub manifest: Manifest,
}

/// Bounds of a message.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of the document.
    pub xml: Limits,
    /// Archive units.
    pub units_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { xml: Limits::default(), units_max: 100_000 }
    }
}

/// Why a message is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not well-formed, or out of bounds.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// More units than allowed.
    #[error("{position} : plus de {units_max} unités d'archives")]
    TooManyUnits {
        /// Where the first one too many begins.
        position: Position,
        /// The bound.
        units_max: usize,
    },
}

/// Reads a message; one of an unknown namespace comes back with neither version nor content.
pub fn read<R: Read>(input: R, bounds: &Bounds) -> Result<Message, ReadError> {
    let mut reading =
        Reading { bounds: *bounds, gate: Gate::default(), gatherer: None, crowded: None, names: Vec::new() };
    xml::read(input, &bounds.xml, &mut reading)?;
    if let Some(position) = reading.crowded {
        return Err(ReadError::TooManyUnits { position, units_max: bounds.units_max });
    }
    let checked = reading.gate.finish();
    let mut manifest = match reading.gatherer {
        Some(Gatherer::First(first)) => first.finish(),
        Some(Gatherer::Second(second)) => second.finish(),
        None => Manifest::default(),
    };
    manifest.version = checked.version;
    manifest.message.clone_from(&checked.message);
    Ok(Message { checked, manifest })
}

enum Gatherer {
    First(First),
    Second(Second),
}

struct Reading {
    bounds: Bounds,
    gate: Gate,
    gatherer: Option<Gatherer>,
    crowded: Option<Position>,
    /// Depths whose element is foreign to the version.
    names: Vec<bool>,
}

impl Handler for Reading {
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        self.gate.start(element)?;
        let Some(version) = self.gate.version() else { return Err(Stop) };
        let gatherer = self.gatherer.get_or_insert_with(|| {
            if version.is_second() { Gatherer::Second(Second::default()) } else { Gatherer::First(First::new(version)) }
        });
        let ours = element.namespace == version.namespace() && self.names.last() != Some(&false);
        self.names.push(ours);
        if !ours {
            return Ok(());
        }
        let units = match gatherer {
            Gatherer::First(first) => first.start(element),
            Gatherer::Second(second) => second.start(element),
        };
        if units > self.bounds.units_max {
            self.crowded = Some(element.position);
            return Err(Stop);
        }
        Ok(())
    }

    fn text(&mut self, text: &str, position: Position) -> Result<(), Stop> {
        self.gate.text(text, position)?;
        if self.names.last() == Some(&true) {
            match &mut self.gatherer {
                Some(Gatherer::First(first)) => first.leaf.push(text),
                Some(Gatherer::Second(second)) => second.leaf.push(text),
                None => {}
            }
        }
        Ok(())
    }

    fn end(&mut self, position: Position, offset: u64) -> Result<(), Stop> {
        self.gate.end(position, offset)?;
        if self.names.pop() == Some(true) {
            match &mut self.gatherer {
                Some(Gatherer::First(first)) => first.end(offset),
                Some(Gatherer::Second(second)) => second.end(offset),
                None => {}
            }
        }
        Ok(())
    }
}

/// The text of the innermost leaf that is wanted.
#[derive(Debug, Default)]
struct Leaf {
    text: String,
    wanted: bool,
}

impl Leaf {
    fn begin(&mut self, wanted: bool) {
        self.text.clear();
        self.wanted = wanted;
    }

    fn push(&mut self, text: &str) {
        if self.wanted {
            self.text.push_str(text);
        }
    }

    fn value(&self) -> &str {
        self.text.trim_matches([' ', '\t', '\n', '\r'])
    }
}

fn extent(start: u64, end: u64) -> Extent {
    Extent { start, end }
}
