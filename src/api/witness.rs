//! `POST /witness/add-checkpoint`: the logs we watch ask for a cosignature (C2SP tlog-witness). Anyone may ask: only what
//! a known log signed counts, and nothing is cosigned that does not extend what was cosigned before.

use super::problem::Problem;
use super::services::App;
use crate::spec::tlog::witness::{AddCheckpoint, SIZE_MEDIA_TYPE};
use crate::witness::Refusal;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::Instant;

/// The longest request: a proof of 63 lines and a note of a few signatures.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// The bucket of requests of all logs together.
const ANYONE: &str = "/witness";

/// Cosigns a checkpoint.
#[utoipa::path(
    post, path = "/witness/add-checkpoint", tag = "witness",
    request_body(content = String, content_type = "text/plain", description = "`old N`, at most 63 lines of consistency proof, a blank line, the signed checkpoint."),
    responses(
        (status = 200, description = "The cosignature: a line of a signed note.", body = String, content_type = "text/plain"),
        (status = 400, description = "Malformed, or `old` is larger than the checkpoint."),
        (status = 403, description = "Not signed by the log's known key."),
        (status = 404, description = "This log is not watched here."),
        (status = 409, description = "The size cosigned last is another.", body = String, content_type = "text/x.tlog.size"),
        (status = 422, description = "The checkpoint does not extend the one cosigned last."),
    ),
)]
pub(super) async fn add_checkpoint(State(app): State<App>, body: Body) -> Result<Response, Problem> {
    if let Err(seconds) = app.rates.take(ANYONE, Instant::now()) {
        return Err(Problem::busy().retry_after(seconds));
    }
    let Some(cosigner) = app.cosigner.clone() else { return Ok(refused(&Refusal::Unknown)) };
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let body = super::body::Incoming::new(body, REQUEST_BYTES_MAX, idle_max).whole().await;
    let body = body.map_err(crate::admission::Refusal::from)?;
    let request = String::from_utf8(body).map_err(|e| e.to_string());
    let request = request.and_then(|text| AddCheckpoint::parse(&text).map_err(|e| e.to_string()));
    let request = match request {
        Ok(request) => request,
        Err(why) => return Ok(refused(&Refusal::Malformed(why))),
    };
    // A cosignature says when: not with a clock known to be wrong.
    app.timestamps.trust().refuse_wrong().map_err(|e| Problem::internal(&e))?;
    let time = u64::try_from(app.clock.now().unix_timestamp()).unwrap_or(0);
    match app.watch.cosign(&request, &cosigner, time).await.map_err(|e| Problem::internal(&e))? {
        Ok(line) => Ok(line.into_response()),
        Err(refusal) => {
            if let Some(alarm) = refusal.alarm() {
                app.metrics.witness_alarm(alarm);
                // The checkpoint is signed: with ours, it is the proof to show.
                tracing::error!(%alarm, %refusal, checkpoint = %request.note, "un journal surveillé se contredit");
            }
            Ok(refused(&refusal))
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::Unknown => StatusCode::NOT_FOUND,
        Refusal::Signature => StatusCode::FORBIDDEN,
        Refusal::Fork(_) | Refusal::Proof => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Conflict(size) | Refusal::Split(size) | Refusal::Rollback { cosigned: size, .. } => {
            let mut response = (StatusCode::CONFLICT, format!("{size}\n")).into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SIZE_MEDIA_TYPE));
            return response;
        }
    };
    (status, format!("{refusal}\n")).into_response()
}
