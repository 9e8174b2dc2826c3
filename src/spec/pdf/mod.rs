//! PDF, as far as signatures need it (ISO 32000-1; ETSI EN 319 142): finding objects lazily, signature fields and byte
//! ranges on the raw bytes, and what changed between two revisions.
//!
//! * [`Pdf::open`] reads the cross-reference chain of the last revision, [`Pdf::open_revision`] of an earlier one;
//! * [`signature`] finds signatures and checks where their byte ranges are;
//! * [`change`] compares two revisions of one file.
//!
//! Why not a PDF library: those at hand load every stream, recurse on the input or panic, and a panic stops the daemon.
//! Here nothing is copied but what is asked for, an object is parsed when it is resolved, and every loop ends: tables,
//! chains, nesting and decoded sizes are bounded, and so is the [work](WORK_PER_BYTE) spent on a file as a whole.

pub mod change;
mod filter;
pub mod object;
pub mod signature;
mod steady;
mod xref;

use object::{Dictionary, Object, Parser};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use xref::{Place, Xref};

/// Octets parsed or decoded for one view of a file, per octet of the file. Objects that overlap on purpose end here.
pub const WORK_PER_BYTE: u64 = 6;
/// Added to that, for small files.
pub const WORK_BASE: u64 = 16 * 1024 * 1024;
/// The largest stream decoded.
pub const MAX_STREAM_BYTES: usize = 64 * 1024 * 1024;
/// Objects are kept once read until this many octets were spent: beyond, they are read again rather than pile up.
const CACHED_WORK: u64 = 64 * 1024 * 1024;
/// References followed from one to the next.
const MAX_CHAIN: usize = 32;

/// Why a PDF cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    /// Not the syntax expected.
    #[error("PDF invalide à l'octet {offset} : {expected} attendu")]
    Syntax {
        /// Where.
        offset: usize,
        /// What should have been there.
        expected: &'static str,
    },
    /// The cross-reference chain cannot be followed and no object could be found by scanning.
    #[error("PDF sans table de références utilisable")]
    NoXref,
    /// More than is looked at.
    #[error("PDF refusé, limite dépassée : {0}")]
    Limit(&'static str),
    /// A stream filter not undone here, or damaged data.
    #[error("flux PDF non décodable")]
    Filter,
}

/// One view of a file: the last revision, or an earlier one.
pub struct Pdf<'a> {
    bytes: &'a [u8],
    xref: Xref,
    work: Cell<u64>,
    work_max: u64,
    cache: RefCell<HashMap<u32, Rc<Object>>>,
    containers: RefCell<HashMap<u32, Rc<Container>>>,
    shared: Rc<Shared>,
}

/// What the views of one file have read and would read alike, by its place: revisions share most of their objects.
#[derive(Default)]
struct Shared {
    objects: RefCell<HashMap<(usize, usize), Kept<Object>>>,
    containers: RefCell<HashMap<usize, Kept<Container>>>,
    octets: Cell<u64>,
}

/// Something read, and where it ends: a revision that ends before would have read something else.
struct Kept<T> {
    number: u32,
    end: usize,
    value: Rc<T>,
}

impl<T> Kept<T> {
    fn get(&self, number: u32, size: usize) -> Option<Rc<T>> {
        (self.number == number && self.end <= size).then(|| Rc::clone(&self.value))
    }
}

impl Shared {
    /// Whether to keep something of this size.
    fn takes(&self, octets: usize) -> bool {
        let kept = self.octets.get().saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
        let takes = kept < CACHED_WORK;
        if takes {
            self.octets.set(kept);
        }
        takes
    }
}

/// An object stream, decoded (§ 7.5.7).
struct Container {
    data: Vec<u8>,
    /// Object numbers and where they begin.
    index: Vec<(u32, usize)>,
    /// Where it begins and ends in the file, when every view that reaches so far reads the same.
    end: Option<(usize, usize)>,
}

impl<'a> Pdf<'a> {
    /// Opens the last revision.
    pub fn open(bytes: &'a [u8]) -> Result<Self, PdfError> {
        let xref = xref::read(bytes).or_else(|error| match error {
            PdfError::Limit(_) => Err(error),
            _ => xref::rebuild(bytes),
        })?;
        Ok(Self::with(bytes, xref))
    }

    /// Opens the revision that ends at `end`: its own table only, never a rebuilt one.
    pub fn open_revision(bytes: &'a [u8], end: usize) -> Result<Self, PdfError> {
        let bytes = bytes.get(..end).ok_or(PdfError::NoXref)?;
        Ok(Self::with(bytes, xref::read(bytes)?))
    }

