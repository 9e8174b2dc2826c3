//! The load generator: small documents over loopback HTTP, each different, on connections that stay open.
//!
//! It must cost little, since it shares the machine with the server: one thread, hyper's HTTP/1 connections driven
//! directly, bodies that are slices of one block of noise, answers read and dropped.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Bytes between the beginnings of two bodies: enough to make them different documents.
const STRIDE: usize = 16;

/// Noise that bodies are cut from.
const NOISE_BYTES: usize = 32 * 1024 * 1024;

/// What to send.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    /// `Bearer …`, when the server wants to know.
    pub(super) authorization: Option<String>,
    pub(super) size_bytes: usize,
    pub(super) in_flight: usize,
    pub(super) until: Until,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    Elapsed(Duration),
    Sent(u64),
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) acknowledged: u64,
    pub(super) elapsed: Duration,
    /// Milliseconds, sorted.
    pub(super) latencies: Vec<f64>,
    /// Answers other than 201 and broken connections, by kind.
    pub(super) errors: BTreeMap<String, u64>,
}

impl Taken {
    pub(super) fn per_second(&self) -> f64 {
        let acknowledged = u32::try_from(self.acknowledged).unwrap_or(u32::MAX);
        f64::from(acknowledged) / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency in milliseconds that `percent` of the acknowledged deposits stay within.
    pub(super) fn latency_ms(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or(f64::NAN)
    }

    /// Once everything is added: percentiles are looked up in order.
    pub(super) fn sort(&mut self) {
        self.latencies.sort_by(f64::total_cmp);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.latencies.extend(other.latencies);
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
    }

    pub(super) fn failed(&mut self, kind: impl std::fmt::Display) {
        *self.errors.entry(kind.to_string()).or_default() += 1;
    }
}

/// Sends documents for as long as asked; blocks the calling thread, which becomes the generator.
pub(super) fn run(load: &Load, documents: &Documents) -> anyhow::Result<Taken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connections = Vec::with_capacity(load.in_flight);
        for _ in 0..load.in_flight {
            connections.push(connect(load.address).await?);
        }
        let sent = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for connection in connections {
            clients.spawn(client(load.clone(), documents.clone(), connection, sent.clone(), began));
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

/// Documents, each different from all others.
#[derive(Debug, Clone)]
pub(super) struct Documents {
    noise: Bytes,
    next: Arc<AtomicU64>,
}

impl Documents {
    /// `seed` distinguishes the documents of two runs.
    pub(super) fn new(seed: u64) -> Self {
        Self { noise: noise(seed, NOISE_BYTES).into(), next: Arc::default() }
    }

    fn next(&self, size_bytes: usize) -> Bytes {
        let number = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        let room = self.noise.len().saturating_sub(size_bytes).max(1);
        let at = (number * STRIDE) % room;
        self.noise.slice(at..(at + size_bytes).min(self.noise.len()))
    }
}

/// Bytes that do not compress (xorshift64*).
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = vec![0; length];
    for word in bytes.chunks_mut(8) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let drawn = state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes();
        word.copy_from_slice(&drawn[..word.len()]);
    }
    bytes
}

pub(super) async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address)
        .await
        .context("connexion au serveur (beaucoup de connexions ? voyez « ulimit -n »)")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// One connection: a request at a time until it is time to stop.
async fn client(
    load: Load,
    documents: Documents,
    mut connection: SendRequest<Full<Bytes>>,
    sent: Arc<AtomicU64>,
    began: Instant,
) -> Taken {
    let mut taken = Taken::default();
    loop {
        match load.until {
            Until::Elapsed(limit) if began.elapsed() >= limit => return taken,
            Until::Sent(count) if sent.fetch_add(1, Ordering::Relaxed) >= count => return taken,
            _ => {}
        }
        let request = match deposit(&load, documents.next(load.size_bytes)) {
            Ok(request) => request,
            Err(error) => {
                taken.failed(error);
                return taken;
            }
        };
        let asked = Instant::now();
        match exchange(&mut connection, request).await {
            Ok((StatusCode::CREATED, _)) => {
                taken.acknowledged += 1;
                taken.latencies.push(asked.elapsed().as_secs_f64() * 1000.0);
            }
            Ok((status, said)) => taken.failed(format_args!("{status} {said}")),
            Err(error) => {
                taken.failed(error);
                match connect(load.address).await {
                    Ok(again) => connection = again,
                    Err(error) => {
                        taken.failed(error);
                        return taken;
                    }
                }
            }
        }
    }
}

fn deposit(load: &Load, document: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/v1/deposits")
        .header("host", "localhost")
        .header("content-type", "application/octet-stream")
        .header("archiland-title", "Essai de charge")
        .header("archiland-type", "courrier-arrive")
        .header("archiland-name", "essai.bin");
    if let Some(authorization) = &load.authorization {
        request = request.header("authorization", authorization);
    }
    Ok(request.body(Full::new(document))?)
}

/// Status, and what is said when it is not 201.
async fn exchange(
    connection: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<(StatusCode, String)> {
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    let mut body = response.into_body();
    if status != StatusCode::CREATED {
        let said = body.collect().await?.to_bytes();
        return Ok((status, String::from_utf8_lossy(&said).chars().take(200).collect()));
    }
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok((status, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_differ_and_have_the_length_asked() {
        let documents = Documents::new(1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let document = documents.next(4096);
            assert_eq!(document.len(), 4096);
            assert!(seen.insert(document));
        }
    }

    #[test]
    fn percentiles() {
        let taken = Taken { latencies: (0..100).map(f64::from).collect(), ..Taken::default() };
        assert!((taken.latency_ms(50) - 50.0).abs() < 1e-9 && (taken.latency_ms(99) - 99.0).abs() < 1e-9);
        assert!(Taken::default().latency_ms(50).is_nan());
    }
}
