//! Promise: each archive has evidence (RFC 4998) that programs nobody here wrote accept, fresh and renewed both ways; a
//! renewal stopped in the middle is finished by the next, and every renewal is announced before it is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use archiland::clock::{Clock, SystemClock, format_record_time};
use archiland::evidence::{EvidenceError, Journal, Maker, Renewal, RenewalPolicy, Renewed, Stamper, evidence_for};
use archiland::package::{Body, Deposit, EvidenceRenewal, Location, Payload, Record};
use archiland::sequencer::head::{self};
use archiland::sequencer::{LogReader, Sequencer, SequencerOptions, Submission};
use archiland::spec::cms::Anchors;
use archiland::spec::cms::algorithm::Digest;
use archiland::spec::ers::{DataObject, EvidenceRecord, Verified};
use archiland::spec::tsp::token_of;
use archiland::store::{Backend, open_backend};
use archiland::timestamp::{KeyUse, Keyring, RevocationReason, TimestampError};
use archiland::verify::{self, Trust, TrustedKey};
use async_trait::async_trait;
use object_store::ObjectStore;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use support::unsigned::Unsigned;
use support::{require_tool, run, run_ok, said};
use time::{Duration, OffsetDateTime};

struct At(OffsetDateTime);

impl Clock for At {
    fn now(&self) -> OffsetDateTime {
        self.0
    }
}

/// A time-stamping authority at a time of its own.
struct Authority {
    keyring: Keyring,
    at: OffsetDateTime,
    /// Tokens it gives before it fails.
    left: AtomicUsize,
}

#[async_trait]
impl Stamper for Authority {
    async fn stamp(&self, digest: Digest, imprint: &[u8]) -> Result<Vec<u8>, TimestampError> {
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(TimestampError::Journal("essai".to_owned()));
        }
        let response = self.keyring.tsa.token_over(digest, imprint, self.at)?;
        Ok(token_of(&response).unwrap().to_vec())
    }
}

#[derive(Default)]
struct Announced(Mutex<Vec<EvidenceRenewal>>);

#[async_trait]
impl Journal for Announced {
    async fn record(&self, renewal: EvidenceRenewal) -> Result<(), EvidenceError> {
        self.0.lock().unwrap().push(renewal);
        Ok(())
    }
}

fn authority(directory: &Path, name: &str, valid_from: OffsetDateTime, at: OffsetDateTime) -> Arc<Authority> {
    let keyring = Keyring::create_development(&directory.join(name), "test.example/log", &At(valid_from)).unwrap();
    Arc::new(Authority { keyring, at, left: AtomicUsize::new(1000) })
}

fn record(number: u8, documents: &[&[u8]]) -> Record {
    let payloads = documents.iter().map(|document| Payload {
        name: "a".to_owned(),
        size_bytes: document.len() as u64,
        sha256: hex::encode(Digest::Sha256.of(document)),
        sha512: hex::encode(Digest::Sha512.of(document)),
        media_type: "text/plain".to_owned(),
        puid: None,
        location: Location { object: "payload/x".to_owned(), offset: 0, length: 1 },
    });
    let body = if documents.is_empty() {
        Body::Refusal { code: "x".to_owned(), detail: "x".to_owned() }
    } else {
        Body::Deposit(Deposit { content: "00".repeat(32), payloads: payloads.collect(), ..Deposit::default() })
    };
    Record {
        v: 1,
        time: format_record_time(SystemClock.now()),
        agency: "a".to_owned(),
        actor: "test".to_owned(),
        id: uuid::Uuid::now_v7(),
        references: Vec::new(),
        salt: hex::encode([number; 32]),
        body,
    }
}

/// Documents of each entry; none for an entry that is no deposit.
const DOCUMENTS: [&[&[u8]]; 6] =
    [&[b"deliberation"], &[], &[b"budget", b"annexe", b"annexe 2"], &[b"arrete"], &[], &[b"seul dans son lot"]];

