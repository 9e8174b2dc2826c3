//! The main job on real input, with the real binary: a signed PES, a PDF, a CSV electoral list, a letter, a ZIP and a large
//! file deposited over HTTP, on the embedded default, on an S3 server inside this process, and on a real S3 server where
//! there is one (CI). Each has a receipt that verifies offline, comes back bit for bit, and survives the loss of the node's
//! disk.
//!
//! The large file has 64 MiB, 1 GiB under `CI=true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/bucket.rs"]
mod bucket;
#[path = "support/daemon.rs"]
mod daemon;
mod support;

use archiland::receipt::Receipt;
use archiland::store::Backend;
use archiland::testing::s3::Options;
use bucket::Bucket;
use daemon::{ARCHILAND, Archive, Daemon};
use ring::digest::{Context, SHA256};
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SAMPLES: &[&str] = &[
    "PESALR2_214099996_251117_037.xml",
    "deliberation-2025-11-041.pdf",
    "liste-electorale-40998-2025.csv",
    "courrier-2025A-118.eml",
    "ticket-4127.zip",
];

/// What the daemon may use at most, whatever the size of a deposit.
const PEAK_MIB_MAX: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_embedded_default() {
    main_job(&Archive::init()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_an_s3_server() {
    let directory = tempfile::tempdir().unwrap();
    let objects = Some(directory.path().join("objects"));
    let bucket = Bucket::s3(Options { directory: objects, ..Options::default() }).await;
    main_job(&on_bucket(&bucket, directory.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_real_s3_server() {
    if let Some(bucket) = Bucket::real() {
        let directory = tempfile::tempdir().unwrap();
        main_job(&on_bucket(&bucket, directory.path())).await;
    }
}

async fn main_job(archive: &Archive) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let work = tempfile::tempdir().unwrap();
    let large = work.path().join("plan-cadastral.tif");
    write_large(&large);
    let samples = SAMPLES.iter().map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name));
    let documents: Vec<PathBuf> = samples.chain([large]).collect();

    let mut daemon = serve(archive).await;
    let dir = archive.path().to_str().unwrap();
    let mut deposits = Vec::new();
    for (n, document) in documents.iter().enumerate() {
        let receipts = work.path().join(format!("recepisse-{n}"));
        let arguments =
            ["deposit", "--dir", dir, "--receipt-dir", receipts.to_str().unwrap(), document.to_str().unwrap()];
        support::run_ok(work.path(), ARCHILAND, &arguments);
        let receipt = std::fs::read_dir(&receipts).unwrap().next().expect("a receipt").unwrap().path();
        deposits.push((document, receipt));
    }
    let peak = peak_mib(&daemon);
    eprintln!("peak memory of the daemon: {peak} MiB");
    assert!(peak < PEAK_MIB_MAX, "the daemon used {peak} MiB");

    // Offline: nothing is left to ask.
    daemon.kill();
    let trust = archive.path().join("keys/trust.toml");
    for (document, receipt) in &deposits {
        let (document, receipt) = (document.to_str().unwrap(), receipt.to_str().unwrap());
        let arguments = ["verify", document, "--receipt", receipt, "--trust", trust.to_str().unwrap()];
        support::run_ok(work.path(), ARCHILAND, &arguments);
        let other = work.path().join("autre");
        std::fs::write(&other, "un autre document").unwrap();
        let arguments = ["verify", other.to_str().unwrap(), "--receipt", receipt, "--trust", trust.to_str().unwrap()];
        let refused = support::run(work.path(), ARCHILAND, &arguments);
        assert_eq!(refused.status.code(), Some(1), "{}", support::said(&refused));
    }

    // I4: a node with an empty disk and the keys serves everything.
    std::fs::remove_dir_all(archive.path().join("state")).unwrap();
    let mut daemon = serve(archive).await;
    for (document, receipt) in &deposits {
        comes_back(archive, document, receipt).await;
    }
    found_again(archive, work.path(), deposits.len()).await;
    let audit = support::run(work.path(), ARCHILAND, &["audit", "--full", "--dir", dir]);
    assert!(audit.status.success(), "{}", support::said(&audit));
    assert!(daemon.stop().success(), "{}", archive.log());
}

/// The look-ups follow the log, seconds behind.
async fn found_again(archive: &Archive, work: &Path, deposits: usize) {
    let arguments = ["find", "--dir", archive.path().to_str().unwrap(), "--type", "document"];
    let mut found = 0;
    for _ in 0..100 {
        let answer = support::run(work, ARCHILAND, &arguments);
        found = String::from_utf8_lossy(&answer.stdout).matches("ark:/").count();
        if found == deposits {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{found} of {deposits} deposits are found after the views were lost");
}

async fn serve(archive: &Archive) -> Daemon {
    let mut daemon = archive.serve(&[]);
    assert!(archive.ready(&mut daemon, Duration::from_secs(60)).await, "never ready: {}", archive.log());
    daemon
}

/// An archive over an S3 bucket, configured as an operator would.
fn on_bucket(bucket: &Bucket, directory: &Path) -> Archive {
    let Backend::S3(s3) = &bucket.backend else { panic!("not an S3 bucket") };
    let file = |name: &str, content: &str| {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (access, secret) = (file("access-key", &s3.access_key), file("secret-key", &s3.secret_key));
    let configuration = format!(
        "[archive]\nnaan = \"99999\"\nlog = \"d1\"\norigin = \"essais.example/d1\"\n\n\
         [store]\nkind = \"s3\"\n\n[store.s3]\nendpoint = \"{}\"\nbucket = \"{}\"\nprefix = \"{}\"\nallow_http = true\n\
         access_key_file = \"{access}\"\nsecret_key_file = \"{secret}\"\n\n\
         [state]\npath = \"state\"\n\n[keys]\npath = \"keys\"\n\n[http]\nlisten = \"127.0.0.1:8470\"\n",
        s3.endpoint, s3.bucket, s3.prefix
    );
    Archive::init_with(&["--from", &file("s3.toml", &configuration)])
}

/// A document that does not compress, as scans do not.
fn write_large(path: &Path) {
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let mebibytes = if ci { 1024 } else { 64 };
    let mut file = File::create(path).unwrap();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut block = vec![0_u8; 1 << 20];
    for _ in 0..mebibytes {
        for word in block.as_chunks_mut::<8>().0 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = state.to_le_bytes();
        }
        file.write_all(&block).unwrap();
    }
}

/// The archive gives the document back, compared by digest, in bounded memory.
async fn comes_back(archive: &Archive, document: &Path, receipt: &Path) {
    let receipt = Receipt::parse(&std::fs::read(receipt).unwrap()).unwrap();
    let ark = receipt.archive.to_string();
    let name = ark.rsplit('/').next().unwrap();
    let admin = std::fs::read_to_string(archive.path().join("keys/admin.token")).unwrap();
    let url = archive.url(&format!("/v1/archives/{name}/payloads/0"));
    let mut answer = reqwest::Client::new().get(url).bearer_auth(admin.trim()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", document.display());
    let mut found = Context::new(&SHA256);
    while let Some(piece) = answer.chunk().await.unwrap() {
        found.update(&piece);
    }
    let (mut file, mut block, mut expected) = (File::open(document).unwrap(), vec![0; 1 << 20], Context::new(&SHA256));
    loop {
        match file.read(&mut block).unwrap() {
            0 => break,
            read => expected.update(&block[..read]),
        }
    }
    assert_eq!(found.finish().as_ref(), expected.finish().as_ref(), "{} comes back changed", document.display());
}

fn peak_mib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
