//! `/medona`: transfers as Maarch's clients speak to Maarch RM, MaarchCourrier first.
//!
//! | request | what |
//! |---|---|
//! | `POST /archiveTransfer` | JSON: `messageFile` (base64) is a zip with `<filename>.xml` at its root, or the bordereau with `attachments` beside it |
//! | `GET /message/reference?reference=<id>_Ack` | the acknowledgement: `messageId` |
//! | `GET /message/reference?reference=<id>` | how far the transfer is: `status`, then `replyMessage` |
//! | `GET /message/{messageId}/Export` | a zip with `<messageId>.xml` |
//!
//! The cookie `LAABS-AUTH` carries the token. Anything but 200 is a failure, told by `message`.

use super::auth::{self, Caller};
use super::body::Incoming;
use super::problem::Problem;
use super::services::App;
use super::transfers::{self, ACKNOWLEDGED, Arrival, Arriving, Dialect, Found, Held, REPLIED, Received, Spooled};
use crate::admission::{Reason, Refusal};
use crate::package::Scope;
use crate::receipt::zipped;
use crate::transfer::container::{Container, Kind, Limits};
use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{CONTENT_TYPE, COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

pub(super) const TRANSFERS: &str = "/medona/archiveTransfer";
/// As older clients write it.
pub(super) const TRANSFERS_TOO: &str = "/medona/Archivetransfer";

/// The longest message taken, in bytes: it is held in memory, as is what it carries in base64.
const MESSAGE_BYTES_MAX: u64 = 128 << 20;

/// Every route of the interface.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(TRANSFERS, post(send))
        .route(TRANSFERS_TOO, post(send))
        .route("/medona/message/reference", get(reference))
        .route("/medona/message/{message}/Export", get(export))
}

/// What went wrong, as these clients show it.
struct Failure(Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self(Refusal::from(reason).into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0.code.status(), axum::Json(json!({ "message": self.0.detail }))).into_response()
    }
}

/// A message as it is sent.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "messageFile")]
    content: String,
    #[serde(default)]
    filename: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    data: String,
    filename: String,
}

fn caller(app: &App, headers: &HeaderMap, scopes: &[Scope]) -> Result<Caller, Problem> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let secret = cookies
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix("LAABS-AUTH="))
        .map(|value| percent_encoding::percent_decode_str(&value.replace('+', " ")).collect::<Vec<u8>>());
    let caller = auth::by_secret(app, secret.as_deref())?;
    caller.require(scopes)?;
    Ok(caller)
}

async fn send(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let caller = caller(&app, &parts.headers, &[Scope::Deposit])?;
    let limits = &app.limits;
    let bytes_max = limits.body_bytes_max.min(MESSAGE_BYTES_MAX);
    let kib = u32::try_from(bytes_max / 1024).unwrap_or(u32::MAX);
    let Ok(_held) = app.buffers.clone().try_acquire_many_owned(kib.min(length_kib(&parts.headers))) else {
        return Err(Problem::busy().into());
    };
    let body = Incoming::new(body, bytes_max, Duration::from_millis(limits.body_idle_ms_max)).whole().await?;
    let received = receive(&app, body).await.map_err(Problem::from)?;
    let (agency, actor) = (&caller.agency, &caller.actor);
    let identifier = match received.enter(&app, agency, actor).await? {
        // The acknowledgement is asked for at once.
        Found::Running(operation) => {
            transfers::read_head(&app, &operation).await?;
            operation.head().and_then(|head| head.identifier.clone())
        }
        Found::Ended(index) => {
            let record = transfers::record(&app, index).await?;
            record.deposit().and_then(|deposit| deposit.transfer.as_ref()?.message.clone())
        }
    };
    Ok(axum::Json(json!({ "messageId": identifier, "status": "received" })).into_response())
}

/// What a message of this length takes, in KiB; one that does not say is taken for a short one.
fn length_kib(headers: &HeaderMap) -> u32 {
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    u32::try_from(length.unwrap_or(1 << 20).div_ceil(1024)).unwrap_or(u32::MAX)
}

async fn receive(app: &App, body: Vec<u8>) -> Result<Received, Arrival> {
    let decoding = tokio::task::spawn_blocking(move || {
        let message: Message = serde_json::from_slice(&body).map_err(|e| Reason::MetadataSyntax {
            detail: "{ messageFile, filename, schema } attendu".into(),
            line: e.line(),
            column: e.column(),
        })?;
        let content = decode(&message.content)?;
        let attachments = match message.attachments.as_slice() {
            [] => None,
            attachments => Some(packed(attachments)?),
        };
        Ok::<_, Reason>((content, message.filename, attachments))
    });
    let (content, filename, attachments) = decoding.await.map_err(|e| Problem::internal(&e))??;
    let package = spool(app, &filename, content).await?;
    let mut held = Held::new(&app.operations.spool);
    held.hold(&package);
    let attachments = match attachments {
        Some(attachments) => Some(spool(app, "attachments.tar", attachments).await?),
        None => None,
    };
    let path = app.operations.spool.join(&package.file);
    let looking = tokio::task::spawn_blocking(move || bordereau(&path, &filename));
    let flat = looking.await.map_err(|e| Problem::internal(&e))?;
    held.keep();
    Ok(Received { package, attachments, test: false, dialect: Dialect::Maarch, flat })
}

