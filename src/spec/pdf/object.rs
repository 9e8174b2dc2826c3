//! PDF objects (ISO 32000-1 § 7.3), read where they stand, with the place of every dictionary value.

use super::PdfError;
use std::ops::Range;

/// How deep arrays and dictionaries may nest.
const MAX_DEPTH: usize = 64;

/// One object. Strings and names are unescaped; a stream is its dictionary and the place of its data.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// null, or a reference to nothing
    Null,
    /// true, false
    Boolean(bool),
    /// A whole number that fits
    Integer(i64),
    /// Any other number
    Real(f64),
    /// A name, without its slash
    Name(Vec<u8>),
    /// A string, literal or hexadecimal
    String(Vec<u8>),
    /// An array
    Array(Vec<Object>),
    /// A dictionary
    Dictionary(Dictionary),
    /// A stream
    Stream(Dictionary, Range<usize>),
    /// An indirect reference: object number, generation
    Reference(u32, u16),
}

/// A dictionary. Keys in the order of the file; the last of equal keys is the one that counts, as in most readers.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Vec<u8>,
    value: Object,
    span: Range<usize>,
}

impl PartialEq for Dictionary {
    /// By content: where it stands does not count.
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self.entries.iter().zip(&other.entries).all(|(a, b)| a.key == b.key && a.value == b.value)
    }
}

impl Dictionary {
    /// The value of a key, as it stands (perhaps a reference).
    pub fn get(&self, key: &[u8]) -> Option<&Object> {
        self.entries.iter().rev().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Where the value of a key stands in the bytes it was read from.
    pub fn span(&self, key: &[u8]) -> Option<Range<usize>> {
        self.entries.iter().rev().find(|entry| entry.key == key).map(|entry| entry.span.clone())
    }

    /// How often a key stands.
    pub fn count(&self, key: &[u8]) -> usize {
        self.entries.iter().filter(|entry| entry.key == key).count()
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(|entry| entry.key.as_slice())
    }

    /// Keys and values, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &Object)> {
        self.entries.iter().map(|entry| (entry.key.as_slice(), &entry.value))
    }

    /// Whether the value of `key` is this name.
    pub fn is(&self, key: &[u8], name: &[u8]) -> bool {
        matches!(self.get(key), Some(Object::Name(found)) if found == name)
    }
}

