//! `/restservices`: transfers as as@lae's clients speak, Pastell's connector first.
//!
//! | request | what |
//! |---|---|
//! | `GET /ping`, `GET /versions` | JSON |
//! | `POST /sedaMessages` | multipart: `seda_message`, and `attachments` or `send_chunked_attachments=true` |
//! | `POST /sedaAttachmentsChunkFiles` | multipart: a piece of the attachments |
//! | `GET /sedaMessages/sequence:ArchiveTransfer/message:{…}/originOrganizationIdentification:{…}/originMessageIdentifier:{…}` | the acknowledgement or the reply |
//!
//! HTTP Basic, the password as its SHA-256 in hexadecimal. Anything but 200 is a failure for these clients: a reply that is
//! not there yet is 500, and they ask again. The reply has the codes of SEDA 1.0 in every version: 000 is what they look for.

mod chunks;

pub(super) use chunks::Sessions;

use super::auth::{self, Caller};
use super::body::Incoming;
use super::problem::Problem;
use super::services::App;
use super::transfers::{self, Arrival, Arriving, Dialect, Form, Found, Held, Received, Spooled};
use crate::admission::{Reason, Refusal};
use crate::package::Scope;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use std::time::Duration;

pub(super) const MESSAGES: &str = "/restservices/sedaMessages";
pub(super) const CHUNKS: &str = "/restservices/sedaAttachmentsChunkFiles";

/// The longest field that is no file, in bytes.
const FIELD_BYTES_MAX: usize = 1024;

/// Every route of the interface.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/restservices/ping", get(ping).post(ping))
        .route("/restservices/versions", get(versions).post(versions))
        .route(MESSAGES, post(send))
        .route(CHUNKS, post(chunk))
        .route("/restservices/sedaMessages/{sequence}/{message}/{organization}/{identifier}", get(fetch))
}

/// What went wrong, as these clients show it: a sentence, and a status that is not 200.
struct Failure(Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Arrival> for Failure {
    fn from(arrival: Arrival) -> Self {
        Self(arrival.into())
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self(Refusal::from(reason).into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.0.code.status();
        let mut response = (status, self.0.detail).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"archiland\""));
        }
        response
    }
}

