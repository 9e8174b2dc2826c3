//! Checking what strangers signed: every digest and signature algorithm that European signatures use, behind one
//! interface.
//!
//! * [`DigestAlgorithm`] and its [`Hasher`], named by object identifier and by XML URI;
//! * [`SignatureAlgorithm`], read from a CMS or X.509 AlgorithmIdentifier or from an XMLDSig `SignatureMethod`;
//! * [`PublicKey`], from a SubjectPublicKeyInfo or a certificate, which [checks](PublicKey::verify) a signature.
//!
//! This room only does the arithmetic: SHA-1 and RSA of 1,024 bits verify, and a policy judges them by date. What cannot
//! be computed here (MD5, RIPEMD-160, DSA, Ed448, exotic curves) is [`VerifyError::Unsupported`], never a mismatch.
//! ring does what it can, RustCrypto what ring lacks.

mod algorithm;
mod beginnings;
mod digest;
mod ecdsa;
mod key;
mod rsa;

pub use algorithm::{PssParameters, SignatureAlgorithm};
pub use beginnings::Beginnings;
pub use digest::{DigestAlgorithm, Hasher};
pub use key::{Curve, KeyKind, PublicKey, SignatureForm};

/// An algorithm that is recognised or not, but that this room cannot compute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("algorithme non pris en charge : {0}")]
pub struct Unsupported(
    /// Its name, or its identifier when it has none here.
    pub String,
);

/// What checking a signature says when it does not say yes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The bytes, the key and the signature do not belong together.
    #[error("la signature ne correspond pas aux données ou à la clé du certificat")]
    Mismatch,
    /// It cannot be computed: nothing is said of the signature.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}
