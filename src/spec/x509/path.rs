//! From a certificate to an anchor: building candidate paths, and validating them (RFC 5280 § 6.1).
//!
//! Several issuers may answer to one name (renewed and cross-signed authorities): all are tried, the one the authority
//! key identifier names first, within bounds. Revocation is not looked at here ([`super::revocation`]).

use super::certificate::Certificate;
use super::extensions::{DIGITAL_SIGNATURE, EKU_OCSP_SIGNING, EKU_TIME_STAMPING, KEY_CERT_SIGN, NON_REPUDIATION};
use super::name::{self, GeneralName};
use super::policy::Policies;
use crate::spec::crypto::VerifyError;
use time::OffsetDateTime;

/// The longest path, leaf and anchor included.
const CERTIFICATES_MAX: usize = 10;
/// How many certificate signatures are checked before giving up.
const SIGNATURES_MAX: u32 = 96;
/// How many names are held against how many constraints, at most.
const NAME_CHECKS_MAX: usize = 100_000;

/// What the leaf is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing documents; the key usages wanted are the policy's business.
    Signature,
    /// RFC 3161 § 2.3: `timeStamping`.
    TimeStamping,
    /// RFC 6960 § 4.2.2.2: `OCSPSigning`.
    OcspSigning,
    /// Signing CRLs on behalf of an authority.
    CrlSigning,
}

/// What a path must satisfy.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What for.
    pub purpose: Purpose,
    /// The time that counts.
    pub at: OffsetDateTime,
    /// One of these certificate policies; none means any (RFC 5280 § 6.1.1 c).
    pub policies: &'a [String],
}

/// Why there is no valid path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nobody relied on issued it.
    #[error("« {0} » n'a été émis par aucune autorité de confiance connue")]
    NoAnchor(String),
    /// The leaf is out of its validity at the time that counts.
    #[error("le certificat « {0} » n'est pas dans sa période de validité")]
    LeafNotValid(String),
    /// An authority is.
    #[error("l'autorité « {0} » n'est pas dans sa période de validité")]
    IssuerNotValid(String),
    /// An issuer's key did not sign what it is said to have issued.
    #[error("la signature du certificat « {0} » n'est pas celle de son émetteur")]
    Signature(String),
    /// A signature in the chain uses an algorithm nobody here computes.
    #[error("chaîne non vérifiable : {0}")]
    Unsupported(String),
    /// RFC 5280's rules are not kept: what, of which certificate.
    #[error("« {0} » : {1}")]
    Constraint(String, String),
    /// Too many certificates to try.
    #[error("la chaîne de certificats est trop longue ou trop embrouillée")]
    TooComplex,
}

/// A path that fails, as far as it goes.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Why.
    pub error: PathError,
    /// Leaf first, anchor last; empty when no anchor was reached.
    pub path: Vec<Certificate>,
}

/// Finds a valid path from `leaf` to one of `anchors` through `pool`: leaf first, anchor last. A leaf that is itself an
/// anchor is its own path.
pub fn find(
    leaf: &Certificate,
    pool: &[Certificate],
    anchors: &[Certificate],
    wanted: &Wanted<'_>,
) -> Result<Vec<Certificate>, Failure> {
    let mut search = Search { pool, anchors, wanted, signatures: 0, best: None };
    let mut path = vec![leaf.clone()];
    match search.extend(&mut path) {
        Some(found) => Ok(found),
        None => Err(search
            .best
            .unwrap_or_else(|| Failure { error: PathError::NoAnchor(leaf.subject().to_owned()), path: Vec::new() })),
    }
}

struct Search<'a> {
    pool: &'a [Certificate],
    anchors: &'a [Certificate],
    wanted: &'a Wanted<'a>,
    signatures: u32,
    /// The failure of the path that came nearest: one that reached an anchor rather than one that did not.
    best: Option<Failure>,
}

