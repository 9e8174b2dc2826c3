//! `GET /log/…`: the public log as C2SP tlog-tiles has it, for anyone: checkpoint, tiles, entries, tokens, seals.
//!
//! Everything but the checkpoint never changes and may be cached for ever. Entries are commitments without personal data
//! (invariant I5).

use super::problem::Problem;
use super::services::App;
use crate::spec::tlog::tile::{TileId, parse_entries_path, parse_group_path};
use crate::store::StoreError;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use object_store::ObjectStoreExt;

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A part of the public log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    media_type: &'static str,
    cache: &'static str,
}

/// A file of the public log.
#[utoipa::path(
    get,
    path = "/log/{path}",
    tag = "log",
    params(("path" = String, Path, description = "`checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` (C2SP tlog-tiles), `timestamp/<size>.tsr`, `external/<size>.tsr`, `cosigned/<size>.note`, `seal/<size>.p7s`.")),
    responses(
        (status = 200, description = "The file.", content((String = "text/plain"), (String = "application/octet-stream"), (String = "application/timestamp-reply"), (String = "application/pkcs7-mime"))),
        (status = 404, description = "No such part of the log.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn fetch(State(app): State<App>, Path(path): Path<String>) -> Result<Response, Problem> {
    let part = classify(&path).ok_or_else(absent)?;
    let key = format!("log/{path}");
    let location = object_store::path::Path::parse(&key).map_err(|_| absent())?;
    let found = match app.store.objects().get(&location).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Err(absent()),
        Err(error) => return Err(StoreError::backend(&key, error).into()),
    };
    // The largest part is a bundle of 256 entries of 97 bytes.
    let bytes = found.bytes().await.map_err(|e| StoreError::backend(&key, e))?;
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(part.media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(part.cache));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    allow_any_origin(headers);
    Ok(response)
}

/// The answer to a browser that asks whether it may ask.
pub(super) async fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn allow_any_origin(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

fn absent() -> Problem {
    Problem::new(super::code::Code::NotFound, "Le journal n'a pas cette partie.", "The log has no such part.")
}

/// Only the names that a log has: nothing else of the bucket is reachable from here.
fn classify(path: &str) -> Option<Part> {
    if path == "checkpoint" {
        return Some(Part { media_type: "text/plain; charset=utf-8", cache: "no-cache" });
    }
    let token = path.strip_prefix("timestamp/").or_else(|| path.strip_prefix("external/"));
    let media_type = if let Some(size) = token {
        parse_group_path(size.strip_suffix(".tsr")?)?;
        "application/timestamp-reply"
    } else if let Some(size) = path.strip_prefix("cosigned/") {
        parse_group_path(size.strip_suffix(".note")?)?;
        "text/plain; charset=utf-8"
    } else if let Some(size) = path.strip_prefix("seal/") {
        parse_group_path(size.strip_suffix(".p7s")?)?;
        "application/pkcs7-mime"
    } else {
        if TileId::parse(path).is_err() && parse_entries_path(path).is_err() {
            return None;
        }
        "application/octet-stream"
    };
    Some(Part { media_type, cache: FOR_EVER })
}

#[cfg(test)]
mod tests {
    use super::classify;

    #[test]
    fn only_parts_of_the_log_are_reachable() {
        for part in [
            "checkpoint",
            "tile/0/000",
            "tile/1/x001/067.p/5",
            "tile/entries/000.p/1",
            "timestamp/005.tsr",
            "external/x001/005.tsr",
            "cosigned/005.note",
            "seal/x001/234.p7s",
        ] {
            assert!(classify(part).is_some(), "{part}");
        }
        for other in [
            "",
            "head",
            "../head",
            "tile/0/../../head",
            "tile/0/0",
            "timestamp/5.tsr",
            "tile/entries/../000",
            "payload/a/b",
            "tile/0/000.p/256",
        ] {
            assert!(classify(other).is_none(), "{other}");
        }
    }
}
