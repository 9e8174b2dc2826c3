//! Promise: `docs/verify-by-hand.md` is true. Its commands run as they stand, in the order given, on a real receipt and a
//! real bucket; and on a changed one they do not say « conforme ».
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use archiland::receipt::Receipt;
use std::path::Path;
use support::archive::Archive;
use support::{require_tool, run, said};

const DOCUMENT: &str = include_str!("../docs/verify-by-hand.md");
const TOOLS: [&str; 7] = ["sh", "openssl", "sha256sum", "zstd", "tar", "sed", "grep"];

/// What the commands say, in order, when all is well.
const CONFORMS: [&str; 8] = [
    "Document : conforme",
    "Présence au journal : conforme",
    "Signature du journal : conforme",
    "Horodatage : conforme",
    "Cachet : conforme",
    "Document retrouvé : conforme",
    "Extraction : conforme",
    "Enregistrement retrouvé : conforme",
];

/// The code blocks of the page, one after the other.
fn script() -> String {
    let mut script = String::new();
    let mut inside = false;
    for line in DOCUMENT.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => script.extend([line, "\n"]),
            _ => {}
        }
    }
    script
}

/// Runs the page in `directory` and returns the lines that say « conforme ».
fn conforms(directory: &Path) -> Vec<String> {
    let output = run(directory, "sh", &["-c", &script()]);
    let lines: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.ends_with(": conforme"))
        .map(str::to_owned)
        .collect();
    if lines.len() < CONFORMS.len() {
        println!("{}", said(&output));
    }
    lines
}

/// Lays out what the page asks for.
fn lay_out(archive: &Archive, receipt: &Receipt, document: &[u8]) {
    std::fs::write(archive.directory.join("recepisse.json"), receipt.to_json().unwrap()).unwrap();
    std::fs::write(archive.directory.join("document"), document).unwrap();
}

fn tools() -> bool {
    TOOLS.iter().all(|tool| require_tool(tool))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_checks_receipts_and_recovers_documents() {
    if !tools() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::create(directory.path()).await;
    let large: Vec<u8> = (0..6_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let small: &[u8] = "Délibération n° 12 : {\"sha256\":\"\"}\n".as_bytes();
    let first = archive.deposit("Seul au journal", &[("seul.txt", b"premier")]).await;
    let titles: Vec<String> = (0..300).map(|n| format!("Arrêté n° {n} \"object\":\"x\" }}{{\"actor\":")).collect();
    let deposits = titles.iter().map(|title| async { archive.deposit(title, &[("a.txt", title.as_bytes())]).await });
    futures::future::join_all(deposits).await;
    let several = archive.deposit("Dossier", &[("a.pdf", small), ("vide", b""), ("gros.bin", &large)]).await;
    let last = archive.deposit("Dernier", &[("dernier {é}.txt", b"dernier")]).await;

    let cases: [(&Receipt, &[u8]); 5] =
        [(&first, b"premier"), (&several, small), (&several, b""), (&several, &large), (&last, b"dernier")];
    for (receipt, document) in cases {
        lay_out(&archive, receipt, document);
        assert_eq!(conforms(directory.path()), CONFORMS, "entry {}", receipt.index);
        std::fs::remove_dir_all(directory.path().join("sortie")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_refuses_what_was_changed() {
    if !tools() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::create(directory.path()).await;
    archive.deposit("Un", &[("un.txt", b"un")]).await;
    let receipt = archive.deposit("Deux", &[("deux.txt", b"deux")]).await;
    let missing = |receipt: &Receipt, document: &[u8]| -> Vec<&str> {
        lay_out(&archive, receipt, document);
        let found = conforms(directory.path());
        CONFORMS[..5]
            .iter()
            .filter(|line| !found.iter().any(|f| f == *line))
            .map(|l| l.split(" :").next().unwrap())
            .collect()
    };
    assert!(missing(&receipt, b"deux").is_empty());
    assert_eq!(missing(&receipt, b"Deux"), ["Document"]);
    let mut changed = receipt.clone();
    changed.record = String::from_utf8(receipt.record.to_vec()).unwrap().replace("Deux", "Trois").into();
    assert_eq!(missing(&changed, b"deux"), ["Présence au journal"]);
    let mut changed = receipt.clone();
    changed.index = 0;
    assert_eq!(missing(&changed, b"deux"), ["Présence au journal"]);
    let mut changed = receipt.clone();
    changed.checkpoint = receipt.checkpoint.replacen("\n2\n", "\n3\n", 1);
    assert_eq!(missing(&changed, b"deux"), ["Présence au journal", "Signature du journal", "Horodatage", "Cachet"]);

    // Another archive's proofs, each of them sound.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Archive::create(elsewhere.path()).await.deposit("Deux", &[("deux.txt", b"deux")]).await;
    let refused = missing(&other, b"deux");
    assert_eq!(refused, ["Signature du journal", "Horodatage", "Cachet"]);
}
