//! `/v1/deliveries` and `/v1/restitutions`: archives asked for as a SEDA package, to be read or to be archived elsewhere.
//! Each request, each answer of the control authority and each package given is a record.

pub(super) mod load;
mod stream;

use super::admin::{committed_and_followed, record_with};
use super::auth::Caller;
use super::code::Code;
use super::identifier::Identified;
use super::problem::Problem;
use super::requests::{self, AuthorizationRequest, Question, VERSION, is_xml, json, parse, second, whole, written};
use super::services::{App, Services};
use crate::catalog::Delivery;
use crate::clock::format_record_time;
use crate::digest::sha256;
use crate::dissemination::{Archived, Head, Purpose, manifest, plan, rights};
use crate::package::{Body as RecordBody, Delivered, DeliveryRequested, Payload, Scope};
use crate::spec::seda::write::{Kind, Outgoing, Party};
use crate::spec::seda::{Request as Message, Version};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The most requests listed.
const LISTED_MAX: usize = 1_000;

/// The most archives withheld that an answer names.
const TOLD_MAX: usize = 20;

/// Archives asked for.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryRequest {
    /// Identifiers (ARK). That of a transfer stands for all its units.
    archives: Vec<String>,
    /// Version of SEDA to write: `2.1`, `2.2` (default) or `2.3`.
    version: Option<String>,
    /// Who is to read them; the caller's agency by default.
    requester: Option<String>,
    /// Whether the units within those named come too; true by default.
    descendants: Option<bool>,
    /// Why archives that are not communicable yet are asked for: told to the control authority.
    reason: Option<String>,
    /// For a restitution: the archive that is to receive.
    receiver: Option<String>,
    /// For a restitution: the agreement with it.
    agreement: Option<String>,
}

/// A request for archives, and what became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DeliveryDocument {
    /// Its identifier: that of its record.
    id: String,
    /// `ready`, `authorization-required`, `refused`, `delivered`.
    state: &'static str,
    /// When it was made.
    time: String,
    /// The agency that asked.
    agency: String,
    /// `dip` or `transfer`.
    purpose: String,
    /// Version of SEDA to be written.
    version: String,
    /// Who is to have the archives.
    requester: String,
    /// How many archives.
    archives: u64,
    /// How many are not communicable to who asks.
    withheld: u64,
    /// How many times the package was given.
    given: u64,
    /// The control authority's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<String>,
    /// Where the package is.
    package: String,
    /// Why archives are withheld, the first ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

/// Requests for archives.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Deliveries {
    deliveries: Vec<DeliveryDocument>,
}

