//! `GET /v1/archives/{id}/payloads/{n}`: the documents, whole or by range, checked as they are read.

use super::auth::Caller;
use super::code::Code;
use super::deliveries::load;
use super::identifier::Identified;
use super::problem::Problem;
use super::range::{self, Asked};
use super::services::App;
use crate::package::{Payload, Scope};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What RFC 8187 leaves as it is.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A document of an archive.
#[utoipa::path(
    get,
    path = "/v1/archives/{id}/payloads/{n}",
    tag = "archives",
    params(
        ("id" = String, Path, description = "ARK (percent-encoded) or its name part."),
        ("n" = usize, Path, description = "The document's place in the archive, from 0."),
        ("Range" = Option<String>, Header, description = "One range of bytes."),
        ("If-None-Match" = Option<String>, Header, description = "ETag known: 304 if it is still the same."),
    ),
    responses(
        (status = 200, description = "The document.", body = String, content_type = "application/octet-stream", headers(("ETag" = String, description = "SHA-256 of the document."), ("Repr-Digest" = String, description = "RFC 9530."))),
        (status = 206, description = "The range asked for.", body = String, content_type = "application/octet-stream"),
        (status = 304, description = "The ETag is the one known."),
        (status = 416, description = "No byte in this range.", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn fetch(
    State(app): State<App>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
    Path(place): Path<(String, String)>,
    id: Identified,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let found = id.read(&app, &caller).await?;
    let n: usize = place.1.parse().map_err(|_| Problem::not_found())?;
    let payload = found.record.payloads().get(n).ok_or_else(Problem::not_found)?;

    load::readable(&app, &caller, &found).await?;
    let etag = format!("\"{}\"", payload.sha256);
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), payload, &etag);
    if header(&headers, &IF_NONE_MATCH).is_some_and(|known| matches(known, &etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        return Ok(response);
    }
    // A range of another version would be no use to the client.
    let current = header(&headers, &IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    let asked = header(&headers, &RANGE).filter(|_| current);
    let wanted = match range::parse(asked, payload.size_bytes) {
        Asked::Whole => 0..payload.size_bytes,
        Asked::Part(part) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let value = format!("bytes {}-{}/{}", part.start, part.end - 1, payload.size_bytes);
            set(response.headers_mut(), CONTENT_RANGE, &value);
            part
        }
        Asked::Nothing => return Ok(unsatisfiable(payload.size_bytes)),
    };
    response.headers_mut().insert(CONTENT_LENGTH, (wanted.end - wanted.start).into());
    if method != Method::HEAD {
        let bytes = app.store.read(payload, wanted).await?;
        *response.body_mut() = Body::from_stream(bytes);
    }
    app.metrics.read();
    Ok(response)
}

/// Headers of every answer about a document. It is another's content: never interpreted in our origin.
fn describe(headers: &mut HeaderMap, payload: &Payload, etag: &str) {
    set(headers, CONTENT_TYPE, &payload.media_type);
    set(headers, ETAG, etag);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    let name = utf8_percent_encode(&payload.name, NAME);
    set(headers, CONTENT_DISPOSITION, &format!("attachment; filename*=UTF-8''{name}"));
    if let Ok(digest) = hex::decode(&payload.sha256)
        && let Ok(value) = HeaderValue::from_str(&format!("sha-256=:{}:", STANDARD.encode(digest)))
    {
        headers.insert("repr-digest", value);
    }
}

fn set(headers: &mut HeaderMap, name: axum::http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &axum::http::HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// `If-None-Match`: `*`, or a list that holds the tag, strong or weak.
fn matches(known: &str, etag: &str) -> bool {
    known.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn unsatisfiable(size: u64) -> Response {
    let problem = Problem::new(
        Code::RangeUnsatisfiable,
        format!("Le document a {size} octets : la plage demandée est au-delà."),
        format!("The document has {size} bytes: the range asked for is beyond."),
    );
    let mut response = axum::response::IntoResponse::into_response(problem);
    set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn entity_tags() {
        assert!(matches("*", "\"a\"") && matches("\"b\", W/\"a\"", "\"a\""));
        assert!(!matches("\"b\"", "\"a\"") && !matches("a", "\"a\""));
    }
}
