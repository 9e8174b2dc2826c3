//! Namespaced XML (XML 1.0 fifth edition, Namespaces 1.0) as an archive may read it from a stranger, and its canonical
//! forms ([`c14n`]: Canonical XML 1.0 and 1.1, Exclusive Canonical XML 1.0).
//!
//! * **Hardened**: no DOCTYPE, so no entity but the five and character references; nothing is ever fetched; depth, size,
//!   nodes, attributes and namespaces are bounded ([`Limits`]); time is linear in the input, whatever its shape.
//! * **Faithful**: the bytes are kept as they came, ISO-8859-1 included (strictly: 0x80–0x9F are the C1 controls, not what
//!   cp1252 makes of them), and read again when they are canonicalised or asked for. A node costs 20 bytes beside them, so
//!   a 100 MiB file with one large text node is held in 100 MiB.
//! * **Nothing is interpreted**: a [`Document`] gives elements, attributes, text and places, in document order.

mod base;
pub mod c14n;
mod chars;
mod charset;
mod decode;
mod parse;
mod scope;
mod tag;
mod text;
mod tree;

#[cfg(test)]
mod generated;
#[cfg(test)]
mod tests;

pub use decode::unbase64;
pub use tree::{Document, Element, Identified, Selection};

/// The namespace of the prefix `xml`.
pub const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of the prefix `xmlns`.
pub(crate) const XMLNS_NS: &str = "http://www.w3.org/2000/xmlns/";

/// What a document may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the input, before and after transcoding.
    pub size_bytes_max: usize,
    /// Elements within one another.
    pub depth_max: usize,
    /// Elements, texts, comments and processing instructions.
    pub nodes_max: usize,
    /// Attributes and namespace declarations of one element.
    pub attributes_max: usize,
    /// Namespace declarations in force at one place.
    pub namespaces_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            size_bytes_max: 2 << 30,
            depth_max: 128,
            nodes_max: 16 << 20,
            attributes_max: 1 << 20,
            namespaces_max: 1 << 20,
        }
    }
}

/// Why a document is refused. Lines and columns count from 1, columns in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// The bytes are not in the encoding they say, or in one that is not read here.
    #[error("encodage : {0}")]
    Encoding(String),
    /// A document type declaration: refused whatever it holds, since it can add attributes, entities and fetches.
    #[error("ligne {line} : une déclaration DOCTYPE est refusée")]
    Doctype {
        /// Where.
        line: usize,
    },
    /// A reference to something else than `amp`, `lt`, `gt`, `quot`, `apos` or a character.
    #[error("ligne {line}, colonne {column} : référence à une entité non prédéfinie")]
    Entity {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Not well-formed, or not namespace-well-formed.
    #[error("ligne {line}, colonne {column} : {what}")]
    Malformed {
        /// What, in French.
        what: &'static str,
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// One of the [`Limits`].
    #[error("ligne {line} : plus de {limit} {what}")]
    Limit {
        /// Of what, in French.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// Where.
        line: usize,
    },
}