impl Object {
    /// The dictionary of a dictionary or of a stream.
    pub fn dictionary(&self) -> Option<&Dictionary> {
        match self {
            Self::Dictionary(dictionary) | Self::Stream(dictionary, _) => Some(dictionary),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn array(&self) -> Option<&[Object]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// A whole number.
    pub fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// A string's octets.
    pub fn string(&self) -> Option<&[u8]> {
        if let Self::String(octets) = self { Some(octets) } else { None }
    }
}

/// Reads tokens from `bytes`, beginning at `at`.
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn is_space(octet: u8) -> bool {
    matches!(octet, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_regular(octet: u8) -> bool {
    !is_space(octet) && !matches!(octet, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

impl<'a> Parser<'a> {
    /// Reads from `at`.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: at.min(bytes.len()) }
    }

    /// The place reached.
    pub fn position(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn error(&self, expected: &'static str) -> PdfError {
        PdfError::Syntax { offset: self.at, expected }
    }

    /// Steps over blanks and comments.
    pub fn skip_space(&mut self) {
        while let Some(octet) = self.peek() {
            if octet == b'%' {
                let line = &self.bytes[self.at..];
                self.at += line.iter().position(|octet| matches!(octet, b'\r' | b'\n')).unwrap_or(line.len());
            } else if is_space(octet) {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    /// Steps over a keyword if it comes next.
    pub fn keyword(&mut self, word: &[u8]) -> bool {
        self.skip_space();
        let rest = &self.bytes[self.at..];
        let found = rest.starts_with(word) && !rest.get(word.len()).is_some_and(|octet| is_regular(*octet));
        if found {
            self.at += word.len();
        }
        found
    }

    /// A non-negative whole number.
    pub fn unsigned(&mut self) -> Option<u64> {
        self.skip_space();
        let digits = self.bytes[self.at..].iter().take(20).take_while(|octet| octet.is_ascii_digit()).count();
        let number = std::str::from_utf8(&self.bytes[self.at..self.at + digits]).ok()?.parse().ok()?;
        self.at += digits;
        Some(number)
    }

    /// `N G obj`: the numbers.
    pub fn object_header(&mut self) -> Option<(u32, u16)> {
        let number = u32::try_from(self.unsigned()?).ok()?;
        let generation = u16::try_from(self.unsigned()?).ok()?;
        self.keyword(b"obj").then_some((number, generation))
    }

    /// The next object.
    pub fn object(&mut self) -> Result<Object, PdfError> {
        self.object_at(0)
    }

    fn object_at(&mut self, depth: usize) -> Result<Object, PdfError> {
        if depth > MAX_DEPTH {
            return Err(self.error("une imbrication de moins de 64 niveaux"));
        }
        self.skip_space();
        let rest = &self.bytes[self.at..];
        match rest {
            [b'/', ..] => Ok(Object::Name(self.name())),
            [b'(', ..] => self.literal(),
            [b'<', b'<', ..] => Ok(Object::Dictionary(self.dictionary_at(depth)?)),
            [b'<', ..] => self.hexadecimal(),
            [b'[', ..] => self.array_at(depth),
            [b'+' | b'-' | b'.' | b'0'..=b'9', ..] => Ok(self.number_or_reference()),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Object, PdfError> {
        for (word, object) in
            [(&b"null"[..], Object::Null), (b"true", Object::Boolean(true)), (b"false", Object::Boolean(false))]
        {
            if self.keyword(word) {
                return Ok(object);
            }
        }
        Err(self.error("un objet PDF"))
    }

    fn name(&mut self) -> Vec<u8> {
        self.at += 1;
        let length = self.bytes[self.at..].iter().take_while(|octet| is_regular(**octet)).count();
        let raw = &self.bytes[self.at..self.at + length];
        self.at += length;
        if !raw.contains(&b'#') {
            return raw.to_vec();
        }
        let mut name = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let [first, tail @ ..] = rest {
            match tail {
                [high, low, after @ ..]
                    if *first == b'#'
                        && let Some(octet) = hex_pair(*high, *low) =>
                {
                    name.push(octet);
                    rest = after;
                }
                _ => {
                    name.push(*first);
                    rest = tail;
                }
            }
        }
        name
    }

    fn literal(&mut self) -> Result<Object, PdfError> {
        let mut octets = Vec::new();
        let mut open = 0_usize;
        loop {
            let octet = self.peek().ok_or_else(|| self.error("la fin d'une chaîne"))?;
            self.at += 1;
            match octet {
                b'(' => {
                    if open > 0 {
                        octets.push(octet);
                    }
                    open += 1;
                }
                b')' => {
                    open -= 1;
                    if open == 0 {
                        return Ok(Object::String(octets));
                    }
                    octets.push(octet);
                }
                b'\\' => self.escape(&mut octets),
                _ => octets.push(octet),
            }
        }
    }

    fn escape(&mut self, octets: &mut Vec<u8>) {
        let Some(octet) = self.peek() else { return };
        self.at += 1;
        match octet {
            b'n' => octets.push(b'\n'),
            b'r' => octets.push(b'\r'),
            b't' => octets.push(b'\t'),
            b'b' => octets.push(8),
            b'f' => octets.push(12),
            b'\r' => {
                if self.peek() == Some(b'\n') {
                    self.at += 1;
                }
            }
            b'\n' => {}
            b'0'..=b'7' => {
                let mut value = u32::from(octet - b'0');
                for _ in 0..2 {
                    match self.peek() {
                        Some(digit @ b'0'..=b'7') => {
                            value = value * 8 + u32::from(digit - b'0');
                            self.at += 1;
                        }
                        _ => break,
                    }
                }
                octets.extend(value.to_be_bytes().last());
            }
            other => octets.push(other),
        }
    }

    fn hexadecimal(&mut self) -> Result<Object, PdfError> {
        let start = self.at + 1;
        let Some(length) = memchr::memchr(b'>', &self.bytes[start..]) else {
            let error = self.error("la fin d'une chaîne");
            // What was looked through counts as read.
            self.at = self.bytes.len();
            return Err(error);
        };
        let text = &self.bytes[start..start + length];
        // A signature is pairs of digits without blanks, thousands of them.
        let mut octets = vec![0; length / 2];
        let mut read = 0;
        for (octet, pair) in octets.iter_mut().zip(text.as_chunks::<2>().0) {
            let Some(value) = hex_pair(pair[0], pair[1]) else { break };
            *octet = value;
            read += 1;
        }
        octets.truncate(read);
        let mut high = None;
        for digit in text[octets.len() * 2..].iter().filter(|octet| !is_space(**octet)) {
            let value = hex_digit(*digit).ok_or_else(|| self.error("une chaîne hexadécimale"))?;
            match high.take() {
                None => high = Some(value),
                Some(high) => octets.push(high << 4 | value),
            }
        }
        octets.extend(high.map(|high: u8| high << 4));
        self.at = start + length + 1;
        Ok(Object::String(octets))
    }

    fn array_at(&mut self, depth: usize) -> Result<Object, PdfError> {
        self.at += 1;
        let mut elements = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Object::Array(elements));
            }
            elements.push(self.object_at(depth + 1)?);
        }
    }

    fn dictionary_at(&mut self, depth: usize) -> Result<Dictionary, PdfError> {
        self.at += 2;
        let mut dictionary = Dictionary::default();
        loop {
            self.skip_space();
            if self.bytes[self.at..].starts_with(b">>") {
                self.at += 2;
                return Ok(dictionary);
            }
            if self.peek() != Some(b'/') {
                return Err(self.error("une clé de dictionnaire"));
            }
            let key = self.name();
            self.skip_space();
            let start = self.at;
            let value = self.object_at(depth + 1)?;
            dictionary.entries.push(Entry { key, value, span: start..self.at });
        }
    }

    fn number_or_reference(&mut self) -> Object {
        let mut ahead = self.clone();
        if let Some(number) = ahead.unsigned().and_then(|number| u32::try_from(number).ok())
            && let Some(generation) = ahead.unsigned().and_then(|number| u16::try_from(number).ok())
            && ahead.keyword(b"R")
        {
            self.at = ahead.at;
            return Object::Reference(number, generation);
        }
        let length =
            self.bytes[self.at..].iter().take_while(|octet| octet.is_ascii_digit() || b"+-.".contains(octet)).count();
        let text = std::str::from_utf8(&self.bytes[self.at..self.at + length]).unwrap_or_default();
        self.at += length;
        match text.trim_start_matches('+').parse::<i64>() {
            Ok(number) => Object::Integer(number),
            // Producers write `--5` and `1.2-3`; readers shrug, and so does a comparison of revisions.
            Err(_) => Object::Real(text.parse().unwrap_or(f64::MAX)),
        }
    }
}

/// What each octet is worth as a digit; 16 when it is none.
const HEX_DIGITS: [u8; 256] = {
    let mut digits = [16; 256];
    let mut value = 0_u8;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

fn hex_digit(digit: u8) -> Option<u8> {
    Some(HEX_DIGITS[usize::from(digit)]).filter(|value| *value < 16)
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (HEX_DIGITS[usize::from(high)], HEX_DIGITS[usize::from(low)]);
    (high | low < 16).then_some(high << 4 | low)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<Object, PdfError> {
        Parser::new(text, 0).object()
    }

    #[test]
    fn objects_are_read() {
        assert_eq!(read(b"(a(b)\\)\\101\\\n)").unwrap(), Object::String(b"a(b))A".to_vec()));
        assert_eq!(read(b"< 48 6 5 4>").unwrap(), Object::String(b"He@".to_vec()));
        assert_eq!(read(b"/A#20B").unwrap(), Object::Name(b"A B".to_vec()));
        assert_eq!(read(b"[1 -2 3 0 R .5 null]").unwrap().array().unwrap()[2], Object::Reference(3, 0));
        let dictionary = read(b"<</A 1/B[/C<</D(x)>>]% comment\n/A 2>>").unwrap();
        let dictionary = dictionary.dictionary().unwrap();
        assert_eq!(dictionary.get(b"A"), Some(&Object::Integer(2)));
        assert_eq!((dictionary.count(b"A"), dictionary.span(b"A")), (2, Some(34..35)));
        for wrong in [&b"<</A>>"[..], b"(", b"<0", b"[", b"<<", b"<g>", b"nul", b""] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        assert!(read(&b"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(text in "[\\[\\]<>()/A-F0-9 R.%+-]{0,200}") {
            let _ = read(text.as_bytes());
        }
    }
}
