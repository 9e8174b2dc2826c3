//! A document that has been read: its elements by place, by name and by identifier.

use super::charset::Charset;
use super::decode::{self, Place};
use super::{Limits, XML_NS, XMLNS_NS, XmlError, tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

/// A well-formed document, over its bytes.
pub struct Document<'a> {
    bytes: Cow<'a, [u8]>,
    charset: Charset,
    nodes: Vec<Node>,
    names: Names,
    identified: Vec<u32>,
    root: u32,
    /// Each identifier and its element; `None` when there are several.
    identifiers: OnceLock<HashMap<String, Option<u32>>>,
    /// Each declaration: the element, the prefix as written, and the namespace's number.
    declared: OnceLock<Declared>,
}

type Declared = HashMap<(u32, Box<[u8]>), u32>;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Element,
    Text,
    Cdata,
    Comment,
    Instruction,
}

/// A node, in document order: its subtree is the nodes up to `next`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Of a start tag, the tag; of the others, what is inside their marks.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) parent: u32,
    /// The first node after the subtree.
    pub(super) next: u32,
    /// The kind in the three upper bits, the namespace of an element in the others.
    info: u32,
}

impl Node {
    pub(super) const NO_PARENT: u32 = u32::MAX;
    const KIND_SHIFT: u32 = 29;

    pub(super) fn new(kind: Kind, range: Range<u32>, parent: u32, next: u32) -> Self {
        Self { start: range.start, end: range.end, parent, next, info: (kind as u32) << Self::KIND_SHIFT }
    }

    /// Names are far fewer than 2²⁹: each takes bytes of a document of less than 2³².
    pub(super) fn set_namespace(&mut self, namespace: u32) {
        self.info = (self.info & (7 << Self::KIND_SHIFT)) | (namespace & ((1 << Self::KIND_SHIFT) - 1));
    }

    pub(super) fn kind(&self) -> Kind {
        match self.info >> Self::KIND_SHIFT {
            0 => Kind::Element,
            1 => Kind::Text,
            2 => Kind::Cdata,
            3 => Kind::Comment,
            _ => Kind::Instruction,
        }
    }

    fn namespace(&self) -> u32 {
        self.info & ((1 << Self::KIND_SHIFT) - 1)
    }
}

/// Namespace names, each once.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
}

impl Names {
    /// No namespace.
    pub(super) const NONE: u32 = 0;
    pub(super) const XML: u32 = 1;
    pub(super) const XMLNS: u32 = 2;

    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self { names: Vec::new(), numbers: HashMap::new() };
        for name in ["", XML_NS, XMLNS_NS] {
            names.intern(name);
        }
        names
    }
}

/// Whether an attribute may be an identifier: `Id`, `ID`, `id` without namespace, or `xml:id`.
pub(super) fn may_identify(namespace: u32, local: &[u8]) -> bool {
    match namespace {
        Names::NONE => matches!(local, b"Id" | b"ID" | b"id"),
        Names::XML => local == b"id",
        _ => false,
    }
}

/// Line and column of a byte, both from 1.
pub(super) fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at.min(bytes.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    (line, before.len() - start + 1)
}

/// Siblings that a path counts.
const RANKED_MAX: usize = 2048;

/// What an identifier leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identified<'d> {
    /// No element has it.
    Nothing,
    /// One has.
    One(Element<'d>),
    /// Several have: which is meant cannot be said, and a signature that refers to it may have been moved.
    Several,
}

impl<'a> Document<'a> {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// [`XmlError`]: not well-formed, over a limit, or with what is refused.
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Self, XmlError> {
        super::parse::parse(input, limits)
    }

    pub(super) fn new(
        bytes: Cow<'a, [u8]>,
        charset: Charset,
        nodes: Vec<Node>,
        names: Names,
        identified: Vec<u32>,
        root: u32,
    ) -> Self {
        let (identifiers, declared) = (OnceLock::new(), OnceLock::new());
        Self { bytes, charset, nodes, names, identified, root, identifiers, declared }
    }

