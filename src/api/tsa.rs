//! `POST /tsa`: the time-stamping authority over HTTP (RFC 3161 § 3.4).
//!
//! Whatever the authority decides is a `timestamp-reply` with status 200, a refusal included: that is the protocol. What
//! concerns HTTP (who asks, the media type, a queue that is full) is a problem document.

use super::auth::Caller;
use super::body::Incoming;
use super::code::Code;
use super::problem::Problem;
use super::services::App;
use crate::package::Scope;
use crate::timestamp::Answer;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::Instant;

/// The longest request looked at, in bytes: a digest, an identifier and a nonce take a hundred.
pub const REQUEST_BYTES_MAX: u64 = 4096;

const QUERY: &str = "application/timestamp-query";
const REPLY: HeaderValue = HeaderValue::from_static("application/timestamp-reply");

/// The bucket of requests of nobody in particular.
const ANYONE: &str = "/tsa";

/// A time-stamp token.
#[utoipa::path(
    post, path = "/tsa", tag = "timestamps",
    request_body(content = Vec<u8>, content_type = "application/timestamp-query", description = "TimeStampReq (RFC 3161), at most 4 KiB: SHA-256, SHA-384 or SHA-512."),
    responses(
        (status = 200, description = "TimeStampResp: a token, or the authority's refusal.", body = Vec<u8>, content_type = "application/timestamp-reply"),
        (status = "4XX", description = "Not allowed, or no time-stamp request.", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many requests are waiting.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = []), ("certificate" = [])),
)]
pub(super) async fn stamp(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    if app.timestamps_open {
        if let Err(seconds) = app.rates.take(ANYONE, Instant::now()) {
            return Err(busy().retry_after(seconds));
        }
    } else {
        Caller::from_request_parts(&mut parts, &app).await?.require(&[Scope::Deposit])?;
    }
    let media_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(QUERY)) {
        return Err(Problem::new(
            Code::MediaTypeUnsupported,
            "Une demande d'horodatage est attendue (Content-Type: application/timestamp-query).",
            "A time-stamp request is expected (Content-Type: application/timestamp-query).",
        ));
    }
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let request =
        Incoming::new(body, REQUEST_BYTES_MAX, idle_max).whole().await.map_err(crate::admission::Refusal::from)?;
    match app.timestamps.answer(&request).await {
        Answer::Granted(response) => {
            app.metrics.stamped();
            Ok(reply(response))
        }
        Answer::Rejected(refusal) => {
            app.metrics.stamp_refused(refusal.failure);
            tracing::debug!(cause = %refusal, "demande d'horodatage refusée");
            Ok(reply(refusal.response))
        }
        Answer::Busy => Err(busy().retry_after(1)),
    }
}

fn reply(response: Vec<u8>) -> Response {
    let mut response = (StatusCode::OK, response).into_response();
    response.headers_mut().insert(CONTENT_TYPE, REPLY);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn busy() -> Problem {
    Problem::new(
        Code::Busy,
        "Trop de demandes d'horodatage à la fois : réessayez dans une seconde.",
        "Too many time-stamp requests at once: try again in a second.",
    )
}
