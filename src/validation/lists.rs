//! Trusted lists held: which ones are accepted, on whose signature (ETSI TS 119 612, TS 119 615 §§ 4.1 to 4.3).
//!
//! A list counts only if one intact signature covers the whole of it and is by one of its signers: those given by hand, or
//! those that an accepted list of lists names *for that territory*. An accepted list of lists also names those who sign
//! the next one. A newer list takes the place of the one it follows; an older one is refused.

use super::facts::{CoverageKind, FaultKind, ReferenceState, ValueState};
use super::{Input, gather};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::tsl::{self, LIST_OF_LISTS, ListError, Service, TrustedList};
use crate::spec::x509::Certificate;
use serde::Serialize;
use std::sync::Arc;
use time::OffsetDateTime;

/// Why a list is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListRefusal {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ListError),
    /// It has no signature, or several.
    #[error("une signature, et une seule, est attendue")]
    Signatures,
    /// Its signature does not hold.
    #[error("la signature de la liste n'est pas intègre")]
    Broken,
    /// Its signature leaves something out.
    #[error("la signature ne couvre pas toute la liste")]
    Partial,
    /// It is signed by somebody else.
    #[error("le signataire de la liste n'est pas de ceux qui sont désignés pour « {0} »")]
    Signer(String),
    /// It is another territory's.
    #[error("la liste est celle de « {found} », et non de « {wanted} »")]
    Territory {
        /// Expected
        wanted: String,
        /// Found
        found: String,
    },
    /// A newer one is held.
    #[error("la liste n° {sequence} de « {territory} » précède celle qui est tenue (n° {held})")]
    Older {
        /// Whose
        territory: String,
        /// Its sequence number
        sequence: u64,
        /// That of the list held
        held: u64,
    },
    /// Its next issue was due before.
    #[error("la liste est périmée depuis le {}", .0.date())]
    Stale(OffsetDateTime),
}

/// The lists accepted, and who may sign others.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Given by hand: they may sign any list.
    signers: Vec<Certificate>,
    accepted: Vec<Arc<TrustedList>>,
    /// Accepted since [`Lists::take_new`], with their bytes.
    new: Vec<(Arc<TrustedList>, Arc<[u8]>)>,
}

/// A list, as reports name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListUsed {
    /// `FR`, `EU`…
    pub territory: String,
    /// Sequence number
    pub sequence: u64,
    /// When it was issued
    #[serde(with = "time::serde::rfc3339")]
    pub issued: OffsetDateTime,
    /// When the next was due
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_update: Option<OffsetDateTime>,
    /// SHA-256 of the list, hexadecimal
    pub sha256: String,
    /// Whether the next was due before the time of validation
    pub stale: bool,
}

impl Lists {
    /// No list yet, and who may sign one.
    pub fn signed_by(signers: Vec<Certificate>) -> Self {
        Self { signers, ..Self::default() }
    }

    /// The lists accepted.
    pub fn all(&self) -> &[Arc<TrustedList>] {
        &self.accepted
    }