/// Asks for archives as a package to be read (DIP).
#[utoipa::path(
    post, path = "/v1/deliveries", tag = "deliveries",
    request_body(description = "JSON, or the message `ArchiveDeliveryRequest` of SEDA 2.x.", content((DeliveryRequest = "application/json"), (String = "application/xml"))),
    responses(
        (status = 201, description = "Ready: the package can be fetched.", body = DeliveryDocument),
        (status = 202, description = "Some archives are not communicable yet: the control authority has to allow it.", body = DeliveryDocument),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn request_dip(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    ask(&app, &caller, &headers, body, Purpose::Dip).await
}

/// Asks for archives as a transfer to another archive (restitution).
#[utoipa::path(
    post, path = "/v1/restitutions", tag = "deliveries",
    request_body(description = "JSON, or the message `ArchiveRestitutionRequest` of SEDA 2.x.", content((DeliveryRequest = "application/json"), (String = "application/xml"))),
    responses((status = 201, description = "Ready: the package can be fetched.", body = DeliveryDocument), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn request_transfer(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    ask(&app, &caller, &headers, body, Purpose::Transfer).await
}

/// Requests for archives to be read, newest first: the caller's agency's, or all with the scope audit.
#[utoipa::path(
    get, path = "/v1/deliveries", tag = "deliveries",
    responses((status = 200, description = "At most 1,000.", body = Deliveries), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn dips(State(app): State<App>, caller: Caller) -> Result<axum::Json<Deliveries>, Problem> {
    listed(&app, &caller, Purpose::Dip)
}

/// Requests for restitutions, newest first: the caller's agency's, or all with the scope audit.
#[utoipa::path(
    get, path = "/v1/restitutions", tag = "deliveries",
    responses((status = 200, description = "At most 1,000.", body = Deliveries), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn transfers(State(app): State<App>, caller: Caller) -> Result<axum::Json<Deliveries>, Problem> {
    listed(&app, &caller, Purpose::Transfer)
}

fn listed(app: &App, caller: &Caller, purpose: Purpose) -> Result<axum::Json<Deliveries>, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let agency = (!caller.has(Scope::Audit)).then_some(caller.agency.as_str());
    let found = app.catalog.deliveries(agency).into_iter().filter(|d| d.asked.purpose == purpose.name());
    Ok(axum::Json(Deliveries { deliveries: found.take(LISTED_MAX).map(|d| document(app, d, Vec::new())).collect() }))
}

/// A request for archives.
#[utoipa::path(
    get, path = "/v1/deliveries/{id}", tag = "deliveries",
    params(("id" = String, Path, description = "The request's identifier.")),
    responses((status = 200, description = "Its state.", body = DeliveryDocument), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn state(
    State(app): State<App>,
    caller: Caller,
    id: Identified,
) -> Result<axum::Json<DeliveryDocument>, Problem> {
    let delivery = found(&app, &caller, &id)?;
    Ok(axum::Json(document(&app, delivery, Vec::new())))
}

/// The package: a zip with its bordereau and the documents, made as it is sent.
#[utoipa::path(
    get, path = "/v1/deliveries/{id}/package", tag = "deliveries",
    params(("id" = String, Path, description = "The request's identifier.")),
    responses(
        (status = 200, description = "The package.", body = String, content_type = "application/zip"),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, not allowed, or not communicable."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn package(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    let delivery = found(&app, &caller, &id)?;
    let Ok(slot) = app.packages.clone().try_acquire_owned() else { return Err(Problem::busy()) };
    let archives = load::present(load::again(&app, &delivery.asked.payloads).await?)?;
    let granted = delivery.authorization.as_ref().is_some_and(|(granted, _)| *granted);
    let purpose = Purpose::of_name(&delivery.asked.purpose).unwrap_or(Purpose::Dip);
    if purpose == Purpose::Dip && !granted {
        let kept = withheld(&app, &archives, &delivery.asked.requester);
        if !kept.is_empty() {
            return Err(not_communicable(&kept));
        }
    }
    let version = Version::of_number(&delivery.asked.version).unwrap_or(VERSION);
    let now = app.clock.now();
    let message = format!("{}-{}", app.ark(delivery.index), delivery.given + 1);
    let head = Head {
        identifier: message.clone(),
        date: second(now),
        request: delivery.asked.message.clone().unwrap_or_else(|| app.ark(delivery.index).to_string()),
        archives: app.identifier.clone(),
        other: delivery.asked.receiver.clone().unwrap_or_else(|| delivery.asked.requester.clone()),
        agreement: delivery.asked.agreement.clone(),
        authorization: delivery.authorization.as_ref().map(|(_, identifier)| identifier.clone()),
        units: archives.iter().map(|archive| archive.ark.clone()).collect(),
    };
    let policies = app.clone();
    let planned = super::referentials::off_runtime(move || {
        let plan = plan(&archives, version, purpose, &policies.policies).map_err(|e| Problem::internal(&e))?;
        let text = manifest(version, purpose, &head, &plan);
        text.map(|text| (plan, text)).ok_or_else(|| Problem::internal(&"version sans bordereau"))
    });
    let (plan, text) = planned.await??;
    let given = Delivered {
        request: delivery.index,
        message,
        manifest_sha256: hex::encode(sha256(text.as_bytes())),
        units: plan.package.units.len() as u64,
        objects: plan.members.len() as u64,
    };
    let body = RecordBody::Delivered(Box::new(given));
    let about = vec![app.ark(delivery.index).to_string()];
    let record = record_with(&delivery.agency, &caller.actor, about, body, now)?;
    committed_and_followed(&app, record).await?;
    let name = format!("{}-{}.zip", purpose.name(), delivery.index);
    let mut response = Response::new(stream::zip(app.clone(), text, plan.members, slot));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The question to the control authority: `AuthorizationControlAuthorityRequest`.
#[utoipa::path(
    get, path = "/v1/deliveries/{id}/authorization", tag = "deliveries",
    params(("id" = String, Path, description = "The request's identifier.")),
    responses((status = 200, description = "The message.", body = String, content_type = "application/xml"), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn question(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    let delivery = found(&app, &caller, &id)?;
    Ok(([(CONTENT_TYPE, "application/xml")], requests::question(&app, &delivery).await?).into_response())
}

/// The reply to a request for restitution that came as a message: `ArchiveRestitutionRequestReply`.
#[utoipa::path(
    get, path = "/v1/deliveries/{id}/reply", tag = "deliveries",
    params(("id" = String, Path, description = "The request's identifier.")),
    responses((status = 200, description = "The message.", body = String, content_type = "application/xml"), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn reply(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    let delivery = found(&app, &caller, &id)?;
    let reply = delivery.asked.payloads.iter().find(|payload| payload.name == REPLY);
    let bytes = app.read_payload(reply.ok_or_else(Problem::not_found)?).await?;
    Ok(([(CONTENT_TYPE, "application/xml")], bytes).into_response())
}

/// The control authority's answer, given by an administrator.
#[utoipa::path(
    post, path = "/v1/deliveries/{id}/authorization", tag = "deliveries",
    params(("id" = String, Path, description = "The request's identifier.")),
    request_body(description = "JSON, or the message `AuthorizationControlAuthorityRequestReply` of SEDA 2.x.", content((AuthorizationRequest = "application/json"), (String = "application/xml"))),
    responses((status = 200, description = "Recorded.", body = DeliveryDocument), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn answer(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    id: Identified,
    body: Body,
) -> Result<axum::Json<DeliveryDocument>, Problem> {
    caller.require(&[Scope::Admin])?;
    let delivery = delivery(&app, id.index)?;
    let answer = requests::answer(&app, &headers, &delivery, body).await?;
    let body = RecordBody::DeliveryAuthorization(Box::new(answer));
    let about = vec![app.ark(delivery.index).to_string()];
    let record = record_with(&delivery.agency, &caller.actor, about, body, app.clock.now())?;
    committed_and_followed(&app, record).await?;
    let delivery = app.catalog.delivery(id.index).ok_or_else(Problem::not_found)?;
    Ok(axum::Json(document(&app, delivery, Vec::new())))
}

/// The name of the payload that is the reply to a request for restitution.
const REPLY: &str = "reponse.xml";

async fn ask(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    purpose: Purpose,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let bytes = whole(app, body).await?;
    let (asked, message) = if is_xml(headers, &bytes) {
        let root = if purpose == Purpose::Dip { "ArchiveDeliveryRequest" } else { "ArchiveRestitutionRequest" };
        let message = parse(&bytes, root)?;
        (of_message(&message, purpose), Some((message, bytes)))
    } else {
        (json(&bytes)?, None)
    };
    let version = requests::version(asked.version.as_deref())?;
    for (pointer, text) in [
        ("/requester", &asked.requester),
        ("/receiver", &asked.receiver),
        ("/agreement", &asked.agreement),
        ("/reason", &asked.reason),
    ] {
        if let Some(text) = text {
            super::admin::check_text(pointer, text, true)?;
        }
    }
    let archives = load::asked(app, caller, &asked.archives, asked.descendants.unwrap_or(true)).await?;
    let archives = load::present(archives)?;
    if purpose == Purpose::Transfer && !caller.has(Scope::Admin) && archives.iter().any(|a| a.agency != caller.agency) {
        return Err(Problem::not_found());
    }
    let requester = asked.requester.clone().unwrap_or_else(|| caller.agency.clone());
    let kept = if purpose == Purpose::Dip { withheld(app, &archives, &requester) } else { Vec::new() };
    let payloads =
        papers(app, caller, purpose, &archives, message.as_ref(), &kept, version, &asked, &requester).await?;
    let agreement = asked.agreement.or_else(|| (purpose == Purpose::Transfer).then(|| "RESTITUTION".to_owned()));
    let body = DeliveryRequested {
        purpose: purpose.name().into(),
        version: version.number().into(),
        requester,
        message: message.map(|(message, _)| message.identifier),
        receiver: asked.receiver,
        agreement,
        reason: asked.reason,
        archives: archives.len() as u64,
        withheld: kept.len() as u64,
        payloads,
    };
    let about = archives.iter().take(100).map(|archive| archive.ark.clone()).collect();
    let body = RecordBody::DeliveryRequested(Box::new(body));
    let record = record_with(&caller.agency, &caller.actor, about, body, app.clock.now())?;
    let index = committed_and_followed(app, record).await?;
    let delivery = app.catalog.delivery(index).ok_or_else(Problem::not_found)?;
    let status = if kept.is_empty() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let reasons = kept.iter().take(TOLD_MAX).map(ToString::to_string).collect();
    Ok((status, axum::Json(document(app, delivery, reasons))).into_response())
}

/// What the record keeps: the list of archives, the message received, the question to the control authority.
#[allow(clippy::too_many_arguments)]
async fn papers(
    app: &App,
    caller: &Caller,
    purpose: Purpose,
    archives: &[Archived],
    message: Option<&(Message, Bytes)>,
    kept: &[rights::Withheld],
    version: Version,
    asked: &DeliveryRequest,
    requester: &str,
) -> Result<Vec<Payload>, Problem> {
    let mut list = archives.iter().map(|archive| archive.ark.as_str()).collect::<Vec<_>>().join("\n");
    list.push('\n');
    let mut payloads = vec![app.keep(&caller.agency, "archives.txt", "text/plain", list.into()).await?];
    if let Some((_, bytes)) = message {
        payloads.push(app.keep(&caller.agency, "demande.xml", "application/xml", bytes.clone()).await?);
    }
    if purpose == Purpose::Transfer
        && let Some((message, _)) = message
    {
        let reply = Outgoing {
            date: second(app.clock.now()),
            identifier: format!("{}_Reply", message.identifier),
            reply_code: Some("OK".into()),
            request: message.identifier.clone(),
            unit_identifiers: archives.iter().map(|archive| archive.ark.clone()).collect(),
            archives: Party { identifier: app.identifier.clone() },
            other: Party { identifier: requester.to_owned() },
            ..Outgoing::default()
        };
        let text = written(Kind::ArchiveRestitutionRequestReply, version, &reply)?;
        payloads.push(app.keep(&caller.agency, REPLY, "application/xml", text.into()).await?);
    }
    if !kept.is_empty() {
        let question = Question {
            agency: &caller.agency,
            version,
            reason: asked.reason.clone().unwrap_or_else(|| "communication".into()),
            archives: kept.iter().map(|withheld| withheld.archive.clone()).collect(),
            comment: Some(format!("Demandeur : {requester}")),
        };
        payloads.push(requests::ask_authority(app, question).await?);
    }
    Ok(payloads)
}

fn withheld(app: &Services, archives: &[Archived], requester: &str) -> Vec<rights::Withheld> {
    let today = app.clock.now().date();
    archives.iter().filter_map(|archive| rights::withheld(archive, requester, today)).collect()
}

fn not_communicable(kept: &[rights::Withheld]) -> Problem {
    let told: Vec<String> = kept.iter().take(TOLD_MAX).map(ToString::to_string).collect();
    let count = kept.len();
    Problem::new(
        Code::NotCommunicable,
        format!(
            "{count} archives ne sont pas encore communicables, et aucun visa ne l'autorise : {}.",
            told.join(" ; ")
        ),
        format!("{count} archives are not communicable yet, and no authorization allows it."),
    )
}

/// The request, when the caller may know of it.
fn found(app: &App, caller: &Caller, id: &Identified) -> Result<Delivery, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let delivery = delivery(app, id.index)?;
    if caller.sees(&delivery.agency) { Ok(delivery) } else { Err(Problem::not_found()) }
}

/// A request for archives, and not for their elimination.
fn delivery(app: &Services, index: u64) -> Result<Delivery, Problem> {
    let found = app.catalog.delivery(index).filter(|found| Purpose::of_name(&found.asked.purpose).is_some());
    found.ok_or_else(Problem::not_found)
}

fn document(app: &Services, delivery: Delivery, reasons: Vec<String>) -> DeliveryDocument {
    let state = match (&delivery.authorization, delivery.asked.withheld, delivery.given) {
        (_, _, 1..) => "delivered",
        (Some((false, _)), ..) => "refused",
        (None, 1.., _) => "authorization-required",
        _ => "ready",
    };
    let ark = app.ark(delivery.index);
    let since = time::Duration::milliseconds(i64::try_from(delivery.time_ms).unwrap_or(0));
    DeliveryDocument {
        state,
        time: format_record_time(OffsetDateTime::UNIX_EPOCH + since),
        package: format!("/v1/deliveries/{}/package", super::deposits::name_of(&ark)),
        id: ark.to_string(),
        agency: delivery.agency,
        purpose: delivery.asked.purpose,
        version: delivery.asked.version,
        requester: delivery.asked.requester,
        archives: delivery.asked.archives,
        withheld: delivery.asked.withheld,
        given: delivery.given,
        authorization: delivery.authorization.map(|(_, identifier)| identifier),
        reasons,
    }
}

fn of_message(message: &Message, purpose: Purpose) -> DeliveryRequest {
    DeliveryRequest {
        archives: message.units.clone(),
        version: message.version.map(|version| version.number().to_owned()),
        requester: message.other.clone(),
        agreement: message.agreement.clone(),
        reason: message.comment.clone(),
        receiver: (purpose == Purpose::Transfer).then(|| message.other.clone()).flatten(),
        descendants: None,
    }
}
