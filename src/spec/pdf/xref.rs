//! Cross-reference tables and streams (ISO 32000-1 § 7.5.4, § 7.5.8), newest section first, and a scan when they fail.

use super::object::{Dictionary, Object, Parser};
use super::{MAX_STREAM_BYTES, PdfError, filter};
use std::collections::{BTreeSet, HashMap};

/// Sections of one chain: revisions, twice as many with hybrid files.
const MAX_SECTIONS: usize = 4096;
/// Objects of one file.
const MAX_OBJECTS: usize = 8_388_607;
/// How far from the end `startxref` is looked for. Readers look in the last kilobyte; producers append more.
const TAIL: usize = 4096;

/// Where an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Free,
    At(usize),
    /// In this object stream, at this index.
    In(u32, usize),
}

/// A table.
#[derive(Debug, Default)]
pub(super) struct Xref {
    pub(super) places: HashMap<u32, Place>,
    pub(super) trailer: Dictionary,
    pub(super) sections: Vec<usize>,
    pub(super) rebuilt: bool,
}

/// Follows the chain from the last `startxref`.
pub(super) fn read(bytes: &[u8]) -> Result<Xref, PdfError> {
    let tail_start = bytes.len().saturating_sub(TAIL);
    let at = memchr::memmem::rfind(&bytes[tail_start..], b"startxref").ok_or(PdfError::NoXref)? + tail_start;
    let mut parser = Parser::new(bytes, at + b"startxref".len());
    // Objects after the last table: the table of the last update was cut off, and with it whatever it put in place.
    if memchr::memmem::find(&bytes[at..], b" obj").is_some() {
        return Err(PdfError::NoXref);
    }
    let first = parser.unsigned().and_then(|offset| usize::try_from(offset).ok()).ok_or(PdfError::NoXref)?;
    // Offsets count from the header when something stands before it (annex H.3.4.1); few files have that.
    let header = memchr::memmem::find(&bytes[..bytes.len().min(1024)], b"%PDF-").unwrap_or(0);
    chain(bytes, first, 0).or_else(|error| if header > 0 { chain(bytes, first, header) } else { Err(error) })
}

fn chain(bytes: &[u8], first: usize, shift: usize) -> Result<Xref, PdfError> {
    let mut xref = Xref::default();
    let mut seen = BTreeSet::new();
    let mut next = Some(first);
    let mut trailers: Vec<Dictionary> = Vec::new();
    while let Some(offset) = next.take() {
        if !seen.insert(offset) {
            break;
        }
        if seen.len() > MAX_SECTIONS {
            return Err(PdfError::Limit("nombre de révisions"));
        }
        let at = offset.checked_add(shift).filter(|at| *at < bytes.len()).ok_or(PdfError::NoXref)?;
        let trailer = section(bytes, at, shift, &mut xref.places)?;
        xref.sections.push(at);
        let number = |key| trailer.get(key).and_then(Object::integer).and_then(|n| usize::try_from(n).ok());
        // A hybrid file's stream comes before what is older (§ 7.5.8.4).
        if let Some(hybrid) = number(b"XRefStm").filter(|hybrid| seen.insert(*hybrid)) {
            section(bytes, hybrid.saturating_add(shift), shift, &mut xref.places)?;
        }
        next = number(b"Prev");
        trailers.push(trailer);
    }
    let trailer = trailers.into_iter().find(|trailer| trailer.get(b"Root").is_some());
    xref.trailer = trailer.ok_or(PdfError::NoXref)?;
    xref.sections.sort_unstable();
    Ok(xref)
}

