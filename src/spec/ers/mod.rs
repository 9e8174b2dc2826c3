//! Evidence Record Syntax (RFC 4998): proof that documents existed at a time, which outlives the algorithms it was made
//! with.
//!
//! * [`HashTree`] gathers the digests of many documents under one root (§ 4.2) and gives each its
//!   [reduced tree](HashTree::reduced), so that one time-stamp proves them all;
//! * [`EvidenceRecord`] reads a record; [`encode()`], [`chain`] and [`ArchiveTimestamp::encode`] write one;
//! * [`EvidenceRecord::verify`] checks one against documents, down to trust anchors or, without any, as cryptography alone;
//! * renewal: [`EvidenceRecord::renewal_digest`] is what a new time-stamp covers before the last one's certificate or
//!   signature algorithm ends (§ 5.2), [`EvidenceRecord::rehash`] what a new tree covers before a digest weakens (§ 5.3).
//!
//! [`verify_xml`] does the same for evidence records in XML (RFC 6283).
//!
//! Input is DER or XML, at most [`MAX_RECORD_BYTES`], with at most [`MAX_STAMPS`] time-stamps and [`MAX_HASHES`] hash values;
//! whatever the bytes, the answer is an error, never a panic.
//!
//! BUG(encryption): documents that were encrypted before they were archived (`encryptionInfo`, § 6) are refused.
//!
//! BUG(crypto-infos): `cryptoInfos` (certificates, revocation lists kept beside the record) is not looked into.

mod encode;
mod record;
mod tree;
mod verify;
mod xml;

pub use encode::{chain, encode};
pub use record::{ArchiveTimestamp, Chain, EvidenceRecord};
pub use tree::{HashTree, root_of};
pub use verify::{DataObject, Stamp, Verified};
pub use xml::{XML_NAMESPACE, verify_xml};

use super::cms::algorithm::SignatureError;
use super::cms::asn1::DerError;
use super::tsp::TspError;
use super::xml::XmlError;

/// The largest evidence record looked at, in bytes.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Time-stamps looked at in one record: one renewal a month for forty years.
pub const MAX_STAMPS: usize = 512;

/// Hash values looked at in one record.
pub const MAX_HASHES: usize = 65_536;

/// Why an evidence record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErsError {
    /// Over [`MAX_RECORD_BYTES`].
    #[error("dossier de preuve de {size_bytes} octets : la limite est de {MAX_RECORD_BYTES}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// Not DER, or not the DER of an evidence record.
    #[error("dossier de preuve illisible : {0}")]
    Der(#[from] DerError),
    /// Not XML that is read here.
    #[error("dossier de preuve illisible : {0}")]
    Xml(#[from] XmlError),
    /// Readable, but not in the form wanted.
    #[error("{0}")]
    Structure(&'static str),
    /// A digest not accepted.
    #[error(transparent)]
    Algorithm(#[from] SignatureError),
    /// A time-stamp is not good.
    #[error("{place} : {source}")]
    Stamp {
        /// Which one.
        place: Place,
        /// Why.
        source: TspError,
    },
    /// The hash tree does not lead to what the time-stamp covers.
    #[error("{0} : l'arbre de condensats ne mène pas à l'empreinte horodatée")]
    Root(Place),
    /// The previous time-stamp, or the previous chains, are not under the new one.
    #[error("{0} : le renouvellement ne porte pas sur ce qui précède")]
    Renewal(Place),
    /// The time-stamps are not in the order of time.
    #[error("{0} : antérieur à celui qu'il renouvelle")]
    Order(Place),
    /// The certificate had ended when the next time-stamp was made.
    #[error("{0} : le certificat de l'autorité avait expiré quand le renouvellement a été fait")]
    Late(Place),
    /// A document is not in the record.
    #[error("le document n° {} n'est pas parmi ceux que prouve ce dossier", .0 + 1)]
    NotCovered(usize),
    /// The digest of a document is needed in an algorithm that was not given.
    #[error("il manque le condensat du document n° {} avec l'algorithme de {place}", .document + 1)]
    DigestMissing {
        /// Rank of the document, from 0.
        document: usize,
        /// Where it is wanted.
        place: Place,
    },
    /// A hash-tree renewal cannot be checked without the documents.
    #[error("{0} : le renouvellement de l'arbre ne peut être contrôlé sans les documents")]
    DocumentsNeeded(Place),
}

/// A time-stamp in a record: its chain and its rank in the chain, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Rank of the chain.
    pub chain: usize,
    /// Rank in the chain.
    pub stamp: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "horodatage {} de la chaîne {}", self.stamp + 1, self.chain + 1)
    }
}

#[cfg(test)]
mod tests;
