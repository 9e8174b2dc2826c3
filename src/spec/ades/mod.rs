//! Advanced electronic signatures as ETSI profiles them.

pub mod cades;
pub mod xades;
