//! One connection: requests to operations, faults included.

use super::fault::{Asked, Fault, Verb};
use super::objects::{Id, Object, Precondition, Refusal, matches};
use super::{Shared, xml};
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// XML bodies beyond this are refused: a thousand keys of a kilobyte.
const XML_BYTES_MAX: usize = 2 << 20;

/// The status with which the connection is cut instead of answering; never seen outside.
const CUT: StatusCode = StatusCode::IM_A_TEAPOT;

/// Serves one connection until the client, or a fault, closes it.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            let answer = answer(request, shared).await;
            if answer.status() == CUT { Err(io::Error::other("injected: connection cut")) } else { Ok(answer) }
        }
    });
    // An error here is the client's going away or a cut of ours: the client's side of the test tells.
    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A request taken apart.
struct Asking {
    verb: Verb,
    id: Id,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    body: Incoming,
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Body> {
    let asking = match Asking::parse(request) {
        Ok(asking) => asking,
        Err(refused) => return *refused,
    };
    shared.counters.request(asking.verb);
    let named = if asking.verb == Verb::List { asking.parameter("prefix").to_owned() } else { asking.id.1.clone() };
    let fault = shared.fault(&Asked {
        verb: asking.verb,
        bucket: &asking.id.0,
        key: &named,
        conditional: Precondition::of(&asking.headers).is_some(),
    });
    tokio::time::sleep(shared.latency()).await;
    match fault {
        Fault::None => asking.carry_out(&shared, Duration::ZERO).await,
        Fault::Delay(more) => asking.carry_out(&shared, more).await,
        Fault::Refuse(status) => {
            // Read what was sent, or the client sees a reset instead of the answer.
            let _ = Limited::new(asking.body, usize::MAX).collect().await;
            injected(status)
        }
        Fault::LieAfter(status) => {
            asking.carry_out(&shared, Duration::ZERO).await;
            injected(status)
        }
        Fault::Cut => cut(),
        Fault::LoseAnswer => {
            asking.carry_out(&shared, Duration::ZERO).await;
            cut()
        }
        Fault::LandLate(later) => asking.land_late(&shared, later).await,
        Fault::Truncate(bytes) => truncated(asking.carry_out(&shared, Duration::ZERO).await, bytes),
    }
}

impl Asking {
    fn parse(request: Request<Incoming>) -> Result<Self, Box<Response<Body>>> {
        let (parts, body) = request.into_parts();
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().ok().map(String::from);
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let id = decode(bucket).zip(decode(key));
        let Some(id) = id else { return Err(Box::new(error(StatusCode::BAD_REQUEST, "InvalidURI", "not UTF-8", key))) };
        let query: BTreeMap<_, _> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((name.to_owned(), decode(&value.replace('+', " "))?))
            })
            .collect();
        let upload = query.contains_key("uploadId");
        let verb = match (&parts.method, id.1.is_empty()) {
            (&Method::HEAD, _) => Verb::Head,
            (&Method::GET, true) => Verb::List,
            (&Method::GET, false) => Verb::Get,
            (&Method::POST, true) if query.contains_key("delete") => Verb::Delete,
            (&Method::POST, false) if query.contains_key("uploads") => Verb::CreateUpload,
            (&Method::POST, false) if upload => Verb::CompleteUpload,
            (&Method::PUT, false) if upload => Verb::Part,
            (&Method::PUT, false) if parts.headers.contains_key("x-amz-copy-source") => Verb::Copy,
            (&Method::PUT, _) => Verb::Put,
            (&Method::DELETE, false) if upload => Verb::AbortUpload,
            (&Method::DELETE, false) => Verb::Delete,
            _ => {
                return Err(Box::new(error(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "MethodNotAllowed",
                    "not spoken here",
                    &id.1,
                )));
            }
        };
        if parts.headers.get("content-encoding").is_some_and(|e| e.as_bytes().starts_with(b"aws-chunked")) {
            return Err(Box::new(error(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "aws-chunked", &id.1)));
        }
        Ok(Self { verb, id, query, headers: parts.headers, body })
    }

    fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    async fn carry_out(self, shared: &Shared, later: Duration) -> Response<Body> {
        let after_body = async || tokio::time::sleep(later).await;
        let when = Precondition::of(&self.headers);
        let (bucket, key) = &self.id;
        match self.verb {
            Verb::Head | Verb::Get | Verb::List => {
                after_body().await;
                self.read(shared)
            }
            Verb::Put if key.is_empty() => Response::new(Body::empty()),
            Verb::Put | Verb::Part => {
                let Ok(received) = shared.objects.receive(self.body).await else { return cut() };
                shared.counters.received(received.len);
                after_body().await;
                let done = if self.verb == Verb::Part {
                    let number = self.query.get("partNumber").and_then(|n| n.parse().ok()).unwrap_or(0);
                    let upload = self.query.get("uploadId").map_or("", String::as_str);
                    shared.objects.put_part(upload, number, received)
                } else {
                    shared.objects.put(&self.id, received, kept(&self.headers), &when).await
                };
                done.map_or_else(|why| refusal(why, key), |etag| with_etag(&etag, Body::empty()))
            }
            Verb::Copy => {
                after_body().await;
                let source = self.headers.get("x-amz-copy-source").and_then(|v| v.to_str().ok()).unwrap_or_default();
                let source = percent_encoding::percent_decode_str(source).decode_utf8_lossy().into_owned();
                let (from, of) = source.trim_start_matches('/').split_once('/').unwrap_or_default();
                match shared.objects.copy(&(from.to_owned(), of.to_owned()), &self.id, &when).await {
                    Ok(object) => xml_answer(xml::copied(&object.modified_iso(), &object.etag)),
                    Err(why) => refusal(why, key),
                }
            }
            Verb::Delete if key.is_empty() => {
                let Some(text) = read_text(self.body).await else { return cut() };
                after_body().await;
                let keys = xml::keys_to_delete(&text);
                for key in &keys {
                    shared.objects.delete(&(bucket.clone(), key.clone()));
                }
                xml_answer(xml::deleted(&keys))
            }
            Verb::Delete => {
                after_body().await;
                shared.objects.delete(&self.id);
                empty(StatusCode::NO_CONTENT)
            }
            Verb::CreateUpload => {
                after_body().await;
                let id = shared.objects.create_upload(self.id.clone(), kept(&self.headers));
                xml_answer(xml::upload_created(bucket, key, &id))
            }
            Verb::CompleteUpload => {
                let upload = self.parameter("uploadId").to_owned();
                let Some(text) = read_text(self.body).await else { return cut() };
                after_body().await;
                let Some(parts) = xml::parts(&text) else { return refusal(Refusal::InvalidPart, key) };
                match shared.objects.complete_upload(&self.id, &upload, &parts, &when).await {
                    Ok(etag) => xml_answer(xml::upload_completed(bucket, key, &etag)),
                    Err(why) => refusal(why, key),
                }
            }
            Verb::AbortUpload => {
                after_body().await;
                match shared.objects.abort_upload(self.parameter("uploadId")) {
                    Ok(()) => empty(StatusCode::NO_CONTENT),
                    Err(why) => refusal(why, key),
                }
            }
        }
    }

    /// GET, HEAD and listings.
    fn read(&self, shared: &Shared) -> Response<Body> {
        let (bucket, key) = &self.id;
        if self.verb == Verb::List {
            let after = self.query.get("continuation-token").or_else(|| self.query.get("start-after"));
            let delimiter = self.query.get("delimiter").filter(|d| !d.is_empty()).map(String::as_str);
            let max = self.query.get("max-keys").and_then(|n| n.parse().ok()).unwrap_or(1000).clamp(1, 1000);
            let prefix = self.parameter("prefix");
            let page = shared.objects.list(bucket, prefix, delimiter, after.map(String::as_str), max);
            return xml_answer(xml::listing(bucket, prefix, delimiter, &page));
        }
        if key.is_empty() {
            return empty(StatusCode::OK);
        }
        let Some(object) = shared.objects.get(&self.id) else { return refusal(Refusal::NoSuchKey, key) };
        let when = Precondition::of(&self.headers);
        if when.if_match.is_some_and(|tag| !matches(&tag, &object)) {
            return refusal(Refusal::Precondition, key);
        }
        if when.if_none_match.is_some_and(|tag| matches(&tag, &object)) {
            return with_etag(&object.etag, Body::empty()).tap_status(StatusCode::NOT_MODIFIED);
        }
        self.object(&object, shared)
    }

    fn object(&self, object: &Object, shared: &Shared) -> Response<Body> {
        let len = object.len();
        let asked = self.headers.get("range").and_then(|value| value.to_str().ok());
        let range = match asked.map(|text| byte_range(text, len)) {
            None => 0..len,
            Some(Some(range)) => range,
            Some(None) => {
                return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "out of the object", &self.id.1);
            }
        };
        let answered = range.end - range.start;
        let content_range = format!("bytes {}-{}/{len}", range.start, range.end.saturating_sub(1));
        let body = if self.verb == Verb::Head {
            Body::empty()
        } else {
            shared.counters.sent(answered);
            Body::from_stream(object.stream(range))
        };
        let mut answer = with_etag(&object.etag, body);
        if asked.is_some() {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut answer, "content-range", &content_range);
        }
        set(&mut answer, "content-length", &answered.to_string());
        set(&mut answer, "last-modified", &object.modified_http());
        set(&mut answer, "accept-ranges", "bytes");
        for (name, value) in &object.headers {
            answer.headers_mut().insert(name.clone(), value.clone());
        }
        answer
    }

    /// Cuts the connection now; the write comes out of the network a while later.
    async fn land_late(self, shared: &Arc<Shared>, later: Duration) -> Response<Body> {
        let when = Precondition::of(&self.headers);
        match self.verb {
            Verb::Put => {
                let Ok(received) = shared.objects.receive(self.body).await else { return cut() };
                shared.counters.received(received.len);
                let (shared, id, headers) = (Arc::clone(shared), self.id, kept(&self.headers));
                tokio::spawn(async move {
                    tokio::time::sleep(later).await;
                    let _ = shared.objects.put(&id, received, headers, &when).await;
                });
            }
            Verb::Delete if !self.id.1.is_empty() => {
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    tokio::time::sleep(later).await;
                    shared.objects.delete(&self.id);
                });
            }
            // The others would need their body kept: they are lost after being carried out.
            _ => _ = self.carry_out(shared, Duration::ZERO).await,
        }
        cut()
    }
}

