//! The events of a well-formed document (XML 1.0, Namespaces in XML 1.0) with their place, given to a [`Handler`].
//!
//! What the underlying tokenizer leaves open is checked here: one root, names, characters, references (the five
//! predefined ones and numbers only), bound prefixes, no document type, and every bound of [`Limits`].

use super::decode::{Decoder, TooLong};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use thiserror::Error;

/// A place in the document as read, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ligne {}, colonne {}", self.line, self.column)
    }
}

/// Bounds of a document.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the document as it comes.
    pub bytes_max: u64,
    /// Elements within elements.
    pub depth_max: usize,
    /// Attributes of one element, declarations of namespaces included.
    pub attributes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 180 << 20, depth_max: 128, attributes_max: 64 }
    }
}

/// An attribute, its value normalised (XML 1.0 §3.3.3).
#[derive(Debug)]
pub struct Attribute<'a> {
    /// Namespace; empty for none.
    pub namespace: &'a str,
    /// Name without prefix.
    pub name: &'a str,
    /// Value.
    pub value: Cow<'a, str>,
}

/// The start of an element.
#[derive(Debug)]
pub struct Element<'a> {
    /// Namespace; empty for none.
    pub namespace: &'a str,
    /// Name without prefix.
    pub name: &'a str,
    /// Attributes, without the declarations of namespaces.
    pub attributes: &'a [Attribute<'a>],
    /// Place of its `<`.
    pub position: Position,
    /// Offset of its `<` in the document as UTF-8 without byte order mark.
    pub offset: u64,
}

impl Element<'_> {
    /// The value of an attribute without namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.namespace.is_empty() && a.name == name).map(|a| &*a.value)
    }
}

/// Asks the reader to stop: the handler has seen enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

/// What is told of a document.
pub trait Handler {
    /// An element begins.
    fn start(&mut self, element: &Element<'_>) -> Result<(), Stop>;
    /// Characters of the element that is open; long ones may come in several pieces.
    fn text(&mut self, text: &str, position: Position) -> Result<(), Stop>;
    /// The innermost element ends; `offset` is that of the byte after its end tag, `position` that of the tag.
    fn end(&mut self, position: Position, offset: u64) -> Result<(), Stop>;
}

/// Why a document is not read.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum XmlError {
    /// It cannot be read at all.
    #[error("lecture impossible : {0}")]
    Io(String),
    /// Longer than [`Limits::bytes_max`].
    #[error("document de plus de {0} octets")]
    TooLong(u64),
    /// An encoding that is not read here.
    #[error("encodage « {0} » non pris en charge")]
    Encoding(String),
    /// Bytes that are not of the encoding it announces.
    #[error("{position} : octets étrangers à l'encodage annoncé")]
    Bytes {
        /// Where.
        position: Position,
    },
    /// A document type declaration.
    #[error("{position} : une déclaration de type de document (DOCTYPE) n'est pas admise")]
    Doctype {
        /// Where.
        position: Position,
    },
    /// Deeper than [`Limits::depth_max`].
    #[error("{position} : plus de {depth_max} niveaux d'éléments")]
    TooDeep {
        /// Where.
        position: Position,
        /// The bound.
        depth_max: usize,
    },
    /// More attributes than [`Limits::attributes_max`].
    #[error("{position} : plus de {attributes_max} attributs")]
    TooManyAttributes {
        /// Where.
        position: Position,
        /// The bound.
        attributes_max: usize,
    },
    /// Anything else that well-formedness forbids.
    #[error("{position} : {detail}")]
    IllFormed {
        /// Where.
        position: Position,
        /// What.
        detail: String,
    },
}

impl XmlError {
    /// Where, when a place can be told.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Io(_) | Self::TooLong(_) | Self::Encoding(_) => None,
            Self::Bytes { position }
            | Self::Doctype { position }
            | Self::TooDeep { position, .. }
            | Self::TooManyAttributes { position, .. }
            | Self::IllFormed { position, .. } => Some(*position),
        }
    }
}

