//! Everything at hand to build chains with, and whether a certificate could be relied on at a time (EN 319 102-1
//! § 5.2.6; what was lost since is [`super::past`]'s).

use super::{Context, Link, past};
use crate::spec::crypto::SignatureAlgorithm;
use crate::spec::x509::Certificate;
use crate::spec::x509::path::{self, PathError, Purpose, Wanted, valid_at};
use crate::spec::x509::revocation::{self, Answer, Evidence, Relied};
use crate::validation::facts::{Der, Facts, Material, SignatureFacts, TimestampFacts};
use crate::validation::indication::SubIndication;
use crate::validation::policy::RevocationMode;
use crate::validation::trust::Standing;
use std::collections::HashSet;
use time::{Duration, OffsetDateTime};

/// How many certificates of one input are looked at.
const CERTIFICATES_MAX: usize = 2_000;
/// How deep signatures are looked into (counter-signatures, tokens).
const DEPTH_MAX: usize = 8;

/// Certificates, lists and responses, from the input and from the archive.
pub(super) struct Pool<'a> {
    pub(super) context: &'a Context<'a>,
    certificates: Vec<Certificate>,
    anchors: Vec<Certificate>,
    /// What the input carries.
    inside: Evidence<'a>,
    /// What the archive has, or fetched.
    outside: Evidence<'a>,
    /// Since when what the input carries provably exists.
    pub(super) carried_since: OffsetDateTime,
}

/// An answer, and since when it provably exists.
pub(super) struct Known {
    pub(super) answer: Answer,
    pub(super) since: OffsetDateTime,
}

/// Why a certificate cannot be relied on.
pub(super) struct Refusal {
    pub(super) sub_indication: SubIndication,
    pub(super) why: String,
    /// When the leaf was revoked, if that is why.
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) chain: Vec<Link>,
}

/// The time a certificate is wanted for.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The time.
    pub(super) at: OffsetDateTime,
    /// Whether something proves it, or it is only the time of validation.
    pub(super) proven: bool,
}

impl<'a> Pool<'a> {
    pub(super) fn new(facts: &'a Facts, context: &'a Context<'a>) -> Self {
        let mut pool = Self {
            context,
            certificates: Vec::new(),
            anchors: Vec::new(),
            inside: Evidence::default(),
            outside: Evidence::default(),
            carried_since: context.existence.unwrap_or(context.at).min(context.at),
        };
        if context.integrity_only {
            return pool;
        }
        let mut materials = vec![&facts.material];
        let mut leaves = Vec::new();
        facts.signatures.iter().for_each(|signature| collect(signature, 0, &mut materials, &mut leaves));
        let records = facts.evidence_records.iter().flat_map(|record| &record.timestamps);
        facts.timestamps.iter().chain(records).for_each(|stamp| collect_stamp(stamp, 0, &mut materials, &mut leaves));
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let ders =
            materials.iter().flat_map(|material| &material.certificates).map(|der| der.0.as_slice()).chain(leaves);
        for der in ders.take(CERTIFICATES_MAX) {
            if seen.insert(der) {
                pool.certificates.extend(Certificate::from_der(der));
            }
        }
        pool.certificates.extend(context.trust.certificates.iter().cloned());
        pool.anchors = context.trust.all_anchors();
        let beside = context.beside.into_iter();
        pool.certificates.extend(
            beside.clone().flat_map(|beside| &beside.certificates).filter_map(|der| Certificate::from_der(&der.0).ok()),
        );
        let ders = |part: fn(&Material) -> &Vec<Der>| {
            let mut ders: Vec<_> =
                materials.iter().flat_map(|material| part(material)).map(|der| der.0.as_slice()).collect();
            ders.sort_unstable();
            ders.dedup();
            ders
        };
        pool.inside = Evidence::read(ders(|material| &material.crls).into_iter(), ders(|m| &m.ocsps).into_iter());
        let fetched = |part: fn(&Material) -> &Vec<Der>| beside.clone().flat_map(part).map(|der| der.0.as_slice());
        pool.outside = Evidence::read(
            context.trust.crls.iter().map(Vec::as_slice).chain(fetched(|material| &material.crls)),
            context.trust.ocsps.iter().map(Vec::as_slice).chain(fetched(|material| &material.ocsps)),
        );
        pool
    }

