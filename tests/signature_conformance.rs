//! The validator held against a list of files with what independent tools say of them, through the same command an
//! auditor runs. The list is not part of the repository: without it the test says so and stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

#[test]
fn the_list_is_answered_as_expected() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/signatures/expected.tsv");
    if !list.is_file() {
        eprintln!("skipped: no list of signatures beside the repository ({})", list.display());
        return;
    }
    let written = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_archiland"))
        .args(["validate", "--integrity-only", "--conformance"])
        .arg(&list)
        .arg("--write")
        .arg(written.path())
        .output()
        .unwrap();
    let report = std::fs::read_to_string(written.path()).unwrap();
    // 0: every integrity right where the tools agree, and nineteen verdicts in twenty.
    assert!(output.status.success(), "{}\n{report}", String::from_utf8_lossy(&output.stdout));
    assert!(
        !report.contains("raison à établir"),
        "a deviation without a reason (docs/signature-deviations.tsv):\n{report}"
    );
}
