//! Test and bench apparatus: stand-ins for what the archive talks to, on loopback only.
//!
//! It lives in the library because `archiland bench` and the tests both need it. The daemon never starts any of it.

pub mod s3;
