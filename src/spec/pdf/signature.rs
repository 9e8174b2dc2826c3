//! Finding signatures and where their byte ranges are (ISO 32000-1 § 12.8.1, § 12.7.4.5; EN 319 142-1 § 5.3).
//!
//! What a signature covers is decided on the raw bytes: a range must begin at the first octet and leave out exactly the
//! `/Contents` of the very dictionary that a field of the document names. Everything else was some attack's trick.

use super::object::{Dictionary, Object, Parser};
use super::{Pdf, PdfError};
use std::collections::BTreeSet;
use std::ops::Range;

/// Fields of a form looked at.
const MAX_FIELDS: usize = 65_536;
/// How deep fields nest.
const MAX_FIELD_DEPTH: usize = 32;
/// Signatures of one file.
pub const MAX_SIGNATURES: usize = 1024;
/// How far before `/ByteRange` the beginning of its dictionary is looked for.
const MAX_DICTIONARY_BYTES: usize = 4 * 1024 * 1024;

/// A signature dictionary.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The field that names it, full name; `None` when no field does.
    pub field: Option<String>,
    /// The field's object number, when it is an indirect object.
    pub field_number: Option<u32>,
    /// The dictionary.
    pub dictionary: Dictionary,
    /// Where its object begins in the file.
    pub offset: usize,
    /// The `/Contents`, as octets: CMS with padding.
    pub contents: Vec<u8>,
    /// What it covers.
    pub range: Result<Covered, RangeFault>,
}

/// A byte range that is what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// From the first octet to the `/Contents`.
    pub before: Range<usize>,
    /// From there to the end of the revision.
    pub after: Range<usize>,
}

impl Covered {
    /// The end of the signed revision.
    pub fn end(&self) -> usize {
        self.after.end
    }
}

/// What is wrong with a byte range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeFault {
    /// There is none, or it is not four numbers.
    #[error("/ByteRange manque ou ne compte pas quatre nombres")]
    NotFourNumbers,
    /// A key that must be unique stands twice.
    #[error("/ByteRange ou /Contents en double dans le dictionnaire de signature")]
    Ambiguous,
    /// A negative number.
    #[error("/ByteRange contient un nombre négatif")]
    Negative,
    /// It does not begin at the first octet.
    #[error("/ByteRange ne commence pas au premier octet du fichier")]
    NotFromStart,
    /// It goes beyond the end of the file.
    #[error("/ByteRange dépasse la fin du fichier")]
    Outside,
    /// The two ranges overlap, or one is empty.
    #[error("/ByteRange : plages vides ou qui se recouvrent")]
    Overlap,
    /// What it leaves out is not the `/Contents` of this dictionary.
    #[error("/ByteRange laisse de côté autre chose que le /Contents de cette signature")]
    WrongGap,
    /// `/Contents` is not a string.
    #[error("/Contents n'est pas une chaîne")]
    NoContents,
}

/// What was found in a file.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The signatures, in the order of what they cover.
    pub signatures: Vec<Signature>,
    /// Signature fields without a signature.
    pub empty_fields: usize,
    /// Why fields could not all be looked at, when they could not.
    pub incomplete: Option<PdfError>,
}

/// Every signature of a file: those its fields name, then those only a scan of the raw bytes finds and whose range
/// leaves out their own `/Contents` (in an encrypted or broken file, every one the scan finds).
pub fn find(pdf: &Pdf<'_>) -> Found {
    let mut found = Found::default();
    let mut named = Vec::new();
    if let Err(error) = fields(pdf, &mut named, &mut found) {
        found.incomplete = Some(error);
    }
    let mut known: BTreeSet<usize> = BTreeSet::new();
    for (name, field_number, offset, dictionary) in named {
        // Two fields may share one signature dictionary; it is one signature. Only what stands in the file has a place.
        let place = dictionary.span(b"Contents").filter(|_| offset < pdf.bytes().len()).map(|span| span.start);
        if found.signatures.len() < MAX_SIGNATURES && place.is_none_or(|place| known.insert(place)) {
            let mut signature = read(pdf.bytes(), dictionary, offset);
            signature.field = Some(name);
            signature.field_number = field_number;
            found.signatures.push(signature);
        }
    }
    let trusting = pdf.is_encrypted() || pdf.is_rebuilt() || found.incomplete.is_some();
    for signature in scan(pdf.bytes(), &known) {
        if found.signatures.len() < MAX_SIGNATURES && (trusting || signature.range.is_ok()) {
            found.signatures.push(signature);
        }
    }
    found.signatures.sort_by_key(|signature| match &signature.range {
        Ok(covered) => (covered.end(), signature.offset),
        Err(_) => (usize::MAX, signature.offset),
    });
    found
}