/// Reads a document to its end, or until the handler has seen enough.
pub fn read<R: Read>(input: R, limits: &Limits, handler: &mut impl Handler) -> Result<(), XmlError> {
    let decoder =
        Decoder::new(input, limits.bytes_max).map_err(|error| io_error(&error, limits, Position::default()))?;
    let mut reader = Reader::from_reader(decoder);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    Walk { limits, place: Place::new(), scopes: Scopes::default(), depth: 0, root_seen: false }.run(reader, handler)
}

struct Walk<'l> {
    limits: &'l Limits,
    place: Place,
    scopes: Scopes,
    depth: usize,
    root_seen: bool,
}

impl Walk<'_> {
    fn run<R: Read>(mut self, mut reader: Reader<Decoder<R>>, handler: &mut impl Handler) -> Result<(), XmlError> {
        let mut buffer = Vec::with_capacity(4096);
        let mut before = 0;
        loop {
            buffer.clear();
            let event = match reader.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(error) => return Err(self.syntax(error)),
            };
            let after = reader.buffer_position();
            let position = self.place.position(before);
            let stop = match &event {
                Event::Start(start) => {
                    let stopped = self.start(start, position, before, handler)?;
                    self.place.pass(start, before + 1);
                    stopped
                }
                Event::End(end) => {
                    self.place.pass(end, before + 2);
                    self.depth -= 1;
                    self.scopes.leave(self.depth);
                    handler.end(position, after).is_err()
                }
                Event::Text(text) => {
                    let stopped = self.text(text, &text.xml10_content(), position, handler)?;
                    self.place.pass(text, before);
                    stopped
                }
                Event::CData(text) => {
                    let content = text.xml10_content();
                    self.place.pass(text, before + 9);
                    Self::characters(&content, position)?;
                    self.inside(position)?;
                    handler.text(&content, position).is_err()
                }
                Event::GeneralRef(reference) => {
                    self.inside(position)?;
                    let mut encoded = [0; 4];
                    handler.text(Self::reference(reference, position)?.encode_utf8(&mut encoded), position).is_err()
                }
                Event::Comment(text) => {
                    Self::characters(text, position)?;
                    self.place.pass(text, before + 4);
                    false
                }
                Event::PI(text) => {
                    Self::characters(text, position)?;
                    self.place.pass(text, before + 2);
                    false
                }
                Event::Decl(text) => {
                    if before != 0 {
                        return Err(ill(position, "déclaration XML ailleurs qu'au début"));
                    }
                    self.place.pass(text, before + 2);
                    false
                }
                Event::DocType(_) => return Err(XmlError::Doctype { position }),
                Event::Eof => {
                    return if self.depth > 0 {
                        Err(ill(position, "fin du document avant la fermeture de tous les éléments"))
                    } else if self.root_seen {
                        Ok(())
                    } else {
                        Err(ill(position, "aucun élément"))
                    };
                }
                Event::Empty(_) => return Err(ill(position, "élément vide inattendu")),
            };
            if stop {
                return Ok(());
            }
            before = after;
        }
    }

    fn start(
        &mut self,
        start: &BytesStart<'_>,
        position: Position,
        offset: u64,
        handler: &mut impl Handler,
    ) -> Result<bool, XmlError> {
        if self.depth == 0 && self.root_seen {
            return Err(ill(position, "plus d'un élément racine"));
        }
        if self.depth >= self.limits.depth_max {
            return Err(XmlError::TooDeep { position, depth_max: self.limits.depth_max });
        }
        self.root_seen = true;
        let mut raw = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| ill(position, attribute_fault(&error)))?;
            if raw.len() == self.limits.attributes_max {
                let attributes_max = self.limits.attributes_max;
                return Err(XmlError::TooManyAttributes { position, attributes_max });
            }
            if attribute.value.contains('<') {
                return Err(ill(position, "« < » dans la valeur d'un attribut"));
            }
            Self::characters(&attribute.value, position)?;
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| ill(position, "référence inconnue dans la valeur d'un attribut"))?;
            let name: &str = attribute.key.into_inner();
            self.scopes.declare(self.depth, name, &value, position)?;
            raw.push((name.to_owned(), value.into_owned()));
        }
        let qualified = start.name();
        let (namespace, name) = self.scopes.resolve(qualified.into_inner(), true, position)?;
        let mut attributes = Vec::with_capacity(raw.len());
        for (qualified, value) in &raw {
            if qualified == "xmlns" || qualified.starts_with("xmlns:") {
                continue;
            }
            let (namespace, name) = self.scopes.resolve(qualified, false, position)?;
            if attributes.iter().any(|a: &Attribute<'_>| a.name == name && a.namespace == namespace) {
                return Err(ill(position, "attribut répété"));
            }
            attributes.push(Attribute { namespace, name, value: Cow::Borrowed(value) });
        }
        self.depth += 1;
        let element = Element { namespace, name, attributes: &attributes, position, offset };
        Ok(handler.start(&element).is_err())
    }

    fn text(&self, raw: &str, content: &str, position: Position, handler: &mut impl Handler) -> Result<bool, XmlError> {
        Self::characters(raw, position)?;
        if memchr::memchr(b']', raw.as_bytes()).is_some() && raw.contains("]]>") {
            return Err(ill(position, "« ]]> » dans du texte"));
        }
        if self.depth == 0 {
            return if raw.trim_ascii().is_empty() { Ok(false) } else { Err(ill(position, "texte hors de la racine")) };
        }
        Ok(handler.text(content, position).is_err())
    }

    fn inside(&self, position: Position) -> Result<(), XmlError> {
        if self.depth == 0 { Err(ill(position, "texte hors de la racine")) } else { Ok(()) }
    }

    /// `Char` of XML 1.0: no control but tab and line breaks, neither U+FFFE nor U+FFFF.
    fn characters(text: &str, position: Position) -> Result<(), XmlError> {
        let bytes = text.as_bytes();
        let control = bytes.iter().any(|&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r'));
        let non_character = memchr::memmem::find(bytes, b"\xEF\xBF\xBE").is_some()
            || memchr::memmem::find(bytes, b"\xEF\xBF\xBF").is_some();
        if control || non_character { Err(ill(position, "caractère interdit en XML")) } else { Ok(()) }
    }

    fn reference(name: &quick_xml::events::BytesRef<'_>, position: Position) -> Result<char, XmlError> {
        if name.is_char_ref() {
            let c = name.resolve_char_ref().ok().flatten();
            return c.filter(|c| is_char(*c)).ok_or_else(|| ill(position, "référence à un caractère interdit"));
        }
        Ok(match &**name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => return Err(ill(position, &format!("référence inconnue « &{other}; »"))),
        })
    }

    fn syntax(&mut self, error: quick_xml::Error) -> XmlError {
        let position = self.place.latest();
        match error {
            quick_xml::Error::Io(error) => io_error(&error, self.limits, position),
            quick_xml::Error::Encoding(_) => XmlError::Bytes { position },
            quick_xml::Error::IllFormed(error) => ill(position, &ill_formed(&error)),
            other => ill(position, &format!("syntaxe XML : {other}")),
        }
    }
}

