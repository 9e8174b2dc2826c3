//! The gatherers: one per kind of input. They read, compute digests and check signature values; they judge nothing, call
//! nobody, and never panic.

pub mod asic;
pub mod cades;
pub mod evidence;
mod outside;
pub mod pades;
pub mod tsp;
pub mod xades;

pub(super) use outside::retry;
