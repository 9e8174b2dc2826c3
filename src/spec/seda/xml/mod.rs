//! Reading XML as manifests need it: streamed, with line and column, in any encoding they come in, without a DTD, and
//! within bounds of depth, size and attributes.

mod decode;
mod reader;

pub use decode::Decoder;
pub use reader::{Attribute, Element, Handler, Limits, Position, Stop, XmlError, read};