fn not_ready(why: &str) -> Response {
    let mut response = (StatusCode::INTERNAL_SERVER_ERROR, why.to_owned()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn caller(app: &App, headers: &HeaderMap, scopes: &[Scope]) -> Result<Caller, Problem> {
    let credentials = auth::basic(headers);
    let caller = auth::by_secret(app, credentials.as_ref().map(|(_, password)| password.as_bytes()))?;
    // The password says who; a login of somebody else's is a mistake in the configuration.
    if credentials.is_none_or(|(login, _)| !caller.is_named(&login)) {
        return Err(Problem::new(
            super::Code::Unauthenticated,
            "L'identifiant n'est pas celui de ce mot de passe : donnez le code de l'organisme, ou le nom du jeton.",
            "The login is not that of this password: give the agency's code, or the token's name.",
        ));
    }
    caller.require(scopes)?;
    Ok(caller)
}

async fn ping(State(app): State<App>, headers: HeaderMap) -> Result<Response, Failure> {
    caller(&app, &headers, &[Scope::Deposit, Scope::Read])?;
    Ok(axum::Json("webservices as@lae accessibles").into_response())
}

async fn versions(State(app): State<App>, headers: HeaderMap) -> Result<Response, Failure> {
    caller(&app, &headers, &[Scope::Deposit, Scope::Read])?;
    let version = concat!("archiland ", env!("CARGO_PKG_VERSION"));
    let said = json!({ "application": "as@lae", "denomination": app.archive.origin, "version": version });
    Ok(axum::Json(said).into_response())
}

/// A transfer: the bordereau, and its attachments now or by pieces.
async fn send(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let caller = caller(&app, &parts.headers, &[Scope::Deposit])?;
    let limits = &app.limits;
    let mut incoming = Incoming::new(body, limits.body_bytes_max, Duration::from_millis(limits.body_idle_ms_max));
    let sent = match message(&app, &parts.headers, &mut incoming).await {
        Ok(sent) => sent,
        Err(failure) => {
            incoming.drain().await;
            return Err(failure);
        }
    };
    if sent.chunked {
        let (session, security) = app.sessions.open(&app, &caller.agency, sent.message)?;
        let said = json!({ "chunk_session_identifier": session, "chunk_security_identifier": security });
        return Ok(axum::Json(said).into_response());
    }
    enter(&app, &caller, sent.message, sent.attachments).await
}

struct Sent {
    message: Spooled,
    attachments: Option<Spooled>,
    chunked: bool,
}

async fn message(app: &App, headers: &HeaderMap, incoming: &mut Incoming) -> Result<Sent, Failure> {
    let spool = app.operations.spool.clone();
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut form = Form::new(media, incoming)?;
    let (mut message, mut attachments, mut chunked) = (None, None, false);
    let mut held = Held::new(&spool);
    while let Some((field, name)) = form.part().await? {
        let slot = match field.as_str() {
            "seda_message" => &mut message,
            "attachments" => &mut attachments,
            "send_chunked_attachments" => {
                chunked = matches!(form.text(FIELD_BYTES_MAX).await?.as_str(), "true" | "1");
                continue;
            }
            _ => {
                // Fields of other versions of the connector.
                form.text(FIELD_BYTES_MAX).await?;
                continue;
            }
        };
        let mut arriving = Arriving::begin(&spool, &name).await?;
        while let Some(data) = form.data().await? {
            arriving.write(&data).await?;
        }
        let spooled = arriving.end().await?;
        held.hold(&spooled);
        *slot = Some(spooled);
    }
    let message = message.ok_or_else(|| Problem::from(Refusal::at("seda_message", Reason::NoPayload)))?;
    held.keep();
    Ok(Sent { message, attachments, chunked })
}

async fn enter(
    app: &App,
    caller: &Caller,
    package: Spooled,
    attachments: Option<Spooled>,
) -> Result<Response, Failure> {
    let received = Received { package, attachments, test: false, dialect: Dialect::Asalae, flat: None };
    if let Found::Running(operation) = received.enter(app, &caller.agency, &caller.actor).await? {
        // From now on the message can be asked about by its identifier.
        transfers::read_head(app, &operation).await?;
    }
    Ok(axum::Json("ok").into_response())
}

/// A piece of the attachments; with the last one the transfer begins.
async fn chunk(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let caller = caller(&app, &parts.headers, &[Scope::Deposit])?;
    let limits = &app.limits;
    let mut incoming = Incoming::new(body, limits.body_bytes_max, Duration::from_millis(limits.body_idle_ms_max));
    let piece = match chunks::receive(&app, &parts.headers, &mut incoming).await {
        Ok(piece) => piece,
        Err(arrival) => {
            incoming.drain().await;
            return Err(arrival.into());
        }
    };
    match app.sessions.add(&app, &caller.agency, piece).await? {
        Some((message, attachments)) => enter(&app, &caller, message, Some(attachments)).await,
        None => Ok(axum::Json("ok").into_response()),
    }
}

/// The acknowledgement or the reply of a transfer.
async fn fetch(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let caller = caller(&app, request.headers(), &[Scope::Deposit, Scope::Read])?;
    let Some((kind, identifier)) = asked(request.uri().path()) else { return Err(Problem::not_found().into()) };
    let document = match kind.as_str() {
        "Acknowledgement" => "acknowledgement",
        "ArchiveTransferReply" => "reply",
        _ => return Err(Problem::not_found().into()),
    };
    match transfers::of_message(&app, &caller.agency, &identifier).await? {
        None => Ok(not_ready("Aucun transfert de cet identifiant n'a été reçu.")),
        Some(Found::Running(operation)) => match transfers::acknowledgement(&operation) {
            Some(text) if document == "acknowledgement" => Ok(xml(text.into())),
            _ => Ok(not_ready("Le transfert est en cours de traitement : la réponse n'est pas encore disponible.")),
        },
        Some(Found::Ended(index)) => {
            let record = transfers::record(&app, index).await?;
            let payload = transfers::message(&record, document).ok_or_else(Problem::not_found)?;
            Ok(xml(transfers::content(&app, payload).await?))
        }
    }
}

fn xml(content: bytes::Bytes) -> Response {
    ([(CONTENT_TYPE, "application/xml")], content).into_response()
}

/// The message and the identifier asked for: the last segments of the path, `name:value`, as PHP's `urlencode` writes them.
fn asked(path: &str) -> Option<(String, String)> {
    let value = |segment: &str, name: &str| {
        let segment = segment.replace('+', " ");
        let segment = percent_encoding::percent_decode_str(&segment).decode_utf8().ok()?.into_owned();
        segment.strip_prefix(name)?.strip_prefix(':').map(str::to_owned)
    };
    let segments: Vec<&str> = path.strip_prefix(MESSAGES)?.trim_start_matches('/').split('/').collect();
    let [sequence, message, _, identifier] = segments.as_slice() else { return None };
    value(sequence, "sequence").filter(|sequence| sequence == "ArchiveTransfer")?;
    Some((value(message, "message")?, value(identifier, "originMessageIdentifier")?))
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn paths_as_php_writes_them() {
        let path = "/restservices/sedaMessages/sequence:ArchiveTransfer/message:Acknowledgement/originOrganizationIdentification:FRAD000/originMessageIdentifier:a+b%2Bc%2Fd";
        assert_eq!(asked(path), Some(("Acknowledgement".to_owned(), "a b+c/d".to_owned())));
        assert_eq!(asked("/restservices/sedaMessages/sequence:X/message:Y/o:1/originMessageIdentifier:z"), None);
    }
}
