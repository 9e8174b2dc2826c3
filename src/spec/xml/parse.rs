//! One pass over the bytes: well-formedness of XML 1.0 and of Namespaces 1.0, and the nodes in document order.

use super::chars::{is_name, is_name_start, is_space};
use super::charset::{Charset, settle};
use super::decode::{self, Place};
use super::scope::Scope;
use super::tree::{Document, Kind, Names, Node};
use super::{Limits, XML_NS, XMLNS_NS, XmlError};
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// Reads a document.
pub(super) fn parse<'a>(input: &'a [u8], limits: &Limits) -> Result<Document<'a>, XmlError> {
    let over = |limit| XmlError::Limit { what: "octets", limit, line: 1 };
    // Places are numbers of 32 bits.
    let size_bytes_max = limits.size_bytes_max.min(u32::MAX as usize - 1);
    if input.len() > size_bytes_max {
        return Err(over(size_bytes_max));
    }
    let (bytes, charset, forbidden) = settle(input)?;
    if bytes.len() > size_bytes_max {
        return Err(over(size_bytes_max));
    }
    let mut parser = Parser {
        bytes: &bytes,
        charset,
        limits,
        at: 0,
        nodes: Vec::new(),
        open: Vec::new(),
        scope: Scope::default(),
        names: Names::default(),
        identified: Vec::new(),
        tag: Tag::default(),
    };
    if let Some(at) = forbidden {
        return Err(parser.malformed(at, "caractère interdit en XML"));
    }
    let root = parser.document()?;
    let Parser { mut nodes, names, identified, .. } = parser;
    nodes.shrink_to_fit();
    Ok(Document::new(bytes, charset, nodes, names, identified, root))
}

struct Parser<'b> {
    bytes: &'b [u8],
    charset: Charset,
    limits: &'b Limits,
    at: usize,
    nodes: Vec<Node>,
    /// The elements that are open, as indexes of nodes.
    open: Vec<u32>,
    scope: Scope<'b>,
    names: Names,
    /// Elements with an attribute that may be an identifier.
    identified: Vec<u32>,
    tag: Tag,
}

/// The start tag being read; kept to be filled again.
#[derive(Default)]
struct Tag {
    attributes: Vec<Attribute>,
}

struct Attribute {
    name: Range<usize>,
    colon: Option<usize>,
    value: Range<usize>,
}

impl<'b> Parser<'b> {
    fn document(&mut self) -> Result<u32, XmlError> {
        self.declaration()?;
        let mut root = None;
        while self.at < self.bytes.len() {
            self.text()?;
            let rest = &self.bytes[self.at..];
            match rest {
                [] => break,
                [b'<', b'/', ..] => self.end_tag()?,
                [b'<', b'!', ..] => self.declared(rest)?,
                [b'<', b'?', ..] => self.instruction()?,
                _ => {
                    let node = self.next_node()?;
                    if self.open.is_empty() && root.replace(node).is_some() {
                        return Err(self.malformed(self.at, "un second élément racine"));
                    }
                    self.start_tag()?;
                }
            }
        }
        if !self.open.is_empty() {
            return Err(self.malformed(self.at, "le document s'arrête avant la fin d'un élément"));
        }
        root.ok_or_else(|| self.malformed(self.at, "pas d'élément racine"))
    }

    /// `<?xml version="1.x" encoding="…" standalone="…"?>`, at the very start only.
    fn declaration(&mut self) -> Result<(), XmlError> {
        let Some(rest) = self.bytes.strip_prefix(b"<?xml") else { return Ok(()) };
        if !rest.first().is_some_and(|&byte| is_space(byte)) {
            return Ok(());
        }
        let bad = |parser: &Self| parser.malformed(0, "déclaration XML mal formée");
        let end = memchr::memmem::find(rest, b"?>").ok_or_else(|| bad(self))?;
        let mut left = rest[..end].trim_ascii_end();
        let mut stage = 0;
        while !left.is_empty() {
            if !is_space(left[0]) {
                return Err(bad(self));
            }
            left = left.trim_ascii_start();
            let equals = memchr::memchr(b'=', left).ok_or_else(|| bad(self))?;
            let name = left[..equals].trim_ascii_end();
            let (&quote, value) = left[equals + 1..].trim_ascii_start().split_first().ok_or_else(|| bad(self))?;
            let close = memchr::memchr(quote, value).filter(|_| matches!(quote, b'"' | b'\''));
            let value_end = close.ok_or_else(|| bad(self))?;
            let good = match (name, &value[..value_end]) {
                (b"version", [b'1', b'.', digits @ ..]) => {
                    stage == 0 && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
                }
                (b"encoding", label) => {
                    let tail = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
                    stage == 1 && label.first().is_some_and(u8::is_ascii_alphabetic) && label.iter().all(tail)
                }
                (b"standalone", b"yes" | b"no") => (1..3).contains(&stage),
                _ => false,
            };
            if !good {
                return Err(bad(self));
            }
            stage = match name {
                b"version" => 1,
                b"encoding" => 2,
                _ => 3,
            };
            left = &value[value_end + 1..];
        }
        if stage == 0 {
            return Err(bad(self));
        }
        self.at = b"<?xml".len() + end + 2;
        Ok(())
    }

