//! Certificate policies along a path (RFC 5280 § 6.1, with the graph of RFC 9618 in place of the exponential tree).

use super::certificate::Certificate;
use super::extensions::ANY_POLICY;
use std::collections::{BTreeMap, BTreeSet};

/// How many policies are followed at one depth: bounds what crafted mappings cost.
const NODES_MAX: usize = 512;

/// A policy at the depth reached.
#[derive(Debug, Clone, Default)]
struct Node {
    /// What the next certificate may call it.
    expected: BTreeSet<String>,
    /// What it is called in the anchor's domain.
    roots: BTreeSet<String>,
}

/// The state of policy processing between two certificates.
#[derive(Debug)]
pub(super) struct Policies {
    /// By the name they have at this depth; `None` once no policy is left.
    nodes: Option<BTreeMap<String, Node>>,
    explicit: u32,
    mapping: u32,
    any: u32,
}

impl Policies {
    /// Before the first certificate of a path of `length` certificates, anchor excluded.
    pub(super) fn new(length: usize) -> Self {
        let all = u32::try_from(length).unwrap_or(u32::MAX).saturating_add(1);
        let root =
            Node { expected: BTreeSet::from([ANY_POLICY.to_owned()]), roots: BTreeSet::from([ANY_POLICY.to_owned()]) };
        Self { nodes: Some(BTreeMap::from([(ANY_POLICY.to_owned(), root)])), explicit: all, mapping: all, any: all }
    }

    /// Takes the next certificate in (§ 6.1.3 d to f; § 6.1.4 a, b and h to j unless it is the last). `false` when a
    /// policy is required and none is left.
    #[must_use]
    pub(super) fn next(&mut self, certificate: &Certificate, last: bool) -> bool {
        let extensions = certificate.extensions();
        let self_issued = certificate.is_self_issued();
        match (&extensions.policies, self.nodes.take()) {
            (Some(policies), Some(nodes)) => self.nodes = self.level(policies, &nodes, !last && self_issued),
            _ => self.nodes = None,
        }
        if self.explicit == 0 && self.nodes.is_none() {
            return false;
        }
        if last {
            self.explicit = self.explicit.saturating_sub(1);
            if extensions.require_explicit == Some(0) {
                self.explicit = 0;
            }
            return true;
        }
        if extensions.mappings.iter().any(|(from, to)| from == ANY_POLICY || to == ANY_POLICY) {
            return false;
        }
        self.map(&extensions.mappings);
        if !self_issued {
            for counter in [&mut self.explicit, &mut self.mapping, &mut self.any] {
                *counter = counter.saturating_sub(1);
            }
        }
        self.explicit = extensions.require_explicit.map_or(self.explicit, |limit| limit.min(self.explicit));
        self.mapping = extensions.inhibit_mapping.map_or(self.mapping, |limit| limit.min(self.mapping));
        self.any = extensions.inhibit_any.map_or(self.any, |limit| limit.min(self.any));
        true
    }

    /// After the last certificate (§ 6.1.5 g): whether one of `wanted` (none means any) is left, or none is required.
    pub(super) fn accepts(&self, wanted: &[String]) -> bool {
        let left = self.nodes.as_ref().is_some_and(|nodes| {
            wanted.is_empty()
                || nodes.values().any(|node| node.roots.iter().any(|root| root == ANY_POLICY || wanted.contains(root)))
        });
        // A caller who wants certain policies requires them.
        left || (self.explicit > 0 && wanted.is_empty())
    }

    fn level(
        &self,
        policies: &[String],
        nodes: &BTreeMap<String, Node>,
        self_issued: bool,
    ) -> Option<BTreeMap<String, Node>> {
        let mut next: BTreeMap<String, Node> = BTreeMap::new();
        for policy in policies.iter().filter(|policy| *policy != ANY_POLICY).take(NODES_MAX) {
            let mut roots: BTreeSet<String> = BTreeSet::new();
            for node in nodes.values().filter(|node| node.expected.contains(policy)) {
                roots.extend(node.roots.iter().cloned());
            }
            if roots.is_empty() && nodes.contains_key(ANY_POLICY) {
                roots.insert(policy.clone());
            }
            if !roots.is_empty() {
                next.insert(policy.clone(), Node { expected: BTreeSet::from([policy.clone()]), roots });
            }
        }
        if policies.iter().any(|policy| policy == ANY_POLICY) && (self.any > 0 || self_issued) {
            for node in nodes.values() {
                for expected in node.expected.iter().take(NODES_MAX) {
                    if next.len() >= NODES_MAX {
                        break;
                    }
                    let fresh = || Node { expected: BTreeSet::from([expected.clone()]), roots: BTreeSet::new() };
                    if !policies.contains(expected) || expected == ANY_POLICY {
                        next.entry(expected.clone()).or_insert_with(fresh).roots.extend(node.roots.iter().cloned());
                    }
                }
            }
        }
        (!next.is_empty()).then_some(next)
    }

    fn map(&mut self, mappings: &[(String, String)]) {
        let allowed = self.mapping > 0;
        let Some(nodes) = &mut self.nodes else { return };
        let mut by_issuer: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in mappings.iter().take(NODES_MAX) {
            by_issuer.entry(from).or_default().insert(to.clone());
        }
        for (from, expected) in by_issuer {
            if !allowed {
                nodes.remove(from);
            } else if let Some(node) = nodes.get_mut(from) {
                node.expected = expected;
            } else if nodes.contains_key(ANY_POLICY) {
                nodes.insert(from.clone(), Node { expected, roots: BTreeSet::from([from.clone()]) });
            }
        }
        if nodes.is_empty() {
            self.nodes = None;
        }
    }
}
