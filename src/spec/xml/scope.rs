//! Namespace bindings in force, element by element: pushed by a start tag, popped by its end.

use std::collections::HashMap;

/// Bindings of prefixes (as the document writes them; empty for the default namespace) to interned namespace names.
/// Looking one up takes constant time however many there are, so that many namespaces cost no more than their length.
#[derive(Debug, Default)]
pub(super) struct Scope<'d> {
    bindings: Vec<(&'d [u8], u32)>,
    marks: Vec<usize>,
    /// The places in `bindings` of each prefix; filled beyond [`FEW`] bindings only.
    index: Option<HashMap<&'d [u8], Vec<usize>>>,
}

/// Up to here a walk is quicker than hashing.
const FEW: usize = 24;

impl<'d> Scope<'d> {
    /// Enters an element.
    pub(super) fn push(&mut self) {
        self.marks.push(self.bindings.len());
    }

    /// Leaves it: its bindings are forgotten.
    pub(super) fn pop(&mut self) {
        let kept = self.marks.pop().unwrap_or(0);
        if let Some(index) = &mut self.index {
            for (prefix, _) in &self.bindings[kept..] {
                if let Some(places) = index.get_mut(prefix) {
                    places.pop();
                }
            }
        }
        self.bindings.truncate(kept);
    }

    /// Binds a prefix in the element entered last.
    pub(super) fn bind(&mut self, prefix: &'d [u8], name: u32) {
        self.bindings.push((prefix, name));
        if self.bindings.len() > FEW && self.index.is_none() {
            let mut index: HashMap<&[u8], Vec<usize>> = HashMap::new();
            for (place, (prefix, _)) in self.bindings.iter().enumerate() {
                index.entry(prefix).or_default().push(place);
            }
            self.index = Some(index);
        } else if let Some(index) = &mut self.index {
            index.entry(prefix).or_default().push(self.bindings.len() - 1);
        }
    }

    /// What a prefix is bound to.
    pub(super) fn get(&self, prefix: &[u8]) -> Option<u32> {
        match &self.index {
            Some(index) => index.get(prefix).and_then(|places| places.last()).map(|&place| self.bindings[place].1),
            None => self.bindings.iter().rev().find(|(bound, _)| *bound == prefix).map(|(_, name)| *name),
        }
    }

    /// How many bindings there are, hidden ones included.
    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// The bindings that are not hidden by a later one of the same prefix, in no order.
    pub(super) fn visible(&self) -> Vec<(&'d [u8], u32)> {
        let last: HashMap<&[u8], u32> = self.bindings.iter().copied().collect();
        last.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_binding_counts_with_few_and_with_many() {
        for many in [0_usize, 100] {
            let names: Vec<Vec<u8>> = (0..many).map(|n| format!("p{n}").into_bytes()).collect();
            let mut scope = Scope::default();
            scope.push();
            scope.bind(b"a", 1);
            for (name, n) in names.iter().zip(1000..) {
                scope.bind(name, n);
            }
            scope.push();
            scope.bind(b"a", 2);
            scope.bind(b"b", 3);
            assert_eq!((scope.get(b"a"), scope.get(b"b"), scope.get(b"c")), (Some(2), Some(3), None));
            assert_eq!(scope.visible().len(), 2 + many);
            scope.pop();
            assert_eq!((scope.get(b"a"), scope.get(b"b")), (Some(1), None));
            if many > 0 {
                assert_eq!(scope.get(b"p99"), Some(1099));
            }
            scope.pop();
            assert_eq!((scope.get(b"a"), scope.get(b"p99")), (None, None));
        }
    }
}
