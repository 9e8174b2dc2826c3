//! WARC 1.0 and 1.1 (ISO 28500:2017): a web capture, record by record, plain or gzip.
//!
//! [`check`] reads a file once, from its first byte to its last: the form of every record, the digests they declare of
//! their block and of their payload, lengths, truncation. Memory is that of one header and of a few buffers; time is linear
//! in what is read, and [`Limits`] bound what gzip makes of it.
//!
//! What stops the reading is a [`WarcError`]; what is wrong with a record without hiding the next is a [`Fault`] of it.
//!
//! * Payload of an HTTP record: what follows its header. Software disagrees on chunked transfers: the digest of the body as
//!   received and that of the body without its chunks are both taken.
//! * A `revisit` and a segmented record have no payload of their own: only their block is checked.

mod digest;
mod header;
mod http;
mod read;

#[cfg(test)]
mod tests;

pub use digest::Algorithm;
pub use read::check;

use std::io;
use thiserror::Error;

/// Bounds of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub records_max: usize,
    /// Bytes of one record's header.
    pub header_bytes_max: usize,
    /// Bytes of all records together, once decompressed.
    pub bytes_max: u64,
    /// Bytes out for one byte in, once more than [`RATIO_FREE_BYTES`] are out.
    pub ratio_max: u64,
}

/// What may come out before the ratio is looked at.
pub const RATIO_FREE_BYTES: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self { records_max: 2_000_000, header_bytes_max: 64 << 10, bytes_max: 64 << 30, ratio_max: 200 }
    }
}

/// A record, read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// From 1.
    pub number: usize,
    /// `WARC-Type`: `warcinfo`, `response`, `request`, `resource`, `metadata`, `revisit`, `conversion`, `continuation`.
    pub kind: String,
    /// `WARC-Record-ID`.
    pub id: String,
    /// `WARC-Date`, as written.
    pub date: String,
    /// `WARC-Target-URI`, without the angle brackets of 1.0.
    pub uri: Option<String>,
    /// Length of its block, in bytes.
    pub size_bytes: u64,
    /// HTTP status of a `response` or `revisit`.
    pub status: Option<u16>,
    /// Media type of the payload, in lower case, without parameters.
    pub media_type: Option<String>,
    /// Fields of a `warcinfo` block (`software`, `isPartOf`, …), in lower case names.
    pub info: Vec<(String, String)>,
    /// Whether a digest of its block or payload was declared, and is right.
    pub proven: bool,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// What is wrong with one record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Bytes are not those whose digest is declared.
    #[error("l'empreinte {algorithm} déclarée par {field} n'est pas celle du contenu")]
    Digest {
        /// `WARC-Block-Digest` or `WARC-Payload-Digest`.
        field: &'static str,
        /// By which function.
        algorithm: Algorithm,
    },
    /// A digest that cannot be computed here, or is not written as one.
    #[error("{field} : fonction d'empreinte inconnue ou écriture inattendue, rien n'est vérifié")]
    DigestUnknown {
        /// The field.
        field: &'static str,
    },
    /// The capturing software says it left the end out (`WARC-Truncated`).
    #[error("contenu tronqué à la capture (WARC-Truncated : {0})")]
    Truncated(String),
    /// A field that the standard requires is absent.
    #[error("champ obligatoire absent : {0}")]
    Missing(&'static str),
    /// A field is not written as the standard says.
    #[error("champ mal écrit : {0}")]
    Malformed(&'static str),
    /// The HTTP header of a record has no end or no status line.
    #[error("en-tête HTTP illisible")]
    Http,
}

impl Fault {
    /// Whether the capture is not what it says: else it is a remark.
    pub fn is_grave(&self) -> bool {
        !matches!(self, Self::DigestUnknown { .. } | Self::Truncated(_))
    }
}

/// Why a capture cannot be read to its end.
#[derive(Debug, Error)]
pub enum WarcError {
    /// It cannot be read.
    #[error("lecture impossible : {0}")]
    Io(io::Error),
    /// Neither WARC nor gzip.
    #[error("ce n'est pas un fichier WARC")]
    NotWarc,
    /// It stops before the end of a record.
    #[error("enregistrement {record} : le fichier s'arrête avant la fin (tronqué)")]
    Cut {
        /// From 1.
        record: usize,
    },
    /// gzip that cannot be decompressed.
    #[error("enregistrement {record} : compression gzip endommagée")]
    Gzip {
        /// From 1.
        record: usize,
    },
    /// A record that does not begin, or end, as the standard says.
    #[error("enregistrement {record} : {detail}")]
    Malformed {
        /// From 1.
        record: usize,
        /// What is wrong.
        detail: &'static str,
    },
    /// More records than allowed.
    #[error("plus de {0} enregistrements")]
    TooMany(usize),
    /// More bytes than allowed.
    #[error("plus de {0} octets une fois décompressé")]
    TooLarge(u64),
    /// A decompression bomb.
    #[error("se décompresse de plus de {0} fois")]
    Bomb(u64),
}
