//! A small HTTP client of the archive: streaming uploads, problem documents told in their own French, and retries that
//! cannot archive twice (a deposit always carries an idempotency key).

use super::{Unusable, terminal};
use anyhow::{Context, bail};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Attempts at a deposit in all, the first included: with the waits below, a restart of the daemon is survived.
pub(crate) const ATTEMPTS_DEPOSIT: u32 = 8;
/// Attempts at anything else: somebody is waiting for the answer, and can ask again.
const ATTEMPTS: u32 = 4;
/// The first wait between two attempts; it doubles.
const WAIT_FIRST: Duration = Duration::from_millis(250);
/// A wait as long as this is told.
const WAIT_TOLD: Duration = Duration::from_secs(1);
/// No wait is longer, whatever the server asks.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A server silent for longer is taken as gone; above the daemon's own `commit_ms_max`.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Errors of one answer told one by one.
const ERRORS_TOLD: usize = 5;
/// The longest answer kept in memory.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A problem document (RFC 9457) of the archive.
#[derive(Debug, Clone, Default, Deserialize, thiserror::Error)]
#[serde(default)]
pub(crate) struct Problem {
    /// HTTP status.
    pub(crate) status: u16,
    /// Stable code.
    pub(crate) code: String,
    /// French title.
    pub(crate) title: String,
    /// French sentence.
    pub(crate) detail: String,
    /// The place in what was sent.
    pub(crate) pointer: Option<String>,
    /// Everything that is wrong, where the archive says it one by one.
    pub(crate) errors: Vec<serde_json::Value>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.detail.is_empty() { &self.title } else { &self.detail };
        write!(f, "{text}")?;
        if let Some(pointer) = &self.pointer {
            write!(f, " ({pointer})")?;
        }
        for error in self.errors.iter().take(ERRORS_TOLD) {
            let text = |member: &str| error.get(member).and_then(serde_json::Value::as_str).unwrap_or_default();
            write!(f, " ; {} : {}", text("location"), text("detail"))?;
        }
        write!(f, " [{} {}]", self.status, self.code)
    }
}

/// A connection to one archive, as one agency.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// A client of `server` (scheme, host, port, optional prefix). `authority`: PEM certificates trusted instead of the
    /// system's, for an archive with its own CA.
    pub(crate) fn new(server: &str, token: Option<String>, authority: Option<&Path>) -> anyhow::Result<Self> {
        if !server.starts_with("http://") && !server.starts_with("https://") {
            return Err(Unusable(format!("« {server} » : l'adresse commence par http:// ou https://")).into());
        }
        // Another part of the process may have installed it already: the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("archiland/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(SILENCE_MAX)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = authority {
            let unreadable = |e: String| Unusable(format!("{} : autorité illisible ({e})", path.display()));
            let pem = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| unreadable(e.to_string()))?;
            builder = builder.tls_certs_only(certificates);
        }
        Ok(Self { http: builder.build()?, base: server.trim_end_matches('/').to_owned(), token })
    }

    /// A request to `path` (which starts with `/`), with the token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// GET of a JSON answer.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<T> {
        let bytes = self.get_bytes(path, query).await?;
        serde_json::from_slice(&bytes).with_context(|| format!("réponse inattendue de {}{path}", self.base))
    }

    /// GET of any answer, kept in memory.
    pub(crate) async fn get_bytes(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Vec<u8>> {
        let path = with_query(path, query);
        let response = self.persist(ATTEMPTS, async || Ok(self.request(Method::GET, &path))).await?;
        read_all(response).await
    }

    /// POST of a JSON body, sent again only when the connection could not be made: not every POST may be repeated.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<T> {
        let response = self.once(self.request(Method::POST, path).json(body)).await?;
        let bytes = read_all(response).await?;
        serde_json::from_slice(&bytes).with_context(|| format!("réponse inattendue de {}{path}", self.base))
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.persist(ATTEMPTS, async || Ok(self.request(Method::DELETE, path))).await.map(drop)
    }

    /// Sends a request that may be repeated safely, as often as needed: `prepare` builds it anew each time (a body that
    /// streams a file can be sent once). Connection losses, 429, 502, 503 and 504 are tried again, `Retry-After` obeyed.
    pub(crate) async fn persist(
        &self,
        attempts: u32,
        mut prepare: impl AsyncFnMut() -> anyhow::Result<RequestBuilder>,
    ) -> anyhow::Result<Response> {
        let mut wait = WAIT_FIRST;
        for attempt in 1.. {
            let (asked, why) = match prepare().await?.send().await {
                Ok(response) if is_passing(response.status()) && attempt < attempts => {
                    (retry_after(response.headers()), format!("a répondu {}", response.status().as_u16()))
                }
                Ok(response) => return accepted(response).await,
                Err(error) if is_connection(&error) && attempt < attempts => (None, "ne répond pas".to_owned()),
                Err(error) => return Err(self.unreachable(error)),
            };
            let pause = asked.unwrap_or(wait).min(WAIT_MAX);
            if pause >= WAIT_TOLD {
                terminal::note(format_args!("{} {why} ; nouvel essai dans {} s", self.base, pause.as_secs()));
            }
            tokio::time::sleep(pause).await;
            wait = wait.saturating_mul(2);
        }
        bail!("{} ne répond pas", self.base)
    }

    /// Sends a request once.
    pub(crate) async fn once(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        accepted(request.send().await.map_err(|e| self.unreachable(e))?).await
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        let server = &self.base;
        let told = if is_certificate(&error) {
            format!("{server} : certificat refusé ; donnez son autorité avec --ca-file (keys/ca.pem de l'archive)")
        } else {
            format!("{server} ne répond pas ; vérifiez l'adresse (--server) et que le démon tourne (archiland serve)")
        };
        anyhow::Error::from(error.without_url()).context(told)
    }
}

