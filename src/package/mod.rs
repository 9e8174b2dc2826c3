//! The archival package (OAIS AIP): the record that describes an archive for ever, and the identifier that finds it.

mod ark;
mod delivery;
mod produced;
mod record;
mod referential;
mod standing;
mod transfer;
mod transmission;

pub use ark::{Ark, ArkError};
pub use delivery::{Delivered, DeliveryAuthorization, DeliveryRequested};
pub use produced::{LifeEvent, Produced, term};
pub(crate) use record::safe_integer;
pub use record::{
    Agency, Agent, Body, Dates, Deposit, ENTRY_LEN, EvidenceRenewal, KeyChanged, KeyRevoked, Link, Location,
    NOT_VALIDATED, Payload, RECORD_BYTES_MAX, Record, RecordError, Scope, Signatures, Timestamps, TokenIssued,
    TokenRevoked, entry_of, fresh_salt,
};
pub use referential::ReferentialChange;
pub use standing::{Eliminated, EliminationCompleted, Modified};
pub use transfer::{AppliedRule, Received, Transfer, TransferDocuments, Unit, UnitLine, UnitObject};
pub use transmission::{Direction, Flow, FlowBordereau, Transmission};