    /// Text up to the next `<`.
    fn text(&mut self) -> Result<(), XmlError> {
        let start = self.at;
        let mut end = start;
        // One pass for all that counts in a text.
        loop {
            let Some(found) = memchr::memchr3(b'<', b'&', b']', &self.bytes[end..]) else {
                end = self.bytes.len();
                break;
            };
            end += found;
            match self.bytes[end] {
                b'&' => end = self.after_reference(end, self.bytes.len())?,
                b']' if self.bytes[end..].starts_with(b"]]>") && !self.open.is_empty() => {
                    return Err(self.malformed(end, "« ]]> » dans un texte"));
                }
                b']' => end += 1,
                _ => break,
            }
        }
        if start == end {
            return Ok(());
        }
        if self.open.is_empty() {
            let text = &self.bytes[start..end];
            if let Some(at) = text.iter().position(|&byte| !is_space(byte)) {
                return Err(self.malformed(start + at, "du texte hors de l'élément racine"));
            }
        } else {
            self.push(Kind::Text, start..end)?;
        }
        self.at = end;
        Ok(())
    }

    /// `<!…`: a comment, a CDATA section, or what is refused.
    fn declared(&mut self, rest: &[u8]) -> Result<(), XmlError> {
        let start = self.at;
        if let Some(inside) = rest.strip_prefix(b"<!--") {
            let end = memchr::memmem::find(inside, b"--");
            let end = end.ok_or_else(|| self.malformed(start, "commentaire sans fin"))?;
            if inside.get(end + 2) != Some(&b'>') {
                return Err(self.malformed(start + 4 + end, "« -- » dans un commentaire"));
            }
            self.push(Kind::Comment, start + 4..start + 4 + end)?;
            self.at = start + 4 + end + 3;
            return Ok(());
        }
        if let Some(inside) = rest.strip_prefix(b"<![CDATA[") {
            if self.open.is_empty() {
                return Err(self.malformed(start, "une section CDATA hors de l'élément racine"));
            }
            let end = memchr::memmem::find(inside, b"]]>");
            let end = end.ok_or_else(|| self.malformed(start, "section CDATA sans fin"))?;
            self.push(Kind::Cdata, start + 9..start + 9 + end)?;
            self.at = start + 9 + end + 3;
            return Ok(());
        }
        if rest.starts_with(b"<!DOCTYPE") {
            return Err(XmlError::Doctype { line: self.place(start).0 });
        }
        Err(self.malformed(start, "« <! » suivi de rien de connu"))
    }

