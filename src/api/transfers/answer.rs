//! `/v1/transfers`: what the sender sees of a transfer.

use super::job::{Dialect, Job};
use super::operations::{Found, Operation, Progress, Stage};
use super::process;
use super::spool::{Arrival, Arriving, Held, Spooled, full};
use crate::admission::multipart::{Event as Part, MultipartError, Parser};
use crate::admission::{Reason, Refusal, decode_header};
use crate::api::auth::Caller;
use crate::api::body::Incoming;
use crate::api::code::Code;
use crate::api::deposits::{agency_of, name_of};
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::clock::format_record_time;
use crate::package::{Ark, Payload, Record, Scope, Transfer};
use crate::search::{Audience, Order, Query};
use crate::transfer::event::{Event, Outcome, Report};
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// The longest a sender may ask to wait for the outcome, in seconds.
const WAIT_S_MAX: u64 = 600;
/// The longest message read back at once: replies name every unit.
const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// A transfer, as far as it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct OperationDocument {
    /// The operation's identifier.
    operation: String,
    /// How far it is.
    state: Stage,
    /// `OK`, `WARNING` or `KO`, once it has ended; after `Test ` when only the checks were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    /// Whose.
    agency: String,
    /// `MessageIdentifier`, once read.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// When it was received, or ended.
    time: String,
    /// Checks done so far.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Event>,
    /// Units archived so far.
    units_done: u32,
    /// Units to be archived.
    units: u32,
    /// Why it waits; it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// The transfer's own archive (ARK), once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
    /// Where its receipt is.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    /// Where its messages are: `acknowledgement`, `reply`, `reply.p7s`, `report`, `manifest`, `units`.
    #[schema(value_type = Vec<String>)]
    documents: Vec<String>,
}

