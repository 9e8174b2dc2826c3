//! `GET /v1/archives/{id}/evidence.ers`: the evidence record of an archive (RFC 4998); `POST /v1/evidence/renewals`.

use super::auth::Caller;
use super::code::Code;
use super::deposits::name_of;
use super::identifier::Identified;
use super::problem::Problem;
use super::services::App;
use crate::evidence::{EvidenceError, evidence_for};
use crate::package::Scope;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;
use serde::Serialize;
use tokio::sync::oneshot;

/// What a pass over the evidence did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RenewalDocument {
    /// Batches looked at.
    seen: usize,
    /// Batches whose time-stamp was renewed (size of the log at their end).
    restamped: Vec<u64>,
    /// Batches that have a new hash tree.
    rehashed: Vec<u64>,
    /// Batches that are due, and wait for a time-stamping certificate that lasts longer.
    waiting: Vec<u64>,
}

/// The evidence record of an archive.
#[utoipa::path(
    get, path = "/v1/archives/{id}/evidence.ers", tag = "archives",
    params(("id" = String, Path, description = "ARK (percent-encoded) or its name part.")),
    responses(
        (status = 200, description = "EvidenceRecord (RFC 4998), DER: the documents of the archive are its data object group.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, not allowed, or not made yet (`Retry-After`)."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn fetch(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let found = id.read(&app, &caller).await?;
    let evidence = evidence_for(&app.log, app.store.objects().as_ref(), found.index, &found.record).await?;
    let Some(evidence) = evidence else {
        let (french, english) = if found.record.deposit().is_some() {
            (
                "La preuve de cette archive n'est pas encore faite : réessayez.",
                "Its evidence is not made yet: try again.",
            )
        } else {
            ("Cet enregistrement n'a pas de document à prouver.", "This record has no document to prove.")
        };
        return Err(Problem::new(Code::NotFound, french, english).retry_after(5));
    };
    let mut response = Response::new(Body::from(evidence));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{}.ers\"", name_of(&app.ark(found.index))))
    {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Renews the evidence that is due.
#[utoipa::path(
    post, path = "/v1/evidence/renewals", tag = "administration",
    responses(
        (status = 200, description = "What the pass did.", body = RenewalDocument),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not allowed."),
        (status = 503, body = super::openapi::Problem, content_type = "application/problem+json", description = "It goes on longer than a request may: it is not undone, ask again."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn renew(State(app): State<App>, caller: Caller) -> Result<axum::Json<RenewalDocument>, Problem> {
    caller.require(&[Scope::Admin])?;
    let (answer, answered) = oneshot::channel();
    app.renewals.send(answer).await.map_err(|e| Problem::internal(&e))?;
    let renewed = answered.await.map_err(|e| Problem::internal(&e))??;
    let (restamped, rehashed, waiting) = (renewed.restamped, renewed.rehashed, renewed.waiting);
    Ok(axum::Json(RenewalDocument { seen: renewed.seen, restamped, rehashed, waiting }))
}

impl From<EvidenceError> for Problem {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::Log(error) => error.into(),
            EvidenceError::Store(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}
