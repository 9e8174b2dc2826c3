//! Evidence records made by others come out as they should: the RFC 4998 and RFC 6283 cases of the shared data, as cryptography alone
//! (the anchors of their authorities are not there).
#![allow(clippy::unwrap_used)]

use archiland::spec::ers::{DataObject, EvidenceRecord, verify_xml};
use std::path::Path;

const CASES: &str = "../shared/data/signatures";

#[test]
fn records_of_other_makers_come_out_as_expected() {
    let Ok(expected) = std::fs::read_to_string(Path::new(CASES).join("expected.tsv")) else {
        eprintln!("skipped: {CASES} is not there");
        return;
    };
    let (mut seen, mut faults) = (0, Vec::new());
    for line in expected.lines().filter(|line| line.starts_with("er/")) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (file, intact, content) = (fields[0], fields[2] == "yes", fields[5]);
        let record = std::fs::read(Path::new(CASES).join(file)).unwrap();
        let content = (!content.is_empty()).then(|| std::fs::read(Path::new(CASES).join(content)).unwrap());
        let documents: Vec<DataObject<'_>> = content.iter().map(|content| DataObject::Content(content)).collect();
        let verdict = if Path::new(file).extension().is_some_and(|extension| extension == "xml") {
            verify_xml(&record, &documents, None)
        } else {
            EvidenceRecord::parse(&record).and_then(|record| record.verify(&documents, None))
        };
        if verdict.is_ok() != intact {
            faults.push(format!(
                "{file}: {:?}, expected intact = {intact}",
                verdict.map(|verified| verified.stamps.len())
            ));
        }
        seen += 1;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen > 0, "no case in {CASES}/expected.tsv");
}
