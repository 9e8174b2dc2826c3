//! The formats of others, without a type of ours in them: the daemon and the offline verifier share these rooms, and an
//! auditor can hold each of them against its specification.

pub mod ades;
pub mod asic;
pub mod ber;
pub mod cms;
pub mod crypto;
pub mod ers;
pub mod json_schema;
pub mod pdf;
pub mod pdfa;
pub mod pes;
pub mod premis;
pub mod pronom;
pub mod rng;
pub mod seda;
pub mod tlog;
pub mod tsl;
pub mod tsp;
pub mod warc;
pub mod x509;
pub mod xml;
pub mod xmldsig;