/// One section, table or stream; the entries already known are newer and stay.
fn section(bytes: &[u8], at: usize, shift: usize, places: &mut HashMap<u32, Place>) -> Result<Dictionary, PdfError> {
    let mut parser = Parser::new(bytes, at);
    if parser.keyword(b"xref") {
        table(&mut parser, bytes, shift, places)?;
        if !parser.keyword(b"trailer") {
            return Err(PdfError::Syntax { offset: parser.position(), expected: "trailer" });
        }
        return match parser.object()? {
            Object::Dictionary(trailer) => Ok(trailer),
            _ => Err(PdfError::NoXref),
        };
    }
    parser.object_header().ok_or(PdfError::NoXref)?;
    let Object::Dictionary(dictionary) = parser.object()? else { return Err(PdfError::NoXref) };
    let start = stream_start(&mut parser, bytes).ok_or(PdfError::NoXref)?;
    let length = dictionary.get(b"Length").and_then(Object::integer);
    let (end, _) = stream_end(bytes, start, length);
    let data = filter::decode(&dictionary, &bytes[start..end], MAX_STREAM_BYTES)?;
    stream(&dictionary, &data, shift, places)?;
    Ok(dictionary)
}

fn table(
    parser: &mut Parser<'_>,
    bytes: &[u8],
    shift: usize,
    places: &mut HashMap<u32, Place>,
) -> Result<(), PdfError> {
    loop {
        parser.skip_space();
        if !bytes.get(parser.position()).is_some_and(u8::is_ascii_digit) {
            return Ok(());
        }
        let (Some(first), Some(count)) = (parser.unsigned(), parser.unsigned()) else { return Ok(()) };
        for number in first..first.saturating_add(count) {
            let (Some(offset), Some(_)) = (parser.unsigned(), parser.unsigned()) else {
                return Err(PdfError::Syntax { offset: parser.position(), expected: "une entrée de table" });
            };
            let place = if parser.keyword(b"n") {
                usize::try_from(offset).ok().and_then(|offset| offset.checked_add(shift)).map_or(Place::Free, Place::At)
            } else if parser.keyword(b"f") {
                Place::Free
            } else {
                return Err(PdfError::Syntax { offset: parser.position(), expected: "n ou f" });
            };
            insert(places, number, place)?;
        }
    }
}

fn stream(
    dictionary: &Dictionary,
    data: &[u8],
    shift: usize,
    places: &mut HashMap<u32, Place>,
) -> Result<(), PdfError> {
    let integers = |key: &[u8]| -> Option<Vec<usize>> {
        let list = dictionary.get(key)?.array()?;
        list.iter().map(|number| number.integer().and_then(|number| usize::try_from(number).ok())).collect()
    };
    let widths = integers(b"W").filter(|widths| widths.len() >= 3 && widths.iter().all(|width| *width <= 8));
    let widths = widths.ok_or(PdfError::NoXref)?;
    let size = dictionary.get(b"Size").and_then(Object::integer).and_then(|size| usize::try_from(size).ok());
    let index = integers(b"Index").unwrap_or_else(|| vec![0, size.unwrap_or(0)]);
    let row = widths[0] + widths[1] + widths[2];
    if row == 0 {
        return Err(PdfError::NoXref);
    }
    let mut rows = data.chunks_exact(row);
    for range in index.chunks_exact(2) {
        for number in range[0]..range[0].saturating_add(range[1]) {
            let Some(fields) = rows.next() else { return Ok(()) };
            let field = |from: usize, width: usize| {
                fields[from..from + width].iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet))
            };
            let kind = if widths[0] == 0 { 1 } else { field(0, widths[0]) };
            let (second, third) = (field(widths[0], widths[1]), field(widths[0] + widths[1], widths[2]));
            let place = match kind {
                1 => usize::try_from(second).ok().and_then(|at| at.checked_add(shift)).map_or(Place::Free, Place::At),
                2 => match (u32::try_from(second), usize::try_from(third)) {
                    (Ok(container), Ok(index)) => Place::In(container, index),
                    _ => Place::Free,
                },
                _ => Place::Free,
            };
            insert(places, u64::try_from(number).unwrap_or(u64::MAX), place)?;
        }
    }
    Ok(())
}

fn insert(places: &mut HashMap<u32, Place>, number: u64, place: Place) -> Result<(), PdfError> {
    match u32::try_from(number) {
        Ok(number) if places.len() < MAX_OBJECTS => {
            places.entry(number).or_insert(place);
            Ok(())
        }
        _ => Err(PdfError::Limit("nombre d'objets")),
    }
}