/// Takes a SEDA package in. Checked and archived afterwards: follow the operation, or wait for it.
#[utoipa::path(
    post,
    path = "/v1/transfers",
    tag = "transfers",
    request_body(
        description = "The package (zip, tar, tar.gz, tar.bz2) as the body; or `multipart/form-data` with one file `sip`, or a bordereau `manifest` and its `attachments` (a package). Streamed.",
        content((String = "application/octet-stream"), (String = "multipart/form-data")),
    ),
    params(
        ("test" = Option<bool>, Query, description = "Only the checks: nothing is archived but the outcome."),
        ("wait" = Option<u64>, Query, description = "Seconds to wait for the outcome, 600 at most; `Prefer: wait=N` likewise."),
        ("Archiland-Name" = Option<String>, Header, description = "File name of the package (percent-encoded)."),
        ("Archiland-Agency" = Option<String>, Header, description = "The agency, when it is not the token's (admin)."),
    ),
    responses(
        (status = 202, description = "Received.", body = OperationDocument, headers(("Location" = String, description = "The operation."))),
        (status = 201, description = "Waited for, and accepted.", body = OperationDocument),
        (status = 200, description = "Ended: accepted before, refused, or a test.", body = OperationDocument),
        (status = "4XX", description = "Not received.", body = crate::api::openapi::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not now; send it again.", body = crate::api::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(in crate::api) async fn create(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit])?;
    let (parts, body) = request.into_parts();
    let asked = Asked::parse(query.as_deref().unwrap_or_default(), &parts.headers)?;
    let named = parts.headers.get("archiland-agency").map(|v| decode_header("Archiland-Agency", v.as_bytes()));
    let agency = agency_of(&app, &caller, named.transpose()?)?;
    let limits = &app.limits;
    let mut incoming = Incoming::new(body, limits.body_bytes_max, Duration::from_millis(limits.body_idle_ms_max));
    let (package, attachments) = match receive(&app, &parts.headers, &mut incoming).await {
        Ok(received) => received,
        Err(arrival) => {
            incoming.drain().await;
            return Err(arrival.into());
        }
    };
    let order = Received { package, attachments, test: asked.test, dialect: Dialect::Standard, flat: None };
    match order.enter(&app, &agency, &caller.actor).await? {
        Found::Ended(index) => Ok((StatusCode::OK, axum::Json(ended(&app, index).await?)).into_response()),
        Found::Running(operation) => respond(&app, &operation, asked.wait).await,
    }
}

async fn respond(app: &App, operation: &Arc<Operation>, wait: Duration) -> Result<Response, Problem> {
    let location = format!("/v1/transfers/{}", operation.job.operation);
    let (status, document) = match outcome(operation, wait).await {
        Some(index) => {
            let document = ended(app, index).await?;
            let accepted = matches!(document.outcome.as_deref(), Some("OK" | "WARNING"));
            (if accepted { StatusCode::CREATED } else { StatusCode::OK }, document)
        }
        None => (StatusCode::ACCEPTED, running(operation)),
    };
    let mut response = (status, axum::Json(document)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Waits for the end of an operation; the index of its record.
pub(in crate::api) async fn outcome(operation: &Operation, wait: Duration) -> Option<u64> {
    let mut progress = operation.progress.subscribe();
    let ended = timeout(wait, progress.wait_for(|progress| progress.index.is_some())).await;
    ended.ok()?.ok()?.index
}

/// What the query and the headers ask for.
struct Asked {
    test: bool,
    wait: Duration,
}

impl Asked {
    fn parse(query: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let prefer = headers.get("prefer").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let preferred = prefer.split([',', ';']).find_map(|item| item.trim().strip_prefix("wait=")?.parse().ok());
        let mut asked = Self { test: false, wait: Duration::from_secs(preferred.unwrap_or(0).min(WAIT_S_MAX)) };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let wrong = |detail: &str| Problem::request(pair, detail.to_owned(), "Wrong query parameter.");
            match pair.split_once('=').unwrap_or((pair, "true")) {
                ("test", "1" | "true") => asked.test = true,
                ("test", "0" | "false") => {}
                ("wait", "true") => asked.wait = Duration::from_secs(WAIT_S_MAX),
                ("wait", seconds) => {
                    let seconds: u64 = seconds.parse().map_err(|_| wrong("« wait » : nombre de secondes attendu."))?;
                    asked.wait = Duration::from_secs(seconds.min(WAIT_S_MAX));
                }
                _ => return Err(wrong("Paramètre inconnu : « test » ou « wait » attendu.")),
            }
        }
        Ok(asked)
    }
}

/// A transfer whole on the spool.
#[derive(Debug)]
pub(in crate::api) struct Received {
    pub(in crate::api) package: Spooled,
    pub(in crate::api) attachments: Option<Spooled>,
    pub(in crate::api) test: bool,
    pub(in crate::api) dialect: Dialect,
    pub(in crate::api) flat: Option<String>,
}

impl Received {
    /// Makes it an operation, durably, and lets it go on; what was accepted before, or is under way, is found again.
    pub(in crate::api) async fn enter(self, app: &App, agency: &str, actor: &str) -> Result<Found, Problem> {
        let Self { package, attachments, test, dialect, flat } = self;
        let mut operation = Job::operation_of(agency, &package, attachments.as_ref(), test);
        let known = find(app, agency, &operation).await?;
        if let Some(Found::Ended(index)) = &known {
            // A refusal is no promise: what was wrong here may have been mended since.
            let record = record(app, *index).await?;
            let accepted = transfer(&record).is_some_and(|t| matches!(t.outcome.as_str(), "OK" | "WARNING"));
            if accepted {
                discard(app, &package, attachments.as_ref());
                return Ok(Found::Ended(*index));
            }
            operation = Uuid::now_v7().to_string();
        }
        let job = Job {
            v: 1,
            operation,
            agency: agency.to_owned(),
            actor: actor.to_owned(),
            received: format_record_time(app.clock.now()),
            package,
            attachments,
            test,
            dialect,
            flat,
        };
        let Some((operation, new)) = app.operations.take(job.clone()) else {
            discard(app, &job.package, job.attachments.as_ref());
            return Err(Problem::busy());
        };
        if !new {
            discard(app, &job.package, job.attachments.as_ref());
            return Ok(Found::Running(operation));
        }
        let spool = app.operations.spool.clone();
        let written = tokio::task::spawn_blocking(move || job.write(&spool).inspect_err(|_| job.forget(&spool))).await;
        if let Err(error) = written.map_err(std::io::Error::other).flatten() {
            app.operations.leave(&operation);
            return Err(full(&error));
        }
        process::start(app, operation.clone());
        Ok(Found::Running(operation))
    }
}

fn discard(app: &App, package: &Spooled, attachments: Option<&Spooled>) {
    for spooled in std::iter::once(package).chain(attachments) {
        // The next start deletes what is left.
        let _ = std::fs::remove_file(app.operations.spool.join(&spooled.file));
    }
}

async fn receive(
    app: &App,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<(Spooled, Option<Spooled>), Arrival> {
    let spool = &app.operations.spool;
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !media.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        let name = headers.get("archiland-name").map(|v| decode_header("Archiland-Name", v.as_bytes())).transpose()?;
        let mut arriving = Arriving::begin(spool, name.as_deref().unwrap_or("sip")).await?;
        while let Some(chunk) = incoming.chunk().await? {
            arriving.write(&chunk).await?;
        }
        return Ok((arriving.end().await?, None));
    }
    let mut form = Form::new(media, incoming)?;
    let (mut package, mut attachments, mut held) = (None, None, Held::new(spool));
    while let Some((field, name)) = form.part().await? {
        let slot = match field.as_str() {
            "sip" | "manifest" if package.is_none() => &mut package,
            "attachments" if attachments.is_none() => &mut attachments,
            _ => return Err(Reason::Multipart(format!("partie « {} » inattendue ou en double", shown(&field))).into()),
        };
        let mut arriving = Arriving::begin(spool, &name).await?;
        while let Some(data) = form.data().await? {
            arriving.write(&data).await?;
        }
        let spooled = arriving.end().await?;
        held.hold(&spooled);
        *slot = Some(spooled);
    }
    match package {
        Some(package) => {
            held.keep();
            Ok((package, attachments))
        }
        None => Err(Refusal::at("sip", Reason::NoPayload).into()),
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The parts of a multipart body, in their order.
pub(in crate::api) struct Form<'a> {
    parser: Box<Parser>,
    incoming: &'a mut Incoming,
}

impl<'a> Form<'a> {
    pub(in crate::api) fn new(media: &str, incoming: &'a mut Incoming) -> Result<Self, Reason> {
        let parser = Parser::new(media).map_err(|error| malformed(&error))?;
        Ok(Self { parser: Box::new(parser), incoming })
    }

    /// The next part: its field and its file name; the one before must have been read to its end.
    pub(in crate::api) async fn part(&mut self) -> Result<Option<(String, String)>, Reason> {
        match self.event().await? {
            Part::Part(head) => {
                let field = String::from_utf8_lossy(&head.name).into_owned();
                let name = head.file_name.map(|name| String::from_utf8_lossy(&name).into_owned());
                Ok(Some((field.clone(), name.unwrap_or(field))))
            }
            _ => Ok(None),
        }
    }

    /// The next bytes of the part.
    pub(in crate::api) async fn data(&mut self) -> Result<Option<Bytes>, Reason> {
        match self.event().await? {
            Part::Data(data) => Ok(Some(data)),
            _ => Ok(None),
        }
    }

    /// A short part, whole.
    pub(in crate::api) async fn text(&mut self, bytes_max: usize) -> Result<String, Reason> {
        let mut text = Vec::new();
        while let Some(data) = self.data().await? {
            if text.len() + data.len() > bytes_max {
                return Err(Reason::Multipart("champ trop long".into()));
            }
            text.extend_from_slice(&data);
        }
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }

    async fn event(&mut self) -> Result<Part, Reason> {
        loop {
            if let Some(event) = self.parser.next().map_err(|e| malformed(&e))? {
                return Ok(event);
            }
            match self.incoming.chunk().await? {
                Some(chunk) => self.parser.push(chunk),
                None => self.parser.end(),
            }
        }
    }
}

fn malformed(error: &MultipartError) -> Reason {
    match error {
        MultipartError::Cut => Reason::BodyCut,
        other => Reason::Multipart(other.to_string()),
    }
}

/// A transfer: how far it is, and every check done.
#[utoipa::path(
    get,
    path = "/v1/transfers/{id}",
    tag = "transfers",
    params(("id" = String, Path, description = "The operation, or the transfer's own archive (name part).")),
    responses(
        (status = 200, description = "The transfer.", body = OperationDocument),
        (status = "4XX", body = crate::api::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(in crate::api) async fn state(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<OperationDocument>, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Audit])?;
    Ok(axum::Json(match seen(&app, &caller, &id).await? {
        Found::Running(operation) => running(&operation),
        Found::Ended(index) => ended(&app, index).await?,
    }))
}

/// Gives a transfer up, as long as nothing of it is being archived.
#[utoipa::path(
    delete,
    path = "/v1/transfers/{id}",
    tag = "transfers",
    params(("id" = String, Path, description = "The operation.")),
    responses(
        (status = 202, description = "It ends as refused, unless it was being archived already."),
        (status = 409, body = crate::api::openapi::Problem, content_type = "application/problem+json", description = "Too late."),
        (status = "4XX", body = crate::api::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(in crate::api) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(&[Scope::Deposit])?;
    match seen(&app, &caller, &id).await? {
        Found::Running(operation) if operation.progress.borrow().stage < Stage::Storing => {
            operation.cancel();
            Ok(StatusCode::ACCEPTED)
        }
        _ => Err(Problem::new(
            Code::TransferBegun,
            "Ce transfert est archivé, ou en train de l'être : il ne peut plus être abandonné.",
            "This transfer is archived or being archived: it can no longer be given up.",
        )),
    }
}

/// A message of a transfer.
#[utoipa::path(
    get,
    path = "/v1/transfers/{id}/{document}",
    tag = "transfers",
    params(
        ("id" = String, Path, description = "The operation, or the transfer's own archive (name part)."),
        ("document" = String, Path, description = "`acknowledgement` (as soon as the bordereau is read), and once it has ended: `reply`, `reply.p7s` (the archive's seal, CMS), `report`, `manifest`, `units` (JSON lines)."),
    ),
    responses(
        (status = 200, description = "The document.", body = String, content_type = "application/xml"),
        (status = "4XX", body = crate::api::openapi::Problem, content_type = "application/problem+json", description = "Not found, not yet there, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(in crate::api) async fn document(
    State(app): State<App>,
    caller: Caller,
    Path((id, document)): Path<(String, String)>,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Audit])?;
    match seen(&app, &caller, &id).await? {
        Found::Running(operation) if document == "acknowledgement" => {
            let text = process::acknowledgement(&operation).ok_or_else(Problem::not_found)?;
            Ok(([(CONTENT_TYPE, "application/xml")], text).into_response())
        }
        Found::Running(_) => Err(Problem::new(
            Code::TransferUnderWay,
            "Le transfert est en cours de traitement : sa réponse n'est pas encore là.",
            "The transfer is being processed: its reply is not there yet.",
        )
        .retry_after(1)),
        Found::Ended(index) => {
            let record = record(&app, index).await?;
            let payload = message(&record, &document).ok_or_else(Problem::not_found)?;
            let stream = app.store.read(payload, 0..payload.size_bytes).await?;
            let mut response = Response::new(Body::from_stream(stream));
            let headers = response.headers_mut();
            if let Ok(media) = HeaderValue::from_str(&payload.media_type) {
                headers.insert(CONTENT_TYPE, media);
            }
            if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", payload.name)) {
                headers.insert(CONTENT_DISPOSITION, name);
            }
            Ok(response)
        }
    }
}

/// The payload of an ended transfer that is this document.
pub(in crate::api) fn message<'r>(record: &'r Record, document: &str) -> Option<&'r Payload> {
    let deposit = record.deposit()?;
    let documents = &deposit.transfer.as_deref()?.documents;
    let place = match document {
        "acknowledgement" => documents.acknowledgement?,
        "reply" => documents.reply,
        "reply.p7s" => documents.seal,
        "report" => documents.report,
        "manifest" => documents.manifest?,
        "units" => documents.units?,
        _ => return None,
    };
    deposit.payloads.get(place as usize)
}