struct Bench {
    directory: tempfile::TempDir,
    log: LogReader,
    objects: Arc<dyn ObjectStore>,
    records: Vec<Record>,
    announced: Arc<Announced>,
    distrusted: Mutex<std::collections::BTreeSet<String>>,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let backend = Backend::Local(directory.path().join("bucket"));
        let objects = open_backend(&backend).unwrap();
        let heads = head::open(&backend, &objects);
        let options = SequencerOptions::default();
        let (sequencer, _task) = Sequencer::start(objects.clone(), heads, Arc::new(Unsigned), options).await.unwrap();
        let mut records = Vec::new();
        for (number, documents) in DOCUMENTS.iter().enumerate() {
            let record = record(u8::try_from(number).unwrap(), documents);
            let bytes = record.to_canonical().unwrap();
            let placed = sequencer.submit(Submission { record: bytes.into(), idempotency: None }).await.unwrap();
            assert_eq!(placed.index, number as u64);
            records.push(record);
        }
        let log = LogReader::new(objects.clone());
        for (number, document) in DOCUMENTS.iter().flat_map(|documents| documents.iter()).enumerate() {
            std::fs::write(directory.path().join(format!("document{number}")), document).unwrap();
        }
        Self { directory, log, objects, records, announced: Arc::default(), distrusted: Mutex::default() }
    }

    async fn evidence(&self, index: usize) -> Option<Vec<u8>> {
        evidence_for(&self.log, &*self.objects, index as u64, &self.records[index]).await.unwrap()
    }

    async fn renew(&self, stamper: &Arc<Authority>, policy: &str) -> Result<Renewed, EvidenceError> {
        let renewal = Renewal {
            log: self.log.clone(),
            objects: self.objects.clone(),
            stamper: stamper.clone(),
            policy: RenewalPolicy::parse(policy).unwrap(),
            journal: self.announced.clone(),
            distrusted: self.distrusted.lock().unwrap().clone(),
        };
        renewal.pass(stamper.at, stamper.keyring.tsa.certificate().not_after()).await
    }

    /// Checks the evidence of every archive with our own eyes and with BouncyCastle's.
    async fn all_hold(&self, stamps: usize, anchors: &Anchors, java: Option<&Java>) {
        for (index, documents) in DOCUMENTS.iter().enumerate() {
            let evidence = self.evidence(index).await;
            if documents.is_empty() {
                assert!(evidence.is_none());
                continue;
            }
            let evidence = evidence.unwrap();
            assert_eq!(check(&evidence, documents, anchors).stamps.len(), stamps);
            if let Some(java) = java {
                java.check(self.directory.path(), &evidence, documents);
            }
        }
    }
}

fn check(evidence: &[u8], documents: &[&[u8]], anchors: &Anchors) -> Verified {
    let objects: Vec<DataObject<'_>> = documents.iter().map(|document| DataObject::Content(document)).collect();
    let record = EvidenceRecord::parse(evidence).unwrap();
    assert!(record.verify(&[DataObject::Content(b"another")], Some(anchors)).is_err());
    record.verify(&objects, Some(anchors)).unwrap()
}

/// BouncyCastle (Debian: libbcpkix-java), and a small program for it.
struct Java {
    class_path: String,
    program: PathBuf,
}

