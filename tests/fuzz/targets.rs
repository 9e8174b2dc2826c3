//! What each fuzz target promises about any bytes at all; a breach is a panic. One function per target, run by cargo-fuzz
//! (`fuzz_targets/`) and, over the seeds in `corpus/<target>/`, by `cargo test`.
#![allow(dead_code, clippy::expect_used)]

use archiland::package::{Ark, Record, entry_of};

/// A record that reads writes itself back into something that reads the same, and always has an entry.
pub(crate) fn record(data: &[u8]) {
    let _ = entry_of(data);
    let Ok(record) = Record::parse(data) else { return };
    // Escapes can make the canonical form longer than what was read, past the limit.
    let Ok(canonical) = record.to_canonical() else { return };
    let again = Record::parse(&canonical).expect("a written record reads");
    assert_eq!(again, record);
    assert_eq!(again.to_canonical().expect("a read record writes"), canonical, "the canonical form is stable");
}

/// An identifier that reads writes itself back the same.
pub(crate) fn ark(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(ark) = text.parse::<Ark>() else { return };
    assert_eq!(ark.to_string().parse::<Ark>().expect("a written identifier reads"), ark);
}