    /// The root element.
    pub fn root(&self) -> Element<'_> {
        Element { document: self, node: self.root }
    }

    /// Size of the bytes read, in UTF-8 or ISO-8859-1.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Every element, in document order.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        self.root().descendants()
    }

    /// The element that an identifier names: an attribute `Id`, `ID`, `id` or `xml:id` with this value.
    pub fn identified(&self, identifier: &str) -> Identified<'_> {
        match self.identifiers.get_or_init(|| self.index_identifiers()).get(identifier) {
            None => Identified::Nothing,
            Some(None) => Identified::Several,
            Some(&Some(node)) => Identified::One(Element { document: self, node }),
        }
    }

    fn index_identifiers(&self) -> HashMap<String, Option<u32>> {
        let mut identifiers: HashMap<String, Option<u32>> = HashMap::new();
        for &node in &self.identified {
            for raw in tag::attributes(self.raw(node)) {
                let identifies = match tag::split(raw.name) {
                    (b"", local) => may_identify(Names::NONE, local),
                    (b"xml", local) => may_identify(Names::XML, local),
                    _ => false,
                };
                if identifies {
                    let value = decode::decoded(raw.value, Place::Attribute, self.charset);
                    let found = identifiers.entry(value.into_owned()).or_insert(Some(node));
                    if *found != Some(node) {
                        *found = None;
                    }
                }
            }
        }
        identifiers
    }

    /// The same over bytes of its own.
    pub fn into_owned(self) -> Document<'static> {
        let Self { bytes, charset, nodes, names, identified, root, identifiers, declared } = self;
        let bytes = Cow::Owned(bytes.into_owned());
        Document { bytes, charset, nodes, names, identified, root, identifiers, declared }
    }

    /// The declarations of the whole document, looked for once: what a prefix means at one place must not cost the length
    /// of the tags around it each time it is asked.
    fn declared(&self) -> &Declared {
        self.declared.get_or_init(|| {
            let mut declared = HashMap::new();
            for element in self.elements() {
                for raw in tag::attributes(element.raw()) {
                    if let Some(prefix) = raw.declares() {
                        let name = self.names.number(&self.decoded(raw.value, Place::Attribute));
                        declared.insert((element.node, prefix.into()), name.unwrap_or(Names::NONE));
                    }
                }
            }
            declared
        })
    }

    pub(super) fn charset(&self) -> Charset {
        self.charset
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// What a node's place holds, as it is written.
    pub(super) fn raw(&self, node: u32) -> &[u8] {
        let node = &self.nodes[node as usize];
        &self.bytes[node.start as usize..node.end as usize]
    }

    pub(super) fn decoded<'d>(&self, raw: &'d [u8], place: Place) -> Cow<'d, str> {
        decode::decoded(raw, place, self.charset)
    }

    /// Passes the text of a selection, comments and instructions left out, to `out`: the string that the base64 transform
    /// reads (XMLDSig §6.6.2).
    pub fn write_text(&self, selection: &Selection, out: &mut dyn FnMut(&[u8])) {
        let mut at = selection.nodes.start;
        while at < selection.nodes.end {
            if let Some(after) = selection.excluded_at(at) {
                at = after;
                continue;
            }
            let place = match self.nodes[at as usize].kind() {
                Kind::Text => Some(Place::Text),
                Kind::Cdata => Some(Place::Cdata),
                _ => None,
            };
            if let Some(place) = place {
                decode::write(self.raw(at), place, self.charset, false, out);
            }
            at += 1;
        }
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes, {} nodes)", self.bytes.len(), self.nodes.len())
    }
}

/// An element of a document.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    document: &'d Document<'d>,
    node: u32,
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(std::ptr::from_ref(self.document).cast::<()>(), std::ptr::from_ref(other.document).cast::<()>())
            && self.node == other.node
    }
}

