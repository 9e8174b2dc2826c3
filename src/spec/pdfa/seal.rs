//! Room for a signature over the whole file (ISO 32000-1 § 12.8, ETSI EN 319 142-1 § 5).

use super::date;
use pdf_writer::types::{AnnotationFlags, AnnotationType, FieldType};
use pdf_writer::{Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use std::ops::Range;
use time::OffsetDateTime;

/// What the signature dictionary says.
#[derive(Debug, Clone)]
pub struct SealField {
    /// Who signs.
    pub name: String,
    /// Why.
    pub reason: String,
    /// When, as claimed.
    pub at: OffsetDateTime,
}

/// The signature is longer than the room left for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cachet de {size_bytes} octets, pour une place de {bytes_max}")]
pub struct SealTooLong {
    /// Its length.
    pub size_bytes: usize,
    /// The room.
    pub bytes_max: usize,
}

/// A document that waits for its signature.
#[derive(Debug, Clone)]
pub struct Unsealed {
    bytes: Vec<u8>,
    /// The digits of the signature, without the angle brackets.
    place: Range<usize>,
}

/// What fills the byte range until the lengths are known: as wide as any length.
const UNKNOWN: i32 = 2_147_483_647;

/// Fills the place of the signature: any byte beyond ASCII makes the string hexadecimal.
const FILLING: u8 = 0xff;

/// Writes the signature dictionary and its field, which is not visible.
pub(super) fn write(pdf: &mut Pdf, [signature, widget]: [Ref; 2], page: Ref, field: &SealField, bytes_max: usize) {
    let mut dictionary = pdf.indirect(signature).dict();
    dictionary.pair(Name(b"Type"), Name(b"Sig"));
    dictionary.pair(Name(b"Filter"), Name(b"Adobe.PPKLite"));
    dictionary.pair(Name(b"SubFilter"), Name(b"ETSI.CAdES.detached"));
    dictionary.insert(Name(b"ByteRange")).array().items([0, UNKNOWN, UNKNOWN, UNKNOWN]);
    dictionary.pair(Name(b"Contents"), Str(&vec![FILLING; bytes_max]));
    dictionary.pair(Name(b"M"), date(field.at));
    dictionary.pair(Name(b"Name"), TextStr(&field.name));
    dictionary.pair(Name(b"Reason"), TextStr(&field.reason));
    dictionary.finish();
    let mut form = pdf.form_field(widget);
    form.field_type(FieldType::Signature).partial_name(TextStr("cachet")).pair(Name(b"V"), signature);
    let mut annotation = form.into_annotation();
    annotation.subtype(AnnotationType::Widget).rect(Rect::new(0.0, 0.0, 0.0, 0.0)).page(page);
    annotation.flags(AnnotationFlags::PRINT | AnnotationFlags::LOCKED);
}

impl Unsealed {
    pub(super) fn find(mut bytes: Vec<u8>, bytes_max: usize) -> Self {
        let digits = hex_digits(bytes_max);
        let filling = [b"<".as_slice(), &vec![b'F'; digits], b">"].concat();
        let open = memchr::memmem::find(&bytes, &filling).unwrap_or(0);
        let place = open + 1..open + 1 + digits;
        // The brackets are part of what is left out.
        let (before, after) = (open, place.end + 1);
        let range = format!("0 {before} {after} {}", bytes.len().saturating_sub(after));
        let unknown = format!("0 {UNKNOWN} {UNKNOWN} {UNKNOWN}");
        if let Some(at) = memchr::memmem::find(&bytes, unknown.as_bytes()) {
            let padded = format!("{range:<width$}", width = unknown.len());
            bytes[at..at + unknown.len()].copy_from_slice(padded.as_bytes());
        }
        Self { bytes, place }
    }

    /// What the signature covers: everything but itself.
    pub fn covered(&self) -> Vec<u8> {
        let before = self.bytes.get(..self.place.start.saturating_sub(1)).unwrap_or_default();
        [before, self.bytes.get(self.place.end + 1..).unwrap_or_default()].concat()
    }

    /// The document with its signature: a CMS SignedData (DER) without content.
    pub fn sealed(mut self, cms: &[u8]) -> Result<Vec<u8>, SealTooLong> {
        let mut digits = hex::encode(cms).into_bytes();
        if digits.len() > self.place.len() {
            return Err(SealTooLong { size_bytes: cms.len(), bytes_max: self.place.len() / 2 });
        }
        digits.resize(self.place.len(), b'0');
        self.bytes[self.place].copy_from_slice(&digits);
        Ok(self.bytes)
    }
}

fn hex_digits(bytes: usize) -> usize {
    bytes.saturating_mul(2)
}
