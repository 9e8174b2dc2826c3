//! Large documents: what the archive makes of the slowest thing it cannot do without.

use super::load::noise;
use super::server::{self, Kind, Scratch, Server};
use super::{Where, median, megabytes_per_second, verdict};
use crate::cli::terminal;
use crate::digest::Hasher;
use crate::store::{Backend, FRAME_BYTES, compress, open_backend};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Bytes handed over at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Parts of a large raw PUT, as the store makes them.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Repeated until so many bytes have passed.
const VOLUME_BYTES: u64 = 1 << 30;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tailles, en Mio.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 64, 1024])]
    sizes: Vec<u64>,
    /// Dépôts de moins de 16 Mio en cours à la fois ; les autres vont un par un.
    #[arg(long, value_name = "N", default_value_t = 16)]
    in_flight: usize,
    /// Tours ; la médiane compte.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    #[command(flatten)]
    place: Where,
}

/// A document: the same noise again and again after a beginning of its own.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) noise: Bytes,
    pub(super) number: u64,
    pub(super) size_bytes: u64,
}

impl Document {
    pub(super) fn chunks(&self) -> impl Iterator<Item = Bytes> + Send + 'static {
        let Self { noise, number, size_bytes } = self.clone();
        let first = Bytes::copy_from_slice(&number.to_be_bytes());
        let rest = size_bytes - first.len() as u64;
        let mut at = 0u64;
        let following = std::iter::from_fn(move || {
            let length = usize::try_from((rest - at).min(CHUNK_BYTES as u64)).unwrap_or(CHUNK_BYTES);
            let from = usize::try_from(at % (noise.len() as u64 - CHUNK_BYTES as u64)).unwrap_or(0);
            at += length as u64;
            (length > 0).then(|| noise.slice(from..from + length))
        });
        std::iter::once(first).chain(following)
    }
}

/// One size: how many documents, how many at once.
struct Round {
    noise: Bytes,
    size_bytes: u64,
    count: u64,
    in_flight: usize,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let scratch = Scratch::new(self.place.dir.as_deref())?;
        let archive = scratch.join("archive");
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(server::make(&server::configuration(&archive, None)))?;
        let server = Server::start(Kind::Archive, &archive)?;
        let raw = open_backend(&Backend::Local(scratch.join("raw")))?;
        let noise: Bytes = noise(7, 64 << 20).into();
        for size in &self.sizes {
            let size_bytes = size << 20;
            let small = size_bytes < 16 << 20;
            let round = Round {
                noise: noise.clone(),
                size_bytes,
                count: (VOLUME_BYTES / 2 / size_bytes).max(1),
                in_flight: if small { self.in_flight } else { 1 },
            };
            terminal::title(format_args!(
                "{} par document, {} à la fois",
                indicatif::HumanBytes(size_bytes),
                round.in_flight
            ))?;
            let mut found: [Vec<f64>; 4] = Default::default();
            for _ in 0..self.rounds {
                found[0].push(round.on_threads(digests));
                found[1].push(round.on_threads(zstd));
                found[2].push(runtime.block_on(round.puts(&raw))?);
                found[3].push(runtime.block_on(round.deposits(&server))?);
            }
            let [digests, zstd, put, deposit] = found.map(median);
            terminal::say(format_args!(
                "empreintes {digests:.0} Mo/s, zstd {zstd:.0} Mo/s, écriture seule {put:.0} Mo/s, dépôt {deposit:.0} Mo/s"
            ))?;
            verdict("dépôt / le plus lent des trois", deposit / digests.min(zstd).min(put), 0.8, true, "×")?;
            if round.in_flight > 1 {
                // Each of the three then had every core to itself; a deposit needs all three of the same cores.
                let in_turn = 1.0 / (1.0 / digests + 1.0 / zstd + 1.0 / put);
                terminal::say(format_args!(
                    "    les trois l'un après l'autre : {in_turn:.0} Mo/s, dépôt / ceux-là {:.2} ×",
                    deposit / in_turn
                ))?;
            }
        }
        super::small::tell_memory(&server)?;
        server.stop()
    }
}

