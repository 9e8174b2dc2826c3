//! Time-stamp tokens over HTTP, each journalled, and `openssl ts -reply` over the same keys in the same run.

use super::load::{Taken, connect};
use super::server::{self, Kind, Scratch, Server};
use super::{Where, verdict};
use crate::cli::terminal;
use crate::spec::cms::algorithm::Digest;
use crate::spec::tsp::{Request as Query, token_of};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, StatusCode};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Sent before the measurement.
const WARM_UP: Duration = Duration::from_secs(1);

/// Tokens a second that are wanted on two cores, generator included.
const WANTED: f64 = 5000.0;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Secondes par mesure.
    #[arg(long, value_name = "S", default_value_t = 10)]
    seconds: u64,
    /// Demandes en cours.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    in_flight: usize,
    #[command(flatten)]
    place: Where,
}

/// Whom to ask.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    authorization: String,
    /// Each request is another one.
    next: Arc<AtomicU64>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.place.dir.as_deref())?;
        let directory = scratch.join("archive");
        let config = server::configuration(&directory, None);
        tokio::runtime::Runtime::new()?.block_on(server::make(&config))?;
        let server = Server::start(Kind::Archive, &directory)?;
        let authorization = server.authorization.clone().unwrap_or_default();
        let target = Target { address: server.address, authorization, next: Arc::default() };
        stamp(&target, self.in_flight, WARM_UP)?;
        let taken = stamp(&target, self.in_flight, Duration::from_secs(self.seconds))?;
        server.stop()?;
        terminal::say(format_args!(
            "archive        {:>9.0} jetons/s    médiane {:>7.1} ms   99e centile {:>7.1} ms   erreurs {}",
            taken.per_second(),
            taken.latency_ms(50),
            taken.latency_ms(99),
            taken.errors.values().sum::<u64>()
        ))?;
        for (kind, count) in &taken.errors {
            terminal::say(format_args!("    {count} × {kind}"))?;
        }
        match openssl(&config.keys, &scratch.join("openssl"), Duration::from_secs(self.seconds.min(5))) {
            Ok(rate) => {
                terminal::say(format_args!(
                    "openssl ts -reply {rate:>6.0} jetons/s    (un processus par jeton, deux à la fois)"
                ))?;
                terminal::say(format_args!("rapport        {:>9.1} ×", taken.per_second() / rate.max(1e-9)))?;
            }
            Err(error) => terminal::say(format_args!("openssl ts -reply : non mesuré ({error:#})"))?,
        }
        verdict("jetons d'horodatage par seconde, consignés", taken.per_second(), WANTED, true, "/s")?;
        Ok(())
    }
}

/// Asks for tokens on connections that stay open, for a while.
fn stamp(target: &Target, in_flight: usize, elapsed: Duration) -> anyhow::Result<Taken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connections = Vec::with_capacity(in_flight);
        for _ in 0..in_flight {
            connections.push(connect(target.address).await?);
        }
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for connection in connections {
            clients.spawn(client(target.clone(), connection, began + elapsed));
        }
        let mut all = Taken::default();
        while let Some(taken) = clients.join_next().await {
            all.add(taken?);
        }
        all.elapsed = began.elapsed();
        all.sort();
        Ok(all)
    })
}

async fn client(target: Target, mut connection: SendRequest<Full<Bytes>>, until: Instant) -> Taken {
    let mut taken = Taken::default();
    while Instant::now() < until {
        let asked = Instant::now();
        match exchange(&target, &mut connection).await {
            Ok(()) => {
                taken.acknowledged += 1;
                taken.latencies.push(asked.elapsed().as_secs_f64() * 1000.0);
            }
            Err(error) => {
                taken.failed(format_args!("{error:#}"));
                match connect(target.address).await {
                    Ok(again) => connection = again,
                    Err(_) => return taken,
                }
            }
        }
    }
    taken
}

async fn exchange(target: &Target, connection: &mut SendRequest<Full<Bytes>>) -> anyhow::Result<()> {
    let number = target.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let imprint = number.repeat(4);
    let query = Query::encode(Digest::Sha256, &imprint, Some(&number));
    let request = Request::builder()
        .method(Method::POST)
        .uri("/tsa")
        .header("host", "localhost")
        .header("content-type", "application/timestamp-query")
        .header("authorization", &target.authorization)
        .body(Full::new(query.into()))?;
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    anyhow::ensure!(status == StatusCode::OK, "{status} {}", String::from_utf8_lossy(&body));
    token_of(&body)?;
    Ok(())
}

/// Tokens a second of `openssl ts -reply`, with our authority's key and certificate.
fn openssl(keys: &Path, directory: &Path, elapsed: Duration) -> anyhow::Result<f64> {
    std::fs::create_dir_all(directory)?;
    let query = directory.join("query.tsq");
    std::fs::write(&query, Query::encode(Digest::Sha256, &[7; 32], Some(&[7; 8])))?;
    let began = Instant::now();
    let signers: Vec<_> = (0..2)
        .map(|n| {
            let (keys, directory, query) = (keys.to_owned(), directory.to_owned(), query.clone());
            std::thread::spawn(move || sign(&keys, &directory.join(format!("{n}")), &query, began + elapsed))
        })
        .collect();
    let mut tokens = 0;
    for signer in signers {
        tokens += signer.join().map_err(|_| anyhow::anyhow!("fil d'exécution perdu"))??;
    }
    Ok(f64::from(tokens) / began.elapsed().as_secs_f64())
}

fn sign(keys: &Path, directory: &Path, query: &Path, until: Instant) -> anyhow::Result<u32> {
    std::fs::create_dir_all(directory)?;
    let file = |name: &str| keys.join(name).display().to_string();
    let config = format!(
        "[tsa]\ndefault_tsa = t\n[t]\nserial = {}\nsigner_cert = {}\nsigner_key = {}\ncerts = {}\nsigner_digest = sha256\n\
         default_policy = 1.2.3\ndigests = sha256\naccuracy = secs:1\ness_cert_id_alg = sha256\n",
        directory.join("serial").display(),
        file("tsa.pem"),
        file("tsa.key"),
        file("ca.pem"),
    );
    let path = directory.join("tsa.cnf");
    std::fs::write(&path, config)?;
    let mut tokens = 0;
    while Instant::now() < until {
        let status = Command::new("openssl")
            .args(["ts", "-reply", "-section", "t", "-out", "/dev/null", "-config"])
            .arg(&path)
            .arg("-queryfile")
            .arg(query)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("openssl")?;
        anyhow::ensure!(status.success(), "openssl ts -reply a échoué");
        tokens += 1;
    }
    Ok(tokens)
}
