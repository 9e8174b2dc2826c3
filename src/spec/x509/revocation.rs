//! Whether a certificate was revoked, by the lists and responses at hand (RFC 5280 § 6.3, RFC 6960 § 3.2).

use super::certificate::Certificate;
use super::crl::Crl;
use super::extensions::{CRL_SIGN, EKU_OCSP_SIGNING};
use super::name;
use super::ocsp::{OcspResponse, Status};
use crate::spec::crypto::SignatureAlgorithm;
use time::OffsetDateTime;

/// Lists and responses, read once.
#[derive(Debug, Default)]
pub struct Evidence<'a> {
    /// Lists.
    pub crls: Vec<Crl<'a>>,
    /// Responses.
    pub ocsps: Vec<OcspResponse<'a>>,
}

/// What one list or response says of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `crl` or `ocsp`.
    pub source: &'static str,
    /// Revoked since, for which `CRLReason`; `None` when it is not revoked.
    pub revoked: Option<(OffsetDateTime, Option<u8>)>,
    /// Since when this is known.
    pub this_update: OffsetDateTime,
    /// Until when it is current.
    pub next_update: Option<OffsetDateTime>,
    /// When it was signed: the list's `thisUpdate`, the response's `producedAt`.
    pub produced_at: OffsetDateTime,
    /// Whoever signed it.
    pub signer: Certificate,
    /// With what, for lists.
    pub algorithm: Option<SignatureAlgorithm>,
}

impl<'a> Evidence<'a> {
    /// Reads what can be read of these, DER; the rest is left out.
    pub fn read(crls: impl Iterator<Item = &'a [u8]>, ocsps: impl Iterator<Item = &'a [u8]>) -> Self {
        Self {
            crls: crls.filter_map(|der| Crl::parse(der).ok()).collect(),
            ocsps: ocsps.filter_map(|der| OcspResponse::parse(der).ok()).collect(),
        }
    }

    /// Every answer about `certificate`, issued by `issuer`, whose signer may give it; newest first.
    pub fn answers(&self, certificate: &Certificate, issuer: &Certificate, pool: &[Certificate]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for response in &self.ocsps {
            let Some(single) = response.about(certificate, issuer) else { continue };
            let Some(signer) = response.signer(issuer, pool) else { continue };
            let revoked = match single.status {
                Status::Good => None,
                Status::Revoked(at, reason) => Some((at, reason)),
                Status::Unknown => continue,
            };
            answers.push(Answer {
                source: "ocsp",
                revoked,
                this_update: single.this_update,
                next_update: single.next_update,
                produced_at: response.produced_at,
                signer,
                algorithm: None,
            });
        }
        for list in self.crls.iter().filter(|list| name::same(list.issuer, certificate.issuer_der())) {
            if !list.concerns(certificate) {
                continue;
            }
            let Some(signer) = list_signer(list, issuer, pool) else { continue };
            let Ok(entry) = list.entry(certificate.serial()) else { continue };
            answers.push(Answer {
                source: "crl",
                revoked: entry.map(|entry| (entry.at, entry.reason)),
                this_update: list.this_update,
                next_update: list.next_update,
                produced_at: list.this_update,
                signer,
                algorithm: list.algorithm(),
            });
        }
        answers.sort_by_key(|answer| std::cmp::Reverse(answer.this_update));
        answers
    }
}

/// An authority signs its own lists, with this key or another of the same name.
fn list_signer(list: &Crl<'_>, issuer: &Certificate, pool: &[Certificate]) -> Option<Certificate> {
    let may = |candidate: &Certificate| {
        candidate.extensions().key_usage.is_none_or(|usage| usage & CRL_SIGN != 0)
            && name::same(candidate.subject_der(), list.issuer)
    };
    std::iter::once(issuer)
        .chain(pool.iter().filter(|other| other.extensions().authority.is_some()).take(32))
        .find(|candidate| may(candidate) && list.is_signed_by(candidate).is_ok())
        .cloned()
}

/// Whether a certificate needs no revocation check: an OCSP responder that says so (RFC 6960 § 4.2.2.2.1).
pub fn is_exempt(certificate: &Certificate) -> bool {
    let extensions = certificate.extensions();
    let responder =
        extensions.extended_usage.as_ref().is_some_and(|usages| usages.iter().any(|id| id == EKU_OCSP_SIGNING));
    responder && extensions.ocsp_no_check
}
