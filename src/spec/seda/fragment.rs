//! The XML of each archive unit on its own: its element without the units it contains, with the declarations of namespaces
//! that were in force there, so that it is a document by itself.

use super::manifest::Manifest;
use super::xml::Decoder;
use memchr::{memchr, memchr3, memmem};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// Declarations kept around an element, the innermost ones: bordereaux have a handful, and what repeats them in every unit
/// must not be made long on purpose.
const DECLARATIONS_MAX: usize = 64;

/// A document as the extents of its [`Manifest`] count it: UTF-8 without byte order mark.
///
/// # Errors
///
/// What reading says, and documents longer than `bytes_max`.
pub fn decoded<R: Read>(input: R, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    Decoder::new(input, bytes_max)?.read_to_end(&mut document)?;
    Ok(document)
}

/// The units of a document that has been read.
#[derive(Debug)]
pub struct Fragments<'a> {
    document: &'a [u8],
    manifest: &'a Manifest,
    /// Of each unit, those it contains.
    children: Vec<Vec<u32>>,
    /// Of each unit, the declarations in force around it.
    scopes: Vec<Scope>,
}

/// Declarations of namespaces, outermost first: where their attributes are in the document.
type Scope = Arc<[Range<usize>]>;

impl<'a> Fragments<'a> {
    /// The units of `document`, from which `manifest` was read.
    pub fn new(document: &'a [u8], manifest: &'a Manifest) -> Self {
        let mut children = vec![Vec::new(); manifest.units.len()];
        for (index, unit) in (0_u32..).zip(&manifest.units) {
            if let Some(below) = unit.parent.and_then(|parent| children.get_mut(parent as usize)) {
                below.push(index);
            }
        }
        let starts: Vec<usize> = manifest.units.iter().map(|unit| place(unit.whole.start)).collect();
        Self { document, manifest, children, scopes: scopes(document, &starts) }
    }

    /// A unit's own XML; `None` when it has no extent in the document.
    pub fn unit(&self, index: u32) -> Option<Vec<u8>> {
        let unit = self.manifest.units.get(index as usize)?;
        let (start, end) = (place(unit.whole.start), place(unit.whole.end));
        let tag = Tag::at(self.document, start)?;
        let mut own = Vec::with_capacity(end.saturating_sub(start).min(1 << 16));
        own.extend_from_slice(self.document.get(start..tag.name.end)?);
        for declaration in self.inherited(index, &tag) {
            own.push(b' ');
            own.extend_from_slice(declaration);
        }
        let mut from = tag.name.end;
        for &child in self.children.get(index as usize)? {
            let child = self.manifest.units.get(child as usize)?.whole;
            own.extend_from_slice(self.document.get(from..place(child.start))?);
            from = place(child.end);
        }
        own.extend_from_slice(self.document.get(from..end)?);
        Some(own)
    }

    /// The prefix of a unit's element with its colon, possibly empty: what it contains has the same, as a rule.
    pub fn prefix(&self, index: u32) -> &'a [u8] {
        let start = self.manifest.units.get(index as usize).map_or(usize::MAX, |unit| place(unit.whole.start));
        let name = Tag::at(self.document, start).and_then(|tag| self.document.get(tag.name)).unwrap_or_default();
        memchr(b':', name).and_then(|colon| name.get(..=colon)).unwrap_or_default()
    }

    /// The innermost declaration of each prefix around a unit, but those it declares itself.
    fn inherited(&self, index: u32, tag: &Tag) -> Vec<&'a [u8]> {
        let text = |range: &Range<usize>| self.document.get(range.clone()).unwrap_or_default();
        let mut seen: Vec<&[u8]> = tag.declarations.iter().map(|range| declared(text(range))).collect();
        let mut found = Vec::new();
        for range in self.scopes.get(index as usize).into_iter().flat_map(|scope| scope.iter().rev()) {
            let name = declared(text(range));
            if !seen.contains(&name) {
                seen.push(name);
                found.push(text(range));
            }
        }
        found
    }
}

