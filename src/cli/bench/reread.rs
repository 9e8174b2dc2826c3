//! Re-reading: `audit --full` and `verify` on cached data, face to face with SHA-256 alone.

use super::large::{Document, deposit};
use super::load::noise;
use super::server::{self, Kind, Scratch, Server, configuration};
use super::{Where, median, megabytes_per_second, verdict};
use crate::audit::{self, Options, Outcome};
use crate::cli::terminal;
use crate::clock::system;
use crate::daemon::open_bucket;
use crate::receipt::Receipt;
use crate::timestamp::names;
use crate::verify::{self, Trust};
use anyhow::Context;
use ring::digest::{Context as Digest, SHA256};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Bytes hashed at once in a loop over one hot buffer, as `openssl speed` does.
const HOT_BYTES: usize = 16 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Documents.
    #[arg(long, value_name = "N", default_value_t = 32)]
    documents: u64,
    /// Taille de chacun, en Mio.
    #[arg(long, value_name = "N", default_value_t = 64)]
    size: u64,
    /// Tours ; la médiane compte.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    place: Where,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.place.dir.as_deref())?;
        let directory = scratch.join("archive");
        let config = configuration(&directory, None);
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(server::make(&config))?;
        let server = Server::start(Kind::Archive, &directory)?;
        let authorization = server.authorization.clone().context("serveur sans jeton")?;
        let noise = noise(7, 64 << 20).into();
        let size_bytes = self.size << 20;
        let mut document = Document { noise, number: 0, size_bytes };
        let mut receipt = None;
        for number in 0..self.documents {
            document.number = number;
            receipt = Some(runtime.block_on(deposit(server.address, &authorization, &document))?);
        }
        server.stop()?;
        let trust = Trust::load(&config.keys.join(names::TRUST))?;
        let receipt = Receipt::parse(&receipt.context("aucun document")?)?;
        let file = scratch.join("document");
        let mut written = std::io::BufWriter::new(std::fs::File::create(&file)?);
        document.chunks().try_for_each(|chunk| written.write_all(&chunk))?;
        written.flush()?;

        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let audit = || -> anyhow::Result<f64> {
            let options = Options { full: true, ..Options::default() };
            let began = Instant::now();
            let report = audit::run(open_bucket(&config)?, trust.clone(), options, system(), |_| ());
            let report = runtime.block_on(report)?;
            anyhow::ensure!(report.outcome == Outcome::Intact, report.to_french());
            Ok(megabytes_per_second(report.counts.payload_bytes_hashed, began.elapsed()))
        };
        let verified = || -> anyhow::Result<f64> {
            let began = Instant::now();
            let report = verify::file(&file, &receipt, &trust);
            anyhow::ensure!(report.outcome == verify::Outcome::Valid, report.to_string());
            Ok(megabytes_per_second(size_bytes, began.elapsed()))
        };
        // Once for the page cache.
        audit()?;
        verified()?;
        let mut rates: [Vec<f64>; 7] = Default::default();
        for _ in 0..self.rounds {
            rates[0].push(hashing(cores));
            rates[1].extend(openssl(cores));
            rates[2].push(audit()?);
            rates[3].push(hashing(1));
            rates[4].extend(openssl(1));
            rates[5].push(verified()?);
            rates[6].extend(openssl_file(&file, size_bytes));
        }
        let against = |ours: &[f64], theirs: &[f64]| median(ours.iter().zip(theirs).map(|(a, b)| a / b).collect());
        let [all_ring, all_openssl, audited, one_ring, one_openssl, one_verified, one_file] = &rates;
        terminal::say(format_args!(
            "{cores} cœurs : SHA-256 (ring) {:.0} Mo/s, openssl speed {:.0} Mo/s, audit --full {:.0} Mo/s",
            median(all_ring.clone()),
            median(all_openssl.clone()),
            median(audited.clone())
        ))?;
        terminal::say(format_args!(
            "1 cœur : SHA-256 (ring) {:.0} Mo/s, openssl speed {:.0} Mo/s, verify {:.0} Mo/s",
            median(one_ring.clone()),
            median(one_openssl.clone()),
            median(one_verified.clone())
        ))?;
        verdict("audit --full / SHA-256 (ring), tous les cœurs", against(audited, all_ring), 0.85, true, "×")?;
        verdict("verify / SHA-256 (ring), un cœur", against(one_verified, one_ring), 0.85, true, "×")?;
        if all_openssl.is_empty() {
            return Ok(terminal::say("openssl n'est pas dans PATH : comparé à ring seulement")?);
        }
        verdict("audit --full / openssl speed, tous les cœurs", against(audited, all_openssl), 0.85, true, "×")?;
        verdict("verify / openssl speed, un cœur", against(one_verified, one_openssl), 0.85, true, "×")?;
        Ok(terminal::say(format_args!(
            "openssl dgst -sha256 du même fichier : {:.0} Mo/s ; verify / openssl dgst {:.2} ×",
            median(one_file.clone()),
            against(one_verified, one_file)
        ))?)
    }
}

/// `openssl dgst -sha256` on a cached file, as a process, in MB/s: what a peer makes of the same bytes, not in its own
/// cache but in the machine's.
fn openssl_file(file: &Path, size_bytes: u64) -> Option<f64> {
    let began = Instant::now();
    let output = Command::new("openssl").args(["dgst", "-sha256"]).arg(file).output().ok()?;
    output.status.success().then(|| megabytes_per_second(size_bytes, began.elapsed()))
}

/// SHA-256 over one hot buffer on so many threads, in MB/s altogether.
fn hashing(threads: usize) -> f64 {
    const EACH_BYTES: u64 = 2 << 30;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let buffer = vec![7; HOT_BYTES];
                let mut digest = Digest::new(&SHA256);
                for _ in 0..EACH_BYTES / HOT_BYTES as u64 {
                    digest.update(&buffer);
                }
                std::hint::black_box(digest.finish());
            });
        }
    });
    let total = EACH_BYTES * u64::try_from(threads).unwrap_or(1);
    megabytes_per_second(total, began.elapsed())
}

/// What `openssl speed -evp sha256` says with 16 KiB blocks, in MB/s; nothing where there is no openssl.
fn openssl(threads: usize) -> Option<f64> {
    let mut command = Command::new("openssl");
    command.args(["speed", "-evp", "sha256", "-bytes", "16384", "-seconds", "1"]);
    if threads > 1 {
        command.args(["-multi", &threads.to_string()]);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().rev().find(|line| line.starts_with("sha256"))?;
    let thousands = line.split_whitespace().last()?.strip_suffix('k')?.parse::<f64>().ok()?;
    Some(thousands / 1000.0)
}
