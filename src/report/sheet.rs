//! Setting a French document in type: margins, lines that follow each other, pages as they are needed.

use crate::spec::pdfa::{Colour, Face, HEIGHT, Page, Style, WIDTH};

/// Margins, in points.
pub(super) const MARGIN: f32 = 56.0;
/// Where lines end.
pub(super) const RIGHT: f32 = WIDTH - MARGIN;
const BOTTOM: f32 = HEIGHT - 64.0;

pub(super) const INK: Colour = [0.10, 0.11, 0.15];
pub(super) const QUIET: Colour = [0.38, 0.40, 0.45];
pub(super) const BLUE: Colour = [0.08, 0.20, 0.42];
pub(super) const GREEN: Colour = [0.07, 0.40, 0.20];
pub(super) const AMBER: Colour = [0.60, 0.38, 0.0];
pub(super) const RED: Colour = [0.70, 0.08, 0.08];
const RULE: Colour = [0.75, 0.77, 0.82];

/// A style of text.
pub(super) fn style(face: Face, size: f32, colour: Colour) -> Style {
    Style { face, size, colour }
}

/// Pages being set, from top to bottom.
pub(super) struct Sheet {
    pages: Vec<Page>,
    page: Page,
    /// Baseline of the last line.
    y: f32,
    foot: String,
}

impl Sheet {
    pub(super) fn new(foot: &str) -> Self {
        Self { pages: Vec::new(), page: Page::default(), y: MARGIN, foot: foot.to_owned() }
    }

    /// Where the next line would begin.
    pub(super) fn y(&self) -> f32 {
        self.y
    }

    pub(super) fn page(&mut self) -> &mut Page {
        &mut self.page
    }

    /// Moves down; begins a page when less than `needed` points are left below.
    pub(super) fn down(&mut self, by: f32, needed: f32) {
        if self.y + by + needed > BOTTOM {
            self.pages.push(std::mem::take(&mut self.page));
            self.y = MARGIN;
        } else {
            self.y += by;
        }
    }

    /// A paragraph from `x` to the right margin, its first baseline `before` points below; no more than `lines_max` lines.
    pub(super) fn paragraph(&mut self, x: f32, before: f32, style: Style, text: &str, lines_max: usize) {
        let text = plain(text);
        let mut lines = style.face.wrap(style.size, &text, RIGHT - x);
        if lines.len() > lines_max {
            lines.truncate(lines_max);
            if let Some(last) = lines.last_mut() {
                last.pop();
                last.push('…');
            }
        }
        for (number, line) in lines.iter().enumerate() {
            self.down(if number == 0 { before } else { style.size * 1.3 }, 0.0);
            self.page.text(x, self.y, style, line);
        }
    }

    /// A label and what it stands for.
    pub(super) fn field(&mut self, label: &str, value: &str, face: Face) {
        self.down(15.0, 0.0);
        let y = self.y;
        self.page.text(MARGIN, y, style(Face::Sans, 9.0, QUIET), label);
        let text = plain(value);
        for (number, line) in face.wrap(9.5, &text, RIGHT - MARGIN - 118.0).iter().take(4).enumerate() {
            if number > 0 {
                self.down(12.0, 0.0);
            }
            let y = self.y;
            self.page.text(MARGIN + 118.0, y, style(face, if face == Face::Mono { 8.0 } else { 9.5 }, INK), line);
        }
    }

    /// The heading of a part.
    pub(super) fn heading(&mut self, text: &str) {
        self.down(26.0, 40.0);
        let y = self.y;
        self.page.text(MARGIN, y, style(Face::Bold, 11.5, BLUE), &plain(text));
        self.page.rule(MARGIN, RIGHT, y + 5.0, 0.6, RULE);
        self.y += 4.0;
    }

    /// The pages, numbered.
    pub(super) fn finish(mut self) -> Vec<Page> {
        self.pages.push(self.page);
        let count = self.pages.len();
        let small = style(Face::Sans, 7.5, QUIET);
        for (number, page) in self.pages.iter_mut().enumerate() {
            page.rule(MARGIN, RIGHT, HEIGHT - 46.0, 0.4, RULE);
            page.text(MARGIN, HEIGHT - 34.0, small, &self.foot);
            page.text_to(RIGHT, HEIGHT - 34.0, small, &format!("{} / {count}", number + 1));
        }
        self.pages
    }
}

/// A text that a page can show: no control characters.
pub(super) fn plain(text: &str) -> String {
    crate::receipt::printable(text)
}