    fn with(bytes: &'a [u8], xref: Xref) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self {
            bytes,
            xref,
            work: Cell::new(0),
            work_max: size.saturating_mul(WORK_PER_BYTE).saturating_add(WORK_BASE),
            cache: RefCell::default(),
            containers: RefCell::default(),
            shared: Rc::default(),
        }
    }

    /// The revision of the same file that ends at `end`, as [`Pdf::open_revision`] would open it.
    pub fn revision(&self, end: usize) -> Result<Self, PdfError> {
        let mut revision = Self::open_revision(self.bytes, end)?;
        revision.shared = Rc::clone(&self.shared);
        Ok(revision)
    }

    /// The bytes of this revision.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The trailer's entries, of the newest section that has them.
    pub fn trailer(&self) -> &Dictionary {
        &self.xref.trailer
    }

    /// Where each cross-reference section begins, in the order of the file: one per revision, two in the first revision
    /// of a linearized file.
    pub fn sections(&self) -> &[usize] {
        &self.xref.sections
    }

    /// Whether the table had to be rebuilt by scanning.
    pub fn is_rebuilt(&self) -> bool {
        self.xref.rebuilt
    }

    /// Whether its strings and streams are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.trailer().get(b"Encrypt").is_some_and(|entry| *entry != Object::Null)
    }

    /// The catalog.
    pub fn catalog(&self) -> Result<Rc<Object>, PdfError> {
        match self.trailer().get(b"Root") {
            Some(root) => self.resolve(root),
            None => Err(PdfError::NoXref),
        }
    }

    /// The object an object stands for: itself, or what it refers to. A reference to nothing is null.
    pub fn resolve(&self, object: &Object) -> Result<Rc<Object>, PdfError> {
        let mut found = Rc::new(object.clone());
        for _ in 0..MAX_CHAIN {
            match *found {
                Object::Reference(number, _) => found = self.object(number)?,
                _ => return Ok(found),
            }
        }
        Err(PdfError::Limit("chaîne de références"))
    }

    /// The value of a dictionary's key, resolved; null when absent.
    pub fn value(&self, dictionary: &Dictionary, key: &[u8]) -> Result<Rc<Object>, PdfError> {
        dictionary.get(key).map_or_else(|| Ok(Rc::new(Object::Null)), |value| self.resolve(value))
    }

    /// Where an object begins in the file; `None` when it is in an object stream or nowhere.
    pub fn offset(&self, number: u32) -> Option<usize> {
        match self.xref.places.get(&number) {
            Some(Place::At(offset)) => Some(*offset),
            _ => None,
        }
    }

    /// An indirect object, by number.
    pub fn object(&self, number: u32) -> Result<Rc<Object>, PdfError> {
        if let Some(found) = self.cache.borrow().get(&number) {
            return Ok(Rc::clone(found));
        }
        let found = match self.xref.places.get(&number) {
            None | Some(Place::Free) => Rc::new(Object::Null),
            Some(Place::At(offset)) => self.standing(*offset, number)?,
            Some(Place::In(container, index)) => self.contained(*container, *index, number)?,
        };
        if self.work.get() < CACHED_WORK {
            self.cache.borrow_mut().insert(number, Rc::clone(&found));
        }
        Ok(found)
    }

    /// Decodes a stream.
    pub fn decode(&self, dictionary: &Dictionary, data: &Range<usize>) -> Result<Vec<u8>, PdfError> {
        let raw = self.bytes.get(data.clone()).ok_or(PdfError::Filter)?;
        let left = usize::try_from(self.work_max - self.work.get().min(self.work_max)).unwrap_or(usize::MAX);
        let decoded = filter::decode(dictionary, raw, MAX_STREAM_BYTES.min(left))?;
        self.spend(decoded.len())?;
        Ok(decoded)
    }

    /// Octets parsed or decoded so far.
    pub fn spent(&self) -> u64 {
        self.work.get()
    }

    fn spend(&self, octets: usize) -> Result<(), PdfError> {
        let spent = self.work.get().saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
        self.work.set(spent);
        if spent > self.work_max { Err(PdfError::Limit("travail total sur un fichier")) } else { Ok(()) }
    }

    /// The object at a place, read here or by another view.
    fn standing(&self, offset: usize, number: u32) -> Result<Rc<Object>, PdfError> {
        let key = (offset, 0);
        if let Some(found) = self.shared.objects.borrow().get(&key).and_then(|kept| kept.get(number, self.bytes.len()))
        {
            self.spend(16)?;
            return Ok(found);
        }
        let (object, end) = self.object_at(offset, number)?;
        let value = Rc::new(object);
        if let Some(end) = end.filter(|end| self.shared.takes(end - offset)) {
            self.shared.objects.borrow_mut().insert(key, Kept { number, end, value: Rc::clone(&value) });
        }
        Ok(value)
    }

    /// An object, and where it ends when every view that reaches so far reads the same.
    fn object_at(&self, offset: usize, number: u32) -> Result<(Object, Option<usize>), PdfError> {
        let mut parser = Parser::new(self.bytes, offset);
        let header = parser.object_header();
        let object = match header {
            Some((found, _)) if found == number => parser.object(),
            _ => Ok(Object::Null),
        };
        self.spend(parser.position().saturating_sub(offset) + 16)?;
        let ended = |mut parser: Parser<'_>| parser.keyword(b"endobj").then(|| parser.position());
        let dictionary = match object? {
            Object::Dictionary(dictionary) => dictionary,
            other => return Ok((other, ended(parser))),
        };
        match xref::stream_start(&mut parser, self.bytes) {
            None => Ok((Object::Dictionary(dictionary), ended(parser))),
            Some(start) => {
                let length = match dictionary.get(b"Length") {
                    Some(Object::Integer(length)) => Some(*length),
                    // The length's own object must not be a stream again: offsets strictly inside the table.
                    Some(Object::Reference(length, _)) if *length != number => self.length(*length),
                    _ => None,
                };
                let (end, scanned) = xref::stream_end(self.bytes, start, length);
                self.spend(scanned)?;
                // A length that stands elsewhere may be another one in another revision.
                let direct = scanned == 0 && matches!(dictionary.get(b"Length"), Some(Object::Integer(_)));
                let mut after = Parser::new(self.bytes, end);
                let ended = if direct && after.keyword(b"endstream") { ended(after) } else { None };
                Ok((Object::Stream(dictionary, start..end), ended))
            }
        }
    }

    /// The number an indirect `/Length` gives, without resolving anything but an integer.
    fn length(&self, number: u32) -> Option<i64> {
        let Some(Place::At(offset)) = self.xref.places.get(&number) else { return None };
        let mut parser = Parser::new(self.bytes, *offset);
        let header = parser.object_header().filter(|(found, _)| *found == number);
        let object = if header.is_some() { parser.object().ok() } else { None };
        self.spend(parser.position().saturating_sub(*offset)).ok()?;
        object?.integer()
    }

    fn contained(&self, container: u32, index: usize, number: u32) -> Result<Rc<Object>, PdfError> {
        let container = self.container(container)?;
        let key = container.end.map(|(offset, _)| (offset, index + 1));
        if let Some(key) = key
            && let Some(found) =
                self.shared.objects.borrow().get(&key).and_then(|kept| kept.get(number, self.bytes.len()))
        {
            self.spend(16)?;
            return Ok(found);
        }
        let by_index = container.index.get(index).filter(|(found, _)| *found == number);
        let entry = by_index.or_else(|| container.index.iter().find(|(found, _)| *found == number));
        let Some((_, start)) = entry else { return Ok(Rc::new(Object::Null)) };
        let mut parser = Parser::new(&container.data, *start);
        let object = Rc::new(parser.object()?);
        let read = parser.position() - start + 16;
        self.spend(read)?;
        if let (Some(key), Some((_, end))) = (key, container.end)
            && self.shared.takes(read)
        {
            self.shared.objects.borrow_mut().insert(key, Kept { number, end, value: Rc::clone(&object) });
        }
        Ok(object)
    }

    fn container(&self, number: u32) -> Result<Rc<Container>, PdfError> {
        if let Some(found) = self.containers.borrow().get(&number) {
            return Ok(Rc::clone(found));
        }
        // An object stream stands in the file itself (§ 7.5.7): a container in a container is not followed.
        let Some(Place::At(offset)) = self.xref.places.get(&number) else { return Err(PdfError::Filter) };
        let shared = self.shared.containers.borrow().get(offset).and_then(|kept| kept.get(number, self.bytes.len()));
        if let Some(found) = shared {
            self.spend(16)?;
            self.containers.borrow_mut().insert(number, Rc::clone(&found));
            return Ok(found);
        }
        let (Object::Stream(dictionary, data), end) = self.object_at(*offset, number)? else {
            return Err(PdfError::Filter);
        };
        let decoded = self.decode(&dictionary, &data)?;
        let number_of = |key| dictionary.get(key).and_then(Object::integer).and_then(|n| usize::try_from(n).ok());
        let (count, first) = (number_of(b"N").unwrap_or(0), number_of(b"First").unwrap_or(0));
        let mut parser = Parser::new(&decoded, 0);
        let mut index = Vec::new();
        while index.len() < count {
            let (Some(found), Some(at)) = (parser.unsigned(), parser.unsigned()) else { break };
            let (Ok(found), Ok(at)) = (u32::try_from(found), usize::try_from(at)) else { break };
            index.push((found, first.saturating_add(at).min(decoded.len())));
        }
        let container = Rc::new(Container { data: decoded, index, end: end.map(|end| (*offset, end)) });
        if let Some(end) = end.filter(|_| self.shared.takes(container.data.len())) {
            let value = Rc::clone(&container);
            self.shared.containers.borrow_mut().insert(*offset, Kept { number, end, value });
        }
        self.containers.borrow_mut().insert(number, Rc::clone(&container));
        Ok(container)
    }

    /// Where an object is stored, comparable between revisions of one file: the same place holds the same bytes.
    fn place(&self, number: u32) -> Option<(usize, usize)> {
        match self.xref.places.get(&number)? {
            Place::Free => None,
            Place::At(offset) => Some((*offset, 0)),
            Place::In(container, index) => match self.xref.places.get(container) {
                Some(Place::At(offset)) => Some((*offset, index + 1)),
                _ => None,
            },
        }
    }

    /// Every object number in use.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        self.xref.places.iter().filter(|(_, place)| !matches!(place, Place::Free)).map(|(number, _)| *number)
    }
}

#[cfg(test)]
#[path = "../../../tests/support/pdf_maker.rs"]
pub(crate) mod maker;
#[cfg(test)]
mod tests;