    /// Every service of every list.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.accepted.iter().flat_map(|list| &list.services)
    }

    /// Without the lists that are overdue at `at`.
    #[must_use]
    pub fn current(&self, at: OffsetDateTime) -> Self {
        let accepted = self.accepted.iter().filter(|list| !list.is_stale(at)).cloned().collect();
        Self { signers: self.signers.clone(), accepted, new: Vec::new() }
    }

    /// Whether this very list is held.
    pub fn holds(&self, xml: &[u8]) -> bool {
        let sha256 = DigestAlgorithm::Sha256.digest(xml).map(hex::encode).unwrap_or_default();
        self.accepted.iter().any(|list| list.sha256 == sha256)
    }

    /// The lists accepted since this was last asked, with their bytes: what an archive keeps as evidence.
    pub fn take_new(&mut self) -> Vec<(Arc<TrustedList>, Arc<[u8]>)> {
        std::mem::take(&mut self.new)
    }

    /// The lists as a report at `at` names them.
    pub fn used(&self, at: OffsetDateTime) -> Vec<ListUsed> {
        let used = |list: &TrustedList| ListUsed {
            territory: list.territory.clone(),
            sequence: list.sequence,
            issued: list.issued,
            next_update: list.next_update,
            sha256: list.sha256.clone(),
            stale: list.is_stale(at),
        };
        self.accepted.iter().map(|list| used(list)).collect()
    }

    /// Accepts a list whoever asked for it; `wanted` is the territory it must be of, when one was asked for.
    pub fn accept(&mut self, xml: &[u8], wanted: Option<&str>) -> Result<&TrustedList, ListRefusal> {
        let list = tsl::read(xml)?;
        if let Some(wanted) = wanted.filter(|wanted| !wanted.eq_ignore_ascii_case(&list.territory)) {
            return Err(ListRefusal::Territory { wanted: wanted.to_owned(), found: list.territory });
        }
        signed_by(xml, &list.territory, &self.signers_of(&list))?;
        let same = |held: &Arc<TrustedList>| held.territory == list.territory && held.kind == list.kind;
        if let Some(held) = self.accepted.iter().find(|held| same(held)) {
            if held.sequence > list.sequence {
                let (sequence, held) = (list.sequence, held.sequence);
                return Err(ListRefusal::Older { territory: list.territory, sequence, held });
            }
            self.accepted.retain(|held| !same(held));
        }
        // Lists of lists first, then in the order of arrival.
        let place = if list.kind == LIST_OF_LISTS { 0 } else { self.accepted.len() };
        let list = Arc::new(list);
        self.new.push((list.clone(), xml.into()));
        self.accepted.insert(place, list);
        Ok(&self.accepted[place])
    }

    /// Accepts what it can of several files: lists of lists first, the older before the newer, since they name the signers
    /// of the others. The others are told, with their names.
    pub fn accept_all(&mut self, files: Vec<(String, Vec<u8>)>) -> Vec<String> {
        let mut refused = Vec::new();
        let mut read = Vec::new();
        for (name, bytes) in files {
            match tsl::read(&bytes) {
                Ok(list) => read.push((list.kind != LIST_OF_LISTS, list.sequence, name, bytes)),
                Err(error) => refused.push(format!("{name} : {error}")),
            }
        }
        read.sort();
        for (_, _, name, bytes) in read {
            if let Err(why) = self.accept(&bytes, None) {
                refused.push(format!("{name} : {why}"));
            }
        }
        refused
    }

    /// Those who may sign `list`.
    fn signers_of(&self, list: &TrustedList) -> Vec<Certificate> {
        let lists = self.accepted.iter().filter(|held| held.kind == LIST_OF_LISTS);
        let pointers = lists.flat_map(|held| &held.pointers).filter(|pointer| {
            let same_kind = (pointer.kind == LIST_OF_LISTS) == (list.kind == LIST_OF_LISTS);
            pointer.territory.eq_ignore_ascii_case(&list.territory) && same_kind
        });
        self.signers.iter().chain(pointers.flat_map(|pointer| &pointer.signers)).cloned().collect()
    }
}

/// Checks that the whole list is covered by one intact signature of one of `signers` (TS 119 612 § 5.7).
fn signed_by(xml: &[u8], territory: &str, signers: &[Certificate]) -> Result<(), ListRefusal> {
    let facts = gather::xades::gather(&Input { name: None, bytes: xml, contents: &[], certificates: &[] });
    let [signature] = facts.signatures.as_slice() else { return Err(ListRefusal::Signatures) };
    let wrapped = signature.faults.iter().chain(&facts.faults).any(|fault| fault.kind != FaultKind::Note);
    let references = signature.references.iter().all(|reference| reference.state == ReferenceState::Intact);
    if wrapped || !references || signature.value != ValueState::Intact {
        return Err(ListRefusal::Broken);
    }
    let whole = signature.covers.iter().any(|unit| unit.covered && unit.kind == CoverageKind::File)
        || signature.references.iter().any(|reference| reference.uri.as_deref() == Some(""));
    if !whole {
        return Err(ListRefusal::Partial);
    }
    let certificate = signature.signing_certificate.as_ref().and_then(|der| Certificate::from_der(&der.0).ok());
    let known = certificate.is_some_and(|certificate| signers.contains(&certificate));
    known.then_some(()).ok_or_else(|| ListRefusal::Signer(territory.to_owned()))
}