/// Deposits a document on a connection of its own; returns the receipt.
pub(super) async fn deposit(address: SocketAddr, authorization: &str, document: &Document) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let frames = futures::stream::iter(document.chunks().map(|chunk| Ok::<_, Infallible>(Frame::data(chunk))));
    let request = Request::post("/v1/deposits")
        .header("host", "localhost")
        .header("authorization", authorization)
        .header("content-type", "application/octet-stream")
        .header("content-length", document.size_bytes)
        .header("archiland-title", "Essai de charge")
        .header("archiland-type", "courrier-arrive")
        .header("archiland-name", "essai.bin")
        .body(StreamBody::new(frames))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    anyhow::ensure!(status == StatusCode::CREATED, "{status} : {}", String::from_utf8_lossy(&body));
    Ok(body)
}

/// SHA-256 and SHA-512 of a document.
fn digests(document: &Document) {
    let mut hasher = Hasher::new();
    document.chunks().for_each(|chunk| hasher.update(&chunk));
    std::hint::black_box(hasher.finish());
}

/// A document compressed frame by frame, at the level its content calls for.
fn zstd(document: &Document) {
    let mut frame = Vec::with_capacity(FRAME_BYTES + CHUNK_BYTES);
    for chunk in document.chunks() {
        frame.extend_from_slice(&chunk);
        if frame.len() >= FRAME_BYTES {
            std::hint::black_box(compress(&frame).map_or(0, |f| f.len()));
            frame.clear();
        }
    }
    std::hint::black_box(compress(&frame).map_or(0, |f| f.len()));
}

impl Round {
    fn document(&self, number: u64) -> Document {
        Document { noise: self.noise.clone(), number, size_bytes: self.size_bytes }
    }

    fn rate(&self, elapsed: Duration) -> f64 {
        megabytes_per_second(self.count * self.size_bytes, elapsed)
    }

    /// Pure computing, on as many threads as deposits would be under way.
    fn on_threads(&self, work: fn(&Document)) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = u64::try_from(self.in_flight.min(cores)).unwrap_or(1);
        let began = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || {
                    (0..self.count).filter(|n| n % threads == thread).for_each(|n| work(&self.document(n)));
                });
            }
        });
        self.rate(began.elapsed())
    }

    /// The bytes as they are, synced, to a store like the archive's.
    async fn puts(&self, store: &Arc<dyn ObjectStore>) -> anyhow::Result<f64> {
        let began = Instant::now();
        self.each(|document| {
            let store = store.clone();
            async move {
                let path = Path::from(format!("raw/{}", document.number));
                if document.size_bytes <= PART_BYTES as u64 {
                    let content: Vec<u8> = document.chunks().flatten().collect();
                    store.put(&path, content.into()).await?;
                } else {
                    let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(&path).await?, PART_BYTES);
                    for chunk in document.chunks() {
                        upload.wait_for_capacity(4).await?;
                        upload.put(chunk);
                    }
                    upload.finish().await?;
                }
                Ok(())
            }
        })
        .await?;
        Ok(self.rate(began.elapsed()))
    }

    async fn deposits(&self, server: &Server) -> anyhow::Result<f64> {
        let began = Instant::now();
        let authorization = server.authorization.clone().context("serveur sans jeton")?;
        let address = server.address;
        self.each(|document| {
            let authorization = authorization.clone();
            async move { deposit(address, &authorization, &document).await.map(drop) }
        })
        .await?;
        Ok(self.rate(began.elapsed()))
    }

    /// Does something with every document, some at once.
    async fn each<F: Future<Output = anyhow::Result<()>> + Send + 'static>(
        &self,
        work: impl Fn(Document) -> F,
    ) -> anyhow::Result<()> {
        let mut under_way = JoinSet::new();
        for number in 0..self.count {
            while under_way.len() >= self.in_flight {
                if let Some(done) = under_way.join_next().await {
                    done??;
                }
            }
            under_way.spawn(work(self.document(number)));
        }
        while let Some(done) = under_way.join_next().await {
            done??;
        }
        Ok(())
    }
}
