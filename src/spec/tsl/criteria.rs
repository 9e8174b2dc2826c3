//! The criteria by which a list qualifies certificates (TS 119 612 § 5.5.9.2.2).

use crate::spec::x509::{Certificate, name};

/// How the members of a list of criteria combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assertion {
    /// Every one
    All,
    /// One
    AtLeastOne,
    /// Not one
    None,
}

/// A `CriteriaList`.
#[derive(Debug, Clone)]
pub struct Criteria {
    /// How its members combine.
    pub assertion: Assertion,
    /// Bits of `keyUsage` by name, with the value wanted.
    pub key_usages: Vec<Vec<(String, bool)>>,
    /// Certificate policies, all of a set wanted.
    pub policies: Vec<Vec<String>>,
    /// Extended key usages, all of a set wanted.
    pub extended_usages: Vec<Vec<String>>,
    /// Attributes that the subject's name must have, dotted.
    pub subject_attributes: Vec<Vec<String>>,
    /// Lists within this one.
    pub nested: Vec<Criteria>,
    /// A criterion nobody here understands: never fulfilled.
    pub unknown: usize,
}

impl Criteria {
    /// Whether `certificate` fulfils them.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        let mut verdicts = Vec::new();
        let extensions = certificate.extensions();
        for bits in &self.key_usages {
            let usage = extensions.key_usage.unwrap_or_default();
            verdicts.push(bits.iter().all(|(name, wanted)| bit(name).is_some_and(|bit| (usage & bit != 0) == *wanted)));
        }
        let held = extensions.policies.as_deref().unwrap_or_default();
        verdicts.extend(self.policies.iter().map(|set| set.iter().all(|policy| held.contains(policy))));
        let usages = extensions.extended_usage.as_deref().unwrap_or_default();
        verdicts.extend(self.extended_usages.iter().map(|set| set.iter().all(|usage| usages.contains(usage))));
        let has = |oid: &String| !name::attributes(certificate.subject_der(), oid).is_empty();
        verdicts.extend(self.subject_attributes.iter().map(|set| set.iter().all(has)));
        verdicts.extend(self.nested.iter().map(|nested| nested.matches(certificate)));
        verdicts.extend(std::iter::repeat_n(false, self.unknown));
        match self.assertion {
            Assertion::All => verdicts.iter().all(|verdict| *verdict),
            Assertion::AtLeastOne => verdicts.contains(&true),
            Assertion::None => !verdicts.contains(&true),
        }
    }
}

/// A bit of `keyUsage` by the name lists give it.
fn bit(name: &str) -> Option<u16> {
    let names = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "crlSign",
        "encipherOnly",
        "decipherOnly",
    ];
    names.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|at| 1 << at)
}