impl Search<'_> {
    fn extend(&mut self, path: &mut Vec<Certificate>) -> Option<Vec<Certificate>> {
        let current = path.last()?.clone();
        if self.anchors.contains(&current) {
            match validate(path, self.wanted) {
                Ok(()) => return Some(path.clone()),
                Err(error) => self.note(error, path),
            }
        }
        if path.len() >= CERTIFICATES_MAX {
            self.note(PathError::TooComplex, &[]);
            return None;
        }
        for candidate in self.issuers(&current, path) {
            if self.signatures >= SIGNATURES_MAX {
                self.note(PathError::TooComplex, &[]);
                return None;
            }
            self.signatures += 1;
            match current.is_signed_by(&candidate) {
                Ok(()) => {}
                Err(VerifyError::Mismatch) => {
                    self.note(PathError::Signature(current.subject().to_owned()), &[]);
                    continue;
                }
                Err(VerifyError::Unsupported(what)) => {
                    self.note(PathError::Unsupported(what.to_string()), &[]);
                    continue;
                }
            }
            path.push(candidate);
            let found = self.extend(path);
            path.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The certificates that may have issued `current`: anchors before others, those whose key is named first, valid
    /// ones before expired ones.
    fn issuers(&self, current: &Certificate, path: &[Certificate]) -> Vec<Certificate> {
        let named = current.extensions().authority_key_id.as_deref();
        let mut found: Vec<(u8, Certificate)> = Vec::new();
        for (rank, candidate) in
            self.anchors.iter().map(|anchor| (0, anchor)).chain(self.pool.iter().map(|other| (2, other)))
        {
            let known = path.contains(candidate) || found.iter().any(|(_, other)| other == candidate);
            if known || !name::same(candidate.subject_der(), current.issuer_der()) {
                continue;
            }
            let other_key =
                named.is_some() && candidate.subject_key_id().is_some() && candidate.subject_key_id() != named;
            let expired = self.wanted.at > candidate.not_after();
            found.push((rank + u8::from(expired) + if other_key { 8 } else { 0 }, candidate.clone()));
        }
        found.sort_by_key(|(rank, _)| *rank);
        found.into_iter().map(|(_, candidate)| candidate).collect()
    }

    fn note(&mut self, error: PathError, path: &[Certificate]) {
        // A path to an anchor says more than none; of two such, a date is the mildest fault and the one past
        // validation can heal.
        let weight = |failure: &Failure| match (&failure.error, failure.path.is_empty()) {
            (PathError::LeafNotValid(_) | PathError::IssuerNotValid(_), false) => 3,
            (_, false) => 2,
            _ => 1,
        };
        let failure = Failure { error, path: path.to_vec() };
        if self.best.as_ref().is_none_or(|best| weight(&failure) > weight(best)) {
            self.best = Some(failure);
        }
    }
}

/// Validates a path whose signatures were checked while it was built: leaf first, anchor last (RFC 5280 § 6.1). The
/// anchor is relied on as it is.
fn validate(path: &[Certificate], wanted: &Wanted<'_>) -> Result<(), PathError> {
    let Some((leaf, above)) = path.split_first() else { return Err(PathError::TooComplex) };
    check_leaf(leaf, wanted)?;
    let issued = if above.is_empty() { &[] } else { &path[..path.len() - 1] };
    let mut policies = Policies::new(issued.len());
    let mut names = NameRules::default();
    let mut max_length: Option<u32> = above.last().and_then(|anchor| anchor.extensions().authority.flatten());
    for (depth, certificate) in issued.iter().enumerate().rev() {
        let last = depth == 0;
        let subject = || certificate.subject().to_owned();
        if !valid_at(certificate, wanted.at) {
            return Err(if last { PathError::LeafNotValid(subject()) } else { PathError::IssuerNotValid(subject()) });
        }
        if last || !certificate.is_self_issued() {
            names.check(certificate)?;
        }
        if !policies.next(certificate, last) {
            return Err(PathError::Constraint(
                subject(),
                "aucune politique de certification n'est commune à la chaîne".into(),
            ));
        }
        if !last {
            check_issuer(certificate, wanted.purpose, &mut max_length)?;
            names.add(certificate);
        }
        check_critical(certificate)?;
    }
    if !issued.is_empty() && !policies.accepts(wanted.policies) {
        return Err(PathError::Constraint(leaf.subject().to_owned(), "politique de certification non acceptée".into()));
    }
    // RFC 5280 leaves the anchor alone; an expired root still counts for what it issued in its time.
    Ok(())
}

/// Whether `at` is inside a certificate's validity, both ends included.
pub fn valid_at(certificate: &Certificate, at: OffsetDateTime) -> bool {
    certificate.not_before() <= at && at.unix_timestamp() <= certificate.not_after().unix_timestamp()
}

fn check_leaf(leaf: &Certificate, wanted: &Wanted<'_>) -> Result<(), PathError> {
    let refuse = |why: &str| Err(PathError::Constraint(leaf.subject().to_owned(), why.to_owned()));
    let extensions = leaf.extensions();
    let usage = extensions.key_usage.unwrap_or(u16::MAX);
    match wanted.purpose {
        Purpose::TimeStamping => {
            let named = extensions
                .extended_usage
                .as_ref()
                .is_some_and(|usages| usages.iter().any(|id| id == EKU_TIME_STAMPING));
            if !named {
                return refuse("extendedKeyUsage ne permet pas l'horodatage (timeStamping)");
            }
            if usage & (DIGITAL_SIGNATURE | NON_REPUDIATION) == 0 {
                return refuse("keyUsage ne permet pas de signer");
            }
        }
        Purpose::OcspSigning => {
            let named =
                extensions.extended_usage.as_ref().is_some_and(|usages| usages.iter().any(|id| id == EKU_OCSP_SIGNING));
            if !named {
                return refuse("extendedKeyUsage ne permet pas de répondre en OCSP (OCSPSigning)");
            }
        }
        Purpose::CrlSigning if usage & super::extensions::CRL_SIGN == 0 => {
            return refuse("keyUsage ne permet pas de signer des listes de révocation");
        }
        Purpose::CrlSigning | Purpose::Signature => {}
    }
    Ok(())
}

fn check_issuer(issuer: &Certificate, purpose: Purpose, max_length: &mut Option<u32>) -> Result<(), PathError> {
    let refuse = |why: &str| Err(PathError::Constraint(issuer.subject().to_owned(), why.to_owned()));
    let extensions = issuer.extensions();
    let Some(path_length) = extensions.authority else {
        return refuse("ce n'est pas un certificat d'autorité (basicConstraints)");
    };
    if extensions.key_usage.is_some_and(|usage| usage & KEY_CERT_SIGN == 0) {
        return refuse("keyUsage ne permet pas de signer des certificats");
    }
    // An authority with an extended usage is confined to it, as everybody but RFC 5280's letter has it.
    let confined = match purpose {
        Purpose::TimeStamping => !extensions.allows(EKU_TIME_STAMPING),
        _ => false,
    };
    if confined {
        return refuse("cette autorité est limitée à d'autres usages (extendedKeyUsage)");
    }
    if !issuer.is_self_issued() {
        match max_length {
            Some(0) => return refuse("la chaîne dépasse sa longueur permise (pathLenConstraint)"),
            Some(left) => *left -= 1,
            None => {}
        }
    }
    if let Some(limit) = path_length {
        *max_length = Some(max_length.map_or(limit, |left| left.min(limit)));
    }
    Ok(())
}

fn check_critical(certificate: &Certificate) -> Result<(), PathError> {
    match certificate.extensions().unknown_critical.first() {
        None => Ok(()),
        Some(oid) => Err(PathError::Constraint(
            certificate.subject().to_owned(),
            format!("extension critique inconnue ou illisible ({oid})"),
        )),
    }
}

/// The name constraints met so far: each certificate's permitted trees must hold, none of the excluded may.
#[derive(Default)]
struct NameRules {
    permitted: Vec<Vec<GeneralName>>,
    excluded: Vec<GeneralName>,
    checks: usize,
}

impl NameRules {
    fn add(&mut self, issuer: &Certificate) {
        let extensions = issuer.extensions();
        if !extensions.permitted.is_empty() {
            self.permitted.push(extensions.permitted.clone());
        }
        self.excluded.extend(extensions.excluded.iter().cloned());
    }

    fn check(&mut self, certificate: &Certificate) -> Result<(), PathError> {
        if self.permitted.is_empty() && self.excluded.is_empty() {
            return Ok(());
        }
        let refuse = |why: &str| Err(PathError::Constraint(certificate.subject().to_owned(), why.to_owned()));
        let mut names = certificate.extensions().alternative_names.clone();
        if !names.iter().any(|name| matches!(name, GeneralName::Email(_))) {
            names.extend(name::emails(certificate.subject_der()));
        }
        names.push(GeneralName::Directory(certificate.subject_der().to_vec()));
        let rules = self.permitted.iter().map(Vec::len).sum::<usize>() + self.excluded.len();
        self.checks = self.checks.saturating_add(names.len().saturating_mul(rules));
        if self.checks > NAME_CHECKS_MAX {
            return Err(PathError::TooComplex);
        }
        for name in &names {
            // An empty subject is no name.
            if matches!(name, GeneralName::Directory(der) if der.len() <= 2) {
                continue;
            }
            if self.excluded.iter().any(|tree| name::within(name, tree) == Some(true)) {
                return refuse("un nom est exclu par une autorité de la chaîne (nameConstraints)");
            }
            for trees in &self.permitted {
                let verdicts: Vec<bool> = trees.iter().filter_map(|tree| name::within(name, tree)).collect();
                if !verdicts.is_empty() && !verdicts.contains(&true) {
                    return refuse("un nom n'est pas de ceux qu'une autorité de la chaîne permet (nameConstraints)");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
