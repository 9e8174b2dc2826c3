//! What two revisions of one file have in common down to the last object, so that comparing them costs what changed and
//! not what they hold.

use super::Pdf;
use super::object::{Dictionary, Object};
use std::collections::{HashMap, HashSet};

/// References followed at most; beyond, everything is compared.
const MAX_EDGES: usize = 4_000_000;

/// Objects that are stored at the same place in both revisions, and so is everything they lead to.
#[derive(Debug, Default)]
pub(super) struct Steady(HashSet<u32>);

impl Steady {
    /// Of what `roots` lead to in the newer revision. Keys that lead back up, and pages, which are compared as pages, are
    /// not followed, as they are not when revisions are compared.
    pub(super) fn of(old: &Pdf<'_>, new: &Pdf<'_>, roots: Vec<u32>) -> Self {
        let (mut pending, mut seen) = (roots, HashSet::new());
        let mut leading: HashMap<u32, Vec<u32>> = HashMap::new();
        let (mut moved, mut edges, mut children) = (Vec::new(), 0, Vec::new());
        while let Some(number) = pending.pop() {
            if !seen.insert(number) {
                continue;
            }
            let Ok(object) = new.object(number) else {
                moved.push(number);
                continue;
            };
            if old.place(number) != new.place(number) {
                moved.push(number);
            }
            if object.dictionary().is_some_and(is_page) {
                continue;
            }
            children.clear();
            references(&object, &mut children);
            edges += children.len();
            if edges > MAX_EDGES {
                return Self::default();
            }
            for child in &children {
                leading.entry(*child).or_default().push(number);
                pending.push(*child);
            }
        }
        while let Some(number) = moved.pop() {
            seen.remove(&number);
            // Each is taken out once: an edge is followed once.
            moved.extend(leading.remove(&number).unwrap_or_default());
        }
        Self(seen)
    }

    /// Whether an object and all it leads to is the same in both.
    pub(super) fn has(&self, number: u32) -> bool {
        self.0.contains(&number)
    }

    /// Whether all that an object refers to is.
    pub(super) fn has_all_of(&self, object: &Object) -> bool {
        let mut numbers = Vec::new();
        references(object, &mut numbers);
        numbers.iter().all(|number| self.has(*number))
    }
}

/// Whether a dictionary is a page or a node of the page tree.
pub(super) fn is_page(dictionary: &Dictionary) -> bool {
    dictionary.is(b"Type", b"Page") || dictionary.is(b"Type", b"Pages")
}

/// The objects that an object refers to, but upwards.
pub(super) fn references(object: &Object, found: &mut Vec<u32>) {
    match object {
        Object::Reference(number, _) => found.push(*number),
        Object::Array(elements) => elements.iter().for_each(|element| references(element, found)),
        Object::Dictionary(dictionary) | Object::Stream(dictionary, _) => {
            for (key, value) in dictionary.entries() {
                if !matches!(key, b"Parent" | b"P" | b"Popup") {
                    references(value, found);
                }
            }
        }
        _ => {}
    }
}
