//! PRONOM: formats by the byte sequences of their content (The National Archives; table and licence in `seda/pronom/`).
//!
//! A content is looked at by its first and last [`WINDOW_BYTES`], as DROID does by default. Signatures of containers (what a
//! ZIP or OLE2 file holds) are not in the table: such a content is known as its container.

mod pattern;
mod table;

pub use table::{Entry, Table, table};

/// What is looked at of a content, from its beginning and up to its end, in bytes.
pub const WINDOW_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
