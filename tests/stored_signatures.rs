//! Promise: what was signed and stamped years ago still verifies, with the same bytes and today's code. The files are
//! the seeds of the fuzz targets `cms` and `tsp`, made by this archive and by openssl 3.0 under authorities whose keys
//! are gone.
#![allow(clippy::unwrap_used)]

use archiland::spec::cms::{Anchors, verify_attached, verify_detached};
use archiland::spec::tsp::{Request, TspError, verify_response, verify_token};
use std::path::{Path, PathBuf};
use time::macros::{date, datetime};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("tests/fuzz/fixtures").join(name)).unwrap()
}

fn stored(corpus: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from("tests/fuzz/corpus").join(corpus);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn stored_seals_still_verify() {
    let (anchors, message) = (Anchors::from_pem(&fixture("anchors.pem")).unwrap(), fixture("message.txt"));
    let at = datetime!(2027-01-01 00:00 UTC);
    for (name, der) in stored("cms") {
        // Some seeds are of other kinds.
        if Path::new(&name).extension().is_none_or(|extension| extension != "p7s") {
            continue;
        }
        let verified = if name.contains("detached") {
            verify_detached(&der, &message, &anchors, at)
        } else {
            verify_attached(&der, &anchors, at)
        };
        assert_eq!(verified.map(|verified| verified.content), Ok(message.clone()), "{name}");
    }
}

#[test]
fn stored_tokens_still_verify() {
    let (anchors, message) = (Anchors::from_pem(&fixture("anchors.pem")).unwrap(), fixture("message.txt"));
    for (name, der) in stored("tsp") {
        let token = match Path::new(&name).extension().and_then(|extension| extension.to_str()) {
            Some("tsq") => {
                Request::parse(&der).unwrap();
                continue;
            }
            Some("tsr") => verify_response(&der, &message, &anchors),
            Some("der") => verify_token(&der, &message, &anchors),
            _ => continue,
        };
        match token {
            Ok(token) => assert_eq!(token.time.date(), date!(2026 - 11 - 23), "{name}"),
            Err(error) => assert!(
                name == "rejected.tsr" && matches!(error, TspError::Refused { status: 2, .. }),
                "{name}: {error}"
            ),
        }
    }
}
