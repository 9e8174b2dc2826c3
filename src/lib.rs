//! Archiland, archive and trust-services daemon.
//!
//! The log is the truth, the object store is the engine, the local index is a view.
//!
//! # The life of a document
//!
//! ```text
//! producer → admission → package → digest → store → sequencer → timestamp → receipt → catalog/search
//! ```
//!
//! 1. The HTTP edge ([`api`]) receives a deposit and identifies the agency.
//! 2. [`admission`] reads it once, under limits, and decides; what was not admitted cannot be stored, by its type.
//!    [`validation`] says what the signatures in it are worth: facts first, a verdict after, with what [`trust`] fetches
//!    where it may. [`transfer`] goes through a
//!    SEDA package, many documents at once, with the checks archivists know by name. [`producer`] knows what each
//!    system really sends: the interface of télétransmission (s2low HELIOS).
//! 3. [`package`] gives the archive its record (the preservation metadata) and its identifier, an ARK.
//! 4. [`digest`] computes both digests while the bytes pass.
//! 5. [`store`] makes the payload durable: a shared pack for small ones, an object each for large ones.
//! 6. [`sequencer`] puts the record into the Merkle log and publishes a signed checkpoint.
//! 7. [`timestamp`] holds the keys: the log's, the time-stamping authority's and the seal's.
//!    [`evidence`] keeps the proof of each archive alive beyond algorithms (RFC 4998).
//!    [`witness`] has its checkpoints cosigned by others, and cosigns theirs.
//! 8. [`receipt`] puts together what the depositor keeps; [`verify`] checks it with no network.
//! 9. [`views`] feed [`catalog`] and [`search`] from the log; both can be deleted at any time.
//! 10. [`dissemination`] puts archives together as packages, for readers and for other archives.
//!     [`elimination`] says which may be destroyed: nothing is without an expired rule, a visa and a record.
//! 11. [`audit`] re-reads everything and says what it found; [`report`] does so for one archive or a set, and seals it.
//!
//! [`daemon`] wires the rooms together, [`cli`] is one file per command, and [`spec`] holds the formats of others
//! (C2SP, RFC 3161, RFC 4998, RFC 5652, RFC 8785) without a type of ours in them.

pub mod admission;
pub mod api;
pub mod audit;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod digest;
pub mod dissemination;
pub mod elimination;
pub mod evidence;
pub mod package;
pub mod producer;
pub mod receipt;
pub mod report;
pub mod search;
pub mod sequencer;
pub mod spec;
pub mod store;
pub mod testing;
pub mod timestamp;
pub mod transfer;
pub mod trust;
pub mod validation;
pub mod verify;
pub mod views;
pub mod witness;
