//! Signature validation: what is signed, by whom, and whether it holds (ETSI EN 319 102-1).
//!
//! ```text
//! bytes → kind of input → gatherers → Facts ┐
//!                policy, trust material, time ┴→ verdict → report
//! ```
//!
//! *Facts first, verdict after*: [`gather()`] reads and computes, and never judges; the verdict is a pure function of the
//! [`Facts`], so that it can be given again in thirty years from the diagnostic report alone.

pub mod facts;
pub mod format;
pub mod gather;
pub mod indication;
pub mod level;
pub mod lists;
pub mod policy;
pub mod qualification;
pub mod report;
pub mod trust;
pub mod verdict;

pub use facts::Facts;

use policy::SignaturePolicy;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use trust::TrustMaterial;

/// How signatures are validated: the policy, and whom one relies on.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The policy.
    pub policy: SignaturePolicy,
    /// Anchors, trusted lists, revocation data.
    pub trust: TrustMaterial,
}

/// The rules in force, which new trusted lists change while the archive runs.
#[derive(Debug)]
pub struct SharedRules(RwLock<Arc<Rules>>);

impl SharedRules {
    /// These rules, for now.
    pub fn new(rules: Rules) -> Self {
        Self(RwLock::new(Arc::new(rules)))
    }

    /// The rules in force; a validation keeps those it began with.
    pub fn current(&self) -> Arc<Rules> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other rules in force.
    pub fn replace(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

/// Why there are no rules.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The policy is unusable.
    #[error(transparent)]
    Policy(#[from] policy::PolicyError),
    /// A file or folder cannot be read.
    #[error("{} : {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Rules {
    /// The embedded policy or that of a file, and what a folder like `certs/` holds.
    pub fn load(policy: Option<&Path>, certificates: Option<&Path>) -> Result<Self, RulesError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| RulesError::Read { path, source }
        };
        let policy = match policy {
            None => SignaturePolicy::embedded()?,
            Some(path) => SignaturePolicy::parse(&std::fs::read_to_string(path).map_err(at(path))?)?,
        };
        let trust = match certificates {
            None => TrustMaterial::default(),
            Some(folder) => TrustMaterial::load(folder).map_err(|trust::TrustError::Io(source)| at(folder)(source))?,
        };
        Ok(Self { policy, trust })
    }
}

/// What is to be validated.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The file's name, when it has one: ASiC members and detached references go by it.
    pub name: Option<&'a str>,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Content that stands beside it: what a detached signature is about, a container's other members.
    pub contents: &'a [Content<'a>],
    /// Certificates from elsewhere, DER, for signatures that do not bring their signer's.
    pub certificates: &'a [&'a [u8]],
}

/// Content beside a signature.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Its name, as a detached reference would write it.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// The content that a reference without a name means: the only one.
    pub fn only_content(&self) -> Option<&'a [u8]> {
        match self.contents {
            [only] => Some(only.bytes),
            _ => None,
        }
    }

    /// The content of this name. A name that is percent-encoded or begins with `./` is the same name.
    pub fn content(&self, name: &str) -> Option<&'a [u8]> {
        let wanted = plain(name);
        self.contents.iter().find(|content| plain(content.name) == wanted).map(|content| content.bytes)
    }
}

/// Gathers the facts of `input`, by the kind its content has.
pub fn gather(input: &Input<'_>) -> Facts {
    use facts::InputKind;
    let kind = format::detect(input.bytes);
    let mut facts = match kind {
        InputKind::Xml | InputKind::Pes => gather::xades::gather(input),
        InputKind::Cms => gather::cades::gather(input),
        InputKind::Pdf => gather::pades::gather(input),
        InputKind::Asic => gather::asic::gather(input),
        InputKind::Timestamp => gather::tsp::gather(input),
        InputKind::EvidenceRecord | InputKind::XmlEvidenceRecord => gather::evidence::gather(input),
        InputKind::Unknown => Facts::default(),
    };
    if facts.kind == InputKind::Unknown {
        facts.kind = kind;
    }
    gather::retry(&mut facts, input.certificates);
    facts
}

/// A reference's name as a file's name.
fn plain(name: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    decoded.trim_start_matches("./").to_owned()
}
