//! The faces a document is set in: subsets of Noto (`assets/fonts`, SIL Open Font License), embedded whole where they are used.
//!
//! Text is written as glyph numbers; a table back to Unicode goes along, so that it can be searched and copied.

use super::deflated;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Chunk, Filter, Finish, Name, Rect, Ref, Str};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Face {
    /// Running text.
    Sans,
    /// What stands out of it.
    Bold,
    /// Titles.
    Title,
    /// Digests and identifiers.
    Mono,
}

impl Face {
    /// Every face.
    pub(super) const ALL: [Self; 4] = [Self::Sans, Self::Bold, Self::Title, Self::Mono];

    /// Its name among the resources of a page.
    pub(super) fn resource(self) -> Name<'static> {
        Name(match self {
            Self::Sans => b"F0",
            Self::Bold => b"F1",
            Self::Title => b"F2",
            Self::Mono => b"F3",
        })
    }

    pub(super) fn font(self) -> &'static Font {
        static FONTS: LazyLock<[Font; 4]> = LazyLock::new(|| {
            Face::ALL.map(|face| {
                let (name, file, weight): (_, &'static [u8], _) = match face {
                    Face::Sans => {
                        ("NotoSans-Regular", include_bytes!("../../../assets/fonts/NotoSans-Regular.ttf"), 400)
                    }
                    Face::Bold => ("NotoSans-Bold", include_bytes!("../../../assets/fonts/NotoSans-Bold.ttf"), 700),
                    Face::Title => ("NotoSerif-Bold", include_bytes!("../../../assets/fonts/NotoSerif-Bold.ttf"), 700),
                    Face::Mono => {
                        let file = include_bytes!("../../../assets/fonts/NotoSansMono-Regular.ttf");
                        ("NotoSansMono-Regular", file, 400)
                    }
                };
                // Files of ours, read by a test.
                Font::parse(name, file, weight).unwrap_or_default()
            })
        });
        &FONTS[self as usize]
    }

    /// Width of a text in points.
    pub fn width(self, size: f32, text: &str) -> f32 {
        let font = self.font();
        let units: u32 = text.chars().map(|c| u32::from(font.advance(font.glyph(c)))).sum();
        // Lines are short: the sum is exact in 24 bits.
        f32::from(u16::try_from(units).unwrap_or(u16::MAX)) * size / 1000.0
    }

    /// Breaks a text into lines no wider than `width` points, at spaces, and inside a word only when it is wider itself.
    pub fn wrap(self, size: f32, text: &str, width: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split([' ', '\n']).filter(|word| !word.is_empty()) {
            let line = lines.last_mut().map_or("", |line| line.as_str());
            let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(size, &joined) <= width {
                lines.pop();
                lines.push(joined);
                continue;
            }
            if line.is_empty() {
                lines.pop();
            }
            lines.extend(self.split(size, word, width));
        }
        lines
    }

    fn split(self, size: f32, word: &str, width: f32) -> Vec<String> {
        let mut parts = vec![String::new()];
        for c in word.chars() {
            let mut longer = parts.pop().unwrap_or_default();
            let fits = longer.is_empty() || self.width(size, &format!("{longer}{c}")) <= width;
            if fits {
                longer.push(c);
                parts.push(longer);
            } else {
                parts.extend([longer, c.to_string()]);
            }
        }
        parts
    }
}

/// A TrueType file, as far as it is needed to set text in it.
#[derive(Debug, Default)]
pub(super) struct Font {
    name: &'static str,
    file: &'static [u8],
    weight: u16,
    bounds: [i16; 4],
    ascent: i16,
    descent: i16,
    /// By glyph, in thousandths of the size.
    advances: Vec<u16>,
    glyphs: BTreeMap<char, u16>,
}

/// What stands for a character that the face does not have.
const REPLACEMENT: char = '\u{fffd}';

impl Font {
    fn parse(name: &'static str, file: &'static [u8], weight: u16) -> Option<Self> {
        let table = |tag: &[u8; 4]| {
            (0..usize::from(u16_at(file, 4)?)).find_map(|n| {
                let entry = file.get(12 + n * 16..28 + n * 16)?;
                let (at, length) = (u32_at(entry, 8)?, u32_at(entry, 12)?);
                (entry.starts_with(tag)).then(|| file.get(at..at + length)).flatten()
            })
        };
        let (head, hhea, hmtx) = (table(b"head")?, table(b"hhea")?, table(b"hmtx")?);
        // Every advance is used as thousandths below.
        if u16_at(head, 18)? != 1000 {
            return None;
        }
        let glyphs = usize::from(u16_at(table(b"maxp")?, 4)?);
        let metrics = usize::from(u16_at(hhea, 34)?).checked_sub(1)?;
        let advances = (0..glyphs).map(|glyph| u16_at(hmtx, glyph.min(metrics) * 4)).collect::<Option<_>>()?;
        Some(Self {
            name,
            file,
            weight,
            bounds: [i16_at(head, 36)?, i16_at(head, 38)?, i16_at(head, 40)?, i16_at(head, 42)?],
            ascent: i16_at(hhea, 4)?,
            descent: i16_at(hhea, 6)?,
            advances,
            glyphs: characters(table(b"cmap")?)?,
        })
    }

