//! The archive's time-stamping authority (RFC 3161).

use super::TimestampError;
use super::guard::TimeGuard;
use crate::spec::cms::algorithm::Digest;
use crate::spec::cms::asn1;
use crate::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use crate::spec::tsp::{self, Failure, Imprint, Request, TspError, TstInfo};
use const_oid::ObjectIdentifier;
use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;

/// The policy of tokens when none is configured: `1.3.6.1.4.1.32473.3161.1`, under the enterprise number that IANA
/// reserves for documentation (RFC 5612). An authority that publishes a policy puts its own identifier instead.
pub const DEFAULT_POLICY: &str = "1.3.6.1.4.1.32473.3161.1";

/// What tokens announce: the true time is within a second. It is the operator's to keep (NTP).
const ACCURACY_S: u8 = 1;

/// A time-stamping authority: a key, its certificate, a policy.
#[derive(Debug)]
pub struct Tsa {
    signer: CmsSigner,
    policy: ObjectIdentifier,
    random: SystemRandom,
    guard: TimeGuard,
}

/// A request that was not honoured, with the DER response to send nevertheless.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Refusal {
    /// A rejected TimeStampResp.
    pub response: Vec<u8>,
    /// Why, for our own log.
    #[source]
    pub cause: Box<TimestampError>,
}

impl Tsa {
    /// An authority that signs with this key under the [`DEFAULT_POLICY`].
    pub fn new(signer: CmsSigner) -> Self {
        let policy = ObjectIdentifier::new_unwrap(DEFAULT_POLICY);
        Self { signer, policy, random: SystemRandom::new(), guard: TimeGuard::new() }
    }

    /// Announces this policy (dotted) in the tokens.
    pub fn set_policy(&mut self, dotted: &str) -> Result<(), TimestampError> {
        self.policy = ObjectIdentifier::new(dotted).map_err(|_| TimestampError::Policy(dotted.to_owned()))?;
        Ok(())
    }

    /// The certificate it signs with.
    pub fn certificate(&self) -> &Certificate {
        self.signer.certificate()
    }

    /// A granted TimeStampResp (DER) over the SHA-256 of `message`, at `at` to the millisecond.
    ///
    /// Fails when `at` is before a time this authority already signed in this process, or out of its certificate's
    /// validity.
    pub fn token(&self, message: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, TimestampError> {
        let imprint = Imprint::encode(Digest::Sha256, Digest::Sha256.of(message).as_ref());
        self.stamp(&imprint, None, at, Certificates::Included)
    }

    /// Answers a TimeStampReq (DER): a granted TimeStampResp, or a [`Refusal`] that holds the rejection to send.
    pub fn answer(&self, request: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, Refusal> {
        let refuse = |failure, cause: TimestampError| {
            // Whoever asked reads this; what concerns our machine stays in our own log.
            let text = if failure == Failure::TimeNotAvailable { "horloge indisponible" } else { "demande refusée" };
            Refusal { response: tsp::rejected(failure, text), cause: Box::new(cause) }
        };
        let request = Request::parse(request).map_err(|error| {
            let failure = match error {
                TspError::Algorithm(_) => Failure::BadAlgorithm,
                _ => Failure::BadRequest,
            };
            refuse(failure, TimestampError::Request(error.to_string()))
        })?;
        if request.extensions {
            let cause = TimestampError::Request("extension inconnue".to_owned());
            return Err(refuse(Failure::UnacceptedExtension, cause));
        }
        if request.policy.is_some_and(|policy| policy != self.policy.as_bytes()) {
            let cause = TimestampError::Request("une autre politique est demandée".to_owned());
            return Err(refuse(Failure::UnacceptedPolicy, cause));
        }
        let certificates = if request.certificates { Certificates::Included } else { Certificates::Omitted };
        self.stamp(request.imprint.raw, request.nonce, at, certificates).map_err(|cause| {
            let failure = match cause {
                TimestampError::ClockWentBackward { .. } | TimestampError::CertificateNotValid { .. } => {
                    Failure::TimeNotAvailable
                }
                _ => Failure::SystemFailure,
            };
            refuse(failure, cause)
        })
    }

    fn stamp(
        &self,
        imprint: &[u8],
        nonce: Option<&[u8]>,
        at: OffsetDateTime,
        certificates: Certificates,
    ) -> Result<Vec<u8>, TimestampError> {
        let at = self.guard.admit(at, self.certificate())?;
        // 128 random bits: unique without a counter to keep, and within the 160 bits of RFC 3161 § 2.4.2.
        let mut serial = [0_u8; 16];
        self.random.fill(&mut serial).map_err(|_| TimestampError::Random)?;
        let info = TstInfo::encode(&asn1::oid(&self.policy), imprint, &serial, at, ACCURACY_S, nonce);
        let token = self.signer.sign(&oid::TST_INFO, &info, None, certificates)?;
        Ok(tsp::granted(&token))
    }
}