    /// The chain of `leaf`, reliable at `moment`: as things were then, or else as far as what was lost since can be made up
    /// for (§ 5.6.2.1), when something proves that moment.
    pub(super) fn assess(
        &self,
        leaf: &Certificate,
        purpose: Purpose,
        moment: Moment,
    ) -> Result<(Vec<Link>, Vec<Certificate>), Refusal> {
        let refusal = match self.assess_at(leaf, purpose, moment) {
            Ok(found) => return Ok(found),
            Err(refusal) => refusal,
        };
        if moment.proven && past::may_heal(refusal.sub_indication) {
            return past::assess(self, leaf, purpose, moment).ok_or(refusal);
        }
        Err(refusal)
    }

    /// The path of `leaf` valid at `at`; or the one that failed, and why.
    pub(super) fn path(
        &self,
        leaf: &Certificate,
        purpose: Purpose,
        at: OffsetDateTime,
    ) -> Result<Vec<Certificate>, path::Failure> {
        let wanted = Wanted { purpose, at, policies: self.wanted_policies(purpose) };
        path::find(leaf, &self.certificates, &self.anchors, &wanted)
    }

    /// The chain of `leaf`, valid, not revoked and of accepted algorithms at `moment`.
    fn assess_at(
        &self,
        leaf: &Certificate,
        purpose: Purpose,
        moment: Moment,
    ) -> Result<(Vec<Link>, Vec<Certificate>), Refusal> {
        let chain = match self.path(leaf, purpose, moment.at) {
            Ok(chain) => chain,
            Err(failure) => return Err(self.refusal(leaf, &failure, moment)),
        };
        self.check_anchor(&chain, moment)?;
        let mut links = Vec::new();
        for (depth, certificate) in chain.iter().enumerate() {
            let Some(issuer) = chain.get(depth + 1) else {
                links.push(link(certificate, "ancre de confiance"));
                continue;
            };
            let status = self.revocation(certificate, issuer, depth == 0, moment).map_err(|mut refusal| {
                refusal.chain = chain.iter().map(|certificate| link(certificate, "")).collect();
                refusal
            })?;
            links.push(link(certificate, &status));
            let bits = issuer.public_key().ok().and_then(|key| key.family_and_bits().1);
            if let Ok(algorithm) = certificate.signature_algorithm()
                && let Some((sub_indication, why)) = self.algorithm_failure(&algorithm, bits, moment)
            {
                let why = format!("certificat « {} » : {why}", certificate.subject());
                return Err(Refusal { sub_indication, why, revoked_at: None, chain: links });
            }
        }
        Ok((links, chain))
    }

    /// An anchor that a list brought counts while its service stands.
    pub(super) fn check_anchor(&self, chain: &[Certificate], moment: Moment) -> Result<(), Refusal> {
        let Some(anchor) = chain.last() else { return Ok(()) };
        let sub_indication = match self.context.trust.stands(anchor, moment.at) {
            Standing::Good => return Ok(()),
            Standing::Formerly if !moment.proven => SubIndication::NoCertificateChainFoundNoPoe,
            Standing::Formerly | Standing::Never => SubIndication::NoCertificateChainFound,
        };
        let why =
            format!("le service « {} » n'est pas en règle dans sa liste de confiance à cette date", anchor.subject());
        let chain = chain.iter().map(|certificate| link(certificate, "")).collect();
        Err(Refusal { sub_indication, why, revoked_at: None, chain })
    }

    /// Why an algorithm is not accepted at `moment`: without proof of an earlier time when one would have saved it.
    pub(super) fn algorithm_failure(
        &self,
        algorithm: &SignatureAlgorithm,
        bits: Option<usize>,
        moment: Moment,
    ) -> Option<(SubIndication, String)> {
        let refusal = self.context.policy.refuses(algorithm, bits, moment.at)?;
        let sub = if refusal.until.is_some() && !moment.proven {
            SubIndication::CryptoConstraintsFailureNoPoe
        } else {
            SubIndication::CryptoConstraintsFailure
        };
        Some((sub, refusal.to_string()))
    }

