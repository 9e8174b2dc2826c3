//! Canonical XML 1.0 and 1.1 and Exclusive Canonical XML 1.0, written into a sink as the nodes are passed: no copy of the
//! document is made, and the time is linear in the document however many namespaces are in force.
//!
//! What is canonicalised is a [`Selection`]: every element of it has its parent in it, but for the topmost. That is what
//! makes the rules short: only the topmost element inherits anything.

use super::decode::{self, Place};
use super::scope::Scope;
use super::tag;
use super::tree::{Document, Element, Kind, Names, Selection};
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// A canonicalisation method, by its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Canonical XML 1.0.
    Inclusive10,
    /// Canonical XML 1.1: `xml:id` is not inherited, `xml:base` is joined.
    Inclusive11,
    /// Exclusive Canonical XML 1.0: only the namespaces that are used.
    Exclusive,
}

/// A canonicalisation method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Its rules.
    pub rules: Rules,
    /// Whether comments are written, when the selection has them.
    pub comments: bool,
    /// The `PrefixList` of `InclusiveNamespaces`: prefixes that the exclusive form treats as the inclusive one does,
    /// `#default` for the default namespace.
    pub prefixes: Vec<String>,
}

const URIS: [(&str, Rules, bool); 6] = [
    ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", Rules::Inclusive10, false),
    ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments", Rules::Inclusive10, true),
    ("http://www.w3.org/2006/12/xml-c14n11", Rules::Inclusive11, false),
    ("http://www.w3.org/2006/12/xml-c14n11#WithComments", Rules::Inclusive11, true),
    ("http://www.w3.org/2001/10/xml-exc-c14n#", Rules::Exclusive, false),
    ("http://www.w3.org/2001/10/xml-exc-c14n#WithComments", Rules::Exclusive, true),
];

impl Method {
    /// The method that XML Signature names by an URI; `None` when it is none of the six.
    pub fn of_uri(uri: &str) -> Option<Self> {
        let &(_, rules, comments) = URIS.iter().find(|(known, ..)| *known == uri)?;
        Some(Self { rules, comments, prefixes: Vec::new() })
    }

    /// The URI that names it.
    pub fn uri(&self) -> &'static str {
        let same = |known: &&(&str, Rules, bool)| known.1 == self.rules && known.2 == self.comments;
        URIS.iter().find(same).map_or("", |known| known.0)
    }
}

/// Writes the canonical form of a selection.
pub fn write(document: &Document<'_>, selection: &Selection, method: &Method, sink: &mut dyn FnMut(&[u8])) {
    let listed = method.prefixes.iter().map(|prefix| match prefix.as_str() {
        "#default" => Cow::Borrowed(""),
        prefix => Cow::Borrowed(prefix),
    });
    let mut writer = Writer {
        document,
        selection,
        method,
        listed: listed.collect(),
        in_force: Scope::default(),
        written: Scope::default(),
        out: Out { buffer: Vec::with_capacity(BUFFER), sink },
        open: Vec::new(),
        declarations: Vec::new(),
        attributes: Vec::new(),
    };
    writer.all();
    writer.out.flush();
}

/// The canonical form of a selection, as bytes.
pub fn to_vec(document: &Document<'_>, selection: &Selection, method: &Method) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(document, selection, method, &mut |part| bytes.extend_from_slice(part));
    bytes
}

struct Writer<'d, 's> {
    document: &'d Document<'d>,
    selection: &'s Selection,
    method: &'s Method,
    listed: HashSet<Cow<'s, str>>,
    /// Namespaces in force in the document.
    in_force: Scope<'d>,
    /// Those that what has been written has in force.
    written: Scope<'d>,
    out: Out<'s>,
    /// Open elements: their node, and where their subtree ends.
    open: Vec<(u32, u32)>,
    declarations: Vec<(&'d [u8], u32)>,
    attributes: Vec<Attribute<'d>>,
}

/// An attribute to write. Sorted by namespace name, then local name.
struct Attribute<'d> {
    namespace: &'d str,
    local: &'d [u8],
    name: &'d [u8],
    value: Value<'d>,
}

enum Value<'d> {
    Raw(&'d [u8]),
    Joined(String),
}

