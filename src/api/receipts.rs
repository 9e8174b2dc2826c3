//! `GET /v1/receipts/{id}`: the receipt of an archive, the one given at deposit, in each of its forms.

use super::auth::Caller;
use super::deposits::name_of;
use super::identifier::Identified;
use super::problem::Problem;
use super::services::{App, Services};
use crate::package::Scope;
use crate::receipt::{Form, Receipt};
use crate::sequencer::Committed;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;

/// The receipt of an archive.
#[utoipa::path(
    get,
    path = "/v1/receipts/{id}",
    tag = "deposits",
    params(("id" = String, Path, description = "ARK (percent-encoded) or its name part, and a form: none or `.json`, `.tlog-proof` (C2SP), `.tsr` (RFC 3161), `.p7s` (CMS), `.zip` (all of them).")),
    responses(
        (status = 200, description = "The receipt.", content(
            (super::openapi::ReceiptDocument = "application/json"), (String = "text/plain"),
            (String = "application/timestamp-reply"), (String = "application/pkcs7-mime"), (String = "application/zip"),
        )),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn fetch(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Audit])?;
    let form: Form = id.extension.as_deref().unwrap_or("json").parse().map_err(|_| Problem::not_found())?;
    id.read(&app, &caller).await?;
    let receipt = load(&app, id.index).await?;
    let mut response = render(&receipt, form)?;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    if form != Form::Json {
        let name = format!("attachment; filename=\"{}.{}\"", name_of(&receipt.archive), form.extension());
        if let Ok(name) = HeaderValue::from_str(&name) {
            headers.insert(CONTENT_DISPOSITION, name);
        }
    }
    Ok(response)
}

/// The receipt of a deposit just committed.
pub(super) fn fresh(app: &Services, committed: Committed) -> Receipt {
    Receipt {
        archive: app.ark(committed.index),
        index: committed.index,
        record: committed.record,
        proof: committed.proof,
        checkpoint: committed.evidence.note.clone(),
        timestamps: vec![committed.evidence.tsr.clone()],
        seal: committed.evidence.seal.clone(),
    }
}

/// The receipt of an entry, made again from the bucket: same checkpoint, same token, same seal.
pub(super) async fn load(app: &Services, index: u64) -> Result<Receipt, Problem> {
    let published = app.log_size();
    let (size, evidence) = app.evidences.covering(index, published).await?;
    let Some(record) = app.log.record(index, published).await? else { return Err(Problem::not_found()) };
    let proof = app.log.inclusion(index, size).await?;
    Ok(Receipt {
        archive: app.ark(index),
        index,
        record,
        proof,
        checkpoint: evidence.note.clone(),
        timestamps: vec![evidence.tsr.clone()],
        seal: evidence.seal.clone(),
    })
}

/// A receipt as a response.
pub(super) fn render(receipt: &Receipt, form: Form) -> Result<Response, Problem> {
    let bytes = receipt.render(form).map_err(|e| Problem::internal(&e))?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    Ok(response)
}
