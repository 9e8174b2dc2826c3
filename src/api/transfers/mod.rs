//! SEDA transfers: many documents at once, checked, archived and replied to.
//!
//! A transfer goes through these steps, each of which can be done again by the next start of the daemon:
//!
//! 1. what is sent is written to the spool, whole, with a job beside it (`spool`, `job`); the sender gets the operation's
//!    identifier (`202`), and may wait for its outcome instead;
//! 2. the bordereau's head is read: the acknowledgement can be given (`messages`);
//! 3. every check ([`crate::transfer::check`]); a `KO` is a record without content, and a reply (`conclude`);
//! 4. what is to be stored is planned (`plan`): the tree, the rules, the objects of each unit;
//! 5. objects and descriptions become durable, in packs (`pieces`), then each unit a record (`units`), hundreds at once;
//! 6. the transfer's own record comes last, with the bordereau, the list of units and the sealed reply (`conclude`): until
//!    it is in the log, nothing is accepted. A unit met again after a crash is not archived twice: its key is made from
//!    the message and the package.

mod answer;
mod conclude;
mod job;
mod messages;
mod operations;
mod pieces;
mod plan;
mod process;
mod spool;
mod units;

pub(super) use answer::{Form, Received, cancel, content, create, document, message, of_message, record, state};
pub(super) use job::Dialect;
pub(super) use messages::{ACKNOWLEDGED, REPLIED};
pub(super) use operations::{Found, Operations};
pub(super) use process::{acknowledgement, read_head, resume};
pub(super) use spool::{Arrival, Arriving, Held, Spooled};

pub(super) use answer::{__path_cancel, __path_create, __path_document, __path_state};

use crate::admission::{KeyHash, key_hash};

/// Document type of an archive unit's record.
pub(super) const UNIT_TYPE: &str = "unite-archives";
/// Document type of a transfer's record.
pub(super) const TRANSFER_TYPE: &str = "transfert-seda";
/// Retention rule of both: what applies is in the unit's record.
pub(super) const RULE: &str = "seda";

/// The idempotency key of an accepted transfer: one message of an agency is accepted once.
pub(super) fn message_key(agency: &str, message: &str) -> KeyHash {
    key_hash(agency, &format!("seda-transfer\0{message}"))
}