impl Java {
    fn find() -> Option<Self> {
        let folder = std::env::var_os("ARCHILAND_BC_JARS").map_or_else(|| "/usr/share/java".into(), PathBuf::from);
        let jars = ["bcpkix.jar", "bcprov.jar", "bcutil.jar"].map(|name| folder.join(name));
        if !require_tool("java") {
            return None;
        }
        if !jars.iter().all(|jar| jar.exists()) {
            let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!ci, "CI=true, and BouncyCastle is not in {}: install libbcpkix-java in .ci/run", folder.display());
            eprintln!("skipped: BouncyCastle (libbcpkix-java) is not in {}", folder.display());
            return None;
        }
        let class_path = jars.map(|jar| jar.display().to_string()).join(":");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java/VerifyErs.java");
        Some(Self { class_path, program })
    }

    fn run(&self, at: &Path, evidence: &[u8], documents: &[&[u8]]) -> std::process::Output {
        std::fs::write(at.join("evidence.ers"), evidence).unwrap();
        let mut arguments = vec!["-cp".to_owned(), self.class_path.clone(), self.program.display().to_string()];
        arguments.push("evidence.ers".to_owned());
        for (number, document) in documents.iter().enumerate() {
            let name = format!("given{number}");
            std::fs::write(at.join(&name), document).unwrap();
            arguments.push(name);
        }
        run(at, "java", &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn check(&self, at: &Path, evidence: &[u8], documents: &[&[u8]]) {
        let output = self.run(at, evidence, documents);
        assert!(output.status.success(), "BouncyCastle refuses: {}", said(&output));
        assert!(!self.run(at, evidence, &[b"another"]).status.success(), "BouncyCastle accepts anything");
    }
}

/// SHA-256 still good, and a margin that makes certificates with less than 400 days due.
const CERTIFICATES: &str = "margin_days = 400\nsuccessor = \"SHA-512\"\n[digests]\n\"SHA-256\" = \"2090-01-01\"\n\"SHA-512\" = \"2090-01-01\"\n[keys]\n\"ECDSA P-256\" = \"2090-01-01\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_is_made_renewed_and_accepted_by_bouncycastle() {
    let bench = Bench::new().await;
    let java = Java::find();
    let (at, now) = (bench.directory.path(), SystemClock.now());
    let day = |days| now + Duration::days(days);
    let first = authority(at, "first", now, now);
    let second = authority(at, "second", day(500), day(800));
    let third = authority(at, "third", day(1200), day(1300));
    let certificates = [&first, &second, &third].map(|one| one.keyring.anchors().certificates().to_vec()).concat();
    let anchors = Anchors::new(certificates);

    // Two batches: the second has a single document, which its token covers directly.
    let maker = Maker::new(bench.log.clone(), bench.objects.clone(), first.clone());
    assert_eq!(maker.resume().await.unwrap(), 0);
    assert_eq!(maker.advance(0, 5).await.unwrap(), 5);
    assert_eq!(maker.resume().await.unwrap(), 5);
    assert_eq!(maker.advance(5, 6).await.unwrap(), 6);
    // Another node that did the same: nothing changes.
    let before = bench.evidence(0).await;
    assert_eq!(maker.advance(0, 5).await.unwrap(), 5);
    assert_eq!(bench.evidence(0).await, before);
    bench.all_hold(1, &anchors, java.as_ref()).await;

    // Nothing is due while the certificate has time; due, and no better certificate to do it with: it waits.
    assert_eq!(bench.renew(&first, CERTIFICATES).await.unwrap(), Renewed { seen: 2, ..Renewed::default() });
    let stale = authority(at, "stale", now - Duration::days(100), day(800));
    assert_eq!(bench.renew(&stale, CERTIFICATES).await.unwrap().waiting, [5, 6]);
    assert!(bench.announced.0.lock().unwrap().is_empty());

    let renewed = bench.renew(&second, CERTIFICATES).await.unwrap();
    assert_eq!((renewed.restamped, renewed.rehashed), (vec![5, 6], vec![]));
    bench.all_hold(2, &anchors, java.as_ref()).await;
    assert!(bench.renew(&second, CERTIFICATES).await.unwrap().restamped.is_empty());

    // SHA-256 ends: a new tree under SHA-512, stopped before its token the first time.
    let weakened = CERTIFICATES.replace("\"SHA-256\" = \"2090", "\"SHA-256\" = \"2020");
    second.left.store(0, Ordering::SeqCst);
    assert!(bench.renew(&second, &weakened).await.is_err());
    bench.all_hold(2, &anchors, None).await;
    second.left.store(1000, Ordering::SeqCst);
    assert_eq!(bench.renew(&second, &weakened).await.unwrap().rehashed, [5, 6]);
    bench.all_hold(3, &anchors, java.as_ref()).await;
    assert!(bench.renew(&second, &weakened).await.unwrap().rehashed.is_empty());

    // And on: the new chain is renewed in its turn.
    assert_eq!(bench.renew(&third, &weakened).await.unwrap().restamped, [5, 6]);
    bench.all_hold(4, &anchors, java.as_ref()).await;
    let told: Vec<(String, String)> =
        bench.announced.0.lock().unwrap().iter().map(|told| (told.kind.clone(), told.digest.clone())).collect();
    let told: Vec<(&str, &str)> = told.iter().map(|(kind, digest)| (kind.as_str(), digest.as_str())).collect();
    assert_eq!(told, [("timestamp", "sha256"), ("tree", "sha512"), ("tree", "sha512"), ("timestamp", "sha512")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_refuses_a_record_that_says_something_else() {
    let bench = Bench::new().await;
    let now = SystemClock.now();
    let stamper = authority(bench.directory.path(), "only", now, now);
    Maker::new(bench.log.clone(), bench.objects.clone(), stamper).advance(0, 6).await.unwrap();
    let forged = record(0, &[b"forged"]);
    let found = evidence_for(&bench.log, &*bench.objects, 0, &forged).await;
    assert!(matches!(found, Err(EvidenceError::Mismatch { index: 0 })));
    let path = bench.directory.path().join("bucket/log/evidence/006.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    let found = evidence_for(&bench.log, &*bench.objects, 0, &bench.records[0]).await;
    assert!(matches!(found, Err(EvidenceError::Corrupt { .. })));
    let listing = run_ok(bench.directory.path(), "ls", &["bucket/log/evidence"]);
    assert_eq!(String::from_utf8_lossy(&listing).trim(), "006.json");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compromised_key_proves_nothing_and_what_rests_on_it_is_renewed() {
    let bench = Bench::new().await;
    let now = SystemClock.now();
    let at = bench.directory.path();
    let day = |days: i64| now + Duration::days(days);
    let first = authority(at, "first", now, now);
    let second = authority(at, "second", now, day(20));
    let certificates = [&first, &second].map(|one| one.keyring.anchors().certificates().to_vec()).concat();
    let told = |since: OffsetDateTime, reason| {
        let mut trust = Trust::in_authorities(Anchors::new(certificates.clone()));
        trust.keys.push(TrustedKey {
            key_use: KeyUse::Tsa,
            certificate: first.keyring.tsa.certificate().fingerprint(),
            since: None,
            until: None,
            revoked_since: Some(since),
            reason: Some(reason),
        });
        trust
    };
    let check = |evidence: &[u8], trust: &Trust| verify::evidence(evidence, &[DataObject::Content(b"arrete")], trust);
    Maker::new(bench.log.clone(), bench.objects.clone(), first.clone()).advance(0, 6).await.unwrap();

    // Nothing else dates it: refused, even for a compromise that came later.
    let fresh = bench.evidence(3).await.unwrap();
    let compromise = RevocationReason::Compromise;
    assert!(check(&fresh, &Trust::in_authorities(Anchors::new(certificates.clone()))).is_ok());
    for since in [day(-1), day(10)] {
        let error = check(&fresh, &told(since, compromise)).unwrap_err().to_string();
        assert!(error.contains("compromise"), "{error}");
    }
    // Out of use later: what it signed before stays good.
    assert!(check(&fresh, &told(day(10), RevocationReason::Superseded)).is_ok());

    // The next pass renews what rests on it, though no certificate ends, and once.
    assert!(bench.renew(&second, CERTIFICATES).await.unwrap().restamped.is_empty());
    bench.distrusted.lock().unwrap().insert(first.keyring.tsa.certificate().fingerprint());
    assert_eq!(bench.renew(&second, CERTIFICATES).await.unwrap().restamped, [6]);
    assert!(bench.renew(&second, CERTIFICATES).await.unwrap().restamped.is_empty());
    let renewed = bench.evidence(3).await.unwrap();
    // A renewal after the compromise proves from its own time on; one before it, from the first.
    let after = check(&renewed, &told(day(10), compromise)).unwrap();
    assert_eq!((after.left_out.len(), after.since), (1, after.verified.stamps[1].token.time));
    let before = check(&renewed, &told(day(30), compromise)).unwrap();
    assert_eq!((before.left_out.len(), before.since), (0, before.verified.stamps[0].token.time));
}
