//! Basic Encoding Rules (ITU-T X.690), tolerant reading, for what others signed.
//!
//! [`crate::spec::cms::asn1`] is the strict reader for what we make ourselves. This one accepts what signing software of
//! twenty years has produced: indefinite lengths, lengths that are not minimal, strings in pieces, identifiers of
//! several octets. It hands out slices of its input, so that a signature is checked over the bytes as they were received.
//!
//! Bounds: an indefinite length nests at most [`MAX_DEPTH`] deep, and finding its end costs one pass per level; nothing
//! recurses on the input but [`canonical()`], under the same limit. No number in the input makes anything be allocated.

mod canonical;
mod certificate;
mod name;
mod time;

pub use canonical::{canonical, canonical_as, is_sorted_set};
pub use certificate::CertificateFields;
pub use name::same_name;

use std::borrow::Cow;

/// How deep constructed elements of indefinite length, or pieces of a string, may nest.
pub const MAX_DEPTH: usize = 64;

/// Universal and context-specific tags, as they stand on the wire (the first identifier octet).
pub use crate::spec::cms::asn1::tag;

/// Bytes that are not the BER one expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("structure ASN.1 invalide à l'octet {offset} : {expected}")]
pub struct BerError {
    /// Where, counted from the beginning of the input of the outermost reader.
    pub offset: usize,
    /// What should have been there.
    pub expected: &'static str,
}

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The first identifier octet: class, constructed bit, and number when it is under 31.
    pub tag: u8,
    /// The content octets, without the two end-of-contents octets of an indefinite length.
    pub value: &'a [u8],
    /// The whole element as received.
    pub raw: &'a [u8],
    /// Whether the length stood in front.
    pub definite: bool,
    value_offset: usize,
}

/// Reads elements one after the other from a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

