//! `POST /v1/transmissions`: PES files for the accountant by the archive's own interface, one or several, each with what became
//! of it. The same path as s2low's interface takes; the same file is never taken twice.

use super::form::{File, Form};
use super::import::{Intake, Refused, Taken, first_state, hold, refused, unusable};
use super::{Own, with};
use crate::admission::{Reason, Refusal, file_name, key_is_valid};
use crate::api::auth::Caller;
use crate::api::body::Incoming;
use crate::api::problem::Problem;
use crate::api::receipts;
use crate::api::receive::Halt;
use crate::api::services::App;
use crate::api::signatures::Collected;
use crate::package::{Ark, Scope};
use crate::producer::helios::{self, BYTES_MAX, Fault};
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use std::time::Duration;

/// How to take them.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Options {
    /// Everything is checked, signatures included, and nothing is kept.
    #[serde(default)]
    dry_run: bool,
}

/// What became of the files, in the order they came.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Sent {
    /// One for each file.
    transmissions: Vec<SentOne>,
}

/// What became of a file.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct SentOne {
    /// Its name.
    file: String,
    /// `accepted`, `before` (the same file was accepted before), `refused`, or with `dry_run` `acceptable`.
    outcome: &'static str,
    /// Its number. A file that was received and refused has one too, in state -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<u64>,
    /// Its state, as s2low numbers them.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<i8>,
    /// Why it is refused: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same in French.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The same file may be sent again after so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u32>,
    /// Its archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
    /// Its receipt: record, proof, checkpoint, token, seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::api::openapi::ReceiptDocument>)]
    receipt: Option<serde_json::Value>,
}

/// Takes PES files in.
#[utoipa::path(
    post, path = "/v1/transmissions", tag = "transmissions",
    params(
        Options,
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. Same key and files: same transmissions; same key and another file: `idempotency-conflict`. Without it, the same file is the same transmission all the same."),
        ("Archiland-Name" = Option<String>, Header, description = "Name of the file, when it comes alone."),
    ),
    request_body(description = "A PES_Aller, or `multipart/form-data` with up to 60 of them; 128 MiB in all.", content((String = "application/xml"), (String = "multipart/form-data"))),
    responses(
        (status = 201, description = "At least one was accepted; each has its outcome.", body = Sent),
        (status = 200, description = "None is new: accepted before, or `dry_run`.", body = Sent),
        (status = 422, description = "All are refused; each says why.", body = Sent),
        (status = 503, description = "None could be taken now; send them again.", body = Sent),
        (status = "4XX", description = "Not allowed, or no file.", body = crate::api::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(in crate::api) async fn transmit(
    State(app): State<App>,
    caller: Caller,
    Query(options): Query<Options>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit])?;
    let (parts, body) = request.into_parts();
    let key = match parts.headers.get("idempotency-key") {
        Some(value) if key_is_valid(value.as_bytes()) => value.to_str().ok().map(str::to_owned),
        Some(_) => return Err(Refusal::at("Idempotency-Key", Reason::IdempotencyKey).into()),
        None => None,
    };
    let _held = hold(&app, &parts).await.map_err(|_| Problem::busy())?;
    let files = files(&app, &parts, body).await?;
    let mut transmissions = Vec::with_capacity(files.len());
    for (file, n) in files.into_iter().zip(0usize..) {
        let key = key.as_ref().map(|key| format!("{key}\0{n}"));
        transmissions.push(if options.dry_run {
            tried(&app, &caller, file).await?
        } else {
            taken(&app, &caller, file, key).await?
        });
    }
    let all = |outcome: &str| transmissions.iter().all(|one| one.outcome == outcome);
    let status = if transmissions.iter().any(|one| one.outcome == "accepted") {
        StatusCode::CREATED
    } else if transmissions.iter().all(|one| one.retry_after_s.is_some()) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if all("refused") && !options.dry_run {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(Sent { transmissions })).into_response())
}

async fn files(app: &App, parts: &Parts, body: Body) -> Result<Vec<File>, Problem> {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let files = if content_type.to_ascii_lowercase().starts_with("multipart/") {
        let form = Form::read(app, parts, body).await;
        form.map_err(|why| Problem::request("", unusable(why).message, "The form cannot be used."))?.files
    } else {
        let bytes_max = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).min(app.limits.body_bytes_max);
        let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
        let bytes = Incoming::new(body, bytes_max, idle_max).whole().await.map_err(Refusal::from)?;
        let name = parts.headers.get("archiland-name").map_or(&b"pes.xml"[..], |value| value.as_bytes());
        vec![File { field: String::new(), name: name.to_vec(), bytes: bytes.into() }]
    };
    if files.is_empty() {
        return Err(Problem::request("", "Aucun fichier dans l'envoi.", "No file was sent."));
    }
    Ok(files)
}

