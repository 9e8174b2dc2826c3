//! The audit finds what is wrong and names it: every kind of object of an archive is damaged in every way, and an intact
//! archive has no finding.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/signed_archive.rs"]
mod signed_archive;

use archiland::audit::{self, AuditError, Code, Options, Outcome, Report};
use archiland::clock::{Clock, SystemClock};
use archiland::timestamp::Keyring;
use archiland::verify::Trust;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use signed_archive::{Archive, ORIGIN, keyring, noise};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use time::OffsetDateTime;

type Snapshot = BTreeMap<String, Bytes>;

/// An archive at two moments.
struct Sample {
    trust: Trust,
    keyring: Arc<Keyring>,
    earlier: Snapshot,
    now: Snapshot,
}

/// A clock that stands still, so that two reports can be compared.
struct Still(OffsetDateTime);

impl Clock for Still {
    fn now(&self) -> OffsetDateTime {
        self.0
    }
}

/// The bucket once the sequencer has put everything in its place.
async fn snapshot(objects: &Arc<dyn ObjectStore>) -> Snapshot {
    let listed = loop {
        let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
        let busy = |object: &ObjectMeta| object.location.as_ref().starts_with("staging/");
        let swept = |object: &ObjectMeta| object.location.as_ref().starts_with("records/000.p/");
        if !listed.iter().any(|o| busy(o) || (swept(o) && listed.iter().any(|o| o.location.as_ref() == "records/000")))
        {
            break listed;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let mut snapshot = Snapshot::new();
    for object in listed {
        let bytes = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
        snapshot.insert(object.location.to_string(), bytes);
    }
    snapshot
}

async fn restore(snapshot: &Snapshot) -> Arc<dyn ObjectStore> {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for (key, bytes) in snapshot {
        objects.put(&Path::from(key.as_str()), bytes.clone().into()).await.unwrap();
    }
    objects
}

/// 300 records in a few batches: packs of several members, large objects that compress and that do not.
async fn sample() -> Sample {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let keyring = keyring();
    let archive = Archive::open(objects.clone(), keyring.clone()).await;
    for n in 0..3 {
        archive.deposit("200040475", vec![noise(n, 3000).into()]).await;
    }
    let small = (0..254).map(|n| noise(n + 10, 900 + usize::try_from(n).unwrap()).into()).collect();
    archive.deposit("mont-de-marsan", small).await;
    archive.deposit("mont-de-marsan", (0..20).map(|n| noise(n + 500, 100).into()).collect()).await;
    let earlier = snapshot(&objects).await;
    archive
        .deposit("200040475", vec![Bytes::from("budget primitif ".repeat(100_000)), noise(7, 1_200_000).into()])
        .await;
    archive.deposit("200040475", (0..20).map(|n| Bytes::from("ligne de budget\n".repeat(n + 1))).collect()).await;
    archive.deposit("200040475", vec![noise(8, 5000).into()]).await;
    let now = snapshot(&objects).await;
    Sample { trust: trust(&keyring), keyring, earlier, now }
}

fn trust(keyring: &Keyring) -> Trust {
    Trust {
        origin: ORIGIN.to_owned(),
        log_keys: vec![keyring.log.vkey().clone()],
        anchors: keyring.anchors().clone(),
        witness_keys: vec![],
        witness_quorum: 0,
        keys: vec![],
    }
}

async fn audit(snapshot: &Snapshot, trust: &Trust, options: Options) -> Result<Report, AuditError> {
    let objects = restore(snapshot).await;
    audit::run(objects, trust.clone(), options, Arc::new(SystemClock), |_| ()).await
}

async fn audit_full(snapshot: &Snapshot, trust: &Trust) -> Report {
    audit(snapshot, trust, Options { full: true, ..Options::default() }).await.unwrap()
}

fn named(report: &Report) -> BTreeSet<&str> {
    report.findings.iter().map(|finding| finding.object.as_str()).collect()
}

/// One kind for each way an object can be wrong.
fn kind(key: &str) -> String {
    let first = key.split('/').next().unwrap();
    let kind = match first {
        "log" => key.split('/').take(3).collect::<Vec<_>>().join("/"),
        "payload" if key.ends_with(".tar.zst") => "pack".to_owned(),
        "payload" => "large".to_owned(),
        other => other.to_owned(),
    };
    let kind = if kind.starts_with("log/tile") { kind } else { kind.split(['.', '0']).next().unwrap().to_owned() };
    if key.contains(".p/") { format!("{kind} partial") } else { kind }
}

/// The first and the last object of every kind.
fn of_every_kind(snapshot: &Snapshot) -> Vec<String> {
    let mut kinds: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for key in snapshot.keys() {
        kinds.entry(kind(key)).or_default().push(key);
    }
    let chosen: BTreeSet<String> =
        kinds.values().flat_map(|keys| keys.iter().take(1).chain(keys.last())).map(|key| (*key).clone()).collect();
    assert!(kinds.len() >= 12, "{:?}", kinds.keys());
    chosen.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intact_archive_has_no_finding() {
    let sample = sample().await;
    for (snapshot, full) in [(&sample.now, false), (&sample.now, true), (&sample.earlier, true)] {
        let report = audit(snapshot, &sample.trust, Options { full, ..Options::default() }).await.unwrap();
        assert_eq!((report.outcome, &report.findings, &report.notices), (Outcome::Intact, &vec![], &vec![]));
        assert_eq!(report.counts.objects, snapshot.len() as u64);
        assert_eq!(report.counts.payloads_hashed, if full { report.counts.payloads } else { 0 });
    }
    let report = audit_full(&sample.now, &sample.trust).await;
    assert_eq!((report.counts.entries, report.counts.records, report.counts.payloads_hashed), (300, 300, 300));
    assert!(report.counts.seals >= 7 && report.counts.seals == report.counts.timestamps);
    let empty = audit_full(&Snapshot::new(), &sample.trust).await;
    assert_eq!((empty.outcome, empty.checkpoint), (Outcome::Intact, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_to_every_kind_of_object_is_named() {
    let sample = sample().await;
    let mut missed = Vec::new();
    for key in of_every_kind(&sample.now) {
        let original = sample.now[&key].clone();
        let length = original.len();
        let mut damages: Vec<(String, Option<Bytes>)> = vec![
            ("deleted".into(), None),
            ("emptied".into(), Some(Bytes::new())),
            ("cut in half".into(), Some(original.slice(..length / 2))),
            ("one byte short".into(), Some(original.slice(..length - 1))),
            ("one byte long".into(), Some([&original[..], b"x"].concat().into())),
        ];
        // The head's first bytes hold a counter that nothing else repeats.
        let flips = if key == "head" { [length / 2, length - 20, length - 2] } else { [0, length / 2, length - 1] };
        for at in flips {
            let mut flipped = original.to_vec();
            flipped[at] ^= 1;
            damages.push((format!("bit of byte {at} flipped"), Some(flipped.into())));
        }
        for (what, bytes) in damages {
            let mut damaged = sample.now.clone();
            match bytes {
                Some(bytes) => damaged.insert(key.clone(), bytes),
                None => damaged.remove(&key),
            };
            let report = audit_full(&damaged, &sample.trust).await;
            if report.outcome != Outcome::Faults || named(&report) != BTreeSet::from([key.as_str()]) {
                missed.push(format!("{key}, {what}: {:#?}", report.findings));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_exchanged_are_both_named() {
    let sample = sample().await;
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in sample.now.keys() {
        kinds.entry(kind(key)).or_default().push(key.clone());
    }
    let mut exchanged = 0;
    for keys in kinds.into_values().filter(|keys| keys.len() > 1) {
        let (a, b) = (keys[0].as_str(), keys[keys.len() - 1].as_str());
        let mut damaged = sample.now.clone();
        damaged.insert(a.to_owned(), sample.now[b].clone());
        damaged.insert(b.to_owned(), sample.now[a].clone());
        let report = audit_full(&damaged, &sample.trust).await;
        assert_eq!(named(&report), BTreeSet::from([a, b]), "{:#?}", report.findings);
        exchanged += 1;
    }
    assert!(exchanged >= 6, "{exchanged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_replaced_by_an_older_one_is_named() {
    let sample = sample().await;
    let code = |report: &Report| report.findings.iter().map(|f| (f.code, f.object.clone())).collect::<Vec<_>>();
    let mut old = sample.now.clone();
    old.insert("log/checkpoint".into(), sample.earlier["log/checkpoint"].clone());
    let report = audit_full(&old, &sample.trust).await;
    assert!(code(&report).contains(&(Code::CheckpointBehind, "log/checkpoint".into())), "{:?}", report.findings);
    let mut old = sample.now.clone();
    old.insert("head".into(), sample.earlier["head"].clone());
    assert_eq!(code(&audit_full(&old, &sample.trust).await), [(Code::HeadBehind, "head".into())]);
    // A seal, a timestamp and a partial tile of an earlier size in the place of the last.
    for kind in ["log/seal", "log/timestamp", "log/tile/0", "log/tile/entries", "records"] {
        let keys: Vec<_> = sample.now.keys().filter(|k| k.starts_with(kind) && !k.ends_with("/000")).collect();
        let (first, last) = (keys[0], keys[keys.len() - 1]);
        let mut old = sample.now.clone();
        old.insert(last.clone(), sample.now[first].clone());
        assert_eq!(named(&audit_full(&old, &sample.trust).await), BTreeSet::from([last.as_str()]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_rolled_back_or_forked_is_caught_by_an_earlier_checkpoint() {
    let sample = sample().await;
    let note = |snapshot: &Snapshot| String::from_utf8(snapshot["log/checkpoint"].to_vec()).unwrap();
    let since = |note: String| Options { since: Some(note), ..Options::default() };
    let report = audit(&sample.now, &sample.trust, since(note(&sample.earlier))).await.unwrap();
    assert_eq!(report.outcome, Outcome::Intact);
    assert_eq!(report.since.unwrap().size, 277);
    let report = audit(&sample.earlier, &sample.trust, since(note(&sample.now))).await.unwrap();
    assert_eq!(report.findings[0].code, Code::SinceAhead);
    // The same keys have signed another log.
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let fork = Archive::open(objects.clone(), sample.keyring.clone()).await;
    fork.deposit("200040475", (0..9).map(|n| noise(n, 90).into()).collect()).await;
    let fork = note(&snapshot(&objects).await);
    let report = audit(&sample.now, &sample.trust, since(fork)).await.unwrap();
    assert_eq!(report.findings[0].code, Code::SinceInconsistent);
    // Somebody else's note is no input.
    let other = note(&self::sample().await.now);
    assert!(matches!(audit(&sample.now, &sample.trust, since(other)).await, Err(AuditError::Since(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asked_for_is_noticed_and_no_fault() {
    let sample = sample().await;
    let mut more = sample.now.clone();
    more.insert("payload/200040475/orphan.zst".into(), Bytes::from_static(b"x"));
    more.insert("staging/1-00".into(), Bytes::from_static(b"x"));
    more.insert("log/tile/0/009".into(), Bytes::from_static(b"x"));
    more.insert("notes.txt".into(), Bytes::from_static(b"x"));
    let report = audit_full(&more, &sample.trust).await;
    assert_eq!(report.outcome, Outcome::Intact);
    let codes: Vec<_> = report.notices.iter().map(|n| (n.code, n.object.as_str())).collect();
    assert_eq!(
        codes,
        [
            (Code::Beyond, "log/tile/0/009"),
            (Code::Unknown, "notes.txt"),
            (Code::Orphan, "payload/200040475/orphan.zst"),
            (Code::StagingLeftover, "staging/1-00"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_audit_goes_on_and_reports_the_same() {
    let sample = sample().await;
    // Findings before and after the interruption, and an orphan.
    let mut damaged = sample.now.clone();
    damaged.insert("log/tile/0/000".into(), Bytes::from_static(b"x"));
    damaged.insert("payload/200040475/orphan.zst".into(), Bytes::from_static(b"x"));
    let large = damaged.keys().find(|k| kind(k) == "large").unwrap().clone();
    damaged.remove(&large);
    let directory = tempfile::tempdir().unwrap();
    let objects = restore(&damaged).await;
    let clock = Arc::new(Still(OffsetDateTime::now_utc()));
    let state = Some(directory.path().join("audit-state"));
    let options = Options { full: true, state: state.clone(), window_bundles: 1, ..Options::default() };
    let whole = Options { state: None, ..options.clone() };
    let run = |options| audit::run(objects.clone(), sample.trust.clone(), options, clock.clone(), |_| ());
    let uninterrupted = run(whole).await.unwrap();

    let cancel = Arc::new(AtomicBool::new(false));
    let stop = cancel.clone();
    let interrupted = Options { cancel, ..options.clone() };
    let progress = move |p: audit::Progress| stop.store(p.entries > 256, Ordering::Relaxed);
    let report = audit::run(objects.clone(), sample.trust.clone(), interrupted, clock.clone(), progress).await.unwrap();
    assert_eq!(report.outcome, Outcome::Interrupted);
    assert_eq!(report.counts.entries, 256);
    // The part already audited is not read again: its damage is repaired, the report still tells of it.
    objects.put(&Path::from("log/tile/0/000"), sample.now["log/tile/0/000"].clone().into()).await.unwrap();
    let resumed = run(options.clone()).await.unwrap();
    assert_eq!(resumed, uninterrupted);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the state of a finished audit goes away");
    // A state of other options is of no use.
    assert_eq!(run(Options { full: false, ..options }).await.unwrap().counts.payloads_hashed, 0);
}
