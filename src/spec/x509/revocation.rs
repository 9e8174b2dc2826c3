//! Whether a certificate was revoked, by the lists and responses at hand (RFC 5280 § 6.3, RFC 6960 § 3.2).

use super::certificate::Certificate;
use super::crl::Crl;
use super::extensions::{CRL_SIGN, EKU_OCSP_SIGNING};
use super::name;
use super::ocsp::{OcspResponse, Status};
use crate::spec::crypto::SignatureAlgorithm;
use time::OffsetDateTime;

/// How many certificates are tried as the signer of one list.
const SIGNERS_MAX: usize = 32;

/// Lists and responses, read once.
#[derive(Debug, Default)]
pub struct Evidence<'a> {
    /// Lists.
    pub crls: Vec<Crl<'a>>,
    /// Responses.
    pub ocsps: Vec<OcspResponse<'a>>,
}

/// Whom one relies on for an answer, beside the certificate's own issuer.
#[derive(Clone, Copy)]
pub struct Relied<'a> {
    /// Certificates to look for signers among; being here proves nothing.
    pub others: &'a [Certificate],
    /// OCSP responders relied on by configuration (RFC 6960 § 4.2.2.2, first case).
    pub responders: &'a [Certificate],
    /// Whether a certificate leads to an anchor at a time: whoever signs a list in the issuer's stead must.
    pub leads_to_anchor: &'a dyn Fn(&Certificate, OffsetDateTime) -> bool,
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
    /// It speaks of certificates that expired since then too (`expiredCertsOnCRL`, `archiveCutoff`).
    pub expired_since: Option<OffsetDateTime>,
    /// Whoever signed it.
    pub signer: Certificate,
    /// With what.
    pub algorithm: Option<SignatureAlgorithm>,
}

impl Answer {
    /// Whether it can tell that `certificate` was never revoked: given before it expired, or by somebody who goes on telling
    /// of expired ones. A list forgets what has expired (RFC 5280 § 3.3).
    pub fn still_speaks_of(&self, certificate: &Certificate) -> bool {
        let end = certificate.not_after();
        self.this_update <= end || self.expired_since.is_some_and(|since| since <= end)
    }
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
    pub fn answers(&self, certificate: &Certificate, issuer: &Certificate, relied: &Relied<'_>) -> Vec<Answer> {
        let mut answers = self.by_responses(certificate, issuer, relied);
        answers.extend(self.by_lists(certificate, issuer, relied));
        answers.sort_by_key(|answer| std::cmp::Reverse(answer.this_update));
        answers
    }

    fn by_responses(&self, certificate: &Certificate, issuer: &Certificate, relied: &Relied<'_>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for response in &self.ocsps {
            let Some(single) = response.about(certificate, issuer) else { continue };
            let Some(signer) = response.signer(issuer, relied.others, relied.responders) else { continue };
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
                expired_since: single.archive_cutoff,
                signer,
                algorithm: response.signature_algorithm(),
            });
        }
        answers
    }

    /// What the lists say (RFC 5280 § 6.3.3): complete ones, each with the newest delta that completes it, and indirect ones.
    /// A list for some reasons only, and a delta without its base, can tell that a certificate is revoked, never that it is
    /// not.
    pub fn by_lists(&self, certificate: &Certificate, issuer: &Certificate, relied: &Relied<'_>) -> Vec<Answer> {
        let signed: Vec<_> = self
            .crls
            .iter()
            .filter(|list| list.concerns(certificate))
            .filter_map(|list| Some((list, list_signer(list, certificate, issuer, relied)?)))
            .collect();
        let mut answers = Vec::new();
        for (list, signer) in &signed {
            let Ok(mut entry) = list.entry(certificate) else { continue };
            let mut newest = *list;
            if list.delta_of.is_none() {
                let deltas = signed.iter().map(|(delta, _)| *delta).filter(|delta| list.is_completed_by(delta));
                if let Some(delta) = deltas.max_by_key(|delta| delta.this_update) {
                    let Ok(changed) = delta.entry(certificate) else { continue };
                    entry = changed.or(entry);
                    newest = delta;
                }
            }
            // removeFromCRL (8) lifts a suspension.
            let entry = entry.filter(|entry| entry.reason != Some(8));
            if entry.is_none() && (list.delta_of.is_some() || list.scope.some_reasons) {
                continue;
            }
            answers.push(Answer {
                source: "crl",
                revoked: entry.map(|entry| (entry.at, entry.reason)),
                this_update: newest.this_update,
                next_update: newest.next_update,
                produced_at: newest.this_update,
                expired_since: list.expired_since,
                signer: signer.clone(),
                algorithm: newest.algorithm(),
            });
        }
        answers
    }
}

/// An authority signs its own lists; another key of the same name, or another name that the certificate's distribution points
/// entrust, must lead to an anchor itself.
fn list_signer(
    list: &Crl<'_>,
    certificate: &Certificate,
    issuer: &Certificate,
    relied: &Relied<'_>,
) -> Option<Certificate> {
    let may = |candidate: &Certificate| {
        candidate.extensions().key_usage.is_none_or(|usage| usage & CRL_SIGN != 0)
            && name::same(candidate.subject_der(), list.issuer)
    };
    let own = name::same(list.issuer, certificate.issuer_der());
    if own && may(issuer) && list.is_signed_by(issuer).is_ok() {
        return Some(issuer.clone());
    }
    relied
        .others
        .iter()
        .filter(|other| may(other))
        .take(SIGNERS_MAX)
        .find(|other| list.is_signed_by(other).is_ok() && (relied.leads_to_anchor)(other, list.this_update))
        .cloned()
}

/// Whether a certificate needs no revocation check: an OCSP responder that says so (RFC 6960 § 4.2.2.2.1).
pub fn is_exempt(certificate: &Certificate) -> bool {
    let extensions = certificate.extensions();
    let responder =
        extensions.extended_usage.as_ref().is_some_and(|usages| usages.iter().any(|id| id == EKU_OCSP_SIGNING));
    responder && extensions.ocsp_no_check
}

#[cfg(test)]
mod tests;