fn ill_formed(error: &quick_xml::errors::IllFormedError) -> String {
    use quick_xml::errors::IllFormedError as E;
    match error {
        E::MissingEndTag(tag) => format!("l'élément « {tag} » n'est pas fermé"),
        E::UnmatchedEndTag(tag) => format!("la balise fermante « {tag} » ne ferme rien"),
        E::MismatchedEndTag { expected, found } => format!("balise fermante « {found} » au lieu de « {expected} »"),
        E::DoubleHyphenInComment => "« -- » dans un commentaire".into(),
        E::UnclosedReference => "référence sans point-virgule".into(),
        other => other.to_string(),
    }
}

fn attribute_fault(error: &quick_xml::events::attributes::AttrError) -> &'static str {
    use quick_xml::events::attributes::AttrError as E;
    match error {
        E::Duplicated(..) => "attribut répété",
        E::UnquotedValue(_) => "valeur d'attribut sans guillemets",
        E::ExpectedQuote(..) => "guillemet fermant absent",
        _ => "attribut mal formé",
    }
}

fn io_error(error: &std::io::Error, limits: &Limits, position: Position) -> XmlError {
    if matches!(error.get_ref(), Some(inner) if inner.is::<TooLong>()) {
        return XmlError::TooLong(limits.bytes_max);
    }
    match error.kind() {
        std::io::ErrorKind::Unsupported => XmlError::Encoding(error.to_string()),
        std::io::ErrorKind::InvalidData if position == Position::default() => XmlError::Io(error.to_string()),
        std::io::ErrorKind::InvalidData => XmlError::Bytes { position },
        _ => XmlError::Io(error.to_string()),
    }
}