/// A path segment, percent-encoded: an ARK has slashes and a colon.
pub(crate) fn segment(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", segment(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The whole body, up to [`ANSWER_BYTES_MAX`].
pub(crate) async fn read_all(mut response: Response) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.context("réponse interrompue")? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            bail!("réponse de plus de {ANSWER_BYTES_MAX} octets : refusée");
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The response when it is a success, else its problem document.
async fn accepted(response: Response) -> anyhow::Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let bytes = read_all(response).await.unwrap_or_default();
    let mut problem: Problem = serde_json::from_slice(&bytes).unwrap_or_default();
    problem.status = status.as_u16();
    if problem.detail.is_empty() && problem.title.is_empty() {
        let reason = status.canonical_reason().unwrap_or("réponse inconnue");
        problem.title =
            format!("le serveur a répondu {} {reason} sans explication ; est-ce bien une archive ?", status.as_u16());
    }
    Err(problem.into())
}

/// Answers that say "later", from the archive or from a proxy before it.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// The request may not have arrived, or its answer was lost.
fn is_connection(error: &reqwest::Error) -> bool {
    !is_certificate(error) && (error.is_connect() || error.is_timeout() || error.is_request() || error.is_body())
}

/// The server is there, and is not who it says: trying again would change nothing.
fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // An I/O error hides what it wraps from `source`, and may wrap another.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map(|inside| inside as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    false
}

/// `Retry-After` in seconds; the date form is not used by the archive.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Serves one canned answer per connection, in order, and counts them.
    async fn server(answers: Vec<&'static str>) -> (String, tokio::task::JoinHandle<usize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            for (n, answer) in answers.iter().enumerate() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "connection {n}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            answers.len()
        });
        (address, served)
    }

    #[tokio::test]
    async fn a_busy_or_lost_server_is_tried_again() {
        let (address, served) = server(vec![
            "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n42",
        ])
        .await;
        let client = Client::new(&address, None, None).unwrap();
        assert_eq!(client.get::<u8>("/x", &[]).await.unwrap(), 42);
        assert_eq!(served.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_problem_document_is_told_as_it_is() {
        let (address, _served) = server(vec![
            "HTTP/1.1 422 No\r\nContent-Length: 65\r\nConnection: close\r\n\r\n{\"code\":\"unknown-type\",\"detail\":\"Type inconnu\",\"pointer\":\"/type\"}",
        ])
        .await;
        let client = Client::new(&address, None, None).unwrap();
        let error = client.get::<u8>("/x", &[]).await.unwrap_err();
        assert_eq!(error.to_string(), "Type inconnu (/type) [422 unknown-type]");
    }

    #[test]
    fn an_ark_is_one_segment() {
        assert_eq!(segment("ark:/99999/d1-4-b"), "ark%3A%2F99999%2Fd1-4-b");
    }

    #[test]
    fn an_address_has_a_scheme() {
        assert!(Client::new("archive.example", None, None).is_err());
    }
}
