//! Texts kept once each, by number: identifiers, dates, codes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The number of a kept text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(u32);

impl Text {
    /// Its number, from 0 in the order of arrival.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The kept texts: one buffer, and where each begins.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    buffer: String,
    ends: Vec<usize>,
    /// Hash to the numbers that have it: keyed, so that chosen texts do not collide.
    known: HashMap<u64, Vec<u32>>,
    hasher: RandomState,
}

impl Texts {
    /// Keeps a text, or finds it again.
    pub fn keep(&mut self, text: &str) -> Text {
        let hash = self.hasher.hash_one(text);
        if let Some(found) = self.find_hashed(hash, text) {
            return found;
        }
        let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.buffer.push_str(text);
        self.ends.push(self.buffer.len());
        self.known.entry(hash).or_default().push(number);
        Text(number)
    }

    /// Finds a text that may have been kept.
    pub fn find(&self, text: &str) -> Option<Text> {
        self.find_hashed(self.hasher.hash_one(text), text)
    }

    /// The text of a number.
    pub fn get(&self, text: Text) -> &str {
        let at = text.index();
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(at).and_then(|end| self.buffer.get(start..*end)).unwrap_or_default()
    }

    /// How many texts are kept.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn find_hashed(&self, hash: u64, text: &str) -> Option<Text> {
        let candidates = self.known.get(&hash)?;
        candidates.iter().map(|&number| Text(number)).find(|&candidate| self.get(candidate) == text)
    }
}

#[cfg(test)]
mod tests {
    use super::Texts;

    #[test]
    fn a_text_is_kept_once() {
        let mut texts = Texts::default();
        let (a, b) = (texts.keep("a"), texts.keep(""));
        assert_eq!((texts.keep("a"), texts.keep("")), (a, b));
        assert_eq!((texts.get(a), texts.get(b), texts.len()), ("a", "", 2));
        assert_eq!(texts.find("z"), None);
    }
}
