//! The archive's seal: a CMS signature in the name of the institution.

use super::TimestampError;
use super::guard::TimeGuard;
use crate::clock::Clock;
use crate::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use std::sync::{Arc, PoisonError, RwLock};
use time::OffsetDateTime;

/// A key that seals, and its certificate.
#[derive(Debug)]
pub struct Sealer {
    signer: RwLock<Arc<CmsSigner>>,
    guard: TimeGuard,
}

impl Sealer {
    /// Seals with this key.
    pub fn new(signer: CmsSigner) -> Self {
        Self { signer: RwLock::new(Arc::new(signer)), guard: TimeGuard::new() }
    }

    /// The certificate it seals with.
    pub fn certificate(&self) -> Certificate {
        self.signer().certificate().clone()
    }

    fn signer(&self) -> Arc<CmsSigner> {
        self.signer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seals with another key from now on.
    pub(super) fn adopt(&self, signer: CmsSigner) {
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(signer);
    }

    /// A DER CMS SignedData around `content` (id-data), with the signing time `at` and the signed reference to the
    /// certificate (ESS signing-certificate-v2).
    ///
    /// Fails when `at` is before a time already sealed in this process, or out of the certificate's validity.
    pub fn seal(&self, content: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        let signer = self.signer();
        let at = self.guard.admit(at, signer.certificate())?;
        Ok(signer.sign(&oid::DATA, content, Some(at), Certificates::Included)?)
    }

    /// [`Sealer::seal`] at the time it is: several may seal at once.
    pub fn seal_now(&self, content: &[u8], clock: &dyn Clock) -> Result<Vec<u8>, TimestampError> {
        let signer = self.signer();
        let at = self.guard.now(clock, signer.certificate())?;
        Ok(signer.sign(&oid::DATA, content, Some(at), Certificates::Included)?)
    }

    /// The time it is, as a seal made now says it.
    pub(super) fn now(&self, clock: &dyn Clock) -> Result<OffsetDateTime, TimestampError> {
        self.guard.now(clock, self.signer().certificate())
    }

    /// A DER CMS SignedData beside `content`: the same without it. `signing_time`: none where the format has another place
    /// for it (PAdES, ETSI EN 319 142-1 § 6.3).
    pub(super) fn seal_beside(
        &self,
        content: &[u8],
        signing_time: Option<OffsetDateTime>,
    ) -> Result<Vec<u8>, TimestampError> {
        Ok(self.signer().sign_detached(&oid::DATA, content, signing_time, Certificates::Included)?)
    }

    /// [`Sealer::seal`] at a time that [`Sealer::now`] gave, however long ago.
    pub(super) fn seal_then(&self, content: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        Ok(self.signer().sign(&oid::DATA, content, Some(at), Certificates::Included)?)
    }
}
