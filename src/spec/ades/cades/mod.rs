//! CAdES (ETSI EN 319 122-1, TS 101 733): the attributes that make a CMS signature an advanced one.
//!
//! * [`SignedProperties`] is what the signer says: policy, commitments, place, roles;
//! * [`Stamped`] is each time-stamp of a signature with the octets its imprint must be over;
//! * [`hash_index`] checks what an archive time-stamp of the third version covers;
//! * [`long_term`] lists the certificates and revocation data that unsigned attributes carry.
//!
//! Reading only: levels follow from what is found and whether it holds, which is for a verdict to say.

pub mod hash_index;
pub mod long_term;
pub mod oid;
mod properties;
mod stamps;

pub use long_term::LongTerm;
pub use properties::{Policy, SignedProperties};
pub use stamps::{Around, Imprint, Stamp, Stamped, content_of, index_error, stamps};

#[cfg(test)]
mod tests;