fn decode(text: &str) -> Result<Vec<u8>, Reason> {
    let plain: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(plain).map_err(|_| Reason::Multipart("contenu illisible en base64".into()))
}

/// The attachments of a bordereau, as one tar: they are then judged as any package is.
fn packed(attachments: &[Attachment]) -> Result<Vec<u8>, Reason> {
    let mut packed = tar::Builder::new(Vec::new());
    for attachment in attachments {
        let content = decode(&attachment.data)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o444);
        header.set_entry_type(tar::EntryType::Regular);
        let name = |e: std::io::Error| Reason::Multipart(format!("nom de pièce jointe refusé ({e})"));
        packed.append_data(&mut header, &attachment.filename, content.as_slice()).map_err(name)?;
    }
    packed.into_inner().map_err(|_| Reason::Multipart("pièces jointes illisibles".into()))
}

async fn spool(app: &App, name: &str, content: Vec<u8>) -> Result<Spooled, Arrival> {
    let mut arriving = Arriving::begin(&app.operations.spool, name).await?;
    arriving.write(&content.into()).await?;
    arriving.end().await
}

/// The bordereau of a package that has no `content` folder: the one named after the message, or the only one at its root.
fn bordereau(package: &std::path::Path, filename: &str) -> Option<String> {
    let container = Container::open(package, Limits::default()).ok()?;
    if container.kind == Kind::Bordereau {
        return None;
    }
    let root = || container.members.iter().filter(|member| !member.folder && !member.name.contains('/'));
    let named = format!("{filename}.xml");
    let found = root().find(|member| member.name == named || member.name == filename);
    let standard = || root().any(|member| member.name.ends_with("manifest.xml"));
    let found = match found {
        Some(found) => Some(found),
        None if standard() => None,
        None => {
            root().find(|member| member.name.to_ascii_lowercase().rsplit_once('.').is_some_and(|(_, end)| end == "xml"))
        }
    };
    found.map(|member| member.name.clone())
}

/// How far a message is, by the reference its sender gave it.
async fn reference(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let caller = caller(&app, &headers, &[Scope::Deposit, Scope::Read])?;
    let reference = query.as_deref().and_then(|query| query.split('&').find_map(|p| p.strip_prefix("reference=")));
    let reference = reference.unwrap_or_default().replace('+', " ");
    let reference = percent_encoding::percent_decode_str(&reference).decode_utf8_lossy().into_owned();
    let found = transfers::of_message(&app, &caller.agency, &reference).await?;
    if let Some(found) = found {
        return Ok(axum::Json(told(&app, &reference, &found).await?).into_response());
    }
    for suffix in [ACKNOWLEDGED, REPLIED] {
        let Some(message) = reference.strip_suffix(suffix) else { continue };
        let found = transfers::of_message(&app, &caller.agency, message).await?;
        let there = match &found {
            Some(Found::Ended(_)) => true,
            Some(Found::Running(_)) => suffix == ACKNOWLEDGED,
            None => false,
        };
        if there {
            let said = json!({ "messageId": reference, "reference": reference, "status": "processed" });
            return Ok(axum::Json(said).into_response());
        }
    }
    Err(Problem::not_found().into())
}

async fn told(app: &App, reference: &str, found: &Found) -> Result<serde_json::Value, Problem> {
    let Found::Ended(index) = found else {
        return Ok(json!({ "messageId": reference, "reference": reference, "status": "processing" }));
    };
    let record = transfers::record(app, *index).await?;
    let outcome = record.deposit().and_then(|d| Some(d.transfer.as_ref()?.outcome.clone())).unwrap_or_default();
    let status = if outcome == "KO" { "rejected" } else { "processed" };
    let reply = format!("{reference}{REPLIED}");
    Ok(json!({
        "messageId": reference,
        "reference": reference,
        "status": status,
        "replyMessage": { "messageId": reply, "reference": reply },
    }))
}

/// A message of the archive's, zipped.
async fn export(State(app): State<App>, headers: HeaderMap, Path(message): Path<String>) -> Result<Response, Failure> {
    let caller = caller(&app, &headers, &[Scope::Deposit, Scope::Read])?;
    let asked = [(ACKNOWLEDGED, "acknowledgement"), (REPLIED, "reply")];
    let (of, document) = asked
        .into_iter()
        .find_map(|(suffix, document)| Some((message.strip_suffix(suffix)?, document)))
        .ok_or_else(Problem::not_found)?;
    let content = match transfers::of_message(&app, &caller.agency, of).await? {
        Some(Found::Running(operation)) if document == "acknowledgement" => {
            transfers::acknowledgement(&operation).ok_or_else(Problem::not_found)?.into_bytes()
        }
        Some(Found::Ended(index)) => {
            let record = transfers::record(&app, index).await?;
            let payload = transfers::message(&record, document).ok_or_else(Problem::not_found)?;
            transfers::content(&app, payload).await?.to_vec()
        }
        _ => return Err(Problem::not_found().into()),
    };
    // One component, whatever the reference: it names the member.
    let name = format!("{}.xml", message.replace(['/', '\\'], "_"));
    let zip = zipped(&name, &content).ok_or_else(|| Problem::internal(&"message trop long pour un zip"))?;
    Ok((StatusCode::OK, [(CONTENT_TYPE, "application/zip")], zip).into_response())
}
