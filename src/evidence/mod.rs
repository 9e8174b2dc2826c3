//! Evidence that outlives algorithms: an RFC 4998 evidence record for each archive, made by batches and renewed by
//! batches.
//!
//! * [`Maker`] follows the log: the digests of the documents of up to [`ENTRIES_MAX`] entries become the leaves of one
//!   hash tree, whose root is time-stamped. What is kept in the bucket is one [`EvidenceBatch`] per tree, from which the
//!   evidence record of any of its archives is put together ([`EvidenceBatch::record_of`]);
//! * [`Renewal`] adds a time-stamp before a certificate or a signature algorithm ends (§ 5.2), or a new tree under another
//!   digest before a digest weakens (§ 5.3), as [`RenewalPolicy`] says. One token renews many batches.
//!
//! Nothing here is on the path of a deposit: the tree is built from the records once they are in the log.

mod batch;
mod maker;
mod policy;
mod renewal;

pub use batch::{BatchChain, BatchStamp, EvidenceBatch};
pub use maker::{Maker, Stamper, evidence_for};
pub use policy::{RenewalPolicy, RenewalPolicyError};
pub use renewal::{GROUP_MAX, Journal, Renewal, Renewed};

use crate::sequencer::LogError;
use crate::spec::ers::ErsError;
use crate::store::StoreError;
use crate::timestamp::TimestampError;

/// Entries under one tree.
pub const ENTRIES_MAX: u64 = 4096;

/// The longest batch object read: 4,096 leaves under two digests, and tokens.
const OBJECT_BYTES_MAX: u64 = 16 << 20;

/// The object of a batch that ends at `size` entries.
pub fn evidence_key(size: u64) -> String {
    format!("{ROOT}/{}{SUFFIX}", crate::spec::tlog::tile::group_path(size))
}

pub(crate) const ROOT: &str = "log/evidence";
pub(crate) const SUFFIX: &str = ".json";

/// Why evidence is not made, found or renewed.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No token.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
    /// What is in the bucket is no evidence.
    #[error("« {key} » : {reason}")]
    Corrupt {
        /// The object.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The digests of the record are not those the tree was built from.
    #[error("les condensats de l'enregistrement {index} ne sont pas ceux que prouve l'arbre")]
    Mismatch {
        /// The archive's entry.
        index: u64,
    },
    /// The log did not take the intent of a renewal.
    #[error("le renouvellement n'a pu être consigné dans le journal : {0}")]
    Journal(String),
    /// A chain put together does not read.
    #[error(transparent)]
    Ers(#[from] ErsError),
}
