//! Promise: an integrity report makes every check again from what the bucket holds. Whatever is changed in it, swapped or
//! taken away makes the line fail that is about it; and what a proof reads grows with the logarithm of the log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use archiland::clock::{Clock, SystemClock};
use archiland::evidence::{Maker, Stamper};
use archiland::package::Ark;
use archiland::receipt::Receipt;
use archiland::report::{
    ArchiveReport, Attestation, AttestationError, CheckKind, Examiner, Indication, Line, Subject, attestation,
};
use archiland::sequencer::LogReader;
use archiland::spec::cms::algorithm::Digest;
use archiland::spec::tlog::tree::{tiles_for_consistency, tiles_for_inclusion};
use archiland::spec::tsp::token_of;
use archiland::store::{Backend, Store, StoreOptions, open_backend};
use archiland::timestamp::{Keyring, TimestampError};
use archiland::verify::Trust;
use async_trait::async_trait;
use object_store::ObjectStore;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::archive::Archive;

struct Authority(Keyring);

#[async_trait]
impl Stamper for Authority {
    async fn stamp(&self, digest: Digest, imprint: &[u8]) -> Result<Vec<u8>, TimestampError> {
        let response = self.0.tsa.token_over(digest, imprint, SystemClock.now())?;
        Ok(token_of(&response).unwrap().to_vec())
    }
}

/// An archive of three deposits with their evidence, in a folder that tests write into behind its back.
struct Bench {
    directory: tempfile::TempDir,
    receipts: Vec<Receipt>,
}

fn bucket(directory: &Path) -> Arc<dyn ObjectStore> {
    open_backend(&Backend::Local(directory.join("bucket"))).unwrap()
}

async fn make_evidence(directory: &Path) {
    let objects = bucket(directory);
    let log = LogReader::new(objects.clone());
    let authority = Arc::new(Authority(Keyring::load(&directory.join("keys")).unwrap()));
    let size = log.published().await.unwrap().size;
    let maker = Maker::new(log, objects, authority);
    // Two batches: the last deposit has one of its own.
    let reached = maker.advance(0, size - 1).await.unwrap();
    assert_eq!(maker.advance(reached, size).await.unwrap(), size);
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::create(directory.path()).await;
        let mut receipts = Vec::new();
        for (title, content) in [("Un", "premier"), ("Deux", "deuxième"), ("Trois", "troisième")] {
            let documents: &[(&str, &[u8])] = &[("a.txt", content.as_bytes()), ("b.txt", b"annexe")];
            receipts.push(archive.deposit(title, documents).await);
        }
        make_evidence(directory.path()).await;
        Self { directory, receipts }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.path().join("bucket").join(key)
    }

    async fn report(&self, index: u64) -> ArchiveReport {
        report(self.directory.path(), index).await
    }

    /// The lines that do not pass once `spoil` has been through the bucket, which is put back after.
    async fn spoiled(&self, index: u64, spoil: impl FnOnce(&Self)) -> Vec<Line> {
        let saved = tempfile::tempdir().unwrap();
        let from = format!("{}/.", self.path("").display());
        let to = saved.path().display().to_string();
        support::run_ok(saved.path(), "cp", &["-a", &from, &to]);
        spoil(self);
        let report = self.report(index).await;
        assert_ne!(report.indication, Indication::Passed);
        std::fs::remove_dir_all(self.path("")).unwrap();
        support::run_ok(saved.path(), "cp", &["-a", &to, &self.path("").display().to_string()]);
        report.checks.into_iter().filter(|line| line.indication != Indication::Passed).collect()
    }
}

async fn report(directory: &Path, index: u64) -> ArchiveReport {
    let trust = Trust::load(&directory.join("trust.toml")).unwrap();
    let objects = bucket(directory);
    let store = Store::new(objects.clone(), StoreOptions::default());
    let examiner = Examiner::begin(objects, store, trust).await.unwrap();
    examiner.examine(&Subject { archive: Ark::new("99999", "c1", index), agency_name: None }).await
}

fn kinds(lines: &[Line]) -> BTreeSet<String> {
    lines.iter().map(|line| format!("{:?} {:?}", line.check, line.indication)).collect()
}

