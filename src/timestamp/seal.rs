//! The archive's seal: a CMS signature in the name of the institution.

use super::TimestampError;
use super::guard::TimeGuard;
use crate::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use time::OffsetDateTime;

/// A key that seals, and its certificate.
#[derive(Debug)]
pub struct Sealer {
    signer: CmsSigner,
    guard: TimeGuard,
}

impl Sealer {
    /// Seals with this key.
    pub fn new(signer: CmsSigner) -> Self {
        Self { signer, guard: TimeGuard::new() }
    }

    /// The certificate it seals with.
    pub fn certificate(&self) -> &Certificate {
        self.signer.certificate()
    }

    /// A DER CMS SignedData around `content` (id-data), with the signing time `at` and the signed reference to the
    /// certificate (ESS signing-certificate-v2).
    ///
    /// Fails when `at` is before a time already sealed in this process, or out of the certificate's validity.
    pub fn seal(&self, content: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        let at = self.guard.admit(at, self.certificate())?;
        Ok(self.signer.sign(&oid::DATA, content, Some(at), Certificates::Included)?)
    }
}
