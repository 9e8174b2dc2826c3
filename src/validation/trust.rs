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
//! | `responders/` | OCSP responders relied on whichever authority they answer for |
//!
//! Which lists count is [`Lists`]' business; what is not used is told in [`TrustMaterial::refused`].

use super::lists::Lists;
use super::policy::SignaturePolicy;
use super::qualification::{self, Qualification};
use crate::spec::tsl::{self, Service};
use crate::spec::x509::Certificate;
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
    /// OCSP responders relied on by configuration, whichever authority they answer for.
    pub responders: Vec<Certificate>,
    /// Trusted lists whose signature was checked.
    pub lists: Lists,
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
        material.responders = material.certificates_of(&files(&folder.join("responders"))?);
        material.lists = Lists::signed_by(material.certificates_of(&files(&folder.join("lists/signers"))?));
        let lists = files(&folder.join("lists"))?.into_iter().filter(|(name, _)| has_extension(name, &["xml", "xtsl"]));
        material.refused.extend(material.lists.accept_all(lists.collect()));
        Ok(material)
    }

    /// Every certificate relied on: the anchors, and the services of the trusted lists.
    pub fn all_anchors(&self) -> Vec<Certificate> {
        let mut all = self.anchors.clone();
        all.extend(self.services().flat_map(|service| service.certificates.iter().cloned()));
        all
    }

    /// Certificates for signatures that do not bring their signer's: the intermediates', which may be anybody's, and the
    /// anchors.
    pub fn outside_certificates(&self) -> Vec<&[u8]> {
        self.certificates.iter().chain(&self.anchors).map(Certificate::der).collect()
    }

    /// Every service of every accepted list.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.lists.services()
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

    /// Adds certificates to build paths with, PEM or DER, from a file of this name. They are not relied on for that.
    pub fn add_certificates(&mut self, name: &str, bytes: &[u8]) {
        let has_extension = has_extension(name, &["pem", "crt", "cer", "der"]);
        let name = if has_extension { name.to_owned() } else { format!("{name}.pem") };
        let found = self.certificates_of(&[(name, bytes.to_vec())]);
        self.certificates.extend(found);
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