/// The name of a declaration: `xmlns` or `xmlns:prefix`.
fn declared(attribute: &[u8]) -> &[u8] {
    let end = memchr(b'=', attribute).unwrap_or(attribute.len());
    attribute.get(..end).unwrap_or_default().trim_ascii_end()
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// A start tag, of a document known to be well-formed.
struct Tag {
    name: Range<usize>,
    declarations: Vec<Range<usize>>,
    /// The byte after its `>`.
    end: usize,
    /// `<a/>`.
    empty: bool,
}

impl Tag {
    fn at(document: &[u8], start: usize) -> Option<Self> {
        let rest = document.get(start + 1..)?;
        let length = rest.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'))?;
        let name = start + 1..start + 1 + length;
        let (mut at, mut declarations) = (name.end, Vec::new());
        loop {
            let more = document.get(at..)?;
            let next = at + memchr3(b'"', b'\'', b'>', more)?;
            let quote = *document.get(next)?;
            if quote == b'>' {
                let empty = document.get(next - 1) == Some(&b'/');
                return Some(Self { name, declarations, end: next + 1, empty });
            }
            let close = next + 1 + memchr(quote, document.get(next + 1..)?)?;
            let spaces = document.get(at..next)?.iter().take_while(|b| b.is_ascii_whitespace()).count();
            if document.get(at + spaces..next)?.starts_with(b"xmlns") {
                declarations.push(at + spaces..close + 1);
            }
            at = close + 1;
        }
    }
}

/// The declarations in force around each of the elements that begin at `starts`, which are in the document's order.
fn scopes(document: &[u8], starts: &[usize]) -> Vec<Scope> {
    let mut scopes = Vec::with_capacity(starts.len());
    let mut open: Vec<Scope> = vec![Arc::from([])];
    let mut at = 0;
    while scopes.len() < starts.len() {
        let Some(next) = document.get(at..).and_then(|rest| memchr(b'<', rest)).map(|found| at + found) else { break };
        let after = |mark: &[u8]| {
            let rest = document.get(next..)?;
            memmem::find(rest, mark).map(|found| next + found + mark.len())
        };
        let moved = match document.get(next + 1) {
            Some(b'!') if document.get(next..).is_some_and(|rest| rest.starts_with(b"<!--")) => after(b"-->"),
            Some(b'!') => after(b"]]>"),
            Some(b'?') => after(b"?>"),
            Some(b'/') => {
                if open.len() > 1 {
                    open.pop();
                }
                after(b">")
            }
            _ => Tag::at(document, next).map(|tag| {
                let around = open.last().cloned().unwrap_or_else(|| Arc::from([]));
                if starts.get(scopes.len()) == Some(&next) {
                    scopes.push(around.clone());
                }
                if !tag.empty {
                    let inside = if tag.declarations.is_empty() {
                        around
                    } else {
                        let all = around.len() + tag.declarations.len();
                        let beyond = all.saturating_sub(DECLARATIONS_MAX);
                        around.iter().cloned().chain(tag.declarations).skip(beyond).collect()
                    };
                    open.push(inside);
                }
                tag.end
            }),
        };
        let Some(moved) = moved else { break };
        at = moved;
    }
    scopes.resize(starts.len(), Arc::from([]));
    scopes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::seda::{Bounds, read};

    const DOCUMENT: &str = r#"<?xml version="1.0"?>
<!-- <a xmlns="no"> --><s:ArchiveTransfer xmlns:s="fr:gouv:culture:archivesdefrance:seda:v2.1" xmlns:x='other>'>
<s:Date>2026-01-01T00:00:00</s:Date><s:MessageIdentifier>M</s:MessageIdentifier><s:CodeListVersions/>
<s:DataObjectPackage xmlns:y="y"><s:DescriptiveMetadata xmlns:x="nearer">
<s:ArchiveUnit id="A"><s:Content><s:Title>a</s:Title></s:Content><s:ArchiveUnit id="B" xmlns:y="own"><s:Content>
<s:Title x:k="&gt;">b</s:Title></s:Content></s:ArchiveUnit> tail</s:ArchiveUnit>
</s:DescriptiveMetadata><s:ManagementMetadata/></s:DataObjectPackage>
<s:ArchivalAgency><s:Identifier>a</s:Identifier></s:ArchivalAgency>
<s:TransferringAgency><s:Identifier>t</s:Identifier></s:TransferringAgency></s:ArchiveTransfer>"#;

    #[test]
    fn each_unit_stands_alone_without_those_below() {
        let message = read(DOCUMENT.as_bytes(), &Bounds::default()).unwrap();
        let fragments = Fragments::new(DOCUMENT.as_bytes(), &message.manifest);
        let text = |index| String::from_utf8(fragments.unit(index).unwrap()).unwrap();
        assert_eq!(
            text(0),
            "<s:ArchiveUnit xmlns:x=\"nearer\" xmlns:y=\"y\" xmlns:s=\"fr:gouv:culture:archivesdefrance:seda:v2.1\" \
             id=\"A\"><s:Content><s:Title>a</s:Title></s:Content> tail</s:ArchiveUnit>"
        );
        assert!(
            text(1).starts_with("<s:ArchiveUnit xmlns:x=\"nearer\" xmlns:s=") && text(1).contains("xmlns:y=\"own\"")
        );
        assert_eq!(fragments.prefix(1), b"s:");
        assert_eq!(fragments.unit(2), None);
    }
}
