//! The archive's time-stamping authority (RFC 3161).

use super::TimestampError;
use super::guard::TimeGuard;
use crate::clock::Clock;
use crate::spec::cms::algorithm::Digest;
use crate::spec::cms::asn1;
use crate::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use crate::spec::tsp::{self, Failure, Imprint, Request, TspError, TstInfo};
use const_oid::ObjectIdentifier;
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::{Arc, PoisonError, RwLock};
use time::{Duration, OffsetDateTime};

/// The policy of tokens when none is configured: `1.3.6.1.4.1.32473.3161.1`, under the enterprise number that IANA
/// reserves for documentation (RFC 5612). An authority that publishes a policy puts its own identifier instead.
pub const DEFAULT_POLICY: &str = "1.3.6.1.4.1.32473.3161.1";

/// What tokens announce: the true time is within a second. It is the operator's to keep (NTP).
pub const ACCURACY_S: u8 = 1;

/// Tokens that a millisecond has room for where each has a microsecond of its own.
pub const RANKS_MAX: u16 = 1_000;

/// A millisecond of its own is waited for by steps of this, so many times.
const TRY_EVERY: std::time::Duration = std::time::Duration::from_micros(300);
const TRIES_MAX: usize = 100;

/// The digests stamped (ETSI TS 119 312).
pub const ACCEPTED: [Digest; 3] = [Digest::Sha256, Digest::Sha384, Digest::Sha512];

/// A time-stamping authority: a key, its certificate, a policy.
#[derive(Debug)]
pub struct Tsa {
    signer: RwLock<Arc<CmsSigner>>,
    policy: ObjectIdentifier,
    random: SystemRandom,
    guard: TimeGuard,
    /// Tokens say that they are ordered by their times, and are.
    ordering: bool,
}

/// A request that can be honoured.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The algorithm of the imprint.
    pub digest: Digest,
    /// What is to be stamped.
    pub imprint: Vec<u8>,
    /// The MessageImprint as received.
    raw: Vec<u8>,
    nonce: Option<Vec<u8>>,
    certificates: Certificates,
}

impl Asked {
    /// A request of our own, without nonce, certificates wanted.
    pub(super) fn own(digest: Digest, imprint: &[u8]) -> Self {
        Self {
            digest,
            imprint: imprint.to_vec(),
            raw: Imprint::encode(digest, imprint),
            nonce: None,
            certificates: Certificates::Included,
        }
    }
}

/// A request that was not honoured, with the DER response to send nevertheless.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Refusal {
    /// A rejected TimeStampResp.
    pub response: Vec<u8>,
    /// Why, as the response says it.
    pub failure: Failure,
    /// Why, for our own log.
    #[source]
    pub cause: Box<TimestampError>,
}

impl Refusal {
    /// The rejection for a failure of ours.
    pub fn of(cause: TimestampError) -> Self {
        let failure = match cause {
            TimestampError::ClockWentBackward { .. }
            | TimestampError::CertificateNotValid { .. }
            | TimestampError::SameInstant
            | TimestampError::ClockUntrusted(_) => Failure::TimeNotAvailable,
            _ => Failure::SystemFailure,
        };
        Self::with(failure, cause)
    }

    fn with(failure: Failure, cause: TimestampError) -> Self {
        // Whoever asked reads this; what concerns our machine stays in our own log.
        let text = match failure {
            Failure::TimeNotAvailable => "horloge indisponible".to_owned(),
            Failure::SystemFailure => "service momentanément indisponible".to_owned(),
            _ => cause.to_string(),
        };
        Self { response: tsp::rejected(failure, &text), failure, cause: Box::new(cause) }
    }
}

impl Tsa {
    /// An authority that signs with this key under the [`DEFAULT_POLICY`].
    pub fn new(signer: CmsSigner) -> Self {
        let policy = ObjectIdentifier::new_unwrap(DEFAULT_POLICY);
        let signer = RwLock::new(Arc::new(signer));
        Self { signer, policy, random: SystemRandom::new(), guard: TimeGuard::new(), ordering: false }
    }

    /// Announces this policy (dotted) in the tokens.
    pub fn set_policy(&mut self, dotted: &str) -> Result<(), TimestampError> {
        self.policy = ObjectIdentifier::new(dotted).map_err(|_| TimestampError::Policy(dotted.to_owned()))?;
        Ok(())
    }

    /// Tokens say `ordering`, and no two bear the same time: each is later than the ones before it, down to `after` for what
    /// was signed before this process. True of one process alone: two that sign with the same key must not say it.
    pub fn set_ordering(&mut self, after: Option<OffsetDateTime>) {
        self.ordering = true;
        self.guard.be_strict(after);
    }

    /// Whether tokens say that they are ordered by their times.
    pub fn ordering(&self) -> bool {
        self.ordering
    }

    /// The time of the token of this rank in a batch that [`Tsa::now`] gave a time: that very time, or so many microseconds
    /// later where tokens are ordered. A millisecond has room for [`RANKS_MAX`].
    pub fn ranked(&self, at: OffsetDateTime, rank: u16) -> OffsetDateTime {
        if self.ordering { at + Duration::microseconds(i64::from(rank)) } else { at }
    }

    /// The certificate it signs with.
    pub fn certificate(&self) -> Certificate {
        self.signer().certificate().clone()
    }

