//! A page, A4: text, rules and filled rectangles, placed in points from the top left corner.

use super::Face;
use pdf_writer::{Content, Str};
use std::collections::BTreeMap;

/// Width of a page in points.
pub const WIDTH: f32 = 595.0;

/// Height of a page in points.
pub const HEIGHT: f32 = 842.0;

/// Red, green, blue; sRGB from 0 to 1.
pub type Colour = [f32; 3];

/// A page being set.
pub struct Page {
    content: Content,
    used: [BTreeMap<u16, char>; 4],
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// The face.
    pub face: Face,
    /// Its size in points.
    pub size: f32,
    /// Its colour.
    pub colour: Colour,
}

impl Default for Page {
    fn default() -> Self {
        Self { content: Content::new(), used: std::array::from_fn(|_| BTreeMap::new()) }
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

impl Page {
    /// Sets a line of text: `x` is where it begins, `y` its baseline.
    pub fn text(&mut self, x: f32, y: f32, style: Style, text: &str) {
        if text.is_empty() {
            return;
        }
        let (font, used) = (style.face.font(), &mut self.used[style.face as usize]);
        let mut codes = Vec::with_capacity(text.len() * 2);
        for c in text.chars() {
            let glyph = font.glyph(c);
            used.entry(glyph).or_insert(c);
            codes.extend_from_slice(&glyph.to_be_bytes());
        }
        let [red, green, blue] = style.colour;
        self.content.begin_text().set_fill_rgb(red, green, blue).set_font(style.face.resource(), style.size);
        self.content.next_line(x, HEIGHT - y).show(Str(&codes)).end_text();
    }

    /// A text that ends at `x`.
    pub fn text_to(&mut self, x: f32, y: f32, style: Style, text: &str) {
        self.text(x - style.face.width(style.size, text), y, style, text);
    }

    /// A text around the middle of the page.
    pub fn text_centred(&mut self, y: f32, style: Style, text: &str) {
        self.text((WIDTH - style.face.width(style.size, text)) / 2.0, y, style, text);
    }

    /// A horizontal rule.
    pub fn rule(&mut self, from: f32, to: f32, y: f32, thickness: f32, colour: Colour) {
        self.fill(from, y - thickness / 2.0, to - from, thickness, colour);
    }

    /// A filled rectangle; `x` and `y` are its top left corner.
    pub fn fill(&mut self, x: f32, y: f32, width: f32, height: f32, colour: Colour) {
        let [red, green, blue] = colour;
        self.content.set_fill_rgb(red, green, blue).rect(x, HEIGHT - y - height, width, height).fill_nonzero();
    }

    /// The outline of a rectangle.
    pub fn frame(&mut self, x: f32, y: f32, width: f32, height: f32, thickness: f32, colour: Colour) {
        let [red, green, blue] = colour;
        self.content.set_stroke_rgb(red, green, blue).set_line_width(thickness);
        self.content.rect(x, HEIGHT - y - height, width, height).stroke();
    }

    /// The content stream, and the glyphs used by face.
    pub(super) fn into_parts(self) -> (Vec<u8>, [BTreeMap<u16, char>; 4]) {
        (self.content.finish().to_vec(), self.used)
    }
}