fn failed(lines: &[Line], kind: CheckKind) -> bool {
    lines.iter().any(|line| line.check == kind && line.indication == Indication::Failed)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x20;
    std::fs::write(path, bytes).unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_is_intact_passes_every_check_and_what_was_received_is_told() {
    let bench = Bench::new().await;
    let report = bench.report(1).await;
    assert_eq!(report.indication, Indication::Passed, "{:#?}", report.checks);
    for kind in [
        CheckKind::Record,
        CheckKind::Document,
        CheckKind::Checkpoint,
        CheckKind::Inclusion,
        CheckKind::Consistency,
        CheckKind::Timestamp,
        CheckKind::Seal,
        CheckKind::Evidence,
    ] {
        assert!(report.check(kind).is_some(), "{kind:?}");
    }
    let received = report.received.unwrap();
    assert_eq!((received.title.as_str(), received.agency.as_str()), ("Deux", "200040475"));
    assert_eq!(received.documents.len(), 2);
    assert!(received.existed.is_some());
    // Evidence that is not there yet is no failure.
    std::fs::remove_dir_all(bench.path("log/evidence")).unwrap();
    let report = bench.report(1).await;
    assert_eq!(report.check(CheckKind::Evidence).unwrap().indication, Indication::Indeterminate);
    assert_eq!(report.indication, Indication::Indeterminate);
}

#[tokio::test]
async fn a_document_changed_taken_away_or_cut_fails_its_line() {
    let bench = Bench::new().await;
    let record = bench.receipts[1].record().unwrap();
    let place = record.payloads()[0].location.clone();
    let pack = bench.path(&place.object);
    let middle = usize::try_from(place.offset + place.length / 2).unwrap();
    let lines = bench.spoiled(1, |_| flip(&pack, middle)).await;
    assert!(failed(&lines, CheckKind::Document), "{lines:#?}");
    assert_eq!(lines.iter().find(|line| line.check == CheckKind::Document).unwrap().subject.as_deref(), Some("a.txt"));
    // The other document and every proof still hold; the evidence waits for a document that can be read.
    let also = BTreeSet::from(["Document Failed".to_owned(), "Evidence Indeterminate".to_owned()]);
    assert_eq!(kinds(&lines), also);
    let lines = bench.spoiled(1, |_| std::fs::remove_file(&pack).unwrap()).await;
    assert_eq!(lines.iter().filter(|line| line.check == CheckKind::Document).count(), 2);
    assert!(failed(&lines, CheckKind::Document), "{lines:#?}");
}

#[tokio::test]
async fn a_tile_changed_fails_the_proofs_made_from_it() {
    let bench = Bench::new().await;
    for tile in files(&bench.path("log/tile/0")) {
        // The leaf beside the one reported on.
        flip(&tile, 3);
    }
    let report = bench.report(1).await;
    assert!(failed(&report.checks, CheckKind::Inclusion), "{:#?}", report.checks);
    assert_eq!(report.indication, Indication::Failed);
}

#[tokio::test]
async fn a_token_of_another_checkpoint_fails_the_time_stamp() {
    let bench = Bench::new().await;
    let (own, other) = (bench.path("log/timestamp/002.tsr"), bench.path("log/timestamp/003.tsr"));
    let lines = bench.spoiled(1, |_| assert_ne!(std::fs::copy(&other, &own).unwrap(), 0)).await;
    assert!(failed(&lines, CheckKind::Timestamp), "{lines:#?}");
    assert!(!lines.iter().any(|line| matches!(line.check, CheckKind::Inclusion | CheckKind::Document)));
    let lines = bench.spoiled(1, |_| std::fs::remove_file(&own).unwrap()).await;
    assert_eq!(kinds(&lines), BTreeSet::from(["Timestamp Failed".to_owned()]), "{lines:#?}");
}

#[tokio::test]
async fn a_seal_swapped_or_taken_away_fails_its_line() {
    let bench = Bench::new().await;
    let (own, other) = (bench.path("log/seal/002.p7s"), bench.path("log/seal/003.p7s"));
    let lines = bench.spoiled(1, |_| assert_ne!(std::fs::copy(&other, &own).unwrap(), 0)).await;
    assert!(lines.iter().any(|line| line.indication == Indication::Failed), "{lines:#?}");
    let lines = bench.spoiled(1, |_| std::fs::remove_file(&own).unwrap()).await;
    // The token still covers what the tiles lead to, and the log of today holds the entry.
    let expected = BTreeSet::from(["Checkpoint Indeterminate".to_owned(), "Seal Failed".to_owned()]);
    assert_eq!(kinds(&lines), expected, "{lines:#?}");
    let lines = bench.spoiled(1, |_| flip(&own, 400)).await;
    assert!(lines.iter().any(|line| line.indication == Indication::Failed), "{lines:#?}");
}

#[tokio::test]
async fn a_record_taken_away_or_replaced_fails_its_line() {
    let bench = Bench::new().await;
    let bundles = files(&bench.path("records"));
    let remove = || bundles.iter().for_each(|bundle| std::fs::remove_file(bundle).unwrap());
    let lines = bench.spoiled(1, |_| remove()).await;
    assert!(failed(&lines, CheckKind::Record), "{lines:#?}");
    // The bundle of another archive, of the same length: the record is read, and is not what the log committed to.
    let other = Bench::new().await;
    let theirs = files(&other.path("records"));
    let replace = || {
        for (ours, theirs) in bundles.iter().zip(&theirs) {
            std::fs::copy(theirs, ours).unwrap();
        }
    };
    let lines = bench.spoiled(1, |_| replace()).await;
    assert!(failed(&lines, CheckKind::Inclusion), "{lines:#?}");
}

#[tokio::test]
async fn a_log_that_does_not_extend_that_of_the_deposit_fails_the_consistency() {
    let bench = Bench::new().await;
    // Another log under the same keys: the directory of keys goes along, the deposits are others.
    let published = bench.path("log/checkpoint");
    let lines = bench
        .spoiled(1, |_| {
            let note = std::fs::read_to_string(&published).unwrap();
            let signer = Keyring::load(&bench.directory.path().join("keys")).unwrap().log;
            let mut lines: Vec<&str> = note.lines().take(3).collect();
            let forged = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            lines[2] = forged;
            std::fs::write(&published, signer.sign(&(lines.join("\n") + "\n")).unwrap()).unwrap();
        })
        .await;
    assert_eq!(kinds(&lines), BTreeSet::from(["Consistency Failed".to_owned()]), "{lines:#?}");
    // A checkpoint that nobody trusted signed is no better.
    let lines = bench.spoiled(1, |_| flip(&published, 200)).await;
    assert!(failed(&lines, CheckKind::Consistency), "{lines:#?}");
}

#[tokio::test]
async fn evidence_changed_or_taken_away_fails_its_line() {
    let bench = Bench::new().await;
    let object = bench.path("log/evidence/002.json");
    let nodes = memchr::memmem::find(&std::fs::read(&object).unwrap(), b"\"nodes\":\"").unwrap() + 60;
    let lines = bench.spoiled(1, |_| flip(&object, nodes)).await;
    assert_eq!(kinds(&lines), BTreeSet::from(["Evidence Failed".to_owned()]), "{lines:#?}");
    // One that is not there, while later ones are.
    let lines = bench.spoiled(1, |_| std::fs::remove_file(&object).unwrap()).await;
    assert_eq!(kinds(&lines), BTreeSet::from(["Evidence Failed".to_owned()]), "{lines:#?}");
}

#[tokio::test]
async fn what_a_proof_reads_grows_with_the_logarithm_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::create(directory.path()).await;
    let first = archive.deposit("Premier", &[("a.txt", b"premier")]).await;
    let (mut size, mut counted) = (1_u64, Vec::new());
    for more in [299_u64, 2_700, 17_000] {
        archive.fill(more).await;
        size += more;
        let report = report(directory.path(), first.index).await;
        assert_eq!(report.check(CheckKind::Consistency).unwrap().indication, Indication::Passed, "{report:#?}");
        // Record, seal, token; the tiles of two proofs; the search for external tokens and evidence lists names only.
        let tiles = tiles_for_inclusion(0, 1).len() + tiles_for_consistency(1, size).len();
        assert!(report.reads.objects <= 3 + tiles as u64, "{size}: {:?}, {tiles} tiles", report.reads);
        counted.push(report.reads);
    }
    // Sixty times the entries, and no more than a few objects more.
    assert!(counted[2].objects <= counted[0].objects + 3 && counted[2].objects < 16, "{counted:?}");
    assert!(counted[2].lists <= 48, "{counted:?}");
}

