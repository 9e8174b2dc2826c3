//! Past certificate validation (EN 319 102-1 § 5.6.2.1) with the validation time sliding process (§ 5.6.2.2): what was lost
//! since the signature (an authority expired or revoked, an algorithm that ended, revocation data no longer fresh) does not
//! count against a signature that provably existed before.

use super::Link;
use super::pool::{Known, Moment, Pool, answer_text, link};
use crate::spec::x509::Certificate;
use crate::spec::x509::path::{Purpose, valid_at};
use crate::spec::x509::revocation;
use crate::validation::indication::SubIndication;
use crate::validation::policy::RevocationMode;
use time::{Duration, OffsetDateTime};

/// Whether a proof of existence may help (§ 5.6.2.4 lists these).
pub(super) fn may_heal(sub: SubIndication) -> bool {
    matches!(
        sub,
        SubIndication::RevokedNoPoe
            | SubIndication::RevokedCaNoPoe
            | SubIndication::OutOfBoundsNoPoe
            | SubIndication::OutOfBoundsNotRevoked
            | SubIndication::CryptoConstraintsFailureNoPoe
            | SubIndication::RevocationOutOfBoundsNoPoe
            | SubIndication::CryptoConstraintsFailure
    )
}

/// The chain of `leaf` when `moment` is not later than the time up to which everything in it held.
pub(super) fn assess(
    pool: &Pool<'_>,
    leaf: &Certificate,
    purpose: Purpose,
    moment: Moment,
) -> Option<(Vec<Link>, Vec<Certificate>)> {
    let candidate = match pool.path(leaf, purpose, moment.at) {
        Ok(path) => path,
        Err(failure) => failure.path,
    };
    let (_, issued) = candidate.split_last()?;
    // A date in the validity of every certificate of the chain: the last one, if there is any.
    let end = issued.iter().map(Certificate::not_after).min()?;
    let chain = pool.path(leaf, purpose, end).ok()?;
    let (control, links) = slide(pool, &chain)?;
    // Proven no later than everything still held, and not outside of what the signer's own certificate allows.
    let held = moment.at <= control && valid_at(leaf, moment.at);
    (held && pool.check_anchor(&chain, moment).is_ok()).then_some((links, chain))
}

/// Slides the control time from now to the latest time at which the chain is known to have held: authorities first.
fn slide(pool: &Pool<'_>, chain: &[Certificate]) -> Option<(OffsetDateTime, Vec<Link>)> {
    let mut control = pool.context.at;
    let (anchor, _) = chain.split_last()?;
    let mut links = vec![link(anchor, "ancre de confiance")];
    for (certificate, issuer) in chain.iter().zip(chain.iter().skip(1)).rev() {
        let status = if revocation::is_exempt(certificate) {
            "dispensé de contrôle de révocation".to_owned()
        } else {
            match best_answer(pool, certificate, issuer, control) {
                Some(known) => {
                    let answer = &known.answer;
                    let status = if let Some((at, _)) = answer.revoked {
                        control = control.min(at);
                        format!("révoqué depuis le {}, après la signature", at.date())
                    } else {
                        if !pool.is_fresh(answer, control) {
                            control = control.min(answer.this_update);
                        }
                        answer_text(answer)
                    };
                    let bits = answer.signer.public_key().ok().and_then(|key| key.family_and_bits().1);
                    control = control.min(pool.reliable_until(answer.algorithm.as_ref(), bits)?);
                    status
                }
                None if pool.context.policy.revocation.mode == RevocationMode::IfAvailable => {
                    control = control.min(certificate.not_after());
                    "révocation inconnue".to_owned()
                }
                None => return None,
            }
        };
        let bits = issuer.public_key().ok().and_then(|key| key.family_and_bits().1);
        control = control.min(pool.reliable_until(certificate.signature_algorithm().ok().as_ref(), bits)?);
        links.insert(0, link(certificate, &status));
    }
    Some((control, links))
}

/// The newest answer that existed at the control time; a revocation before anything else.
fn best_answer(
    pool: &Pool<'_>,
    certificate: &Certificate,
    issuer: &Certificate,
    control: OffsetDateTime,
) -> Option<Known> {
    // What the input carries existed when the input did; the rest is only known to exist now.
    let existed = |known: &Known| known.answer.this_update <= control && known.since.min(pool.context.at) <= control;
    let mut answers: Vec<_> = pool.answers(certificate, issuer).into_iter().collect();
    if let Some(at) = answers.iter().position(|known| known.answer.revoked.is_some_and(|(_, reason)| reason != Some(8)))
    {
        return Some(answers.swap_remove(at));
    }
    answers.into_iter().find(existed)
}

impl Pool<'_> {
    /// The last instant at which an algorithm was reliable; `None` when it never was.
    fn reliable_until(
        &self,
        algorithm: Option<&crate::spec::crypto::SignatureAlgorithm>,
        bits: Option<usize>,
    ) -> Option<OffsetDateTime> {
        let Some(algorithm) = algorithm else { return Some(self.context.at) };
        match self.context.policy.refuses(algorithm, bits, self.context.at) {
            None => Some(self.context.at),
            Some(refusal) => {
                let midnight = refusal.until?.0.midnight().assume_utc();
                Some(midnight + Duration::days(1) - Duration::seconds(1))
            }
        }
    }
}
