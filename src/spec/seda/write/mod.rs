//! Writing messages: every message of the 2.x family in the order of its schema, the acknowledgement and the reply of 1.0
//! and 0.2, and older transfers rewritten as 2.x ones ([`convert()`]). [`package`] writes what leaves the archive, [`rewrite`] a
//! unit for a message of another version.

mod archive;
mod convert;
mod message;
pub mod package;
pub mod rewrite;
mod xml;

pub use archive::archive;
pub use convert::{ConvertError, Converted, convert};
pub use message::{Event, Kind, Outgoing, Party, UnitId, write};
pub use xml::escaped;
