//! Cryptographic Message Syntax (RFC 5652): signatures with X.509 certificates.
//!
//! * [`sign`] makes a [`SignedData`] with a [key](key::SigningKey), ECDSA P-256 or RSA, wherever it is;
//! * [`verify_attached`] and [`verify_detached`] check one, from its bytes to an [anchor](Anchors);
//! * [`SignedData`], [`verify_signer`] and [`path::find`] are the same steps one by one, for formats built on CMS
//!   (time-stamp tokens, CAdES).
//!
//! Input is DER, at most [`MAX_DER_BYTES`]; whatever the bytes, the answer is an error, never a panic.

pub mod algorithm;
pub mod asn1;
mod certificate;
pub mod key;
pub mod oid;
pub mod path;
pub mod received;
pub mod sign;
mod signed_data;
mod verify;

pub use certificate::{Anchors, Certificate, CertificateError};
pub use key::RSA_BITS_MIN;
pub use sign::{Certificates, CmsSigner, SignerError};
pub use signed_data::{Attributes, SignedData, SignerId, SignerInfo};
pub use verify::{Verified, check_reference, verify_attached, verify_detached, verify_signer};

/// The largest DER structure looked at: a token or a seal is a few kilobytes.
pub const MAX_DER_BYTES: usize = 256 * 1024;

/// Why a CMS signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CmsError {
    /// Over [`MAX_DER_BYTES`].
    #[error("structure signée de {size_bytes} octets : la limite est de 262144")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// Not DER, or not the DER of a SignedData.
    #[error(transparent)]
    Der(#[from] asn1::DerError),
    /// Readable, but not in the form wanted.
    #[error("{0}")]
    Structure(&'static str),
    /// The content is not what was signed.
    #[error("le contenu a été modifié : son condensat n'est pas celui qui a été signé")]
    ContentAltered,
    /// The signature does not hold or uses an algorithm we refuse.
    #[error(transparent)]
    Signature(#[from] algorithm::SignatureError),
    /// The certificate is not there.
    #[error("le certificat du signataire n'est pas joint à la signature")]
    SignerMissing,
    /// The signed reference names another certificate.
    #[error("la signature désigne un autre certificat que celui qui est joint")]
    WrongReference,
    /// Nobody we rely on vouches for the signer.
    #[error(transparent)]
    Path(#[from] path::PathError),
    /// Our key could not sign.
    #[error(transparent)]
    Signing(#[from] key::KeyFailure),
}
