//! From a signer's certificate to an anchor (RFC 5280 § 6, the part without policies, name constraints or revocation).
//!
//! BUG(revocation): CRL and OCSP are not consulted. A certificate revoked while it was valid is accepted for signatures
//! dated within its validity.

use super::certificate::{Anchors, Certificate};
use super::oid;
use crate::spec::cms::algorithm::SignatureError;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The longest path, signer and anchor excluded.
const MAX_INTERMEDIATES: u32 = 6;
/// How many certificate signatures are checked before giving up: bounds what a crafted set of certificates costs.
const MAX_SIGNATURES: u32 = 64;

/// What a certificate is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A document's signature or seal: `digitalSignature` or `nonRepudiation`, and an extended usage, if any, that
    /// concerns messages or documents.
    Signature,
    /// RFC 3161 § 2.3: a critical extended key usage with `timeStamping` alone.
    TimeStamping,
}

/// Why there is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nobody trusted issued it.
    #[error(
        "« {subject} » n'a été émis par aucune autorité de confiance fournie ; ajoutez le certificat de son autorité aux ancres si vous lui faites confiance"
    )]
    NoAnchor {
        /// The certificate whose issuer is missing.
        subject: String,
    },
    /// Out of its validity at the time that counts.
    #[error("« {subject} » n'est pas valable à la date du {at} (il l'est du {from} au {to})")]
    NotValidAt {
        /// Which certificate.
        subject: String,
        /// The time that counts.
        at: String,
        /// Start of validity.
        from: String,
        /// End of validity.
        to: String,
    },
    /// The certificate is not for this.
    #[error("« {subject} » n'est pas fait pour cet usage : {reason}")]
    Usage {
        /// Which certificate.
        subject: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// RFC 5280 § 4.2.
    #[error("« {subject} » porte une extension critique inconnue ({extension})")]
    UnknownCritical {
        /// Which certificate.
        subject: String,
        /// The extension, dotted.
        extension: String,
    },
    /// The issuer's key did not sign it.
    #[error("la signature du certificat « {subject} » n'est pas bonne : {source}")]
    Signature {
        /// Which certificate.
        subject: String,
        /// Why.
        source: SignatureError,
    },
    /// Too many certificates to try.
    #[error("la chaîne de certificats est trop longue ou trop embrouillée")]
    TooComplex,
}

/// Finds a path from `leaf` to one of `anchors` through `pool`, every certificate valid at `at`.
///
/// Returns it, leaf first, anchor last. A leaf that is itself an anchor is its own path.
pub fn find<'a>(
    leaf: &'a Certificate,
    pool: &'a [Certificate],
    anchors: &'a Anchors,
    at: OffsetDateTime,
    purpose: Purpose,
) -> Result<Vec<&'a Certificate>, PathError> {
    check_validity(leaf, at)?;
    check_leaf(leaf, purpose)?;
    if let Some(anchor) = anchors.certificates().iter().find(|anchor| *anchor == leaf) {
        return Ok(vec![anchor]);
    }
    let mut search = Search { pool, anchors: anchors.certificates(), at, purpose, signatures: 0, refusal: None };
    let mut path = vec![leaf];
    match search.extend(&mut path) {
        Ok(true) => Ok(path),
        Ok(false) => Err(search.refusal.unwrap_or_else(|| PathError::NoAnchor { subject: name(leaf) })),
        Err(error) => Err(error),
    }
}

struct Search<'a> {
    pool: &'a [Certificate],
    anchors: &'a [Certificate],
    at: OffsetDateTime,
    purpose: Purpose,
    signatures: u32,
    /// Why the nearest miss missed: what a person wants to read when nothing is found.
    refusal: Option<PathError>,
}

impl<'a> Search<'a> {
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> Result<bool, PathError> {
        let Some(&current) = path.last() else { return Ok(false) };
        let below = u32::try_from(path.len() - 1).unwrap_or(u32::MAX);
        let (anchors, pool) = (self.anchors, self.pool);
        for anchor in anchors.iter().filter(|anchor| anchor.subject_der() == current.issuer_der()) {
            if self.issued(current, anchor, below, true)? {
                path.push(anchor);
                return Ok(true);
            }
        }
        for candidate in pool.iter().filter(|candidate| candidate.subject_der() == current.issuer_der()) {
            if path.contains(&candidate) || !self.issued(current, candidate, below, false)? {
                continue;
            }
            if below >= MAX_INTERMEDIATES {
                return Err(PathError::TooComplex);
            }
            path.push(candidate);
            if self.extend(path)? {
                return Ok(true);
            }
            path.pop();
        }
        if self.refusal.is_none() {
            self.refusal = Some(PathError::NoAnchor { subject: name(current) });
        }
        Ok(false)
    }

