//! Trust material: whom one relies on, and what is known of revocations beside what signatures carry.
//!
//! A folder like `certs/` holds it:
//!
//! | place | what |
//! |---|---|
//! | `*.pem`, `*.crt`, `*.cer`, `*.der` | anchors |
//! | `intermediates/` | certificates to build paths with |
//! | `crl/`, `ocsp/` | revocation data kept in a cache, DER |
//! | `lists/*.xml` | European trusted lists and lists of lists (TS 119 612) |
//! | `lists/signers/` | certificates of those who sign the list of lists, or a list without one |
//!
//! A list counts only if its signature is intact and by one of its signers: those of `lists/signers`, or those that an
//! accepted list of lists names. The others are told in [`TrustMaterial::refused`].

use super::policy::SignaturePolicy;
use super::qualification::{self, Qualification};
use super::{Input, gather};
use crate::spec::tsl::{self, LIST_OF_LISTS, Service, TrustedList};
use crate::spec::x509::Certificate;
use crate::validation::facts::{CoverageKind, FaultKind, ReferenceState, ValueState};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use time::OffsetDateTime;

/// How many files of a folder are read.
const FILES_MAX: usize = 10_000;
/// The largest file read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Anchors and what goes with them.
#[derive(Debug, Clone, Default)]
pub struct TrustMaterial {
    /// Certificates relied on without proof.
    pub anchors: Vec<Certificate>,
    /// Other certificates, to build paths with.
    pub certificates: Vec<Certificate>,
    /// CRLs kept in a cache, DER.
    pub crls: Vec<Vec<u8>>,
    /// OCSP responses kept in a cache, DER.
    pub ocsps: Vec<Vec<u8>>,
    /// Trusted lists whose signature was checked.
    pub lists: Vec<TrustedList>,
    /// Files not used, and why, in French.
    pub refused: Vec<String>,
}

/// Why a folder of trust material is refused.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("illisible ({0})")]
    Io(#[from] std::io::Error),
}

/// A file of the folder: its name, its bytes.
type Named = (String, Vec<u8>);

impl TrustMaterial {
    /// Reads a folder like `certs/`.
    pub fn load(folder: &Path) -> Result<Self, TrustError> {
        let mut material = Self::default();
        let (anchors, intermediates) = (files(folder)?, files(&folder.join("intermediates"))?);
        material.anchors = material.certificates_of(&anchors);
        material.certificates = material.certificates_of(&intermediates);
        material.crls = files(&folder.join("crl"))?.into_iter().map(|(_, bytes)| bytes).collect();
        material.ocsps = files(&folder.join("ocsp"))?.into_iter().map(|(_, bytes)| bytes).collect();
        let signers = material.certificates_of(&files(&folder.join("lists/signers"))?);
        let lists = files(&folder.join("lists"))?.into_iter().filter(|(name, _)| has_extension(name, &["xml", "xtsl"]));
        material.accept(lists.collect(), signers);
        Ok(material)
    }

    /// Takes in the lists that are signed by whom they ought to be: lists of lists first, since they name the signers of
    /// the others.
    fn accept(&mut self, files: Vec<Named>, mut signers: Vec<Certificate>) {
        let mut read = Vec::new();
        for (name, bytes) in files {
            match tsl::read(&bytes) {
                Ok(list) => read.push((name, bytes, list)),
                Err(error) => self.refused.push(format!("{name} : {error}")),
            }
        }
        read.sort_by_key(|(_, _, list)| list.kind != LIST_OF_LISTS);
        for (name, bytes, list) in read {
            match signed_by(&bytes, &signers) {
                Ok(()) => {
                    if list.kind == LIST_OF_LISTS {
                        signers.extend(list.pointers.iter().flat_map(|pointer| pointer.signers.clone()));
                    }
                    self.lists.push(list);
                }
                Err(why) => self.refused.push(format!("{name} : {why}")),
            }
        }
    }