impl Eq for Element<'_> {}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl<'d> Element<'d> {
    /// The document it is in.
    pub fn document(&self) -> &'d Document<'d> {
        self.document
    }

    /// Its rank in document order: of two elements, the one that begins first has the lower.
    pub fn order(&self) -> u32 {
        self.node
    }

    /// Its name without prefix.
    pub fn name(&self) -> Cow<'d, str> {
        self.document.decoded(tag::split(self.raw_name()).1, Place::Aside)
    }

    /// Its name as it is written.
    pub fn qualified_name(&self) -> Cow<'d, str> {
        self.document.decoded(self.raw_name(), Place::Aside)
    }

    /// Its namespace, empty for none.
    pub fn namespace(&self) -> &'d str {
        self.document.names.name(self.document.nodes[self.node as usize].namespace())
    }

    /// Whether it has this name in this namespace.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name() == name && self.namespace() == namespace
    }

    /// The value of an attribute without namespace.
    pub fn attribute(&self, name: &str) -> Option<Cow<'d, str>> {
        let document = self.document;
        // A name is compared as text: it may be in ISO-8859-1.
        tag::attributes(self.raw())
            .find(|raw| document.decoded(raw.name, Place::Aside) == name && raw.declares().is_none())
            .map(|raw| document.decoded(raw.value, Place::Attribute))
    }

    /// Its attributes with their names as written, namespace declarations left out.
    pub fn attributes(&self) -> impl Iterator<Item = (Cow<'d, str>, Cow<'d, str>)> {
        let document = self.document;
        tag::attributes(self.raw())
            .filter(|raw| raw.declares().is_none())
            .map(|raw| (document.decoded(raw.name, Place::Aside), document.decoded(raw.value, Place::Attribute)))
    }

    /// Its identifier: the value of `Id`, `ID`, `id` or `xml:id`, whichever is there.
    pub fn identifier(&self) -> Option<Cow<'d, str>> {
        ["Id", "ID", "id", "xml:id"].into_iter().find_map(|name| self.attribute(name))
    }

    /// The namespace that a prefix (empty for the default) is bound to here.
    pub fn resolve(&self, prefix: &str) -> Option<Cow<'d, str>> {
        if prefix == "xml" {
            return Some(Cow::Borrowed(XML_NS));
        }
        let document = self.document;
        let written: Option<Vec<u8>> = match document.charset {
            Charset::Utf8 => Some(prefix.into()),
            Charset::Latin1 => prefix.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
        };
        let written: Box<[u8]> = written?.into();
        let mut key = (self.node, written);
        loop {
            if let Some(&name) = document.declared().get(&key) {
                return Some(document.names.name(name)).filter(|name| !name.is_empty()).map(Cow::Borrowed);
            }
            key.0 = document.nodes[key.0 as usize].parent;
            if key.0 == Node::NO_PARENT {
                return None;
            }
        }
    }

    /// The element it is in.
    pub fn parent(&self) -> Option<Element<'d>> {
        let parent = self.document.nodes[self.node as usize].parent;
        (parent != Node::NO_PARENT).then_some(Element { document: self.document, node: parent })
    }

    /// The elements directly in it.
    pub fn children(&self) -> impl Iterator<Item = Element<'d>> + use<'d> {
        let document = self.document;
        self.child_nodes()
            .filter(|&node| document.nodes[node as usize].kind() == Kind::Element)
            .map(move |node| Element { document, node })
    }

    /// The first child element of this name.
    pub fn child(&self, namespace: &str, name: &str) -> Option<Element<'d>> {
        self.children().find(|child| child.is(namespace, name))
    }

    /// Itself and every element within, in document order.
    pub fn descendants(&self) -> impl Iterator<Item = Element<'d>> + use<'d> {
        let document = self.document;
        (self.node..document.nodes[self.node as usize].next)
            .filter(|&node| document.nodes[node as usize].kind() == Kind::Element)
            .map(move |node| Element { document, node })
    }

    /// Whether `other` is this element or within it.
    pub fn contains(&self, other: &Element<'_>) -> bool {
        self.document.nodes[self.node as usize].next > other.node && self.node <= other.node
    }

    /// The text directly in it, comments left out.
    pub fn text(&self) -> Cow<'d, str> {
        let document = self.document;
        let mut texts = self.child_nodes().filter_map(|node| match document.nodes[node as usize].kind() {
            Kind::Text => Some(document.decoded(document.raw(node), Place::Text)),
            Kind::Cdata => Some(document.decoded(document.raw(node), Place::Cdata)),
            _ => None,
        });
        let Some(first) = texts.next() else { return Cow::Borrowed("") };
        match texts.next() {
            None => first,
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }

    /// Where its start tag begins, line and column from 1.
    pub fn place(&self) -> (usize, usize) {
        place(&self.document.bytes, self.document.nodes[self.node as usize].start as usize)
    }

    /// Where it is, as names from the root: `/n:PES_Aller/PES_DepenseAller/Bordereau[2]`.
    pub fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(*self);
        while let Some(element) = at {
            let name = element.qualified_name();
            let parent = element.parent();
            let same = |other: &Element<'_>| other.raw_name() == element.raw_name();
            // Among so many siblings, to count them for each of many references would take longer than to read them.
            let ranked =
                |parent: Element<'d>| parent.children().take(RANKED_MAX).filter(same).position(|o| o == element);
            let alone = |parent: Element<'d>| parent.children().take(RANKED_MAX).filter(same).nth(1).is_none();
            steps.push(match parent.map(|parent| (ranked(parent), alone(parent))) {
                None | Some((Some(0), true)) => format!("/{name}"),
                Some((Some(rank), _)) => format!("/{name}[{}]", rank + 1),
                Some((None, _)) => format!("/{name}[ligne {}]", element.place().0),
            });
            at = parent;
        }
        steps.reverse();
        steps.concat()
    }

    fn child_nodes(&self) -> impl Iterator<Item = u32> + use<'d> {
        let nodes = &self.document.nodes;
        let end = nodes[self.node as usize].next;
        let first = Some(self.node + 1).filter(|&first| first < end);
        std::iter::successors(first, move |&node| Some(nodes[node as usize].next).filter(|&next| next < end))
    }

    pub(super) fn node(&self) -> u32 {
        self.node
    }

    fn raw(&self) -> &'d [u8] {
        self.document.raw(self.node)
    }

    fn raw_name(&self) -> &'d [u8] {
        tag::name(self.raw())
    }
}