/// The whole of a payload.
pub(in crate::api) async fn content(app: &App, payload: &Payload) -> Result<Bytes, Problem> {
    if payload.size_bytes > DOCUMENT_BYTES_MAX {
        return Err(Problem::internal(&"message trop long pour être relu d'un coup"));
    }
    let mut stream = app.store.read(payload, 0..payload.size_bytes).await?;
    let mut content = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        content.extend_from_slice(&chunk.map_err(|e| Problem::internal(&e))?);
    }
    Ok(content.freeze())
}

/// An operation that the caller may know of, by its identifier or by that of its archive.
async fn seen(app: &App, caller: &Caller, id: &str) -> Result<Found, Problem> {
    let ark =
        if id.starts_with("ark:") { id.parse() } else { format!("ark:/{}/{id}", app.archive.naan).parse::<Ark>() };
    let found = match ark {
        Ok(ark) if ark.naan() == app.archive.naan && ark.log() == app.archive.log => Some(Found::Ended(ark.index())),
        _ => find(app, &caller.agency, id).await?,
    };
    match found {
        Some(Found::Running(operation)) if caller.sees(&operation.job.agency) => Ok(Found::Running(operation)),
        Some(Found::Ended(index)) => {
            let record = record(app, index).await?;
            let visible = caller.sees(&record.agency) && transfer(&record).is_some();
            if visible { Ok(Found::Ended(index)) } else { Err(Problem::not_found()) }
        }
        _ => Err(Problem::not_found()),
    }
}

