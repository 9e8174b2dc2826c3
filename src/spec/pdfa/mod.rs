//! Writing PDF/A-3b (ISO 19005-3 over ISO 32000-1): pages of text, embedded faces, files attached, and room for a seal.
//!
//! [`Document::write`] gives a document without a signature. [`Document::write_for_seal`] gives an [`Unsealed`] one: what
//! the signature must cover, and [`Unsealed::sealed`] to put it in place (PAdES baseline, ETSI EN 319 142-1: a CMS
//! SignedData without content and without signing time, over everything but itself).
//!
//! Reading is in [`super::pdf`].

mod font;
mod icc;
mod page;
mod seal;
mod xmp;

pub use font::Face;
pub use page::{Colour, HEIGHT, Page, Style, WIDTH};
pub use seal::{SealField, SealTooLong, Unsealed};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{AssociationKind, OutputIntentSubtype};
use pdf_writer::{Date, Filter, Finish, Name, Pdf, Rect, Ref, TextStr};
use std::collections::BTreeMap;
use std::io::Write;
use time::OffsetDateTime;

/// A document to be written.
#[derive(Debug)]
pub struct Document {
    /// What it is.
    pub described: Description,
    /// What tells it from any other file: 16 bytes.
    pub id: [u8; 16],
    /// Its pages, at least one.
    pub pages: Vec<Page>,
    /// Files attached to it.
    pub attachments: Vec<Attachment>,
}

/// What a document says of itself.
#[derive(Debug, Clone)]
pub struct Description {
    /// Title.
    pub title: String,
    /// Who issues it.
    pub author: String,
    /// What it is about.
    pub subject: String,
    /// Its language (RFC 3066): `fr-FR`.
    pub language: String,
    /// When it was made.
    pub created: OffsetDateTime,
    /// The program that made it.
    pub producer: String,
}

/// A file attached to a document as a whole.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// File name, without characters that a file system refuses.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Media type.
    pub media_type: &'static str,
    /// How it stands to the document.
    pub relation: Relation,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// How an attached file stands to the document (`AFRelationship`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The document shows what the file holds.
    Source,
    /// The file holds more than the document.
    Supplement,
}

/// Objects of one number each, in the order of writing.
struct Numbers(i32);

impl Numbers {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

impl Document {
    /// The bytes of the document.
    pub fn write(self) -> Vec<u8> {
        self.compose(None)
    }

    /// The document with a field for a signature, and room for one of `bytes_max` bytes.
    pub fn write_for_seal(self, field: &SealField, bytes_max: usize) -> Unsealed {
        Unsealed::find(self.compose(Some((field, bytes_max))), bytes_max)
    }

