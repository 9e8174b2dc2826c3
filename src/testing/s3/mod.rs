//! An S3 server inside the process: real HTTP on loopback, atomic conditional writes, faults on demand, every request
//! counted.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use archiland::testing::s3::{Options, S3Server};
//! let server = S3Server::start(Options::default()).await?;
//! println!("{}", server.endpoint()); // http://127.0.0.1:<port>, any bucket name, any credentials
//! # Ok(()) }
//! ```
//!
//! Spoken: GET (Range, conditional), HEAD, PUT (`If-None-Match`, `If-Match`), CopyObject, DELETE, DeleteObjects,
//! ListObjectsV2 and multipart uploads, path-style addressing. An ETag depends on the content alone, as on real stores,
//! so that a client is exposed to the same A-B-A.
//!
//! BUG(s3): SigV4 signatures are not checked, `aws-chunked` bodies are refused (501), objects have no versions, and
//! nothing is fsynced: the real-server tests are there for what this one cannot show.

mod fault;
mod http;
mod objects;
mod xml;

pub use fault::{Asked, Counts, Fault, Verb};
pub use objects::Conditions;

use fault::{Counters, Hook};
use objects::Objects;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// How the server is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where bodies are kept; in memory when `None`. The index is always in memory, and dies with the server.
    pub directory: Option<PathBuf>,
    /// Waited before each request is carried out.
    pub latency: Duration,
    /// What conditional headers are worth: [`Conditions::Atomic`] unless a test wants a store that lies.
    pub conditions: Conditions,
}

/// A running server; it stops, and cuts its connections, when dropped.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl S3Server {
    /// Binds a free port of 127.0.0.1 and serves it on the current runtime.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            objects: Objects::new(options.directory, options.conditions)?,
            latency_us: AtomicU64::new(micros(options.latency)),
            hook: RwLock::new(None),
            counters: Counters::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// `http://127.0.0.1:<port>`, for a client with path-style addressing and plain HTTP allowed.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the latency of the requests to come.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.latency_us.store(micros(latency), Ordering::Relaxed);
    }

    /// From now on `hook` decides what goes wrong with each request.
    pub fn inject(&self, hook: impl Fn(&Asked<'_>) -> Fault + Send + Sync + 'static) {
        *self.shared.hook.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        *self.shared.hook.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Requests and bytes since the start or the last [`Self::reset_counts`].
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Starts counting from zero.
    pub fn reset_counts(&self) {
        self.shared.counters.reset();
    }

    /// Every key of a bucket, sorted, past the HTTP interface: for assertions.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.shared.objects.keys(bucket)
    }

    /// Replaces an object's bytes behind the client's back (rot, or a hostile operator). False when it is not there.
    pub fn corrupt(&self, bucket: &str, key: &str, bytes: impl Into<bytes::Bytes>) -> bool {
        self.shared.objects.corrupt(bucket, key, bytes.into())
    }

    /// Multipart uploads neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.shared.objects.open_uploads()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What the connections share.
struct Shared {
    objects: Objects,
    latency_us: AtomicU64,
    hook: RwLock<Option<Hook>>,
    counters: Counters,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("counts", &self.counters.read()).finish_non_exhaustive()
    }
}

impl Shared {
    fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us.load(Ordering::Relaxed))
    }

    fn fault(&self, asked: &Asked<'_>) -> Fault {
        let hook = self.hook.read().unwrap_or_else(PoisonError::into_inner).clone();
        hook.map_or(Fault::None, |hook| hook(asked))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Takes connections until dropped; the set goes with it, and the connections with the set.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(http::serve(stream, Arc::clone(&shared)));
                }
                // Out of descriptors, most likely: they come back as connections close.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
