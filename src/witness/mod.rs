//! Watching one another: a structure cosigns the logs of others, and has its own cosigned (C2SP tlog-witness).
//!
//! * [`Watch`] is the witness: for each log it was told, the largest checkpoint it cosigned, in a cell of the bucket that
//!   changes by compare-and-swap and is durable before the answer. It never cosigns two histories of one log;
//! * [`Gatherer`] asks the witnesses of a policy (C2SP tlog-policy) to cosign ours, and learns from them at start whether
//!   the bucket went back in time.

mod gather;
mod watch;

pub use gather::{Doubt, Gathered, Gatherer};
pub use watch::{Refusal, Watch, Watched};

use crate::sequencer::LogError;
use crate::spec::tlog::note::NoteError;
use crate::store::StoreError;

/// Why a witness cannot answer, or ours cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// What is in the bucket is no state of a witness.
    #[error("« {key} » : état de témoin illisible")]
    Corrupt {
        /// The cell.
        key: String,
    },
    /// Watched already, under another key.
    #[error("le journal « {0} » est déjà surveillé, sous une autre clé : un témoin ne change pas d'avis")]
    Watched(String),
    /// The HTTP client cannot be made.
    #[error("client HTTP : {0}")]
    Http(String),
    /// Too many nodes of ours cosign at once.
    #[error("l'état du témoin change sans cesse : réessayez")]
    Contended,
}
