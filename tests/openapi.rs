//! The HTTP contract is a snapshot: a change of the API shows in the diff.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test openapi` writes it anew.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_contract_is_the_committed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json");
    let now = format!("{}\n", archiland::api::openapi_document());
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "the API changed: look at the difference, then UPDATE_SNAPSHOTS=1 cargo test --test openapi"
    );
}