/// An operation: under way or just ended on this node, or in the log.
async fn find(app: &App, agency: &str, operation: &str) -> Result<Option<Found>, Problem> {
    if let Some(found) = app.operations.find(operation) {
        return Ok(Some(found));
    }
    let query = Query { operation: Some(operation.to_owned()), ..transfers_of(agency) };
    Ok(newest(app, query).await?.map(Found::Ended))
}

/// The latest transfer of a message, under way or ended.
pub(in crate::api) async fn of_message(app: &App, agency: &str, message: &str) -> Result<Option<Found>, Problem> {
    if let Some(found) = app.operations.of_message(agency, message) {
        return Ok(Some(found));
    }
    let external_id = crate::admission::cleaned(message, crate::admission::SHORT_CHARS_MAX);
    let query = Query { external_id: Some(external_id), ..transfers_of(agency) };
    Ok(newest(app, query).await?.map(Found::Ended))
}

fn transfers_of(agency: &str) -> Query {
    Query {
        document_type: Some(super::TRANSFER_TYPE.to_owned()),
        order: Order::NewestFirst,
        limit: 1,
        ..Query::new(Audience::Agency(agency.to_owned()))
    }
}

async fn newest(app: &App, query: Query) -> Result<Option<u64>, Problem> {
    let app = app.clone();
    let page = tokio::task::spawn_blocking(move || app.search.find(&query)).await;
    let page = page.map_err(|e| Problem::internal(&e))?.map_err(|e| Problem::internal(&e))?;
    Ok(page.hits.first().map(|hit| hit.index))
}

