//! Time-Stamp Protocol (RFC 3161, RFC 5816): requests, tokens, responses.
//!
//! * [`verify_response`] checks a response as an authority sends it, [`verify_token`] a bare token (as CAdES carries
//!   them): the imprint, the signature, and a path to an anchor with every certificate valid at the token's time;
//! * [`SignedToken`] is the same check step by step, for formats built on tokens (evidence records, signatures);
//! * [`Request`] reads and writes requests, [`TstInfo`] what a token says, [`granted`] and [`rejected`] wrap an answer.
//!
//! The time that counts for the certificates is the token's own: nothing older vouches for it. Renewing a token before
//! its certificate ends is what keeps it meaningful afterwards (RFC 4998).

pub mod received;
mod request;
mod response;
mod tst_info;

pub use request::{Imprint, Request};
pub use response::{Failure, SignedToken, TokenInfo, granted, rejected, token_of, verify_response, verify_token};
pub use tst_info::TstInfo;

use super::cms::{CmsError, asn1, path};

/// Why a time-stamp is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TspError {
    /// Over [`super::cms::MAX_DER_BYTES`].
    #[error("horodatage de {size_bytes} octets : la limite est de 262144")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// Not DER, or not this DER.
    #[error(transparent)]
    Der(#[from] asn1::DerError),
    /// Readable, but not in the form wanted.
    #[error("{0}")]
    Structure(&'static str),
    /// RFC 3161 § 2.4.1: the length of the imprint is that of its algorithm.
    #[error("l'empreinte n'a pas la longueur de son algorithme")]
    ImprintLength,
    /// The authority said no.
    #[error("l'autorité d'horodatage a refusé (statut {status}{})", .text.as_ref().map(|text| format!(" : {text}")).unwrap_or_default())]
    Refused {
        /// PKIStatus.
        status: u32,
        /// What it said, control characters removed.
        text: Option<String>,
    },
    /// A digest we do not use.
    #[error(transparent)]
    Algorithm(#[from] super::cms::algorithm::SignatureError),
    /// The token is about something else.
    #[error("l'horodatage porte sur d'autres données")]
    WrongImprint,
    /// The token's signature is not good.
    #[error("signature de l'horodatage : {0}")]
    Signature(#[from] CmsError),
    /// Nobody we rely on vouches for the authority.
    #[error("autorité d'horodatage : {0}")]
    Path(#[from] path::PathError),
}