    fn issued(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
        below: u32,
        anchor: bool,
    ) -> Result<bool, PathError> {
        if self.signatures >= MAX_SIGNATURES {
            return Err(PathError::TooComplex);
        }
        self.signatures += 1;
        let verdict = certificate
            .is_signed_by(issuer)
            .map_err(|source| PathError::Signature { subject: name(certificate), source })
            .and_then(|()| check_issuer(issuer, below))
            .and_then(|()| check_validity(issuer, self.at))
            .and_then(|()| if anchor { Ok(()) } else { check_nested_usage(issuer, self.purpose) });
        match verdict {
            Ok(()) => Ok(true),
            Err(refusal) => {
                self.refusal = Some(refusal);
                Ok(false)
            }
        }
    }
}

fn check_validity(certificate: &Certificate, at: OffsetDateTime) -> Result<(), PathError> {
    // Certificates count in whole seconds, so the last second is valid to its end.
    let (from, to) = (certificate.not_before(), certificate.not_after());
    if from.unix_timestamp() <= at.unix_timestamp() && at.unix_timestamp() <= to.unix_timestamp() {
        return Ok(());
    }
    Err(PathError::NotValidAt { subject: name(certificate), at: day(at), from: day(from), to: day(to) })
}

fn check_leaf(leaf: &Certificate, purpose: Purpose) -> Result<(), PathError> {
    let refuse = |reason| Err(PathError::Usage { subject: name(leaf), reason });
    check_critical(leaf)?;
    let usage = leaf.key_usage.map_or(SIGNING, |usage| usage.flags);
    if usage & SIGNING == 0 {
        return refuse("keyUsage ne permet ni digitalSignature ni nonRepudiation");
    }
    match (purpose, &leaf.extended_key_usage) {
        (Purpose::Signature, None) => Ok(()),
        (Purpose::Signature, Some(extended)) => {
            let allowed =
                extended.purposes.iter().any(|purpose| SIGNATURE_PURPOSES.iter().any(|id| named(purpose, id)));
            if allowed { Ok(()) } else { refuse("extendedKeyUsage ne comprend pas la signature de documents") }
        }
        (Purpose::TimeStamping, Some(extended)) if extended.purposes.len() == 1 && extended.critical => {
            // RFC 3161 § 2.3 wants the key used for nothing else: no other usage than signing either.
            if !named(&extended.purposes[0], &oid::TIME_STAMPING) {
                refuse("extendedKeyUsage n'est pas timeStamping")
            } else if usage & !SIGNING != 0 {
                refuse("keyUsage permet autre chose que signer")
            } else {
                Ok(())
            }
        }
        (Purpose::TimeStamping, _) => refuse("extendedKeyUsage doit être critique et ne contenir que timeStamping"),
    }
}

fn check_issuer(issuer: &Certificate, below: u32) -> Result<(), PathError> {
    let refuse = |reason| Err(PathError::Usage { subject: name(issuer), reason });
    check_critical(issuer)?;
    let Some(authority) = issuer.authority else {
        return refuse("ce n'est pas un certificat d'autorité (basicConstraints)");
    };
    if authority.path_len.is_some_and(|longest| below > longest) {
        return refuse("la chaîne dépasse sa longueur permise (pathLenConstraint)");
    }
    if issuer.key_usage.is_some_and(|usage| !usage.key_cert_sign()) {
        return refuse("keyUsage ne permet pas de signer des certificats");
    }
    Ok(())
}

/// An intermediate authority with an extended usage is confined to it.
fn check_nested_usage(issuer: &Certificate, purpose: Purpose) -> Result<(), PathError> {
    let Some(extended) = &issuer.extended_key_usage else { return Ok(()) };
    let wanted: &[_] = match purpose {
        Purpose::Signature => &SIGNATURE_PURPOSES,
        Purpose::TimeStamping => &[oid::TIME_STAMPING, oid::ANY_USAGE],
    };
    if extended.purposes.iter().any(|purpose| wanted.iter().any(|id| named(purpose, id))) {
        return Ok(());
    }
    Err(PathError::Usage { subject: name(issuer), reason: "cette autorité est limitée à d'autres usages" })
}

fn check_critical(certificate: &Certificate) -> Result<(), PathError> {
    match &certificate.unknown_critical {
        None => Ok(()),
        Some(extension) => Err(PathError::UnknownCritical { subject: name(certificate), extension: extension.clone() }),
    }
}

/// `digitalSignature` and `nonRepudiation` as x509-parser numbers them.
const SIGNING: u16 = 0b11;

const SIGNATURE_PURPOSES: [const_oid::ObjectIdentifier; 5] = [
    oid::EMAIL_PROTECTION,
    oid::DOCUMENT_SIGNING,
    oid::DOCUMENT_SIGNING_MICROSOFT,
    oid::DOCUMENT_SIGNING_ADOBE,
    oid::ANY_USAGE,
];

fn named(dotted: &str, identifier: &const_oid::ObjectIdentifier) -> bool {
    identifier.to_string() == dotted
}

fn name(certificate: &Certificate) -> String {
    certificate.subject().to_owned()
}

fn day(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}

#[cfg(test)]
mod tests;
