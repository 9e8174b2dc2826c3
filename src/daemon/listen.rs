//! Bind, serve, drain.

use super::boot::{Node, Tasks};
use super::error::DaemonError;
use super::lock::Lock;
use super::tls;
use crate::api::{App, PeerCertificate, router};
use crate::config::{Config, Limits};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

/// Wait after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Streams of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 256;

/// Longest block of request headers, in bytes (HTTP/1 buffer, HTTP/2 list).
const HEADER_BYTES_MAX: u32 = 64 * 1024;

/// A daemon that answers.
pub struct Running {
    address: SocketAddr,
    url: String,
    drain_max: Duration,
    app: App,
    lock: Lock,
    tasks: Tasks,
    /// Ends accepting, then each connection after its request.
    stop: CancellationToken,
    accepting: Option<JoinHandle<GracefulShutdown>>,
    /// Ends connections whatever they are doing.
    abort: CancellationToken,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({})", self.url)
    }
}

impl Node {
    /// Listens and answers; the address is written in the state folder.
    pub async fn serve(self) -> Result<Running, DaemonError> {
        let Self { config, app, lock, tasks } = self;
        let tls = config.http.tls.as_ref().map(tls::acceptor).transpose()?;
        let wanted = config.http.listen;
        let listener =
            TcpListener::bind(wanted).await.map_err(|source| DaemonError::Listen { address: wanted, source })?;
        let address = listener.local_addr().map_err(|source| DaemonError::Listen { address: wanted, source })?;
        let url = url(&config, address);
        lock.announce(&url)?;
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let edge = Edge {
            router: router(app.clone()),
            tls,
            builder: builder(&config.limits),
            header_time_max: Duration::from_millis(config.limits.header_ms_max),
            abort: abort.clone(),
        };
        let connections = Arc::new(Semaphore::new(config.limits.connections_max));
        let accepting = Some(tokio::spawn(accept(listener, edge, connections, stop.clone())));
        tracing::info!(%url, "prêt");
        let drain_max = Duration::from_millis(config.limits.drain_ms_max);
        Ok(Running { address, url, drain_max, app, lock, tasks, stop, accepting, abort })
    }
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:8470`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The services, for what runs in the same process.
    pub fn services(&self) -> &App {
        &self.app
    }

    /// Returns when a background task ends by itself, which it never should.
    pub async fn failed(&mut self) -> DaemonError {
        tokio::select! {
            result = ended(&mut self.tasks.sequencing) => DaemonError::Task(reason("séquenceur", result.err())),
            result = ended(&mut self.tasks.following) => match result {
                Ok(Err(error)) => error.into(),
                Ok(Ok(())) => DaemonError::Task(reason("suivi du journal", None)),
                Err(error) => DaemonError::Task(reason("suivi du journal", Some(error))),
            },
            result = ended(&mut self.accepting) => DaemonError::Task(reason("écoute", result.err())),
        }
    }

    /// Stops listening, lets requests under way end within the limit, then lets the log and the views come to rest.
    pub async fn stop(self) -> Result<(), DaemonError> {
        let Self { drain_max, app, lock, tasks, stop, accepting, abort, .. } = self;
        stop.cancel();
        if let Some(Ok(connections)) = rest(accepting).await
            && timeout(drain_max, connections.shutdown()).await.is_err()
        {
            tracing::warn!("des requêtes duraient encore à la fin du délai d'arrêt ; elles sont coupées");
        }
        abort.cancel();
        if let Some((preserving, rest)) = tasks.preserving {
            rest.cancel();
            let _ = preserving.await;
        }
        app.rest();
        // The last way into the sequencer goes with the services; it then finishes its batch and ends.
        drop(app);
        if timeout(drain_max, rest(tasks.sequencing)).await.is_err() {
            tracing::warn!("le séquenceur n'a pas fini à temps ; le prochain démarrage terminera son lot");
        }
        tasks.cancel.cancel();
        let _ = tasks.remembering.await;
        let followed = timeout(drain_max, rest(tasks.following)).await;
        drop(lock);
        match followed {
            Ok(None) => Ok(()),
            Ok(Some(Ok(outcome))) => outcome.map_err(DaemonError::from),
            Ok(Some(Err(error))) => Err(DaemonError::Task(error.to_string())),
            Err(_) => Err(DaemonError::Task("suivi du journal : pas fini à temps".to_owned())),
        }
    }
}

/// Waits for a task that should not end; once it has, it is taken away so that nobody waits for it twice.
async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    let Some(handle) = task else { return std::future::pending().await };
    let result = handle.await;
    *task = None;
    result
}

/// Waits for a task to come to rest, if it has not ended already.
async fn rest<T>(task: Option<JoinHandle<T>>) -> Option<Result<T, JoinError>> {
    Some(task?.await)
}

fn reason(what: &str, error: Option<JoinError>) -> String {
    error.map_or_else(|| what.to_owned(), |error| format!("{what} : {error}"))
}

fn url(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    // A daemon that listens everywhere is reached from its own machine on loopback.
    let host = match (address.ip().is_unspecified(), address.is_ipv6()) {
        (true, false) => SocketAddr::from(([127, 0, 0, 1], address.port())),
        (true, true) => SocketAddr::from(([0u16, 0, 0, 0, 0, 0, 0, 1], address.port())),
        (false, _) => address,
    };
    format!("{scheme}://{host}")
}

/// What each connection needs.
#[derive(Clone)]
struct Edge {
    router: Router,
    tls: Option<TlsAcceptor>,
    builder: auto::Builder<TokioExecutor>,
    header_time_max: Duration,
    abort: CancellationToken,
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let header_time_max = Duration::from_millis(limits.header_ms_max);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time_max)
        .max_buf_size(HEADER_BYTES_MAX as usize)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(Duration::from_millis(limits.body_idle_ms_max))
        .keep_alive_timeout(header_time_max);
    builder
}

/// Takes connections, as many at once as the limit allows; the others wait in the kernel's queue.
async fn accept(
    listener: TcpListener,
    edge: Edge,
    connections: Arc<Semaphore>,
    stop: CancellationToken,
) -> GracefulShutdown {
    let graceful = GracefulShutdown::new();
    let taking = async {
        loop {
            let Ok(place) = connections.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(edge.clone().connection(stream, graceful.watcher(), place));
                }
                Err(error) => {
                    tracing::warn!(%error, "connexion non acceptée");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(taking).await;
    graceful
}

impl Edge {
    async fn connection(self, stream: TcpStream, watcher: Watcher, _place: OwnedSemaphorePermit) {
        let abort = self.abort.clone();
        abort.run_until_cancelled(self.speak(stream, watcher)).await;
    }

    async fn speak(self, stream: TcpStream, watcher: Watcher) {
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.http(stream, None, watcher).await };
        match timeout(self.header_time_max, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let certificate = tls::fingerprint(stream.get_ref().1).map(PeerCertificate);
                self.http(stream, certificate, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "poignée de main TLS refusée"),
            Err(_) => tracing::debug!("poignée de main TLS trop lente"),
        }
    }

    async fn http<S>(self, stream: S, certificate: Option<PeerCertificate>, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, builder, .. } = self;
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            if let Some(certificate) = certificate {
                request.extensions_mut().insert(certificate);
            }
            // A router is always ready.
            router.clone().call(request)
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "connexion terminée");
        }
    }
}
