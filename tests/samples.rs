//! The sample documents are what they claim to be, as programs of others see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

#[test]
fn the_signed_pes_verifies_with_xmlsec1() {
    if !support::require_tool("xmlsec1") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    support::run_ok(root, "sh", &["samples/check.sh"]);
}

#[test]
fn one_changed_character_breaks_the_signature() {
    if !support::require_tool("xmlsec1") {
        return;
    }
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let folder = tempfile::tempdir().unwrap();
    for name in ["check.sh", "ac-essai.pem", "PESALR2_214099996_251117_037.xml"] {
        std::fs::copy(samples.join(name), folder.path().join(name)).unwrap();
    }
    let pes = folder.path().join("PESALR2_214099996_251117_037.xml");
    let mut bytes = std::fs::read(&pes).unwrap();
    let amount = b"MtHT V=\"4870.00\"";
    let at = bytes.windows(amount.len()).position(|window| window == amount).expect("the amount of mandat 413");
    bytes[at + 8] = b'9';
    std::fs::write(&pes, bytes).unwrap();
    let output = support::run(folder.path(), "sh", &["check.sh"]);
    assert!(!output.status.success(), "{}", support::said(&output));
}