/// A record of the log.
pub(in crate::api) async fn record(app: &App, index: u64) -> Result<Record, Problem> {
    let bytes = app.log.record(index, app.log_size()).await?.ok_or_else(Problem::not_found)?;
    Record::parse(&bytes).map_err(|e| Problem::internal(&e))
}

fn transfer(record: &Record) -> Option<&Transfer> {
    record.deposit()?.transfer.as_deref()
}

fn running(operation: &Operation) -> OperationDocument {
    let Progress { stage, units, trouble, .. } = operation.progress.borrow().clone();
    let id = &operation.job.operation;
    let message = operation.head().and_then(|head| head.identifier.clone());
    OperationDocument {
        operation: id.clone(),
        state: stage,
        outcome: None,
        agency: operation.job.agency.clone(),
        documents: message.iter().map(|_| format!("/v1/transfers/{id}/acknowledgement")).collect(),
        message,
        time: operation.job.received.clone(),
        events: operation.events(),
        units_done: units.0,
        units: units.1,
        trouble,
        archive: None,
        receipt: None,
    }
}

async fn ended(app: &App, index: u64) -> Result<OperationDocument, Problem> {
    let record = record(app, index).await?;
    let transfer = transfer(&record).ok_or_else(Problem::not_found)?;
    let report = match message(&record, "report") {
        Some(payload) => serde_json::from_slice(&content(app, payload).await?).ok(),
        None => None,
    };
    let report = report.unwrap_or(Report { outcome: Outcome::Ok, version: None, events: Vec::new() });
    let archive = app.ark(index);
    let name = name_of(&archive);
    let known = ["acknowledgement", "reply", "reply.p7s", "report", "manifest", "units"];
    let there = known.into_iter().filter(|document| message(&record, document).is_some());
    Ok(OperationDocument {
        documents: there.map(|document| format!("/v1/transfers/{name}/{document}")).collect(),
        operation: transfer.operation.clone(),
        state: Stage::Ended,
        outcome: Some(transfer.outcome.clone()),
        agency: record.agency.clone(),
        message: transfer.message.clone(),
        time: record.time.clone(),
        events: report.events,
        units_done: transfer.units,
        units: transfer.units,
        trouble: None,
        archive: Some(archive.to_string()),
        receipt: Some(format!("/v1/receipts/{name}")),
    })
}
