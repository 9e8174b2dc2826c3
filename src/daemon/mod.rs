//! The daemon: puts the rooms together, and reads top to bottom as configuration, boot, bind, serve, drain.
//!
//! - [`init()`] makes a development archive: keys, first agency, administrator's token, configuration file;
//! - [`Node::boot`] opens the bucket, finishes what a crash left ([`crate::sequencer`]), brings the views up to the log;
//! - [`Node::serve`] listens and answers until [`Running::stop`];
//! - [`serve_until_signal`] is the whole life of `archiland serve`;
//! - [`running`] finds the daemon of an archive from its state folder.

mod attach;
mod boot;
mod bucket;
mod error;
mod init;
mod keys;
mod listen;
mod lists;
mod lock;
mod preserve;
mod producers;
mod readonly;
mod seen;
mod signals;
mod signer;
mod tls;

pub use boot::Node;
pub use bucket::{Bucket, open_bucket};
pub use error::DaemonError;
pub use init::{ADMIN_TOKEN_FILE, Initialised, OPERATOR, init, init_over};
pub use listen::Running;
pub use lock::{Address, running};
pub use preserve::RENEWAL_EVERY;
pub use signals::serve_until_signal;
pub use signer::KeyringSigner;
