//! Producers: what each system really sends, turned into deposits. The interfaces they are spoken to through are in the
//! HTTP edge; here is what they say: states, checks, replies. Most producers are a [`profile`] and no code.

pub mod folder;
pub mod helios;
pub mod parapheur;
pub mod profile;
pub mod web;
