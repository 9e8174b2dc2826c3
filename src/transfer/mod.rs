//! Transfers: SEDA packages as producers send them, and every check before they may become archives.
//!
//! [`container`] lists and reads the package, [`check`] goes through it with VITAM's names, against the reference data of
//! [`referentials`]; [`event`] is what comes out. [`peek`] reads who sends what before anything is checked.

pub mod check;
pub mod clamd;
pub mod conformance;
pub mod container;
pub mod digest;
pub mod event;
pub mod peek;
pub mod referentials;