#[tokio::test]
async fn an_attestation_is_one_page_whatever_it_attests_and_nothing_that_does_not_hold() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::create(directory.path()).await;
    let trust = Trust::load(&directory.path().join("trust.toml")).unwrap();
    let names: Vec<String> = (0..40).map(|n| format!("{n}-{}.txt", "nom ".repeat(50))).collect();
    let documents: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let mut receipt = archive.deposit(&"intitulé ".repeat(55), &documents).await;
    let long = "Communauté de communes ".repeat(10);
    let make = |receipt: &Receipt| {
        let asked =
            Attestation { receipt, agency_name: Some(&long), origin: "archives.example/essai", at: SystemClock.now() };
        attestation(&asked, &trust)
    };
    let document = make(&receipt).unwrap();
    assert_eq!((document.pages.len(), document.attachments.len()), (1, 1));
    // The receipt of another record: what it says is not in the log.
    receipt.record = archive.deposit("Autre", &[("a.txt", b"a")]).await.record;
    assert!(matches!(make(&receipt), Err(AttestationError::Refused(_))));
}

/// The same sum for a log of a million: what a report on any of its archives reads of the tiles.
#[test]
fn a_report_on_a_log_of_a_million_reads_a_dozen_tiles() {
    const MILLION: u64 = 1_000_000;
    let mut most = 0;
    for index in (0..MILLION).step_by(997).chain([MILLION - 1]) {
        // The batch of the deposit ended somewhere after it.
        for deposit in [index + 1, (index + 4_096).min(MILLION)] {
            let tiles: BTreeSet<String> = tiles_for_inclusion(index, deposit)
                .into_iter()
                .chain(tiles_for_consistency(deposit, MILLION))
                .map(|tile| tile.path())
                .collect();
            most = most.max(tiles.len());
        }
    }
    assert!(most <= 12, "{most} tiles");
}
