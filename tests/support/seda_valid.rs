//! Messages held to the standard: by our own validator, and by the official schemas where they and xmllint are at hand.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

use archiland::spec::seda::{Version, validate, xml::Limits};
use std::path::PathBuf;
use std::process::Command;

/// By our validator, and by the official schema where it and xmllint are at hand.
pub(crate) fn valid(manifest: &[u8], version: Version) {
    let checked = validate(manifest, &Limits::default()).unwrap();
    assert!(checked.findings.kept.is_empty(), "{:?}", checked.findings.kept);
    let found =
        ["../shared/data/seda-xsd", "../../shared/data/seda-xsd"].iter().map(PathBuf::from).find(|p| p.is_dir());
    let Some(schemas) = found else {
        eprintln!("skipped: needs ../shared/data/seda-xsd");
        return;
    };
    let number = version.number();
    let schema = schemas.join(format!("seda-{number}/seda-{number}-main.xsd"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), manifest).unwrap();
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--nonet", "--noout", "--schema"]).arg(&schema).arg(file.path());
    match xmllint.env("XML_CATALOG_FILES", schemas.join("catalog.xml")).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI needs xmllint (libxml2-utils): {error}");
            eprintln!("skipped: xmllint: {error}");
        }
    }
}