/// Takes a file in, and says what became of it.
async fn taken(app: &App, caller: &Caller, file: File, key: Option<String>) -> Result<SentOne, Problem> {
    let name = shown(&file);
    if file.bytes.is_empty() {
        let refused = refused("empty-payload", "Le fichier présenté est vide (0 octet)");
        return Ok(told(app, caller, name, refused));
    }
    let intake = Intake {
        app: app.clone(),
        caller: caller.clone(),
        envelope: file,
        signature: None,
        state: first_state(app),
        key,
    };
    // To its end, whatever becomes of the client.
    let taken = tokio::spawn(intake.take()).await.map_err(|error| Problem::internal(&error))?;
    let (number, fault, outcome) = match taken {
        Ok(Taken::New { number, fault: None }) => (number, None, "accepted"),
        Ok(Taken::New { number, fault }) => (number, fault, "refused"),
        Ok(Taken::Before(number)) => (number, None, "before"),
        Err(refused) => return Ok(told(app, caller, name, refused)),
    };
    let row = super::row(app, number).await?.ok_or_else(Problem::not_found)?;
    let receipt = match row.archive.as_deref() {
        Some(archive) => Some(receipt(app, archive).await?),
        None => None,
    };
    Ok(SentOne {
        file: name,
        outcome,
        transaction: Some(number),
        state: Some(row.state()),
        code: fault.map(str::to_owned),
        detail: fault.map(|_| row.message().to_owned()),
        archive: row.archive,
        receipt,
        ..SentOne::default()
    })
}

async fn receipt(app: &App, archive: &str) -> Result<serde_json::Value, Problem> {
    let ark: Ark = archive.parse().map_err(|error| Problem::internal(&error))?;
    let receipt = receipts::load(app, ark.index()).await?;
    let json = receipt.to_json().map_err(|error| Problem::internal(&error))?;
    serde_json::from_slice(&json).map_err(|error| Problem::internal(&error))
}

fn told(app: &App, caller: &Caller, file: String, refused: Refused) -> SentOne {
    if let Some(code) = refused.journal {
        app.refusals.record(&caller.agency, &caller.actor, code, &refused.message, app.clock.now());
    }
    let code = refused.journal.unwrap_or("unavailable").to_owned();
    let (detail, retry_after_s) = (Some(refused.message), refused.retry_after_s);
    SentOne { file, outcome: "refused", code: Some(code), detail, retry_after_s, ..SentOne::default() }
}

/// What would become of a file: looked at as if it were taken, and nothing of it is kept.
async fn tried(app: &App, caller: &Caller, file: File) -> Result<SentOne, Problem> {
    let (name, bytes, today) = (shown(&file), file.bytes.clone(), super::import::today(app));
    let refused = |code: &str, detail: String| SentOne {
        file: name.clone(),
        outcome: "refused",
        code: Some(code.to_owned()),
        detail: Some(detail),
        ..SentOne::default()
    };
    let looking = tokio::task::spawn_blocking(move || {
        (hex::encode(Sha1::digest(&bytes)), helios::inspect(&bytes, &today).map(|inspected| inspected.flow))
    });
    let (sha1, inspected) = looking.await.map_err(|error| Problem::internal(&error))?;
    if let Some(number) = with(app, &caller.agency, Own::Sha1(sha1)).await? {
        return Ok(SentOne { file: name, outcome: "before", transaction: Some(number), ..SentOne::default() });
    }
    let flow = match inspected {
        Ok(flow) => flow,
        Err(fault) => return Ok(refused(fault.code(), fault.to_string())),
    };
    let own = Own::Name(flow.nom_fic.unwrap_or_default(), flow.cod_col.unwrap_or_default());
    if with(app, &caller.agency, own).await?.is_some() {
        return Ok(refused(Fault::Seen.code(), Fault::Seen.to_string()));
    }
    let mut signed = Collected::new(app, "pes-aller");
    signed.begin(&name);
    signed.take(app, &file.bytes);
    match signed.judge(app).await {
        Ok(_) => Ok(SentOne { file: name, outcome: "acceptable", ..SentOne::default() }),
        Err(halt) => {
            let problem = match halt {
                Halt::Refused(refusal) => Problem::from(refusal),
                Halt::Failed(problem) => return Err(problem),
            };
            Ok(refused(problem.code.as_str(), problem.detail))
        }
    }
}

fn shown(file: &File) -> String {
    file_name(&file.name).unwrap_or_else(|_| "pes.xml".to_owned())
}
