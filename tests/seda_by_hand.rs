//! Promise (I6): a transfer is read back from the bucket with `zstd`, `jq` and `sha256sum` alone, by the commands of
//! `docs/seda.md` as they stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/node.rs"]
mod node;
#[path = "support/sip.rs"]
mod sip;

use node::{Archive, Kind, percent};
use reqwest::Method;
use serde_json::Value;
use sip::Sip;
use std::process::Command;

const DOCUMENT: &str = include_str!("../docs/seda.md");

/// The commands of the page that read a transfer back.
fn script() -> &'static str {
    let after = DOCUMENT.split("### Relire un transfert sans Archiland").nth(1).unwrap();
    after.split("```sh\n").nth(1).unwrap().split("```").next().unwrap()
}

fn there(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    let required = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(found || !required, "CI=true, and the program `{tool}` is not in PATH: install it in .ci/run");
    if !found {
        eprintln!("skipped: the program `{tool}` is not in PATH (it is required when CI=true)");
    }
    found
}

#[tokio::test]
async fn a_transfer_is_read_back_without_us() {
    if !["sh", "zstd", "jq", "sha256sum"].into_iter().all(there) {
        return;
    }
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip { letters: 40, ..Sip::default() };
    let sent = archive.request(Method::POST, "/v1/transfers?wait=120", &token).body(sip.zip()).send().await.unwrap();
    let state: Value = sent.json().await.unwrap();
    assert_eq!(state["outcome"], "OK", "{state}");
    let path = format!("/v1/archives/{}", percent(state["archive"].as_str().unwrap()));
    let record: Value = archive.get(&path, &token).await.json().await.unwrap();
    archive.stop().await;

    let directory = tempfile::tempdir().unwrap();
    let bucket = archive.dir.path().join("bucket");
    let output = Command::new("sh")
        .args(["-e", "-c", script()])
        .current_dir(directory.path())
        .env("B", &bucket)
        .env("N", record["index"].to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("manifest.xml: "), "{said}");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("manifest.xml"), sip.manifest());
    assert!(read("reponse.xml").contains("<ReplyCode>OK</ReplyCode>"));
    for n in [0, 39] {
        assert_eq!(read(&format!("unites/U{n}/lettre-{n}.txt")), Sip::letter(n));
        assert!(read(&format!("unites/U{n}/description.xml")).starts_with("<ArchiveUnit "));
    }
}
