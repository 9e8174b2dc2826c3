//! `POST /v1/deposits`: documents in, receipt out; and the state of a deposit.

use super::auth::Caller;
use super::body::Incoming;
use super::identifier::Identified;
use super::problem::Problem;
use super::receipts;
use super::receive::{self, Halt};
use super::services::{App, Services};
use super::signatures;
use super::source::{Document, Source};
use crate::admission::{Admitted, Deposit, Earlier, KeyHash, Metadata, Provenance, Reason, Refusal, Turn};
use crate::admission::{key_hash, key_is_valid};
use crate::package::{Ark, Scope, fresh_salt};
use crate::receipt::{Form, Receipt};
use crate::search::{Audience, Query};
use crate::sequencer::{Committed, Submission, SubmitError};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// What a header's value cannot hold as it is.
const WARNING: &AsciiSet = &CONTROLS.add(b'%');

/// Archives documents and answers with their receipt.
#[utoipa::path(
    post,
    path = "/v1/deposits",
    tag = "deposits",
    request_body(
        description = "Either `multipart/form-data` whose first part is `metadata` (JSON) and the others files, or one raw body with `Archiland-*` headers (percent-encoded UTF-8). Streamed.",
        content((super::openapi::DepositForm = "multipart/form-data"), (String = "application/octet-stream")),
    ),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. Same key and content: same receipt; same key and other content: 409."),
        ("Content-Digest" = Option<String>, Header, description = "Raw body: RFC 9530 digests, checked."),
        ("Archiland-Title" = Option<String>, Header, description = "Raw body: title."),
        ("Archiland-Type" = Option<String>, Header, description = "Raw body: document type."),
        ("Archiland-Name" = Option<String>, Header, description = "Raw body: file name."),
        ("Archiland-Rule" = Option<String>, Header, description = "Raw body: retention rule, that of the type by default."),
        ("Archiland-External-Id" = Option<String>, Header, description = "Raw body: the producer's identifier."),
        ("Archiland-Agency" = Option<String>, Header, description = "Raw body: the agency, when it is not the token's (admin)."),
    ),
    responses(
        (status = 201, description = "Archived: the receipt.", body = super::openapi::ReceiptDocument, headers(("Location" = String, description = "The deposit."), ("Archiland-Warning" = String, description = "Where the policy warns of signatures: what is wrong with this deposit's, in French (percent-encoded UTF-8). The receipt is the same with or without it."))),
        (status = 200, description = "Archived before under the same key: the same receipt, and the same warning.", body = super::openapi::ReceiptDocument),
        (status = "4XX", description = "Refused; nothing is archived.", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not now; send it again with the same key.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit])?;
    let Ok(_slot) = app.deposits.try_acquire() else { return Err(Problem::busy()) };
    let _gauge = app.metrics.deposit_begins();
    let (parts, body) = request.into_parts();
    let outcome = receive_and_commit(&app, &caller, &parts.headers, body).await;
    let (status, receipt) = outcome.map_err(|halted| told(&app, &caller, halted))?;
    respond(&app, status, &receipt)
}

/// Archives documents that another interface has received, by the very path of `POST /v1/deposits`; `key` is the
/// idempotency key. The status says whether they are new (201) or were archived before under the same key (200).
pub(super) async fn deposit(
    app: &App,
    caller: &Caller,
    metadata: Metadata,
    key: Option<&str>,
    documents: Vec<Document>,
) -> Result<(StatusCode, Receipt), Problem> {
    let Ok(_slot) = app.deposits.try_acquire() else { return Err(Problem::busy()) };
    let _gauge = app.metrics.deposit_begins();
    let outcome = received(app, caller, metadata, key, &mut Source::held(documents)).await;
    outcome.map_err(|halted| told(app, caller, halted))
}