/// Identifier and length octets.
struct Header {
    tag: u8,
    size: usize,
    /// `None` when indefinite.
    length: Option<usize>,
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Refuses what is left over.
    pub fn finish(&self) -> Result<(), BerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("la fin des données")) }
    }

    /// The tag of the next element, if there is one.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever its tag.
    pub fn any(&mut self) -> Result<Element<'a>, BerError> {
        let header = self.header(0)?;
        let (value_end, end) = if let Some(length) = header.length {
            let end = header.size.checked_add(length).filter(|end| *end <= self.rest.len());
            let end = end.ok_or_else(|| self.error("un élément entier (les données sont tronquées)"))?;
            (end, end)
        } else {
            let value_end = self.end_of_contents(header.size)?;
            (value_end, value_end + 2)
        };
        let raw = &self.rest[..end];
        let element = Element {
            tag: header.tag,
            value: &raw[header.size..value_end],
            raw,
            definite: header.length.is_some(),
            value_offset: self.offset + header.size,
        };
        self.rest = &self.rest[end..];
        self.offset += end;
        Ok(element)
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: u8, expected: &'static str) -> Result<Element<'a>, BerError> {
        if self.peek() == Some(tag) { self.any() } else { Err(self.error(expected)) }
    }

    /// The next element if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, BerError> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// A SEQUENCE, entered.
    pub fn sequence(&mut self, expected: &'static str) -> Result<Reader<'a>, BerError> {
        Ok(self.expect(tag::SEQUENCE, expected)?.reader())
    }

    /// The content octets of an OBJECT IDENTIFIER.
    pub fn oid(&mut self, expected: &'static str) -> Result<&'a [u8], BerError> {
        let element = self.expect(tag::OID, expected)?;
        match element.value.last() {
            Some(last) if last & 0x80 == 0 => Ok(element.value),
            _ => Err(element.error("un identifiant d'objet entier")),
        }
    }

    /// The content octets of an INTEGER, without the padding BER tolerates.
    pub fn integer(&mut self, expected: &'static str) -> Result<&'a [u8], BerError> {
        let element = self.expect(tag::INTEGER, expected)?;
        let mut value = element.value;
        while let [first @ (0x00 | 0xff), next, ..] = value {
            if (first ^ next) & 0x80 != 0 {
                break;
            }
            value = &value[1..];
        }
        if value.is_empty() { Err(element.error("un entier non vide")) } else { Ok(value) }
    }

    /// A small non-negative INTEGER: a version, a status, a number of seconds.
    pub fn small(&mut self, expected: &'static str) -> Result<u32, BerError> {
        let here = self.error(expected);
        match self.integer(expected)? {
            value if value[0] & 0x80 == 0 && value.len() <= 4 => {
                Ok(value.iter().fold(0, |number, &octet| number << 8 | u32::from(octet)))
            }
            _ => Err(here),
        }
    }

    /// An OCTET STRING, put together when it came in pieces.
    pub fn octets(&mut self, expected: &'static str) -> Result<Cow<'a, [u8]>, BerError> {
        match self.peek() {
            Some(0x04 | 0x24) => self.any()?.octets(),
            _ => Err(self.error(expected)),
        }
    }

    /// An error at the place reached.
    pub fn error(&self, expected: &'static str) -> BerError {
        BerError { offset: self.offset, expected }
    }

    /// The header that stands `at` octets further.
    fn header(&self, at: usize) -> Result<Header, BerError> {
        let error = |expected| BerError { offset: self.offset + at, expected };
        let octets = self.rest.get(at..).unwrap_or_default();
        let (&tag, mut rest) = octets.split_first().ok_or_else(|| error("un élément de plus"))?;
        let mut size = 2;
        if tag & 0x1f == 0x1f {
            let count = rest.iter().take(5).take_while(|octet| **octet & 0x80 != 0).count() + 1;
            rest = rest.get(count..).filter(|_| count <= 4).ok_or_else(|| error("une étiquette raisonnable"))?;
            size += count;
        }
        let (&first, rest) = rest.split_first().ok_or_else(|| error("une longueur"))?;
        if first < 0x80 {
            return Ok(Header { tag, size, length: Some(usize::from(first)) });
        }
        if first == 0x80 {
            // Only a constructed element can do without a length (X.690 § 8.1.3.2).
            return if tag & 0x20 != 0 {
                Ok(Header { tag, size, length: None })
            } else {
                Err(error("une longueur définie"))
            };
        }
        let count = usize::from(first & 0x7f);
        let octets = rest.get(..count).filter(|_| count <= 8).ok_or_else(|| error("une longueur raisonnable"))?;
        let length = octets.iter().fold(0_u64, |length, &octet| length << 8 | u64::from(octet));
        let length = usize::try_from(length).map_err(|_| error("une longueur raisonnable"))?;
        Ok(Header { tag, size: size + count, length: Some(length) })
    }

    /// Where the content that begins `at` octets further, of indefinite length, ends.
    fn end_of_contents(&self, mut at: usize) -> Result<usize, BerError> {
        let mut depth = 1;
        loop {
            if self.rest.get(at..at + 2) == Some(&[0, 0]) {
                depth -= 1;
                if depth == 0 {
                    return Ok(at);
                }
                at += 2;
                continue;
            }
            let header = self.header(at)?;
            let error = BerError { offset: self.offset + at, expected: "une longueur raisonnable" };
            at += header.size;
            if let Some(length) = header.length {
                at = at.checked_add(length).ok_or(error)?;
            } else {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(BerError { expected: "une imbrication de moins de 64 niveaux", ..error });
                }
            }
        }
    }
}

impl<'a> Element<'a> {
    /// The first element of `bytes`, and what follows it.
    pub fn first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), BerError> {
        let mut reader = Reader::new(bytes);
        let element = reader.any()?;
        Ok((element, reader.rest()))
    }

    /// The only element of `bytes`.
    pub fn only(bytes: &'a [u8]) -> Result<Self, BerError> {
        let mut reader = Reader::new(bytes);
        let element = reader.any()?;
        reader.finish()?;
        Ok(element)
    }

    /// Whether elements are inside.
    pub fn is_constructed(&self) -> bool {
        self.tag & 0x20 != 0
    }

    /// Reads the content.
    pub fn reader(&self) -> Reader<'a> {
        Reader { rest: self.value, offset: self.value_offset }
    }

    /// The element inside an EXPLICIT tag.
    pub fn inner(&self) -> Result<Element<'a>, BerError> {
        let mut reader = self.reader();
        let element = reader.any()?;
        reader.finish()?;
        Ok(element)
    }

    /// The octets of a string, whatever its tag: borrowed when in one piece, put together otherwise.
    pub fn octets(&self) -> Result<Cow<'a, [u8]>, BerError> {
        if !self.is_constructed() {
            return Ok(Cow::Borrowed(self.value));
        }
        // A single primitive piece, the most usual: still no copy.
        let mut pieces = self.reader();
        let first = if pieces.is_empty() { None } else { Some(pieces.any()?) };
        if let Some(only) = first.filter(|piece| !piece.is_constructed() && pieces.is_empty()) {
            return Ok(Cow::Borrowed(only.value));
        }
        let mut whole = Vec::with_capacity(self.value.len());
        let mut open = vec![self.reader()];
        while let Some(reader) = open.last_mut() {
            if reader.is_empty() {
                open.pop();
                continue;
            }
            let piece = reader.any()?;
            if piece.is_constructed() {
                if open.len() == MAX_DEPTH {
                    return Err(piece.error("une imbrication de moins de 64 niveaux"));
                }
                open.push(piece.reader());
            } else {
                whole.extend_from_slice(piece.value);
            }
        }
        Ok(Cow::Owned(whole))
    }

    /// The octets of a BIT STRING that has no unused bits.
    pub fn bits(&self) -> Result<&'a [u8], BerError> {
        match self.value {
            [0, octets @ ..] if self.tag == tag::BIT_STRING => Ok(octets),
            _ => Err(self.error("une chaîne de bits en octets entiers")),
        }
    }

    /// The text of a character string, control characters removed: UTF-8, BMPString, or else Latin-1.
    pub fn text(&self) -> String {
        let octets = self.octets().unwrap_or_default();
        let text = match self.tag & 0x1f {
            0x1e => String::from_utf16_lossy(
                &octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect::<Vec<_>>(),
            ),
            _ => match std::str::from_utf8(&octets) {
                Ok(text) => text.to_owned(),
                Err(_) => octets.iter().map(|octet| char::from(*octet)).collect(),
            },
        };
        text.chars().filter(|character| !character.is_control()).take(1000).collect()
    }

    /// An error inside this element.
    pub fn error(&self, expected: &'static str) -> BerError {
        BerError { offset: self.value_offset, expected }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn indefinite_lengths_end_where_they_say() {
        let bytes = [0x30, 0x80, 0x24, 0x80, 0x04, 2, 0, 0, 0x04, 1, 7, 0, 0, 0x02, 1, 5, 0, 0, 0xff];
        let (sequence, rest) = Element::first(&bytes).unwrap();
        assert_eq!(rest, [0xff]);
        assert!(!sequence.definite);
        let mut reader = sequence.reader();
        assert_eq!(reader.octets("").unwrap().as_ref(), [0, 0, 7]);
        assert_eq!(reader.small("").unwrap(), 5);
        reader.finish().unwrap();
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in [
            &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0][..],
            &[0x30, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[0x30, 3, 0, 0],
            &[0x04, 0x80, 0, 0],
            &[0x30, 0x80, 0],
            &[0x30, 0x80, 0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            &[0x3f, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0],
            &[],
            &[0x30],
        ] {
            assert!(Reader::new(bytes).any().is_err(), "{bytes:02x?}");
        }
        assert!(Reader::new(&[0x30, 0x80].repeat(100_000)).any().is_err());
    }

    #[test]
    fn lengths_and_integers_need_not_be_minimal() {
        let element = Element::only(&[0x02, 0x83, 0, 0, 3, 0, 0, 0x85]).unwrap();
        assert_eq!(Reader::new(element.raw).integer("").unwrap(), [0, 0x85]);
        assert_eq!(Reader::new(&[0x02, 2, 0, 5]).small("").unwrap(), 5);
        assert!(Reader::new(&[0x02, 1, 0x85]).small("").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(element) = reader.any() {
                let _ = (element.octets(), element.bits(), element.text(), element.time(), element.inner());
                let _ = (canonical(element.raw), is_sorted_set(element.value), CertificateFields::read(element.raw));
            }
        }
    }
}
