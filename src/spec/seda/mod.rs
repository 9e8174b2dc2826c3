//! SEDA, the standard of data exchange for archiving (Archives de France): versions 2.1, 2.2 and 2.3, and the older 1.0
//! and 0.2 that software still emits.
//!
//! [`read()`] takes a message in one pass: [`Checked`] is what the schema says of it, in `strict` and `lenient` at once;
//! [`manifest::Manifest`] is what it says, in one model for every version.

mod check;
mod finding;
pub mod fragment;
mod head;
pub mod manifest;
mod model;
mod read;
mod request;
mod texts;
mod tree;
mod validate;
mod version;
pub mod write;
pub mod xml;

pub use check::{Checked, validate};
pub use finding::{FINDINGS_KEPT_MAX, Finding, Findings, Mode, Weight};
pub use head::{Head, head};
pub use model::Datatype;
pub use read::{Bounds, Message, ReadError, read};
pub use request::{Request, request};
pub use texts::{Text, Texts};
pub use version::Version;