/// Nodes of a document that are canonicalised together: all of it or one subtree, without some subtrees, with or without
/// comments. What references and transforms of real signatures select is always of this form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    nodes: Range<u32>,
    whole: bool,
    comments: bool,
    /// Apart from one another, in order.
    excluded: Vec<Range<u32>>,
}

impl Selection {
    /// The whole document, with what stands before and after its root element.
    pub fn document(document: &Document<'_>, comments: bool) -> Self {
        let end = u32::try_from(document.nodes.len()).unwrap_or(u32::MAX);
        Self { nodes: 0..end, whole: true, comments, excluded: Vec::new() }
    }

    /// An element and all that is in it.
    pub fn subtree(element: &Element<'_>, comments: bool) -> Self {
        let next = element.document.nodes[element.node as usize].next;
        Self { nodes: element.node..next, whole: false, comments, excluded: Vec::new() }
    }

    /// Takes an element and all that is in it out.
    pub fn exclude(&mut self, element: &Element<'_>) {
        let next = element.document.nodes[element.node as usize].next;
        if element.node <= self.nodes.start && self.nodes.end <= next {
            // Nothing is left.
            self.nodes.end = self.nodes.start;
        }
        // Sorted and apart: what begins at or after it and ends within it goes, what has it already stays.
        let at = self.excluded.partition_point(|range| range.start < element.node);
        if at > 0 && self.excluded[at - 1].end > element.node {
            return;
        }
        let inside = self.excluded[at..].partition_point(|range| range.start < next);
        self.excluded.splice(at..at + inside, std::iter::once(element.node..next));
    }

    /// Keeps only what is also in an element's subtree; `false` when nothing would be left, and nothing is done.
    pub fn intersect(&mut self, element: &Element<'_>) -> bool {
        let next = element.document.nodes[element.node as usize].next;
        let inside = self.nodes.start <= element.node && next <= self.nodes.end;
        if !inside || !self.has(element) {
            return false;
        }
        self.nodes = element.node..next;
        self.whole = false;
        self.excluded.retain(|range| range.start < next && element.node < range.end);
        true
    }

    /// Whether the whole document is selected, exclusions aside.
    pub fn is_document(&self) -> bool {
        self.whole
    }

    /// Whether comments are selected.
    pub fn has_comments(&self) -> bool {
        self.comments
    }

    /// Takes the comments out.
    pub fn drop_comments(&mut self) {
        self.comments = false;
    }

    /// Whether an element is selected.
    pub fn has(&self, element: &Element<'_>) -> bool {
        let at = self.excluded.partition_point(|range| range.end <= element.node);
        self.nodes.contains(&element.node) && self.excluded.get(at).is_none_or(|range| range.start > element.node)
    }

    /// The element that all of it is in: the subtree's, or the root.
    pub fn apex<'d>(&self, document: &'d Document<'d>) -> Element<'d> {
        Element { document, node: if self.whole { document.root } else { self.nodes.start } }
    }

    /// The elements taken out, the outermost only.
    pub fn excluded<'d>(&self, document: &'d Document<'d>) -> impl Iterator<Item = Element<'d>> {
        self.excluded.iter().map(move |range| Element { document, node: range.start })
    }

    /// How many bytes of the document it spans, with exclusions and the tags around it: what canonicalising it costs.
    pub fn size_bytes(&self, document: &Document<'_>) -> usize {
        let tag = |node: u32| document.nodes.get(node as usize).filter(|_| !self.whole);
        let around = std::iter::successors(tag(self.nodes.start), |node| document.nodes.get(node.parent as usize));
        let around: usize = around.skip(1).map(|node| (node.end - node.start) as usize).sum();
        let place = |node: u32| document.nodes.get(node as usize).map(|node| node.start as usize);
        let end = place(self.nodes.end).unwrap_or(document.bytes.len());
        around + end.saturating_sub(place(self.nodes.start).unwrap_or(end))
    }

    pub(super) fn nodes(&self) -> Range<u32> {
        self.nodes.clone()
    }

    /// Where the excluded subtree that begins at a node ends.
    pub(super) fn excluded_at(&self, node: u32) -> Option<u32> {
        let at = self.excluded.binary_search_by_key(&node, |range| range.start).ok()?;
        Some(self.excluded[at].end)
    }
}