    /// The glyph of a character.
    pub(super) fn glyph(&self, c: char) -> u16 {
        let known = |c| self.glyphs.get(&c).copied();
        let plain = match c {
            '\u{2011}' => known('-'),
            '\u{202f}' | '\u{2009}' | '\u{2007}' => known('\u{a0}'),
            _ => None,
        };
        known(c).or(plain).or_else(|| known(REPLACEMENT)).unwrap_or(0)
    }

    fn advance(&self, glyph: u16) -> u16 {
        self.advances.get(usize::from(glyph)).copied().unwrap_or(0)
    }

    /// Writes the font under `ids` (five of them): `used` are the glyphs shown, and what they stand for.
    pub(super) fn write(&self, chunk: &mut Chunk, ids: [Ref; 5], used: &BTreeMap<u16, char>) {
        let [font, descendant, descriptor, file, unicode] = ids;
        let system = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
        let name = Name(self.name.as_bytes());
        let mut type0 = chunk.type0_font(font);
        type0.base_font(name).encoding_predefined(Name(b"Identity-H")).descendant_font(descendant).to_unicode(unicode);
        type0.finish();
        let mut cid = chunk.cid_font(descendant);
        cid.subtype(CidFontType::Type2).base_font(name).system_info(system).font_descriptor(descriptor);
        cid.cid_to_gid_map_predefined(Name(b"Identity"));
        cid.widths().consecutive(0, self.advances.iter().map(|advance| f32::from(*advance)));
        cid.finish();
        let fixed = if self.name.contains("Mono") { FontFlags::FIXED_PITCH } else { FontFlags::empty() };
        let serif = if self.name.contains("Serif") { FontFlags::SERIF } else { FontFlags::empty() };
        let [left, bottom, right, top] = self.bounds.map(f32::from);
        let mut described = chunk.font_descriptor(descriptor);
        described.name(name).flags(FontFlags::NON_SYMBOLIC | fixed | serif).bbox(Rect::new(left, bottom, right, top));
        described.italic_angle(0.0).ascent(f32::from(self.ascent)).descent(f32::from(self.descent)).cap_height(714.0);
        described.weight(self.weight).stem_v(if self.weight > 500 { 150.0 } else { 90.0 }).font_file2(file);
        described.finish();
        let packed = deflated(self.file);
        let mut stream = chunk.stream(file, &packed);
        stream.filter(Filter::FlateDecode);
        stream.pair(Name(b"Length1"), i32::try_from(self.file.len()).unwrap_or(i32::MAX));
        stream.finish();
        let mut map = UnicodeCmap::new(Name(b"Adobe-Identity-UCS"), system);
        for (glyph, c) in used {
            map.pair(*glyph, *c);
        }
        chunk.cmap(unicode, &map.finish());
    }
}

/// The characters of a cmap table, from its Unicode subtable of format 4.
fn characters(cmap: &[u8]) -> Option<BTreeMap<char, u16>> {
    let subtables = usize::from(u16_at(cmap, 2)?);
    let table = (0..subtables).find_map(|n| {
        let table = cmap.get(u32_at(cmap, 4 + n * 8 + 4)?..)?;
        (u16_at(table, 0)? == 4).then_some(table)
    })?;
    let doubled = usize::from(u16_at(table, 6)?);
    let mut glyphs = BTreeMap::new();
    for segment in (0..doubled).step_by(2) {
        let (end, start) = (u16_at(table, 14 + segment)?, u16_at(table, 16 + doubled + segment)?);
        let (delta, place) = (u16_at(table, 16 + 2 * doubled + segment)?, 16 + 3 * doubled + segment);
        let offset = usize::from(u16_at(table, place)?);
        for code in start..=end {
            let glyph = if offset == 0 {
                code.wrapping_add(delta)
            } else {
                match u16_at(table, place + offset + 2 * usize::from(code - start)).unwrap_or(0) {
                    0 => 0,
                    glyph => glyph.wrapping_add(delta),
                }
            };
            if let Some(c) = char::from_u32(u32::from(code)).filter(|_| glyph != 0) {
                glyphs.insert(c, glyph);
            }
        }
    }
    Some(glyphs)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn i16_at(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faces_have_what_french_needs() {
        for face in Face::ALL {
            let font = face.font();
            let missing = font.glyph(REPLACEMENT);
            assert_ne!(missing, 0, "{face:?}");
            for c in "azAZ09 éèêëàâäçîïôöùûüÿœæÉÈÀÇŒ«»’–—…°€\u{a0}\u{202f}".chars()
            {
                let glyph = font.glyph(c);
                assert!(glyph != 0 && glyph != missing && font.advance(glyph) > 0, "{face:?} {c:?}");
            }
            assert_eq!(font.glyph('漢'), missing);
        }
        assert!(Face::Sans.width(10.0, "WWW") > Face::Sans.width(10.0, "iii"));
        assert!((Face::Mono.width(10.0, "WWW") - Face::Mono.width(10.0, "iii")).abs() < 1e-6);
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_anywhere() {
        let lines = Face::Sans.wrap(10.0, "le conseil municipal a délibéré", 80.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| Face::Sans.width(10.0, line) <= 80.0), "{lines:?}");
        assert_eq!(lines.join(" "), "le conseil municipal a délibéré");
        let lines = Face::Mono.wrap(10.0, &"0123456789abcdef".repeat(4), 100.0);
        assert_eq!(lines.concat(), "0123456789abcdef".repeat(4));
        assert_eq!(Face::Sans.wrap(10.0, "", 10.0), [""]);
    }
}