fn ill(position: Position, detail: &str) -> XmlError {
    XmlError::IllFormed { position, detail: detail.to_owned() }
}

fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// `NCName`, told by what ASCII forbids; beyond ASCII, anything passes.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80)
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.') || b >= 0x80)
}

/// Where lines begin.
struct Place {
    line: u32,
    line_offset: u64,
    /// Bytes of the line so far that begin no character.
    continuation: u64,
    latest: u64,
}

impl Place {
    fn new() -> Self {
        Self { line: 1, line_offset: 0, continuation: 0, latest: 0 }
    }

    fn position(&mut self, offset: u64) -> Position {
        self.latest = offset;
        self.latest()
    }

    fn latest(&self) -> Position {
        let column = (self.latest.saturating_sub(self.line_offset)).saturating_sub(self.continuation) + 1;
        Position { line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    fn pass(&mut self, raw: &str, offset: u64) {
        let bytes = raw.as_bytes();
        let mut rest = bytes;
        if let Some(last) = memchr::memrchr(b'\n', bytes) {
            let count = memchr::memchr_iter(b'\n', bytes).count();
            self.line = self.line.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            self.line_offset = offset + last as u64 + 1;
            self.continuation = 0;
            rest = &bytes[last + 1..];
        }
        self.continuation += rest.iter().filter(|&&b| b & 0xC0 == 0x80).count() as u64;
    }
}

/// The bindings of prefixes, innermost last.
#[derive(Default)]
struct Scopes {
    bindings: Vec<(usize, String, String)>,
}

impl Scopes {
    fn declare(&mut self, depth: usize, name: &str, value: &str, position: Position) -> Result<(), XmlError> {
        let prefix = match name.strip_prefix("xmlns") {
            Some("") => "",
            Some(rest) if rest.starts_with(':') => &rest[1..],
            _ => return Ok(()),
        };
        if !prefix.is_empty() && (value.is_empty() || prefix == "xmlns" || !is_name(prefix)) {
            return Err(ill(position, "déclaration d'espace de noms invalide"));
        }
        self.bindings.push((depth, prefix.to_owned(), value.to_owned()));
        Ok(())
    }

    fn leave(&mut self, depth: usize) {
        while self.bindings.last().is_some_and(|(at, ..)| *at >= depth) {
            self.bindings.pop();
        }
    }

    fn resolve<'a>(
        &'a self,
        qualified: &'a str,
        element: bool,
        position: Position,
    ) -> Result<(&'a str, &'a str), XmlError> {
        let (prefix, name) = qualified.split_once(':').unwrap_or(("", qualified));
        if !is_name(name) || qualified.starts_with(':') {
            return Err(ill(position, "nom d'élément ou d'attribut invalide"));
        }
        if prefix == "xml" {
            return Ok(("http://www.w3.org/XML/1998/namespace", name));
        }
        if prefix.is_empty() && !element {
            return Ok(("", name));
        }
        match self.bindings.iter().rev().find(|(_, bound, _)| bound == prefix) {
            Some((_, _, namespace)) => Ok((namespace, name)),
            None if prefix.is_empty() => Ok(("", name)),
            None => Err(ill(position, &format!("préfixe « {prefix} » non déclaré"))),
        }
    }
}

#[cfg(test)]
mod tests;