    fn instruction(&mut self) -> Result<(), XmlError> {
        let start = self.at + 2;
        let (target, colon) = self.qualified_name(start)?;
        if colon.is_some() {
            return Err(self.malformed(start, "« : » dans le nom d'une instruction de traitement"));
        }
        if self.bytes[target.clone()].eq_ignore_ascii_case(b"xml") {
            return Err(self.malformed(start, "une déclaration XML ailleurs qu'au début"));
        }
        let end = memchr::memmem::find(&self.bytes[target.end..], b"?>").map(|at| target.end + at);
        let end = end.ok_or_else(|| self.malformed(start, "instruction de traitement sans fin"))?;
        if end > target.end && !is_space(self.bytes[target.end]) {
            return Err(self.malformed(target.end, "nom d'une instruction de traitement mal formé"));
        }
        self.push(Kind::Instruction, start..end)?;
        self.at = end + 2;
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), XmlError> {
        let start = self.at + 2;
        let Some(node) = self.open.pop() else {
            return Err(self.malformed(self.at, "une fin d'élément sans début"));
        };
        let begun = &self.nodes[node as usize];
        let name = super::tag::name(&self.bytes[begun.start as usize..begun.end as usize]);
        let rest = self.bytes[start..].strip_prefix(name).map(<[u8]>::trim_ascii_start);
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b">")) else {
            return Err(self.malformed(self.at, "la fin d'un élément n'est pas celle du dernier ouvert"));
        };
        self.at = self.bytes.len() - rest.len();
        self.close(node);
        Ok(())
    }

    fn close(&mut self, node: u32) {
        // Lossless: `push` has seen to it.
        let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes[node as usize].next = next;
        self.scope.pop();
    }

    fn start_tag(&mut self) -> Result<(), XmlError> {
        let start = self.at;
        let (name, colon) = self.qualified_name(start + 1)?;
        let mut tag = std::mem::take(&mut self.tag);
        tag.attributes.clear();
        let (end, empty) = self.attributes(name.end, &mut tag)?;
        if self.open.len() >= self.limits.depth_max {
            return Err(self.limit(start, "éléments les uns dans les autres", self.limits.depth_max));
        }
        self.scope.push();
        self.declarations(&tag)?;
        let namespace = self.resolve_element(&name, colon)?;
        let identified = self.check_attributes(&tag)?;
        let node = self.push(Kind::Element, start..end)?;
        self.nodes[node as usize].set_namespace(namespace);
        if identified {
            self.identified.push(node);
        }
        self.tag = tag;
        self.at = end;
        if empty {
            self.close(node);
        } else {
            self.open.push(node);
        }
        Ok(())
    }

    /// Reads attributes from the end of the name; gives where the tag ends, and whether the element is empty.
    fn attributes(&mut self, from: usize, tag: &mut Tag) -> Result<(usize, bool), XmlError> {
        let mut at = from;
        loop {
            let spaces = self.bytes[at..].iter().take_while(|&&byte| is_space(byte)).count();
            at += spaces;
            match &self.bytes[at..] {
                [b'>', ..] => return Ok((at + 1, false)),
                [b'/', b'>', ..] => return Ok((at + 2, true)),
                [] => return Err(self.malformed(from, "le document s'arrête dans une balise")),
                _ if spaces == 0 => return Err(self.malformed(at, "balise mal formée")),
                _ => {}
            }
            if tag.attributes.len() >= self.limits.attributes_max {
                return Err(self.limit(at, "attributs sur un élément", self.limits.attributes_max));
            }
            let (name, colon) = self.qualified_name(at)?;
            let rest = self.bytes[name.end..].trim_ascii_start();
            let Some(rest) = rest.strip_prefix(b"=").map(<[u8]>::trim_ascii_start) else {
                return Err(self.malformed(name.end, "attribut sans valeur"));
            };
            let Some((quote @ (b'"' | b'\''), value)) = rest.split_first() else {
                return Err(self.malformed(self.bytes.len() - rest.len(), "valeur d'attribut sans guillemets"));
            };
            let start = self.bytes.len() - value.len();
            let Some(length) = memchr::memchr2(*quote, b'<', value).filter(|&end| value[end] == *quote) else {
                return Err(self.malformed(start, "« < » dans une valeur d'attribut, ou valeur sans fin"));
            };
            self.references(start..start + length)?;
            tag.attributes.push(Attribute { name, colon, value: start..start + length });
            at = start + length + 1;
        }
    }

    /// Namespace declarations of a tag (Namespaces 1.0 §3).
    fn declarations(&mut self, tag: &Tag) -> Result<(), XmlError> {
        for attribute in &tag.attributes {
            let prefix = match (attribute.colon, &self.bytes[attribute.name.clone()]) {
                (None, b"xmlns") => attribute.name.end..attribute.name.end,
                (Some(colon), name) if name.starts_with(b"xmlns:") => colon + 1..attribute.name.end,
                _ => continue,
            };
            let uri = self.decoded(&attribute.value);
            let prefix_bytes = &self.bytes[prefix.clone()];
            let reserved = (prefix_bytes == b"xml") != (uri == XML_NS) || prefix_bytes == b"xmlns" || uri == XMLNS_NS;
            if reserved || (uri.is_empty() && !prefix.is_empty()) {
                return Err(self.malformed(attribute.name.start, "déclaration d'espace de noms interdite"));
            }
            if self.scope.len() >= self.limits.namespaces_max {
                return Err(self.limit(attribute.name.start, "espaces de noms", self.limits.namespaces_max));
            }
            let name = self.names.intern(&uri);
            self.scope.bind(prefix_bytes, name);
        }
        Ok(())
    }

    fn resolve_element(&self, name: &Range<usize>, colon: Option<usize>) -> Result<u32, XmlError> {
        let Some(colon) = colon else { return Ok(self.scope.get(b"").unwrap_or(Names::NONE)) };
        let prefix = &self.bytes[name.start..colon];
        if prefix == b"xmlns" {
            return Err(self.malformed(name.start, "un élément au préfixe xmlns"));
        }
        self.resolve(prefix).ok_or_else(|| self.malformed(name.start, "préfixe sans espace de noms"))
    }

    fn resolve(&self, prefix: &[u8]) -> Option<u32> {
        if prefix == b"xml" { Some(Names::XML) } else { self.scope.get(prefix) }
    }

    /// No two attributes of one name, as written and as understood; says whether one may be an identifier.
    fn check_attributes(&self, tag: &Tag) -> Result<bool, XmlError> {
        const FEW: usize = 8;
        let mut identified = false;
        let (mut few, mut many) = ([(0_u32, &b""[..]); FEW], HashSet::new());
        for (index, attribute) in tag.attributes.iter().enumerate() {
            let name = &self.bytes[attribute.name.clone()];
            let key = match attribute.colon {
                None => (Names::NONE, name),
                Some(_) if name.starts_with(b"xmlns:") => (Names::XMLNS, &name[6..]),
                Some(colon) => {
                    let namespace = self.resolve(&self.bytes[attribute.name.start..colon]);
                    let namespace =
                        namespace.ok_or_else(|| self.malformed(attribute.name.start, "préfixe sans espace de noms"))?;
                    (namespace, &self.bytes[colon + 1..attribute.name.end])
                }
            };
            identified |= super::tree::may_identify(key.0, key.1);
            let again = if tag.attributes.len() <= FEW {
                let again = few[..index].contains(&key);
                few[index] = key;
                again
            } else {
                !many.insert(key)
            };
            if again {
                return Err(self.malformed(attribute.name.start, "deux attributs de même nom"));
            }
        }
        Ok(identified)
    }

    /// Reads `NCName` or `NCName:NCName` at a place; gives where it is, and where its colon is.
    fn qualified_name(&self, start: usize) -> Result<(Range<usize>, Option<usize>), XmlError> {
        let (mut at, mut colon, mut begins) = (start, None, true);
        while let Some((c, width)) = self.character(at) {
            if c == ':' && !begins && colon.is_none() {
                colon = Some(at);
                begins = true;
            } else if if begins { is_name_start(c) } else { is_name(c) } {
                begins = false;
            } else {
                break;
            }
            at += width;
        }
        if begins {
            return Err(self.malformed(at, "nom mal formé"));
        }
        Ok((start..at, colon))
    }

    /// The character at a place, and its width in bytes.
    fn character(&self, at: usize) -> Option<(char, usize)> {
        let &first = self.bytes.get(at)?;
        if first.is_ascii() || self.charset == Charset::Latin1 {
            return Some((char::from(first), 1));
        }
        let width = match first {
            0xF0.. => 4,
            0xE0..0xF0 => 3,
            _ => 2,
        };
        let text = std::str::from_utf8(self.bytes.get(at..at + width)?).ok()?;
        text.chars().next().map(|c| (c, width))
    }

    /// Checks that every `&` begins a reference that is allowed.
    fn references(&self, range: Range<usize>) -> Result<(), XmlError> {
        let mut at = range.start;
        while let Some(found) = memchr::memchr(b'&', &self.bytes[at..range.end]) {
            at = self.after_reference(at + found, range.end)?;
        }
        Ok(())
    }

    /// Reads the reference that an `&` begins, within `limit`; gives where it ends.
    fn after_reference(&self, ampersand: usize, limit: usize) -> Result<usize, XmlError> {
        let after = ampersand + 1;
        // No reference is longer, but for leading zeros.
        let window = &self.bytes[after..limit.min(after + 32)];
        let end = memchr::memchr(b';', window).filter(|&end| decode::reference(&window[..end]).is_some());
        end.map(|end| after + end + 1).ok_or_else(|| {
            let (line, column) = self.place(ampersand);
            XmlError::Entity { line, column }
        })
    }

    fn decoded(&self, value: &Range<usize>) -> Cow<'b, str> {
        decode::decoded(&self.bytes[value.clone()], Place::Attribute, self.charset)
    }

    fn next_node(&self) -> Result<u32, XmlError> {
        match u32::try_from(self.nodes.len()) {
            Ok(node) if self.nodes.len() < self.limits.nodes_max => Ok(node),
            _ => Err(self.limit(self.at, "nœuds", self.limits.nodes_max)),
        }
    }

    fn push(&mut self, kind: Kind, range: Range<usize>) -> Result<u32, XmlError> {
        let node = self.next_node()?;
        let parent = self.open.last().copied().unwrap_or(Node::NO_PARENT);
        // Lossless: the size was checked against 32 bits.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.nodes.push(Node::new(kind, place(range.start)..place(range.end), parent, node + 1));
        Ok(node)
    }

    /// Line and column of a byte, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        super::tree::place(self.bytes, at)
    }

    fn malformed(&self, at: usize, what: &'static str) -> XmlError {
        let (line, column) = self.place(at);
        XmlError::Malformed { what, line, column }
    }

    fn limit(&self, at: usize, what: &'static str, limit: usize) -> XmlError {
        XmlError::Limit { what, limit, line: self.place(at).0 }
    }
}
