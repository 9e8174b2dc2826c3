//! Producers: what each system really sends, turned into deposits. The interfaces they are spoken to through are in the
//! HTTP edge; here is what they say: states, checks, replies.

pub mod helios;