/// What is answered, counted and kept of a deposit that was not archived.
fn told(app: &App, caller: &Caller, halted: Halt) -> Problem {
    match halted {
        Halt::Failed(problem) => problem,
        Halt::Refused(refusal) => {
            let problem = Problem::from(refusal);
            app.metrics.refused(problem.code);
            let now = app.clock.now();
            app.refusals.record(&caller.agency, &caller.actor, problem.code.as_str(), &problem.detail, now);
            problem
        }
    }
}

async fn receive_and_commit(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<(StatusCode, Receipt), Halt> {
    // Said from the headers alone: the body is not read at all, and a client that asked `100-continue` never sends it.
    check_headers(app, headers)?;
    let key = idempotency_key(headers)?;
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    // The metadata part and the part headers come on top of the documents.
    let bytes_max = app.limits.body_bytes_max.saturating_add(u64::try_from(app.limits.metadata_bytes_max).unwrap_or(0));
    let incoming = Incoming::new(body, bytes_max, idle_max);
    let (metadata, mut source) = match Source::open(headers, incoming, app.limits.metadata_bytes_max).await {
        Ok(opened) => opened,
        Err((refusal, incoming)) => {
            incoming.drain().await;
            return Err(refusal.into());
        }
    };
    let outcome = received(app, caller, metadata, key, &mut source).await;
    app.metrics.received(source.received());
    if outcome.is_err() {
        source.into_incoming().drain().await;
    }
    outcome
}

fn check_headers(app: &Services, headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get(CONTENT_ENCODING).is_some_and(|v| v != "identity") {
        return Err(Refusal::at("Content-Encoding", Reason::ContentEncoding));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    let bytes_max = app.limits.body_bytes_max;
    if length > bytes_max.saturating_add(u64::try_from(app.limits.metadata_bytes_max).unwrap_or(0)) {
        return Err(Refusal::at("Content-Length", Reason::BodyTooLarge { bytes_max }));
    }
    Ok(())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| key_is_valid(key.as_bytes()));
    key.map(Some).ok_or_else(|| Refusal::at("Idempotency-Key", Reason::IdempotencyKey))
}

async fn received(
    app: &App,
    caller: &Caller,
    mut metadata: Metadata,
    key: Option<&str>,
    source: &mut Source,
) -> Result<(StatusCode, Receipt), Halt> {
    let agency = agency_of(app, caller, metadata.agency.take())?;
    let now = app.clock.now();
    let deposit = Deposit::receive(metadata, &agency, &app.policies, &app.limits, now)?;
    let Some(key) = key else {
        let (deposit, payloads) = receive::take(app, &agency, deposit, source).await?;
        return answer(app, commit(app, caller, deposit, payloads, None).await?).await;
    };
    let key = key_hash(&agency, key);
    // Deposits with the same key take turns: the second one sees what became of the first.
    let wait_max = Duration::from_millis(app.limits.commit_ms_max);
    let turn = timeout(wait_max, app.in_flight.turn(key)).await.map_err(|_| Problem::busy())?;
    if let Some(earlier) = earlier(app, &agency, key, &turn).await? {
        let deposit = receive::compare(deposit, source).await?;
        return same_receipt(app, earlier.index, deposit.content()).await;
    }
    let (deposit, payloads) = receive::take(app, &agency, deposit, source).await?;
    answer(app, commit(app, caller, deposit, payloads, Some((key, turn))).await?).await
}

/// The agency of a deposit: the token's, or for an administrator the one named.
pub(super) fn agency_of(app: &Services, caller: &Caller, named: Option<String>) -> Result<String, Refusal> {
    match named {
        Some(code) if code != caller.agency => {
            if !caller.has(Scope::Admin) {
                return Err(Refusal::at("/agency", Reason::ForeignAgency));
            }
            if app.catalog.agency(&code).is_none() {
                let code = code.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(Refusal::at("/agency", Reason::UnknownAgency { code }));
            }
            Ok(code)
        }
        _ => Ok(caller.agency.clone()),
    }
}

/// What became of an earlier deposit with this key: on this node just now, in the catalog, or further back.
pub(super) async fn earlier(app: &App, agency: &str, key: KeyHash, turn: &Turn) -> Result<Option<Earlier>, Problem> {
    app.in_flight.followed(app.views.borrow().applied());
    if let Some(earlier) = turn.earlier() {
        return Ok(Some(earlier));
    }
    let (app, agency) = (app.clone(), agency.to_owned());
    // Both views may read the disk.
    tokio::task::spawn_blocking(move || {
        let prior = app.catalog.prior(&agency, &key).map_err(|e| Problem::internal(&e))?;
        if let Some(prior) = prior {
            return Ok(Some(Earlier { index: prior.index, content: prior.content }));
        }
        if app.older_keys_since.is_some_and(|since| app.clock.now() - since <= crate::catalog::IDEMPOTENCY_WINDOW) {
            return Ok(None);
        }
        let query = Query { idempotency: Some(key), limit: 1, ..Query::new(Audience::Agency(agency)) };
        let page = app.search.find(&query).map_err(|e| Problem::internal(&e))?;
        // The content is not in the look-up view: `retried` reads it from the record.
        Ok(page.hits.first().map(|hit| Earlier { index: hit.index, content: [0; 32] }))
    })
    .await
    .map_err(|e| Problem::internal(&e))?
}

/// The receipt given before, if the content is the same, else 409.
async fn same_receipt(app: &App, index: u64, content: [u8; 32]) -> Result<(StatusCode, Receipt), Halt> {
    let receipt = receipts::load(app, index).await?;
    let record = receipt.record().map_err(|e| Problem::internal(&e))?;
    if record.deposit().is_none_or(|deposit| deposit.content != hex::encode(content)) {
        return Err(Refusal::at("Idempotency-Key", Reason::IdempotencyConflict).into());
    }
    app.metrics.retried();
    Ok((StatusCode::OK, receipt))
}

/// What became of a deposit at the sequencer.
enum Outcome {
    New(Box<Committed>),
    /// Another node was first.
    Before {
        index: u64,
        content: [u8; 32],
    },
}

/// Makes the payloads durable and writes the record. Goes on in a task of its own: a depositor that leaves, or an answer
/// that comes too late, must not leave the key's next deposit in doubt.
async fn commit(
    app: &App,
    caller: &Caller,
    deposit: Deposit<Admitted>,
    payloads: receive::Payloads,
    key: Option<(KeyHash, Turn)>,
) -> Result<Outcome, Halt> {
    let task = tokio::spawn(write(app.clone(), caller.actor.clone(), deposit, payloads, key));
    let limit = Duration::from_millis(app.limits.commit_ms_max);
    match timeout(limit, task).await {
        Ok(Ok(outcome)) => outcome.map_err(Halt::Failed),
        Ok(Err(error)) => Err(Problem::internal(&error).into()),
        Err(_) => Err(Problem::outcome_unknown().into()),
    }
}

async fn write(
    app: App,
    actor: String,
    deposit: Deposit<Admitted>,
    payloads: receive::Payloads,
    key: Option<(KeyHash, Turn)>,
) -> Result<Outcome, Problem> {
    let content = deposit.content();
    let locations = payloads.store().await?;
    let idempotency = key.as_ref().map(|(hash, _)| *hash);
    let salt = fresh_salt().map_err(|e| Problem::internal(&e))?;
    let provenance = Provenance { actor, time: app.clock.now(), id: Uuid::now_v7(), salt, idempotency };
    let record = deposit.into_record(locations, provenance).map_err(|e| Problem::internal(&e))?;
    let waiting = app.pulse.wait();
    match app.sequencer.submit(Submission { record: record.into(), idempotency }).await {
        Ok(committed) => {
            waiting.answered();
            if let Some((_, turn)) = key {
                turn.answered(Earlier { index: committed.index, content });
            }
            app.metrics.deposited();
            Ok(Outcome::New(Box::new(committed)))
        }
        Err(SubmitError::Duplicate { index }) => {
            waiting.answered();
            Ok(Outcome::Before { index, content })
        }
        Err(error) => Err(error.into()),
    }
}

async fn answer(app: &App, outcome: Outcome) -> Result<(StatusCode, Receipt), Halt> {
    match outcome {
        Outcome::New(committed) => Ok((StatusCode::CREATED, receipts::fresh(app, *committed).await?)),
        Outcome::Before { index, content } => same_receipt(app, index, content).await,
    }
}

/// The receipt, whose bytes say nothing of warnings: those are in a header.
fn respond(app: &App, status: StatusCode, receipt: &Receipt) -> Result<Response, Problem> {
    let mut response = receipts::render(receipt, Form::Json)?;
    *response.status_mut() = status;
    let location = format!("/v1/deposits/{}", name_of(&receipt.archive));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    let record = receipt.record().map_err(|e| Problem::internal(&e))?;
    if let Some(warning) = record.deposit().and_then(|deposit| signatures::warning(app, deposit)) {
        let warning = utf8_percent_encode(&warning, WARNING).to_string();
        if let Ok(warning) = HeaderValue::from_str(&warning) {
            response.headers_mut().insert("archiland-warning", warning);
        }
    }
    Ok(response)
}

/// An identifier's name part, which needs no encoding in a path.
pub(super) fn name_of(ark: &Ark) -> String {
    let text = ark.to_string();
    text.rsplit_once('/').map_or(text.clone(), |(_, name)| name.to_owned())
}

/// The state of a deposit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DepositState {
    /// The archive's identifier.
    archive: String,
    /// Its place in the log.
    index: u64,
    /// Always `archived`: what is not archived has no identifier.
    state: &'static str,
    /// When it was archived.
    time: String,
    /// Whose it is.
    agency: String,
    /// Title.
    title: String,
    /// Document type.
    #[serde(rename = "type")]
    document_type: String,
    /// Retention rule.
    rule: String,
    /// The producer's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Where the receipt is.
    receipt: String,
    /// Where the record is.
    record: String,
    /// The documents.
    payloads: Vec<PayloadState>,
}