    /// Every certificate relied on: the anchors, and the services of the trusted lists.
    pub fn all_anchors(&self) -> Vec<Certificate> {
        let mut all = self.anchors.clone();
        all.extend(self.services().flat_map(|service| service.certificates.iter().cloned()));
        all
    }

    /// Every service of every accepted list.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.lists.iter().flat_map(|list| &list.services)
    }

    /// Whether an anchor may be relied on at `at`: always when it was given by hand, while its service is in good
    /// standing when a list brought it. `None` when it may not, though it once could.
    pub fn stands(&self, anchor: &Certificate, at: OffsetDateTime) -> Standing {
        if self.anchors.contains(anchor) {
            return Standing::Good;
        }
        let mut standing = Standing::Never;
        for service in self.services().filter(|service| service.certificates.contains(anchor)) {
            if service.at(at).is_some_and(tsl::Period::is_granted) {
                return Standing::Good;
            }
            if service.was_granted(at) {
                standing = Standing::Formerly;
            }
        }
        standing
    }

    /// What a signature with `certificate`, whose chain is `chain` (empty when none was found), is worth in law at `at`.
    pub fn qualification(
        &self,
        certificate: &Certificate,
        chain: &[Certificate],
        at: OffsetDateTime,
        policy: &SignaturePolicy,
    ) -> Qualification {
        qualification::of(certificate, chain, at, self, policy)
    }

    fn certificates_of(&mut self, files: &[Named]) -> Vec<Certificate> {
        let mut found = Vec::new();
        for (name, bytes) in files.iter().filter(|(name, _)| has_extension(name, &["pem", "crt", "cer", "der"])) {
            let before = found.len();
            if bytes.first() == Some(&0x30) {
                found.extend(Certificate::from_der(bytes));
            } else {
                let ders = CertificateDer::pem_slice_iter(bytes).filter_map(Result::ok);
                found.extend(ders.filter_map(|der| Certificate::from_der(&der).ok()));
            }
            if found.len() == before {
                self.refused.push(format!("{name} : aucun certificat lisible"));
            }
        }
        found
    }
}

/// Whether an anchor may be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Good,
    /// It could, and may no longer.
    Formerly,
    /// It never could.
    Never,
}

/// Checks that the whole list is covered by one intact signature of one of `signers` (TS 119 612 § 5.7).
fn signed_by(xml: &[u8], signers: &[Certificate]) -> Result<(), String> {
    let facts = gather::xades::gather(&Input { name: None, bytes: xml, contents: &[] });
    let [signature] = facts.signatures.as_slice() else {
        return Err("une signature, et une seule, est attendue".to_owned());
    };
    let wrapped = signature.faults.iter().chain(&facts.faults).any(|fault| fault.kind != FaultKind::Note);
    let references = signature.references.iter().all(|reference| reference.state == ReferenceState::Intact);
    if wrapped || !references || signature.value != ValueState::Intact {
        return Err("la signature de la liste n'est pas intègre".to_owned());
    }
    let whole = signature.covers.iter().any(|unit| unit.covered && unit.kind == CoverageKind::File)
        || signature.references.iter().any(|reference| reference.uri.as_deref() == Some(""));
    if !whole {
        return Err("la signature ne couvre pas toute la liste".to_owned());
    }
    let certificate = signature.signing_certificate.as_ref().and_then(|der| Certificate::from_der(&der.0).ok());
    let known = certificate.is_some_and(|certificate| signers.contains(&certificate));
    known.then_some(()).ok_or_else(|| "le signataire de la liste n'est pas de ceux qui sont désignés".to_owned())
}

/// The files of a folder (none when it is not there), in the order of their names.
fn files(folder: &Path) -> Result<Vec<Named>, TrustError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)?.take(FILES_MAX) {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_file() && about.len() <= FILE_BYTES_MAX {
            found.push((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?));
        }
    }
    found.sort();
    Ok(found)
}

fn has_extension(name: &str, wanted: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| wanted.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}
