//! `GET /v1/receipts/{id}`: the receipt of an archive, the one given at deposit, in each of its forms.

use super::auth::Caller;
use super::deposits::name_of;
use super::identifier::Identified;
use super::problem::Problem;
use super::services::{App, Services};
use crate::package::Scope;
use crate::receipt::{Form, Receipt};
use crate::sequencer::Committed;
use crate::store::{StoreError, cosigned_key, external_key};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::time::Duration;
use tokio::time::timeout;

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

/// The receipt of a deposit just committed; where external tokens are required, once there is one.
pub(super) async fn fresh(app: &Services, committed: Committed) -> Result<Receipt, Problem> {
    if app.external.as_ref().is_some_and(|external| external.required) {
        return load(app, committed.index).await;
    }
    Ok(Receipt {
        archive: app.ark(committed.index),
        index: committed.index,
        record: committed.record,
        proof: committed.proof,
        checkpoint: committed.evidence.note.clone(),
        timestamps: vec![committed.evidence.tsr.clone()],
        seal: committed.evidence.seal.clone(),
    })
}

/// The receipt of an entry, made again from the bucket: same checkpoint, same token, same seal. Once a checkpoint that
/// covers the entry was stamped or cosigned elsewhere, that one's, with every token and cosignature.
pub(super) async fn load(app: &Services, index: u64) -> Result<Receipt, Problem> {
    let elsewhere = stamped_elsewhere(app, index).await?;
    let published = app.log_size();
    let covering = elsewhere.map_or(index, |size| size - 1);
    let (size, evidence) = app.evidences.covering(covering, published).await?;
    let Some(record) = app.log.record(index, published).await? else { return Err(Problem::not_found()) };
    let proof = app.log.inclusion(index, size).await?;
    let (mut timestamps, mut checkpoint) = (vec![evidence.tsr.clone()], evidence.note.clone());
    // A token or a cosignature stands beside the checkpoint it covers, and no other.
    if elsewhere == Some(size) {
        timestamps.extend(optional(app, external_key(size)).await?);
        let cosigned = optional(app, cosigned_key(size)).await?;
        let cosigned = cosigned.and_then(|note| String::from_utf8(note.to_vec()).ok());
        // The seal is over the log's own signature: cosignatures come after it.
        checkpoint = cosigned.filter(|note| note.starts_with(&checkpoint)).unwrap_or(checkpoint);
    }
    Ok(Receipt { archive: app.ark(index), index, record, proof, checkpoint, timestamps, seal: evidence.seal.clone() })
}

/// The size of the first checkpoint covering an entry that was stamped or cosigned elsewhere. Where that is required,
/// waits for it.
async fn stamped_elsewhere(app: &Services, index: u64) -> Result<Option<u64>, Problem> {
    let Some(external) = &app.external else { return Ok(None) };
    let (root, suffix) = if external.stamps { ("log/external", ".tsr") } else { ("log/cosigned", ".note") };
    let found = app.log.size_above(root, suffix, index).await?;
    if found.is_some() || !external.required {
        return Ok(found);
    }
    let (mut stamped, limit) = (external.stamped.clone(), Duration::from_millis(app.limits.commit_ms_max));
    // The record is in the log: whoever asks again with the same key gets this receipt.
    timeout(limit, stamped.wait_for(|size| *size > index))
        .await
        .map_err(|_| Problem::outcome_unknown())?
        .map_err(|e| Problem::internal(&e))?;
    app.log.size_above(root, suffix, index).await?.map(Some).ok_or_else(Problem::outcome_unknown)
}

/// A small object, if it is there.
async fn optional(app: &Services, key: String) -> Result<Option<Bytes>, Problem> {
    let found = match app.store.objects().get(&Path::from(key.as_str())).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(StoreError::backend(&key, error).into()),
    };
    Ok(Some(found.bytes().await.map_err(|error| StoreError::backend(&key, error))?))
}

/// A receipt as a response.
pub(super) fn render(receipt: &Receipt, form: Form) -> Result<Response, Problem> {
    let bytes = receipt.render(form).map_err(|e| Problem::internal(&e))?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    Ok(response)
}