/// One document of a deposit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PayloadState {
    name: String,
    size_bytes: u64,
    sha256: String,
    media_type: String,
    /// Where its bytes are.
    href: String,
}

/// The state of a deposit.
#[utoipa::path(
    get,
    path = "/v1/deposits/{id}",
    tag = "deposits",
    params(("id" = String, Path, description = "ARK (percent-encoded) or its name part.")),
    responses(
        (status = 200, description = "The deposit.", body = DepositState),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn state(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Audit])?;
    let found = id.read(&app, &caller).await?;
    let ark = app.ark(found.index);
    let name = name_of(&ark);
    let Some(deposit) = found.record.deposit() else { return Err(Problem::not_found()) };
    let payloads = deposit.payloads.iter().zip(0usize..).map(|(payload, n)| PayloadState {
        name: payload.name.clone(),
        size_bytes: payload.size_bytes,
        sha256: payload.sha256.clone(),
        media_type: payload.media_type.clone(),
        href: format!("/v1/archives/{name}/payloads/{n}"),
    });
    let state = DepositState {
        archive: ark.to_string(),
        index: found.index,
        state: "archived",
        time: found.record.time.clone(),
        agency: found.record.agency.clone(),
        title: deposit.title.clone(),
        document_type: deposit.document_type.clone(),
        rule: deposit.rule.clone(),
        external_id: deposit.external_id.clone(),
        receipt: format!("/v1/receipts/{name}"),
        record: format!("/v1/archives/{name}"),
        payloads: payloads.collect(),
    };
    Ok(axum::Json(state).into_response())
}