/// Where the data of a stream begins, when the keyword `stream` comes next (§ 7.3.8.1).
pub(super) fn stream_start(parser: &mut Parser<'_>, bytes: &[u8]) -> Option<usize> {
    if !parser.keyword(b"stream") {
        return None;
    }
    let at = parser.position();
    Some(match bytes.get(at..) {
        Some([b'\r', b'\n', ..]) => at + 2,
        Some([b'\n' | b'\r', ..]) => at + 1,
        _ => at,
    })
}

/// Where it ends: after `length` octets when `endstream` stands there, or else before the next `endstream`; and how many
/// octets were looked through for it.
pub(super) fn stream_end(bytes: &[u8], start: usize, length: Option<i64>) -> (usize, usize) {
    let claimed = length.and_then(|length| usize::try_from(length).ok()).and_then(|length| start.checked_add(length));
    if let Some(end) = claimed.filter(|end| *end <= bytes.len()) {
        let mut after = Parser::new(bytes, end);
        if after.keyword(b"endstream") {
            return (end, 0);
        }
    }
    let rest = bytes.get(start..).unwrap_or_default();
    let found = memchr::memmem::find(rest, b"endstream").unwrap_or(rest.len());
    (start + found, found)
}

/// Finds the objects by scanning for `N G obj`; the last of equal numbers counts. The trailer is the last one with a
/// root, or a catalog that was found.
pub(super) fn rebuild(bytes: &[u8]) -> Result<Xref, PdfError> {
    let mut xref = Xref { rebuilt: true, ..Xref::default() };
    for at in memchr::memmem::find_iter(bytes, b" obj") {
        let Some((start, number)) = header_before(bytes, at) else { continue };
        if xref.places.len() >= MAX_OBJECTS {
            return Err(PdfError::Limit("nombre d'objets"));
        }
        xref.places.insert(number, Place::At(start));
    }
    let mut trailers: Vec<usize> = memchr::memmem::find_iter(bytes, b"trailer").collect();
    while let Some(at) = trailers.pop() {
        let mut parser = Parser::new(bytes, at + b"trailer".len());
        if let Ok(Object::Dictionary(trailer)) = parser.object()
            && trailer.get(b"Root").is_some()
        {
            xref.trailer = trailer;
            return Ok(xref);
        }
        if trailers.len() > MAX_SECTIONS {
            return Err(PdfError::Limit("nombre de révisions"));
        }
    }
    xref_stream_trailer(bytes, &mut xref)?;
    Ok(xref)
}

/// The trailer of a file without `trailer`: the dictionary of its last cross-reference stream.
fn xref_stream_trailer(bytes: &[u8], xref: &mut Xref) -> Result<(), PdfError> {
    let places: Vec<usize> = memchr::memmem::rfind_iter(bytes, b"/XRef").take(64).collect();
    for at in places {
        let from = at.saturating_sub(4096);
        let Some(object) = memchr::memmem::rfind(&bytes[from..at], b" obj") else { continue };
        let mut parser = Parser::new(bytes, from + object + b" obj".len());
        if let Ok(Object::Dictionary(trailer)) = parser.object()
            && trailer.get(b"Root").is_some()
        {
            xref.trailer = trailer;
            return Ok(());
        }
    }
    Err(PdfError::NoXref)
}

/// The object number in front of the ` obj` at `at`, and where it begins.
fn header_before(bytes: &[u8], at: usize) -> Option<(usize, u32)> {
    let digits = |end: usize| bytes[..end].iter().rev().take(10).take_while(|octet| octet.is_ascii_digit()).count();
    let generation = digits(at);
    let before = at.checked_sub(generation + 1).filter(|_| generation > 0)?;
    if bytes[before] != b' ' {
        return None;
    }
    let number = digits(before);
    let start = before.checked_sub(number).filter(|_| number > 0)?;
    Some((start, std::str::from_utf8(&bytes[start..before]).ok()?.parse().ok()?))
}
