//! Télétransmission to Hélios through the interface of s2low, which accounting software and Pastell speak.
//!
//! Archiland is no homologated device (arrêté du 27 juin 2007, art. 12): alone it receives, checks, archives and says so;
//! a file stays in state 14 (« en attente d'être postée ») and nobody is told that it was transmitted.

mod check;
mod reply;
mod sandbox;
mod state;

pub use check::{BYTES_MAX, Extract, Fault, Inspected, inspect};
pub use reply::{json_text, xml};
pub use sandbox::{SANDBOX, sandbox_answer};
pub use state::State;