    fn signer(&self) -> Arc<CmsSigner> {
        self.signer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Signs with another key from now on.
    pub(super) fn adopt(&self, signer: CmsSigner) {
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(signer);
    }

    /// A granted TimeStampResp (DER) over the SHA-256 of `message`, at `at` to the millisecond.
    ///
    /// Fails when `at` is before a time this authority already signed in this process, or out of its certificate's
    /// validity.
    pub fn token(&self, message: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        self.token_over(Digest::Sha256, Digest::Sha256.of(message).as_ref(), at)
    }

    /// [`Tsa::token`] over a digest made already.
    pub fn token_over(&self, digest: Digest, imprint: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        let at = self.instant(at)?;
        self.token_at(&Imprint::encode(digest, imprint), at)
    }

    /// [`Tsa::token`] at a time that [`Tsa::now`] gave, however long ago.
    pub fn token_then(&self, message: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        self.token_at(&Imprint::encode(Digest::Sha256, Digest::Sha256.of(message).as_ref()), at)
    }

    fn token_at(&self, imprint: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        let mut serial = [0_u8; 16];
        self.random.fill(&mut serial).map_err(|_| TimestampError::Random)?;
        self.sign(imprint, &serial, None, at, Certificates::Included)
    }

    /// The policy it announces, dotted.
    pub fn policy(&self) -> String {
        self.policy.to_string()
    }

    /// Answers a TimeStampReq (DER): a granted TimeStampResp, or a [`Refusal`] that holds the rejection to send.
    pub fn answer(&self, request: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, Refusal> {
        let asked = self.admit(request)?;
        let at = self.instant(at).map_err(Refusal::of)?;
        // 128 random bits: unique without a counter to keep, and within the 160 bits of RFC 3161 § 2.4.2.
        let mut serial = [0_u8; 16];
        self.random.fill(&mut serial).map_err(|_| Refusal::of(TimestampError::Random))?;
        self.issue(&asked, &serial, at).map_err(Refusal::of)
    }

    /// Reads a TimeStampReq (DER) and says whether it can be honoured: SHA-256, SHA-384 or SHA-512, our policy or none
    /// asked for, no extension.
    pub fn admit(&self, request: &[u8]) -> Result<Asked, Refusal> {
        let refuse = |failure, cause: String| Refusal::with(failure, TimestampError::Request(cause));
        let request = Request::parse(request).map_err(|error| {
            let failure = match error {
                TspError::Algorithm(_) => Failure::BadAlgorithm,
                TspError::Der(_) | TspError::ImprintLength => Failure::BadDataFormat,
                _ => Failure::BadRequest,
            };
            refuse(failure, error.to_string())
        })?;
        let digest = request.imprint.digest;
        // What may be checked in old signatures is more than what may be stamped today.
        if !ACCEPTED.contains(&digest) {
            return Err(refuse(Failure::BadAlgorithm, "condensat trop faible".to_owned()));
        }
        if request.extensions {
            return Err(refuse(Failure::UnacceptedExtension, "extension inconnue".to_owned()));
        }
        if request.policy.is_some_and(|policy| policy != self.policy.as_bytes()) {
            return Err(refuse(Failure::UnacceptedPolicy, "une autre politique est demandée".to_owned()));
        }
        Ok(Asked {
            digest,
            imprint: request.imprint.value.to_vec(),
            raw: request.imprint.raw.to_vec(),
            nonce: request.nonce.map(<[u8]>::to_vec),
            certificates: if request.certificates { Certificates::Included } else { Certificates::Omitted },
        })
    }

    /// The time that tokens made now bear, to the millisecond below, whoever else asks for it meanwhile. Fails as
    /// [`Tsa::instant`] does. Where tokens are ordered, waits for a millisecond of its own.
    pub fn now(&self, clock: &dyn Clock) -> Result<OffsetDateTime, TimestampError> {
        for _ in 0..TRIES_MAX {
            match self.guard.now(clock, self.signer().certificate()) {
                Err(TimestampError::SameInstant) => std::thread::sleep(TRY_EVERY),
                answer => return answer,
            }
        }
        Err(TimestampError::SameInstant)
    }

    /// [`Tsa::now`] without holding a thread.
    pub async fn now_without_blocking(&self, clock: &dyn Clock) -> Result<OffsetDateTime, TimestampError> {
        for _ in 0..TRIES_MAX {
            let answer = self.guard.now(clock, self.signer().certificate());
            match answer {
                Err(TimestampError::SameInstant) => tokio::time::sleep(TRY_EVERY).await,
                answer => return answer,
            }
        }
        Err(TimestampError::SameInstant)
    }

    /// The time that tokens made at `at` bear: to the millisecond below. Fails when it is before a time this authority
    /// already gave in this process, or out of its certificate's validity.
    pub fn instant(&self, at: OffsetDateTime) -> Result<OffsetDateTime, TimestampError> {
        self.guard.admit(at, self.signer().certificate())
    }

    /// A granted TimeStampResp (DER) for a request that was [admitted](Tsa::admit), at a time that [`Tsa::now`] gave.
    /// `serial`: unsigned, big-endian, at most 20 bytes, never used before.
    pub fn issue(&self, asked: &Asked, serial: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        self.sign(&asked.raw, serial, asked.nonce.as_deref(), at, asked.certificates)
    }

    fn sign(
        &self,
        imprint: &[u8],
        serial: &[u8],
        nonce: Option<&[u8]>,
        at: OffsetDateTime,
        certificates: Certificates,
    ) -> Result<Vec<u8>, TimestampError> {
        let info = TstInfo::encode(&asn1::oid(&self.policy), imprint, serial, at, ACCURACY_S, self.ordering, nonce);
        let token = self.signer().sign(&oid::TST_INFO, &info, None, certificates)?;
        Ok(tsp::granted(&token))
    }
}