    fn wanted_policies(&self, purpose: Purpose) -> &'a [String] {
        match purpose {
            Purpose::Signature => &self.context.policy.certificates.policies,
            _ => &[],
        }
    }

    fn refusal(&self, leaf: &Certificate, failure: &path::Failure, moment: Moment) -> Refusal {
        let why = failure.error.to_string();
        let sub_indication = match &failure.error {
            PathError::NoAnchor(_) | PathError::Signature(_) => SubIndication::NoCertificateChainFound,
            PathError::TooComplex => SubIndication::CertificateChainGeneralFailure,
            PathError::Unsupported(_) => SubIndication::CryptoConstraintsFailure,
            PathError::Constraint(..) => SubIndication::ChainConstraintsFailure,
            PathError::IssuerNotValid(_) => SubIndication::OutOfBoundsNoPoe,
            PathError::LeafNotValid(_) if moment.proven && moment.at < leaf.not_before() => SubIndication::NotYetValid,
            PathError::LeafNotValid(_) => {
                // Known not to have been revoked when it expired: less is missing.
                let answers = failure.path.get(1).map(|issuer| self.answers(leaf, issuer)).unwrap_or_default();
                let known = answers.first().is_some_and(|known| {
                    known.answer.revoked.is_none() && known.answer.this_update >= leaf.not_before()
                });
                if known { SubIndication::OutOfBoundsNotRevoked } else { SubIndication::OutOfBoundsNoPoe }
            }
        };
        let chain = failure.path.iter().map(|certificate| link(certificate, "")).collect();
        Refusal { sub_indication, why, revoked_at: None, chain }
    }

    /// What is known of `certificate`, newest first: by whoever was valid when saying it, and could still know.
    pub(super) fn answers(&self, certificate: &Certificate, issuer: &Certificate) -> Vec<Known> {
        let leads_to_anchor = |signer: &Certificate, at: OffsetDateTime| {
            let wanted = Wanted { purpose: Purpose::CrlSigning, at, policies: &[] };
            path::find(signer, &self.certificates, &self.anchors, &wanted).is_ok()
        };
        let relied = Relied {
            others: &self.certificates,
            responders: &self.context.trust.responders,
            leads_to_anchor: &leads_to_anchor,
        };
        let mut found = Vec::new();
        for (evidence, since) in [(&self.inside, self.carried_since), (&self.outside, self.context.at)] {
            let answers = evidence.answers(certificate, issuer, &relied).into_iter();
            found.extend(answers.map(|answer| Known { answer, since }));
        }
        found.retain(|Known { answer, .. }| {
            valid_at(&answer.signer, answer.produced_at)
                && (answer.revoked.is_some() || answer.still_speaks_of(certificate))
                && !self.is_disowned(answer, issuer, &relied)
        });
        found.sort_by_key(|known| std::cmp::Reverse(known.answer.this_update));
        found
    }

    /// Whether the responder that gave an answer had itself been revoked by then (RFC 6960 § 4.2.2.2.1).
    fn is_disowned(&self, answer: &Answer, issuer: &Certificate, relied: &Relied<'_>) -> bool {
        let responder = &answer.signer;
        let own = answer.source == "crl" || responder == issuer || self.context.trust.responders.contains(responder);
        if own || revocation::is_exempt(responder) {
            return false;
        }
        [&self.inside, &self.outside].into_iter().any(|evidence| {
            let told = evidence.by_lists(responder, issuer, relied);
            told.iter().any(|told| told.revoked.is_some_and(|(at, _)| at <= answer.produced_at))
        })
    }

    /// How old an answer may be.
    pub(super) fn is_fresh(&self, answer: &Answer, at: OffsetDateTime) -> bool {
        let freshness = Duration::hours(i64::from(self.context.policy.revocation.freshness_hours_max));
        answer.next_update.unwrap_or(answer.this_update).max(answer.this_update + freshness) >= at
    }

    /// What is known of `certificate` at `moment`, in French; or why it cannot be relied on.
    fn revocation(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        leaf: bool,
        moment: Moment,
    ) -> Result<String, Refusal> {
        if revocation::is_exempt(certificate) {
            return Ok("dispensé de contrôle de révocation".to_owned());
        }
        let refuse = |sub_indication, why, revoked_at| Refusal { sub_indication, why, revoked_at, chain: Vec::new() };
        let answers = self.answers(certificate, issuer);
        // removeFromCRL (8) lifts a suspension; a revocation stays one whichever answer tells it.
        let revoked = answers
            .iter()
            .find_map(|known| known.answer.revoked.filter(|(at, reason)| *at <= moment.at && *reason != Some(8)));
        if let Some((at, _)) = revoked {
            let sub = if leaf { SubIndication::RevokedNoPoe } else { SubIndication::RevokedCaNoPoe };
            let why = format!("« {} » est révoqué depuis le {at}", certificate.subject());
            return Err(refuse(sub, why, Some(at)));
        }
        // For a time in the past, an answer given since says more than one that was current.
        let current = answers.iter().find(|known| self.is_fresh(&known.answer, moment.at));
        let mode = self.context.policy.revocation.mode;
        let (sub_indication, why) = match current {
            Some(Known { answer, .. }) => match self.weak_answer(answer, moment) {
                None => return Ok(answer_text(answer)),
                Some(_) if mode == RevocationMode::IfAvailable => return Ok("révocation inconnue".to_owned()),
                Some((sub, why)) => {
                    (sub, format!("information de révocation de « {} » : {why}", certificate.subject()))
                }
            },
            None if mode == RevocationMode::IfAvailable => return Ok("révocation inconnue".to_owned()),
            None if answers.is_empty() => (
                SubIndication::TryLater,
                format!("aucune information de révocation pour « {} »", certificate.subject()),
            ),
            None => {
                let sub =
                    if moment.proven { SubIndication::RevocationOutOfBoundsNoPoe } else { SubIndication::TryLater };
                (sub, format!("information de révocation trop ancienne pour « {} »", certificate.subject()))
            }
        };
        Err(refuse(sub_indication, why, None))
    }

    /// Why the algorithm of an answer is not accepted: at the moment that counts, or when it was given if that was later.
    fn weak_answer(&self, answer: &Answer, moment: Moment) -> Option<(SubIndication, String)> {
        let bits = answer.signer.public_key().ok().and_then(|key| key.family_and_bits().1);
        let at = moment.at.max(answer.produced_at);
        self.algorithm_failure(answer.algorithm.as_ref()?, bits, Moment { at, ..moment })
    }
}