    fn compose(self, seal: Option<(&SealField, usize)>) -> Vec<u8> {
        let Self { described, id, pages, attachments } = self;
        let mut numbers = Numbers(0);
        let (catalog, tree, metadata, profile) = (numbers.next(), numbers.next(), numbers.next(), numbers.next());
        let seal = seal.map(|(field, bytes_max)| (field, bytes_max, [numbers.next(), numbers.next()]));
        let page_ids: Vec<[Ref; 2]> = pages.iter().map(|_| [numbers.next(), numbers.next()]).collect();
        let file_ids: Vec<[Ref; 2]> = attachments.iter().map(|_| [numbers.next(), numbers.next()]).collect();
        let fonts: Vec<(Face, [Ref; 5])> =
            Face::ALL.into_iter().map(|face| (face, std::array::from_fn(|_| numbers.next()))).collect();

        let mut pdf = Pdf::new();
        pdf.set_binary_marker(b"\xe2\xe3\xcf\xd3");
        pdf.set_file_id((id.to_vec(), id.to_vec()));
        write_catalog(&mut pdf, [catalog, tree, metadata, profile], &described, &attachments, &file_ids, seal.as_ref());
        pdf.pages(tree).kids(page_ids.iter().map(|[page, _]| *page)).count(count(page_ids.len()));
        let mut used: [BTreeMap<u16, char>; 4] = Default::default();
        for (number, (page, [page_id, content_id])) in pages.into_iter().zip(&page_ids).enumerate() {
            let (content, glyphs) = page.into_parts();
            let mut written = pdf.page(*page_id);
            written.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(*content_id);
            if let (0, Some((_, _, [_, widget]))) = (number, &seal) {
                written.annotations([*widget]);
            }
            let mut resources = written.resources();
            let mut faces = resources.fonts();
            for ((face, ids), _) in fonts.iter().zip(&glyphs).filter(|(_, glyphs)| !glyphs.is_empty()) {
                faces.pair(face.resource(), ids[0]);
            }
            faces.finish();
            resources.finish();
            written.finish();
            pdf.stream(*content_id, &deflated(&content)).filter(Filter::FlateDecode);
            for (all, more) in used.iter_mut().zip(glyphs) {
                all.extend(more);
            }
        }
        for ((face, ids), used) in fonts.iter().zip(&used).filter(|(_, used)| !used.is_empty()) {
            face.font().write(&mut pdf, *ids, used);
        }
        for (attachment, [file, _]) in attachments.iter().zip(&file_ids) {
            let mut embedded = pdf.embedded_file(*file, &attachment.content);
            embedded.subtype(Name(attachment.media_type.as_bytes()));
            let size = count(attachment.content.len());
            embedded.params().size(size).modification_date(date(described.created));
        }
        pdf.metadata(metadata, xmp::packet(&described).as_bytes());
        let srgb = icc::srgb();
        let mut icc = pdf.icc_profile(profile, &srgb);
        icc.n(3);
        icc.finish();
        for (attachment, [file, specification]) in attachments.iter().zip(&file_ids) {
            write_specification(&mut pdf, *specification, attachment, *file);
        }
        if let Some((field, bytes_max, ids)) = seal {
            seal::write(&mut pdf, ids, page_ids.first().map_or(catalog, |[page, _]| *page), field, bytes_max);
        }
        pdf.finish()
    }
}

fn write_catalog(
    pdf: &mut Pdf,
    [catalog, tree, metadata, profile]: [Ref; 4],
    described: &Description,
    attachments: &[Attachment],
    file_ids: &[[Ref; 2]],
    seal: Option<&(&SealField, usize, [Ref; 2])>,
) {
    let mut written = pdf.catalog(catalog);
    written.pages(tree).metadata(metadata).lang(TextStr(&described.language));
    written.viewer_preferences().display_doc_title(true);
    let mut intents = written.output_intents();
    let mut intent = intents.push();
    intent.subtype(OutputIntentSubtype::PDFA).output_condition_identifier(TextStr("sRGB"));
    intent.info(TextStr("sRGB IEC61966-2.1")).dest_output_profile(profile);
    intent.finish();
    intents.finish();
    if !attachments.is_empty() {
        let mut names: Vec<_> = attachments.iter().map(|a| a.name.as_str()).zip(file_ids).collect();
        // A name tree is searched by order.
        names.sort_unstable_by_key(|(name, _)| *name);
        let mut dictionary = written.names();
        let mut embedded = dictionary.embedded_files();
        let mut tree = embedded.names();
        for (name, [_, specification]) in names {
            tree.insert(pdf_writer::Str(name.as_bytes()), *specification);
        }
        tree.finish();
        embedded.finish();
        dictionary.finish();
        written.insert(Name(b"AF")).array().items(file_ids.iter().map(|[_, specification]| *specification));
    }
    if let Some((_, _, [_, widget])) = seal {
        let mut form = written.form();
        form.fields([*widget]);
        form.sig_flags(pdf_writer::types::SigFlags::SIGNATURES_EXIST | pdf_writer::types::SigFlags::APPEND_ONLY);
    }
}

fn write_specification(pdf: &mut Pdf, id: Ref, attachment: &Attachment, file: Ref) {
    let mut specification = pdf.file_spec(id);
    specification.path(pdf_writer::Str(attachment.name.as_bytes())).unic_file(TextStr(&attachment.name));
    specification.description(TextStr(&attachment.description)).embedded_file_with_unicode(file);
    specification.association_kind(match attachment.relation {
        Relation::Source => AssociationKind::Source,
        Relation::Supplement => AssociationKind::Supplement,
    });
}

/// zlib, as a Flate stream wants it.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let written = encoder.write_all(bytes);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

fn date(at: OffsetDateTime) -> Date {
    let at = at.to_offset(time::UtcOffset::UTC);
    let date = Date::new(u16::try_from(at.year()).unwrap_or(0)).month(u8::from(at.month())).day(at.day());
    date.hour(at.hour()).minute(at.minute()).second(at.second()).utc_offset_hour(0).utc_offset_minute(0)
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
