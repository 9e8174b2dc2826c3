//! Where the text of an element stands in the bytes it was read from.

use super::tree::{Element, Kind};
use std::ops::Range;

impl Element<'_> {
    /// Where its text is in `input`, the very bytes the document was read from: `None` when it is not one piece there
    /// (comments, references and CDATA sections cut it, an element may stand in it, a document in UTF-16 was transcoded).
    pub fn text_in(&self, input: &[u8]) -> Option<Range<usize>> {
        let document = self.document();
        let first = self.node() + 1;
        let node = document.nodes().get(first as usize)?;
        let own = document.nodes().get(self.node() as usize)?;
        if own.next != first + 1 || node.kind() != Kind::Text {
            return None;
        }
        let raw = document.raw(first);
        let start = raw.as_ptr().addr().checked_sub(input.as_ptr().addr())?;
        let range = start..start.checked_add(raw.len())?;
        let same = input.get(range.clone()).is_some_and(|found| std::ptr::eq(found, raw));
        (same && memchr::memchr(b'&', raw).is_none()).then_some(range)
    }
}
