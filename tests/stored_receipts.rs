//! Promise: a receipt given out years ago still verifies, with today's code and whatever tool reformatted it. The files
//! are seeds of the fuzz target `receipt`, of an archive whose keys are gone.
#![allow(clippy::unwrap_used)]

use archiland::digest::sha256;
use archiland::receipt::Receipt;
use archiland::verify::{self, Measure, Outcome, Trust};
use std::path::Path;

#[test]
fn stored_receipts_still_verify() {
    let trust = Trust::load(Path::new("tests/fuzz/fixtures/trust.toml")).unwrap();
    let cases: [(&str, &[&[u8]]); 5] = [
        ("first.json", &["Arrêté n° 0".as_bytes()]),
        ("several.json", &[b"%PDF-1.7\n", b"a;b\n1;2\n"]),
        ("compact.json", &[b"%PDF-1.7\n"]),
        ("indented-escaped.json", &[b"%PDF-1.7\n"]),
        ("two-timestamps.json", &[b"%PDF-1.7\n"]),
    ];
    for (name, documents) in cases {
        let json = std::fs::read(Path::new("tests/fuzz/corpus/receipt").join(name)).unwrap();
        let receipt = Receipt::parse(&json).unwrap();
        for document in documents {
            let found = Measure { size_bytes: document.len() as u64, sha256: sha256(document) };
            let report = verify::measured(&found, &receipt, &trust);
            assert_eq!(report.outcome, Outcome::Valid, "{name}: {report}");
        }
        let other = Measure { size_bytes: 5, sha256: sha256(b"other") };
        assert_eq!(verify::measured(&other, &receipt, &trust).outcome, Outcome::Invalid, "{name}");
    }
}