/// An answer that a certificate was not revoked, in French.
pub(super) fn answer_text(answer: &Answer) -> String {
    format!("non révoqué ({} du {})", answer.source.to_uppercase(), answer.this_update.date())
}

pub(super) fn link(certificate: &Certificate, status: &str) -> Link {
    Link {
        subject: certificate.subject().to_owned(),
        fingerprint: certificate.fingerprint(),
        status: status.to_owned(),
    }
}

fn collect<'a>(
    signature: &'a SignatureFacts,
    depth: usize,
    materials: &mut Vec<&'a Material>,
    leaves: &mut Vec<&'a [u8]>,
) {
    if depth > DEPTH_MAX {
        return;
    }
    materials.push(&signature.material);
    leaves.extend(signature.signing_certificate.as_ref().map(|der| der.0.as_slice()));
    let records = signature.evidence_records.iter().flat_map(|record| &record.timestamps);
    signature.timestamps.iter().chain(records).for_each(|stamp| collect_stamp(stamp, depth + 1, materials, leaves));
    signature.counter_signatures.iter().for_each(|counter| collect(counter, depth + 1, materials, leaves));
}

fn collect_stamp<'a>(
    stamp: &'a TimestampFacts,
    depth: usize,
    materials: &mut Vec<&'a Material>,
    leaves: &mut Vec<&'a [u8]>,
) {
    if let Some(token) = &stamp.token {
        collect(token, depth, materials, leaves);
    }
}
