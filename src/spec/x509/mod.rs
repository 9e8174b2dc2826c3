//! X.509 certificates of strangers (RFC 5280): reading them tolerantly, building a path to an anchor, validating it, and
//! asking CRLs and OCSP responses whether they still held.
//!
//! Tolerant in reading, strict in judging: a certificate of 2009 with an odd extension is read and shown; whether it may
//! be relied on is the path validation's business. `spec::cms::path` stays the short and strict way for what this
//! archive makes itself.

mod certificate;
pub mod crl;
pub mod extensions;
pub mod name;
pub mod ocsp;
pub mod path;
mod policy;
pub mod revocation;

pub use certificate::{Certificate, CertificateError};
