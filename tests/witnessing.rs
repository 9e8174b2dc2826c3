//! Promise: archives watch one another (C2SP tlog-witness). A split view, a rollback and a fork are refused and alarmed,
//! by a witness that remembers what it cosigned whatever happens to its process; and a bucket that went back in time is
//! noticed at start by a machine that never saw it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
mod support;

use archiland::config::Config;
use archiland::receipt::Receipt;
use archiland::sequencer::LogReader;
use archiland::spec::tlog::checkpoint::Checkpoint;
use archiland::spec::tlog::note::{Note, NoteSigner, VerifierKey};
use archiland::spec::tlog::witness::AddCheckpoint;
use daemon::{ARCHILAND, Archive, Daemon};
use reqwest::{Client, StatusCode};
use std::path::Path;
use std::time::{Duration, Instant};
use support::{run, run_ok, said};

fn change(archive: &Archive, from: &str, to: &str) {
    let path = archive.path().join("archiland.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "no « {from} » in archiland.toml");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

/// An archive with an origin of its own.
fn archive(origin: &str) -> Archive {
    Archive::init_with(&["--origin", origin])
}

async fn started(archive: &Archive) -> Daemon {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut daemon = archive.serve(&[]);
    assert!(archive.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", archive.log());
    daemon
}

/// Has `witness` watch `log`; gives the witness's verifier key.
fn watch(witness: &Archive, log: &Archive) -> VerifierKey {
    let vkey = std::fs::read_to_string(log.path().join("keys/log.vkey")).unwrap();
    let origin = vkey.split('+').next().unwrap().to_owned();
    let dir = witness.path().to_str().unwrap();
    run_ok(witness.path(), ARCHILAND, &["witness", "add", &origin, vkey.trim(), "--dir", dir]);
    let listed = run_ok(witness.path(), ARCHILAND, &["witness", "list", "--dir", dir]);
    assert!(String::from_utf8_lossy(&listed).contains(&origin));
    VerifierKey::parse(std::fs::read_to_string(witness.path().join("keys/witness.vkey")).unwrap().trim()).unwrap()
}

async fn deposit(archive: &Archive, content: &str) -> reqwest::Response {
    let request = Client::new().post(archive.url("/v1/deposits")).bearer_auth(&archive.secret);
    let request = request.header("archiland-title", "Essai").header("archiland-type", "courrier-arrive");
    request.header("archiland-name", "a.txt").body(content.to_owned()).send().await.unwrap()
}

/// What a log shows: its signed checkpoint.
async fn shown(archive: &Archive) -> (String, Checkpoint) {
    let note = Client::new().get(archive.url("/log/checkpoint")).send().await.unwrap().text().await.unwrap();
    let checkpoint = Checkpoint::parse(&Note::parse(&note).unwrap().text).unwrap();
    (note, checkpoint)
}

async fn proof(archive: &Archive, old: u64, new: u64) -> Vec<[u8; 32]> {
    if old == 0 || old == new {
        return Vec::new();
    }
    let config = Config::load(&archive.path().join("archiland.toml")).unwrap();
    LogReader::new(archiland::daemon::open_bucket(&config).unwrap()).consistency(old, new).await.unwrap()
}

async fn ask(witness: &Archive, old: u64, proof: Vec<[u8; 32]>, note: &str) -> (u16, String, String) {
    let request = AddCheckpoint { old, proof, note: note.to_owned() }.to_text();
    let answer = Client::new().post(witness.url("/witness/add-checkpoint")).body(request).send().await.unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), answer.text().await.unwrap(), kind)
}

async fn alarms(witness: &Archive) -> u64 {
    let metrics = Client::new().get(witness.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let alarms = metrics.lines().filter_map(|line| line.strip_prefix("archiland_witness_alarms_total{"));
    alarms.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Status and text of `/readyz`.
async fn readiness(archive: &Archive) -> (u16, String) {
    let answer = Client::new().get(archive.url("/readyz")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_views_rollbacks_and_forks_are_refused_even_after_a_kill() {
    let mut log = archive("log.example/a");
    let (first, second) = (archive("one.example/w"), archive("two.example/w"));
    let key = watch(&first, &log);
    watch(&second, &log);
    let mut log_daemon = started(&log).await;
    let mut first_daemon = started(&first).await;
    let _second_daemon = started(&second).await;
    log.open_for_deposits().await;
    let (note, checkpoint) = shown(&log).await;

    let (status, line, _) = ask(&first, 0, Vec::new(), &note).await;
    assert_eq!(status, 200);
    let cosigned = Note::parse(&format!("{note}{line}")).unwrap();
    assert!(cosigned.open(std::slice::from_ref(&key)).unwrap()[0].cosigned_at.is_some());
    // The same again from where it stands; from anywhere else, it says where it stands, even after a kill.
    assert_eq!(ask(&first, checkpoint.size, Vec::new(), &note).await.0, 200);
    first_daemon.kill();
    let mut first_daemon = started(&first).await;
    let (status, body, kind) = ask(&first, 0, Vec::new(), &note).await;
    assert_eq!(
        (status, body.as_str(), kind.as_str()),
        (409, format!("{}\n", checkpoint.size).as_str(), "text/x.tlog.size")
    );

    // The log goes two ways: a copy with the same key.
    log_daemon.kill();
    let other = log.copy();
    let (_log_daemon, _other_daemon) = (started(&log).await, started(&other).await);
    assert_eq!(deposit(&log, "one history").await.status(), StatusCode::CREATED);
    assert_eq!(deposit(&other, "another").await.status(), StatusCode::CREATED);
    let ((ours, now), (theirs, then)) = (shown(&log).await, shown(&other).await);
    assert!(now.size == then.size && now.root != then.root);
    let size = now.size;
    // Each witness is shown one: both are honest, and neither is shown the other's without noticing.
    assert_eq!(ask(&first, checkpoint.size, proof(&log, checkpoint.size, size).await, &ours).await.0, 200);
    assert_eq!(ask(&second, 0, Vec::new(), &theirs).await.0, 200);
    assert_eq!((alarms(&first).await, alarms(&second).await), (0, 0));
    let (status, body, _) = ask(&first, size, Vec::new(), &theirs).await;
    assert_eq!((status, body), (409, format!("{size}\n")));
    assert_eq!(ask(&second, size, Vec::new(), &ours).await.0, 409);
    assert_eq!((alarms(&first).await, alarms(&second).await), (1, 1));
    let (status, told) = readiness(&first).await;
    assert!(status == 200 && told.contains("log.example/a") && told.contains("deux histoires"), "{told}");
    // Back in time, then a fork that goes on.
    assert_eq!(ask(&first, size, Vec::new(), &note).await.0, 400);
    assert_eq!(alarms(&first).await, 1);
    let (status, body, _) = ask(&first, checkpoint.size, Vec::new(), &note).await;
    assert_eq!((status, body, alarms(&first).await), (409, format!("{size}\n"), 2));
    // A proof where there is nothing to prove.
    assert_eq!(ask(&first, size, vec![[0; 32]], &ours).await.0, 422);
    assert_eq!(deposit(&other, "and on").await.status(), StatusCode::CREATED);
    let (longer, ahead) = shown(&other).await;
    assert_eq!(ask(&first, size, proof(&other, size, ahead.size).await, &longer).await.0, 422);
    assert_eq!(alarms(&first).await, 3);
    assert!(first.log().contains("se contredit"), "the proof is not in the journal");

    // Strangers, forgers, noise.
    let stranger = NoteSigner::from_seed("log.example/b", &[1; 32]).unwrap();
    let text = Checkpoint { origin: "log.example/b".to_owned(), size: 1, root: [0; 32] }.text();
    assert_eq!(ask(&first, 0, Vec::new(), &stranger.sign(&text).unwrap()).await.0, 404);
    let forger = NoteSigner::from_seed("log.example/a", &[1; 32]).unwrap();
    let text = Checkpoint { origin: "log.example/a".to_owned(), size: size + 1, root: [0; 32] }.text();
    assert_eq!(ask(&first, size, Vec::new(), &forger.sign(&text).unwrap()).await.0, 403);
    for noise in ["", "old x\n\n", "old 1\n\nnot a note"] {
        let answer = Client::new().post(first.url("/witness/add-checkpoint")).body(noise).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(alarms(&first).await, 3);
    // Longer than any request.
    let flood = Client::new().post(first.url("/witness/add-checkpoint")).body("old 1\n".repeat(20_000)).send().await;
    assert_eq!(flood.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    // Another key for a log that is watched: no.
    let dir = first.path().to_str().unwrap();
    let other_key = forger.vkey().to_string();
    assert!(
        !run(first.path(), ARCHILAND, &["witness", "add", "log.example/a", &other_key, "--dir", dir]).status.success()
    );
    assert!(first_daemon.stop().success());
    run_ok(first.path(), ARCHILAND, &["audit", "--full", "--dir", dir]);
}

/// Has an archive ask these witnesses.
fn follow(log: &Archive, mode: &str, witnesses: &[(&Archive, &VerifierKey)], quorum: &str) {
    let mut policy = String::new();
    for (number, (witness, key)) in witnesses.iter().enumerate() {
        policy.push_str(
            &["witness W", &number.to_string(), " ", &key.to_string(), " ", &witness.url("/witness"), "\n"].concat(),
        );
    }
    std::fs::write(log.path().join("temoins.txt"), format!("{policy}{quorum}\n")).unwrap();
    change(
        log,
        "# [witness]\n# policy = \"temoins.txt\"\n# mode = \"open\"\n",
        &format!("[witness]\npolicy = \"temoins.txt\"\nmode = \"{mode}\"\nevery_s = 0\n"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_cosigns_receipts_and_knows_when_the_bucket_goes_back_in_time() {
    let mut log = archive("log.example/a");
    let (first, second) = (archive("one.example/w"), archive("two.example/w"));
    let keys = [watch(&first, &log), watch(&second, &log)];
    let _first_daemon = started(&first).await;
    let mut second_daemon = started(&second).await;
    follow(&log, "closed", &[(&first, &keys[0]), (&second, &keys[1])], "group G all W0 W1\nquorum G");
    let mut daemon = started(&log).await;
    log.open_for_deposits().await;

    let answer = deposit(&log, "cosigné").await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", log.log());
    let given = answer.bytes().await.unwrap();
    let receipt = Receipt::parse(&given).unwrap();
    assert_eq!(Note::parse(&receipt.checkpoint).unwrap().open(&keys).unwrap().len(), 2);
    verifies(log.path(), &given, &keys, 2);

    // One of two is silent: no receipt is given; the quorum is back, and so are receipts.
    second_daemon.kill();
    let waiting = tokio::time::timeout(Duration::from_secs(3), deposit(&log, "en attente")).await;
    assert!(waiting.is_err(), "a receipt was given without the quorum");
    let _second_daemon = started(&second).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while deposit(&log, "de retour").await.status() != StatusCode::CREATED {
        assert!(Instant::now() < deadline, "{}", log.log());
    }
    assert!(daemon.stop().success(), "{}", log.log());

    // A copy of the bucket from before, and a machine that never saw more: the witnesses did.
    let mut daemon = started(&log).await;
    assert!(daemon.stop().success());
    let old = log.copy();
    let mut daemon = started(&log).await;
    assert_eq!(deposit(&log, "après la copie").await.status(), StatusCode::CREATED);
    assert!(daemon.stop().success());
    let _ = std::fs::remove_dir_all(old.path().join("state"));
    let mut late = reads_only(&old, "cosigné un journal de").await;
    assert!(late.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_forked_learns_it_from_its_witness() {
    let mut log = archive("log.example/a");
    let witness = archive("one.example/w");
    let key = watch(&witness, &log);
    let _witness_daemon = started(&witness).await;
    follow(&log, "open", &[(&witness, &key)], "quorum W0");
    let mut daemon = started(&log).await;
    log.open_for_deposits().await;
    log.settled().await;
    daemon.kill();
    // Two nodes that believe they are the same archive, each with its bucket.
    let other = log.copy();
    let (_daemon, _other_daemon) = (started(&log).await, started(&other).await);
    assert_eq!(deposit(&log, "one history").await.status(), StatusCode::CREATED);
    let cosigned = shown(&log).await.1.size;
    eventually(|| async { Watched::of(&witness, "log.example/a").await == cosigned }).await;
    assert_eq!(readiness(&other).await.0, 200);
    assert_eq!(deposit(&other, "another").await.status(), StatusCode::CREATED, "fail-open: deposits go on");
    eventually(|| async { readiness(&other).await.0 == 503 }).await;
    let (_, told) = readiness(&other).await;
    assert!(told.contains("une autre histoire") && told.contains("W0"), "{told}");
    let metrics = Client::new().get(other.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("archiland_witness_doubts 1\n"), "{metrics}");
    assert!(other.log().contains("un témoin connaît une autre histoire"), "{}", other.log());
    assert_eq!((readiness(&log).await.0, alarms(&witness).await > 0), (200, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_put_back_is_not_written_to_by_the_machine_that_saw_more() {
    let mut archive = archive("log.example/a");
    let mut daemon = started(&archive).await;
    archive.open_for_deposits().await;
    archive.settled().await;
    assert!(daemon.stop().success());
    let at = archive.path().to_owned();
    run_ok(&at, "cp", &["-a", "bucket", "older"]);
    let config = Config::load(&at.join("archiland.toml")).unwrap();
    let size = LogReader::new(archiland::daemon::open_bucket(&config).unwrap()).published().await.unwrap().size;
    let mut daemon = started(&archive).await;
    assert_eq!(deposit(&archive, "après la copie").await.status(), StatusCode::CREATED);
    assert!(daemon.stop().success());

    let before = std::fs::read(at.join("state/seen.json")).unwrap();
    run_ok(&at, "mv", &["bucket", "newer"]);
    run_ok(&at, "cp", &["-a", "older", "bucket"]);
    let mut daemon = reads_only(&archive, "seen.json").await;
    assert!(deposit(&archive, "refusé").await.status().is_server_error());
    assert_eq!(shown(&archive).await.1.size, size, "what is there is still read");
    // Evidence, refusals, external stamps: whatever would have been written.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(daemon.stop().success(), "{}", archive.log());
    run_ok(&at, "diff", &["-r", "older", "bucket"]);
    assert_eq!(std::fs::read(at.join("state/seen.json")).unwrap(), before, "it forgot what it had seen");
    // Another history of the same length or more: the same.
    std::fs::remove_dir_all(at.join("bucket")).unwrap();
    run_ok(&at, "cp", &["-a", "older", "bucket"]);
    let seen = at.join("state/seen.json");
    let remembered = std::fs::read(&seen).unwrap();
    std::fs::remove_file(&seen).unwrap();
    let mut daemon = started(&archive).await;
    for content in ["une autre", "histoire", "plus longue"] {
        assert_eq!(deposit(&archive, content).await.status(), StatusCode::CREATED);
    }
    assert!(daemon.stop().success());
    std::fs::write(&seen, remembered).unwrap();
    let mut daemon = reads_only(&archive, "d'une autre histoire").await;
    assert!(daemon.stop().success());
    // Put right, it goes on.
    std::fs::remove_dir_all(at.join("bucket")).unwrap();
    run_ok(&at, "mv", &["newer", "bucket"]);
    let mut daemon = started(&archive).await;
    assert!(daemon.stop().success());
}

/// Starts an archive that should only be read, and say why.
async fn reads_only(archive: &Archive, why: &str) -> Daemon {
    let mut daemon = archive.serve(&[]);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(daemon.ended().is_none() && Instant::now() < deadline, "{}", archive.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Ok(answer) = Client::new().get(archive.url("/readyz")).send().await else { continue };
        let (status, told) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
        assert!(told.contains(why) && told.contains("Rien n'est écrit"), "{told}");
        return daemon;
    }
}

async fn eventually<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "it never came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a witness remembers of a log.
struct Watched;

impl Watched {
    async fn of(witness: &Archive, origin: &str) -> u64 {
        let config = Config::load(&witness.path().join("archiland.toml")).unwrap();
        let bucket = archiland::daemon::Bucket::open(&config).unwrap();
        let watched = archiland::witness::Watch::new(bucket.heads, bucket.objects).list().await.unwrap();
        watched.iter().find(|log| log.origin == origin).map_or(0, |log| log.size)
    }
}

/// The receipt is good for whoever wants these witnesses.
fn verifies(at: &Path, receipt: &[u8], keys: &[VerifierKey], quorum: usize) {
    std::fs::write(at.join("receipt.json"), receipt).unwrap();
    std::fs::write(at.join("a.txt"), "cosigné").unwrap();
    let trust = std::fs::read_to_string(at.join("keys/trust.toml")).unwrap();
    let listed: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    let witnesses = format!("witness_keys = [{}]\nwitness_quorum = {quorum}\n", listed.join(", "));
    std::fs::write(at.join("trust.toml"), format!("{witnesses}{trust}")).unwrap();
    let output = run(at, ARCHILAND, &["verify", "a.txt", "--receipt", "receipt.json", "--trust", "trust.toml"]);
    assert!(output.status.success() && said(&output).contains("cosignatures"), "{}", said(&output));
}