/// The signatures of a file whose structure cannot be read at all.
pub fn scan_only(bytes: &[u8]) -> Found {
    let mut signatures = scan(bytes, &BTreeSet::new());
    signatures.truncate(MAX_SIGNATURES);
    Found { signatures, ..Found::default() }
}

type Named = (String, Option<u32>, usize, Dictionary);

struct Pending {
    object: Object,
    prefix: String,
    is_signature: bool,
    depth: usize,
}

/// The signature fields of the form (§ 12.7.3): name, number, and their value's dictionary.
fn fields(pdf: &Pdf<'_>, named: &mut Vec<Named>, found: &mut Found) -> Result<(), PdfError> {
    let catalog = pdf.catalog()?;
    let Some(catalog) = catalog.dictionary() else { return Err(PdfError::NoXref) };
    let form = pdf.value(catalog, b"AcroForm")?;
    let Some(form) = form.dictionary() else { return Ok(()) };
    let list = pdf.value(form, b"Fields")?;
    let mut pending: Vec<Pending> = Vec::new();
    let push = |list: &Object, prefix: &str, is_signature: bool, depth: usize, pending: &mut Vec<Pending>| {
        for object in list.array().unwrap_or_default().iter().rev() {
            pending.push(Pending { object: object.clone(), prefix: prefix.to_owned(), is_signature, depth });
        }
    };
    push(&list, "", false, 0, &mut pending);
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    let mut count = 0;
    while let Some(field) = pending.pop() {
        let number = if let Object::Reference(number, _) = field.object { Some(number) } else { None };
        if number.is_some_and(|number| !seen.insert(number)) {
            continue;
        }
        count += 1;
        if count > MAX_FIELDS || field.depth > MAX_FIELD_DEPTH {
            return Err(PdfError::Limit("champs de formulaire"));
        }
        let object = pdf.resolve(&field.object)?;
        let Some(dictionary) = object.dictionary() else { continue };
        let partial = pdf.value(dictionary, b"T")?;
        let name = join(&field.prefix, partial.string());
        let kind = pdf.value(dictionary, b"FT")?;
        let is_signature = match &*kind {
            Object::Name(kind) => kind == b"Sig",
            _ => field.is_signature,
        };
        let kids = pdf.value(dictionary, b"Kids")?;
        push(&kids, &name, is_signature, field.depth + 1, &mut pending);
        if !is_signature {
            continue;
        }
        match dictionary.get(b"V") {
            None | Some(Object::Null) if kids.array().is_some() => {}
            None | Some(Object::Null) => found.empty_fields += 1,
            Some(value) => value_of(pdf, value, &object, number, name, named)?,
        }
    }
    Ok(())
}

/// The dictionary a field's value is, with the place it stands at in the file.
fn value_of(
    pdf: &Pdf<'_>,
    value: &Object,
    field: &Object,
    number: Option<u32>,
    name: String,
    named: &mut Vec<Named>,
) -> Result<(), PdfError> {
    let resolved = pdf.resolve(value)?;
    let Some(dictionary) = resolved.dictionary() else { return Ok(()) };
    let offset = match value {
        Object::Reference(number, _) => pdf.offset(*number),
        // The dictionary inside the field's own.
        _ => number.and_then(|number| pdf.offset(number)).filter(|_| field.dictionary().is_some()),
    };
    // In an object stream, a signature's place in the file is nowhere: its range cannot hold.
    named.push((name, number, offset.unwrap_or(usize::MAX), dictionary.clone()));
    Ok(())
}

fn join(prefix: &str, partial: Option<&[u8]>) -> String {
    let Some(partial) = partial else { return prefix.to_owned() };
    let text = match partial {
        [0xfe, 0xff, rest @ ..] => String::from_utf16_lossy(
            &rest.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect::<Vec<_>>(),
        ),
        _ => partial.iter().map(|octet| char::from(*octet)).collect(),
    };
    let text: String = text.chars().filter(|character| !character.is_control()).take(200).collect();
    if prefix.is_empty() { text } else { format!("{prefix}.{text}") }
}