/// The range of one `bytes=…` specification; `None` when it does not touch the object.
fn byte_range(text: &str, len: u64) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let suffix: u64 = last.parse().ok()?;
        return (suffix > 0 && len > 0).then(|| len.saturating_sub(suffix)..len);
    }
    let first: u64 = first.parse().ok()?;
    let end = if last.is_empty() { len } else { last.parse::<u64>().ok()?.saturating_add(1).min(len) };
    (first < end).then_some(first..end)
}

/// The headers an object gives back.
fn kept(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let keep = |name: &HeaderName| {
        matches!(name.as_str(), "content-type" | "cache-control" | "content-disposition" | "content-encoding")
            || name.as_str().starts_with("x-amz-meta-")
    };
    headers.iter().filter(|(name, _)| keep(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

async fn read_text(body: Incoming) -> Option<String> {
    let bytes = Limited::new(body, XML_BYTES_MAX).collect().await.ok()?.to_bytes();
    String::from_utf8(bytes.to_vec()).ok()
}

fn truncated(answer: Response<Body>, bytes: usize) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let cut = futures::stream::iter([Err(io::Error::other("injected: answer cut"))]);
    let mut left = bytes;
    let kept = body.into_data_stream().map(|piece| piece.map_err(io::Error::other)).map(move |piece| {
        let piece: Bytes = piece?;
        let taken = piece.slice(..piece.len().min(left));
        left -= taken.len();
        Ok(taken)
    });
    Response::from_parts(
        parts,
        Body::from_stream(
            kept.take_while(|piece| {
                let more = piece.as_ref().is_ok_and(|bytes| !bytes.is_empty());
                std::future::ready(more)
            })
            .chain(cut),
        ),
    )
}

fn injected(status: u16) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = if status == StatusCode::SERVICE_UNAVAILABLE { "SlowDown" } else { "InternalError" };
    error(status, code, "injected", "")
}

fn cut() -> Response<Body> {
    empty(CUT)
}

fn refusal(why: Refusal, key: &str) -> Response<Body> {
    let (status, code) = match why {
        Refusal::Precondition => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
        Refusal::NoSuchKey => (StatusCode::NOT_FOUND, "NoSuchKey"),
        Refusal::NoSuchUpload => (StatusCode::NOT_FOUND, "NoSuchUpload"),
        Refusal::InvalidPart => (StatusCode::BAD_REQUEST, "InvalidPart"),
    };
    error(status, code, code, key)
}

fn error(status: StatusCode, code: &str, message: &str, key: &str) -> Response<Body> {
    xml_answer(xml::error(code, message, key)).tap_status(status)
}

fn xml_answer(xml: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(xml));
    set(&mut answer, "content-type", "application/xml");
    answer
}

fn empty(status: StatusCode) -> Response<Body> {
    Response::new(Body::empty()).tap_status(status)
}

fn with_etag(etag: &str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    set(&mut answer, "etag", etag);
    answer
}

fn set(answer: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

trait TapStatus {
    fn tap_status(self, status: StatusCode) -> Self;
}

impl TapStatus for Response<Body> {
    fn tap_status(mut self, status: StatusCode) -> Self {
        *self.status_mut() = status;
        self
    }
}