impl<'d> Writer<'d, '_> {
    fn all(&mut self) {
        let Range { start, end } = self.selection.nodes();
        let root = self.document.root().node();
        let mut at = start;
        while at < end {
            self.close_until(at);
            if let Some(after) = self.selection.excluded_at(at) {
                at = after;
                continue;
            }
            match self.document.nodes()[at as usize].kind() {
                Kind::Element => self.element(at, at == start || at == root),
                Kind::Text => self.text(at, Place::Text),
                Kind::Cdata => self.text(at, Place::Cdata),
                Kind::Comment => {
                    if self.method.comments && self.selection.has_comments() {
                        self.aside(at, at.cmp(&root), [b"<!--", b"-->"]);
                    }
                }
                Kind::Instruction => self.aside(at, at.cmp(&root), [b"<?", b"?>"]),
            }
            at += 1;
        }
        self.close_until(end);
    }

    /// Writes the end tags of the elements that end before a node.
    fn close_until(&mut self, at: u32) {
        while let Some(&(node, _)) = self.open.last().filter(|(_, end)| *end <= at) {
            self.open.pop();
            self.out.put(b"</");
            self.name(tag::name(self.document.raw(node)));
            self.out.put(b">");
            self.in_force.pop();
            self.written.pop();
        }
    }

    fn text(&mut self, node: u32, place: Place) {
        let (raw, charset) = (self.document.raw(node), self.document.charset());
        decode::write(raw, place, charset, true, &mut |part| self.out.put(part));
    }

    /// A comment or instruction; outside the root element, a line end separates it from that.
    fn aside(&mut self, node: u32, from_root: std::cmp::Ordering, [begin, end]: [&[u8]; 2]) {
        let outside = self.document.nodes()[node as usize].parent == super::tree::Node::NO_PARENT;
        if outside && from_root.is_gt() {
            self.out.put(b"\n");
        }
        self.out.put(begin);
        let raw = self.document.raw(node);
        let (head, data) = if begin == b"<?" {
            // One space between target and data, whatever there was; none when there is no data.
            let target = raw.iter().position(|&byte| super::chars::is_space(byte)).unwrap_or(raw.len());
            (&raw[..target], raw[target..].trim_ascii_start())
        } else {
            (raw, &b""[..])
        };
        let charset = self.document.charset();
        decode::write(head, Place::Aside, charset, true, &mut |part| self.out.put(part));
        if !data.is_empty() {
            self.out.put(b" ");
            decode::write(data, Place::Aside, charset, true, &mut |part| self.out.put(part));
        }
        self.out.put(end);
        if outside && from_root.is_lt() {
            self.out.put(b"\n");
        }
    }

    fn element(&mut self, node: u32, topmost: bool) {
        let document = self.document;
        let raw = document.raw(node);
        self.in_force.push();
        self.written.push();
        if topmost {
            self.inherit(node);
        }
        for declared in tag::attributes(raw) {
            if let Some(prefix) = declared.declares() {
                let uri = document.decoded(declared.value, Place::Attribute);
                self.in_force.bind(prefix, document.names().number(&uri).unwrap_or(Names::NONE));
            }
        }
        let mut attributes = std::mem::take(&mut self.attributes);
        for attribute in tag::attributes(raw).filter(|attribute| attribute.declares().is_none()) {
            attributes.push(self.attribute(attribute));
        }
        if topmost && self.method.rules != Rules::Exclusive && !self.selection.is_document() {
            self.inherit_xml(node, &mut attributes);
        }
        let name = tag::name(raw);
        let mut declarations = std::mem::take(&mut self.declarations);
        if self.method.rules == Rules::Exclusive {
            self.used(name, &attributes, &mut declarations);
        }
        self.included(raw, topmost, &mut declarations);
        declarations.sort_unstable();
        declarations.dedup();
        attributes.sort_by(|a, b| (a.namespace, a.local).cmp(&(b.namespace, b.local)));
        self.out.put(b"<");
        self.name(name);
        for &(prefix, number) in &declarations {
            self.declaration(prefix, number);
        }
        for attribute in &attributes {
            self.put_attribute(attribute);
        }
        self.out.put(b">");
        declarations.clear();
        attributes.clear();
        self.declarations = declarations;
        self.attributes = attributes;
        self.open.push((node, document.nodes()[node as usize].next));
    }

    fn attribute(&self, raw: tag::Raw<'d>) -> Attribute<'d> {
        let (prefix, local) = tag::split(raw.name);
        let number = match prefix {
            b"" => Names::NONE,
            b"xml" => Names::XML,
            _ => self.in_force.get(prefix).unwrap_or(Names::NONE),
        };
        let namespace = self.document.names().name(number);
        Attribute { namespace, local, name: raw.name, value: Value::Raw(raw.value) }
    }

    /// Brings in what the topmost element has in force from the elements around it.
    fn inherit(&mut self, node: u32) {
        let document = self.document;
        let mut around = Vec::new();
        let mut at = document.nodes()[node as usize].parent;
        while at != super::tree::Node::NO_PARENT {
            around.push(at);
            at = document.nodes()[at as usize].parent;
        }
        for &ancestor in around.iter().rev() {
            for declared in tag::attributes(document.raw(ancestor)) {
                if let Some(prefix) = declared.declares() {
                    let uri = document.decoded(declared.value, Place::Attribute);
                    self.in_force.bind(prefix, document.names().number(&uri).unwrap_or(Names::NONE));
                }
            }
        }
    }

    /// The attributes of `xml:` that the topmost element of a subtree takes from the elements around it (Canonical XML
    /// 1.0 §2.4, 1.1 §2.4).
    fn inherit_xml(&self, node: u32, attributes: &mut Vec<Attribute<'d>>) {
        let document = self.document;
        let joins = self.method.rules == Rules::Inclusive11;
        let mut bases = Vec::new();
        let mut at = document.nodes()[node as usize].parent;
        while at != super::tree::Node::NO_PARENT {
            for raw in tag::attributes(document.raw(at)) {
                let (b"xml", local) = tag::split(raw.name) else { continue };
                match local {
                    b"base" if joins => bases.push(document.decoded(raw.value, Place::Attribute)),
                    b"id" if joins => {}
                    _ if joins && !matches!(local, b"lang" | b"space") => {}
                    _ if attributes.iter().any(|has| has.name == raw.name) => {}
                    _ => attributes.push(self.attribute(raw)),
                }
            }
            at = document.nodes()[at as usize].parent;
        }
        if !bases.is_empty() {
            bases.reverse();
            let own = attributes.iter().position(|has| has.name == b"xml:base");
            let own = own.map(|at| attributes.swap_remove(at).value);
            let mut joined = bases.iter().fold(String::new(), |base, next| super::base::join(&base, next));
            if let Some(Value::Raw(raw)) = own {
                joined = super::base::join(&joined, &document.decoded(raw, Place::Attribute));
            }
            if !joined.is_empty() {
                let namespace = super::XML_NS;
                attributes.push(Attribute {
                    namespace,
                    local: b"base",
                    name: b"xml:base",
                    value: Value::Joined(joined),
                });
            }
        }
    }

    /// Exclusive form: the declarations that the element's and its attributes' names need.
    fn used(&mut self, name: &'d [u8], attributes: &[Attribute<'d>], declarations: &mut Vec<(&'d [u8], u32)>) {
        self.need(tag::split(name).0, declarations);
        for attribute in attributes {
            let prefix = tag::split(attribute.name).0;
            if !prefix.is_empty() {
                self.need(prefix, declarations);
            }
        }
    }

    /// Inclusive form: the declarations of the element, and of those around the topmost one. In the exclusive form, those
    /// of the listed prefixes among them.
    fn included(&mut self, raw: &'d [u8], topmost: bool, declarations: &mut Vec<(&'d [u8], u32)>) {
        let exclusive = self.method.rules == Rules::Exclusive;
        if exclusive && self.listed.is_empty() {
            return;
        }
        let prefixes: Vec<&[u8]> = if topmost {
            self.in_force.visible().into_iter().map(|(prefix, _)| prefix).collect()
        } else {
            tag::attributes(raw).filter_map(|raw| raw.declares()).collect()
        };
        for prefix in prefixes {
            if !exclusive || self.listed.contains(&self.document.decoded(prefix, Place::Aside)) {
                self.need(prefix, declarations);
            }
        }
    }

    /// Declares a prefix unless what is written has it already.
    fn need(&mut self, prefix: &'d [u8], declarations: &mut Vec<(&'d [u8], u32)>) {
        if prefix == b"xml" {
            return;
        }
        // Only the default namespace may be unbound; unbound is what it is to begin with.
        let number = self.in_force.get(prefix).unwrap_or(Names::NONE);
        if self.written.get(prefix).unwrap_or(Names::NONE) != number {
            self.written.bind(prefix, number);
            declarations.push((prefix, number));
        }
    }

    fn name(&mut self, name: &[u8]) {
        decode::write(name, Place::Aside, self.document.charset(), true, &mut |part| self.out.put(part));
    }

    fn declaration(&mut self, prefix: &[u8], number: u32) {
        self.out.put(b" xmlns");
        if !prefix.is_empty() {
            self.out.put(b":");
            self.name(prefix);
        }
        self.out.put(b"=\"");
        self.content(self.document.names().name(number));
        self.out.put(b"\"");
    }

    fn put_attribute(&mut self, attribute: &Attribute<'_>) {
        self.out.put(b" ");
        self.name(attribute.name);
        self.out.put(b"=\"");
        match &attribute.value {
            Value::Raw(raw) => {
                let charset = self.document.charset();
                decode::write(raw, Place::Attribute, charset, true, &mut |part| self.out.put(part));
            }
            Value::Joined(value) => self.content(value),
        }
        self.out.put(b"\"");
    }

    /// Writes the value of an attribute that has been decoded.
    fn content(&mut self, value: &str) {
        decode::write_content(value, &mut |part| self.out.put(part));
    }
}

const BUFFER: usize = 8192;

/// Small pieces gathered; long ones passed on as they are.
struct Out<'s> {
    buffer: Vec<u8>,
    sink: &'s mut dyn FnMut(&[u8]),
}

impl Out<'_> {
    fn put(&mut self, part: &[u8]) {
        if self.buffer.len() + part.len() > BUFFER {
            self.flush();
        }
        if part.len() >= BUFFER {
            (self.sink)(part);
        } else {
            self.buffer.extend_from_slice(part);
        }
    }

    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            (self.sink)(&self.buffer);
            self.buffer.clear();
        }
    }
}

/// The canonical form of an element's subtree, as bytes.
pub fn element_to_vec(element: &Element<'_>, method: &Method) -> Vec<u8> {
    to_vec(element.document(), &Selection::subtree(element, true), method)
}