fn read(bytes: &[u8], dictionary: Dictionary, offset: usize) -> Signature {
    let contents = dictionary.get(b"Contents").and_then(Object::string).unwrap_or_default().to_vec();
    let range = range(bytes, &dictionary, offset);
    Signature { field: None, field_number: None, dictionary, offset, contents, range }
}

/// Checks the byte range of a dictionary whose spans are places in `bytes`.
fn range(bytes: &[u8], dictionary: &Dictionary, offset: usize) -> Result<Covered, RangeFault> {
    let numbers = dictionary.get(b"ByteRange").and_then(Object::array).unwrap_or_default();
    let numbers: Vec<i64> = numbers.iter().map_while(Object::integer).collect();
    let &[first, first_length, second, second_length] = numbers.as_slice() else {
        return Err(RangeFault::NotFourNumbers);
    };
    if dictionary.count(b"ByteRange") != 1 || dictionary.count(b"Contents") > 1 {
        return Err(RangeFault::Ambiguous);
    }
    if numbers.iter().any(|number| *number < 0) {
        return Err(RangeFault::Negative);
    }
    if first != 0 {
        return Err(RangeFault::NotFromStart);
    }
    let place = |number: i64| usize::try_from(number).map_err(|_| RangeFault::Outside);
    let (first_end, second, length) = (place(first_length)?, place(second)?, place(second_length)?);
    let end = second.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(RangeFault::Outside)?;
    if first_end == 0 || length == 0 || first_end >= second {
        return Err(RangeFault::Overlap);
    }
    let span = dictionary.span(b"Contents").ok_or(RangeFault::NoContents)?;
    if !matches!(dictionary.get(b"Contents"), Some(Object::String(_))) {
        return Err(RangeFault::NoContents);
    }
    if offset >= bytes.len() || !leaves_out(bytes, first_end..second, &span) {
        return Err(RangeFault::WrongGap);
    }
    Ok(Covered { before: 0..first_end, after: second..end })
}

/// Whether the gap is the string at `span`, blanks around it aside: they say nothing to any reader.
fn leaves_out(bytes: &[u8], gap: Range<usize>, span: &Range<usize>) -> bool {
    let blank = |range: Range<usize>| bytes.get(range).is_some_and(|octets| octets.iter().all(u8::is_ascii_whitespace));
    gap.start <= span.start && span.end <= gap.end && blank(gap.start..span.start) && blank(span.end..gap.end)
}

/// The dictionaries with a `/ByteRange` in the raw bytes, whatever refers to them, but those whose `/Contents` is `known`.
fn scan(bytes: &[u8], known: &BTreeSet<usize>) -> Vec<Signature> {
    let mut found = Vec::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let (mut reached, mut spent) = (0, 0_usize);
    let budget = bytes.len().saturating_mul(2).saturating_add(16 * 1024 * 1024);
    for at in memchr::memmem::find_iter(bytes, b"/ByteRange").take(4 * MAX_SIGNATURES) {
        let from = at.saturating_sub(MAX_DICTIONARY_BYTES).max(reached);
        reached = at;
        let Some(object) = memchr::memmem::rfind(&bytes[from..at], b" obj").map(|object| from + object) else {
            continue;
        };
        if !seen.insert(object) || spent > budget {
            continue;
        }
        let mut parser = Parser::new(bytes, object + b" obj".len());
        let parsed = parser.object();
        spent += parser.position().saturating_sub(object);
        let Ok(Object::Dictionary(dictionary)) = parsed else { continue };
        let Some(dictionary) = with_range(dictionary, at) else { continue };
        let contents = dictionary.span(b"Contents").map(|span| span.start);
        if contents.is_none_or(|contents| !known.contains(&contents)) {
            found.push(read(bytes, dictionary, object));
        }
    }
    found
}

/// The dictionary, or the one under its `/V`, that has the `/ByteRange` found.
fn with_range(dictionary: Dictionary, at: usize) -> Option<Dictionary> {
    let has = |dictionary: &Dictionary| dictionary.span(b"ByteRange").is_some_and(|span| span.start > at);
    if has(&dictionary) {
        return Some(dictionary);
    }
    dictionary.get(b"V").and_then(Object::dictionary).filter(|inner| has(inner)).cloned()
}
