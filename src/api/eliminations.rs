//! `/v1/eliminations`: archives whose time is over, destroyed with the visa of the control authority. Asked for, allowed,
//! carried out: each step is a record, and the bytes go only after the record that says so. A stop in the middle is made
//! good at the next start.

mod carry_out;

pub(super) use carry_out::resume;

use super::admin::{committed_and_followed, record_with};
use super::auth::Caller;
use super::code::Code;
use super::deliveries::load;
use super::identifier::Identified;
use super::problem::Problem;
use super::requests::{self, AuthorizationRequest, Question, json, second, whole, written};
use super::services::{App, Services};
use crate::catalog::Delivery;
use crate::clock::format_record_time;
use crate::dissemination::Archived;
use crate::elimination::{ELIMINATED_MAX, NotDue, due};
use crate::package::{Body as RecordBody, DeliveryRequested, Eliminated, Scope};
use crate::spec::seda::Version;
use crate::spec::seda::write::{Kind, Outgoing, Party};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use time::OffsetDateTime;

/// What requests of this kind have for purpose, in their records.
const PURPOSE: &str = "elimination";

/// The most requests listed.
const LISTED_MAX: usize = 1_000;

/// The most reasons told.
const TOLD_MAX: usize = 20;

/// How long an answer waits for the bytes to be gone.
const CARRY_OUT_MAX: Duration = Duration::from_secs(10);

/// Archives to be eliminated.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EliminationRequest {
    /// Identifiers (ARK); the units within them go with them. That of a transfer stands for all its units.
    archives: Vec<String>,
    /// Why, for the control authority.
    reason: String,
    /// Version of SEDA of the messages: `2.1`, `2.2` (default) or `2.3`.
    version: Option<String>,
}

/// An elimination, and what became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EliminationDocument {
    /// Its identifier: that of the record of the request.
    id: String,
    /// `authorization-required`, `refused`, `authorized`, `eliminating`, `eliminated`.
    state: &'static str,
    /// When it was asked for.
    time: String,
    /// Whose archives they are.
    agency: String,
    /// How many.
    archives: u64,
    /// Why.
    reason: String,
    /// The control authority's answer: its identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<String>,
    /// The record of the elimination.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

/// Eliminations.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Eliminations {
    eliminations: Vec<EliminationDocument>,
}

/// Asks leave to eliminate archives. Refused whole when one of them may not go: its rule still runs, it is kept for ever, or
/// it is held.
#[utoipa::path(
    post, path = "/v1/eliminations", tag = "eliminations", request_body = EliminationRequest,
    responses(
        (status = 202, description = "The control authority is asked; nothing goes before it answers.", body = EliminationDocument),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused; `not-due` says which archives, and why."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn request(State(app): State<App>, caller: Caller, body: Body) -> Result<Response, Problem> {
    caller.require(&[Scope::Archivist, Scope::Admin])?;
    let asked: EliminationRequest = json(&whole(&app, body).await?)?;
    super::admin::check_text("/reason", &asked.reason, true)?;
    let version = requests::version(asked.version.as_deref())?;
    let archives = load::asked(&app, &caller, &asked.archives, true).await?;
    let (agency, producer) = of_one_agency(&archives)?;
    if archives.len() > ELIMINATED_MAX {
        let detail = format!("Plus de {ELIMINATED_MAX} archives à la fois : faites plusieurs demandes.");
        return Err(Problem::request("/archives", detail, format!("More than {ELIMINATED_MAX} archives at once.")));
    }
    all_due(&app, &archives)?;
    let arks: Vec<String> = archives.iter().map(|archive| archive.ark.clone()).collect();
    let list = arks.join("\n") + "\n";
    let question = Question {
        agency: &agency,
        version,
        reason: asked.reason.clone(),
        archives: arks.clone(),
        comment: Some(format!("Élimination demandée ; service producteur : {producer}")),
    };
    let payloads = vec![
        app.keep(&agency, "archives.txt", "text/plain", list.into()).await?,
        requests::ask_authority(&app, question).await?,
    ];
    let body = DeliveryRequested {
        purpose: PURPOSE.into(),
        version: version.number().into(),
        requester: producer,
        reason: Some(asked.reason),
        archives: arks.len() as u64,
        withheld: arks.len() as u64,
        payloads,
        ..DeliveryRequested::default()
    };
    let about = arks.into_iter().take(100).collect();
    let body = RecordBody::EliminationRequested(Box::new(body));
    let record = record_with(&agency, &caller.actor, about, body, app.clock.now())?;
    let index = committed_and_followed(&app, record).await?;
    let elimination = elimination(&app, index)?;
    Ok((StatusCode::ACCEPTED, axum::Json(document(&app, elimination))).into_response())
}

/// Eliminations asked for, newest first: the caller's agency's, or all with the scope audit.
#[utoipa::path(
    get, path = "/v1/eliminations", tag = "eliminations",
    responses((status = 200, description = "At most 1,000.", body = Eliminations), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<axum::Json<Eliminations>, Problem> {
    may_read(&caller)?;
    let agency = (!caller.has(Scope::Audit)).then_some(caller.agency.as_str());
    let found = app.catalog.deliveries(agency).into_iter().filter(|d| d.asked.purpose == PURPOSE);
    Ok(axum::Json(Eliminations { eliminations: found.take(LISTED_MAX).map(|d| document(&app, d)).collect() }))
}

/// An elimination.
#[utoipa::path(
    get, path = "/v1/eliminations/{id}", tag = "eliminations",
    params(("id" = String, Path, description = "The request's identifier.")),
    responses((status = 200, description = "Its state.", body = EliminationDocument), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn state(
    State(app): State<App>,
    caller: Caller,
    id: Identified,
) -> Result<axum::Json<EliminationDocument>, Problem> {
    Ok(axum::Json(document(&app, found(&app, &caller, &id)?)))
}

/// The question to the control authority: `AuthorizationControlAuthorityRequest`.
#[utoipa::path(
    get, path = "/v1/eliminations/{id}/authorization", tag = "eliminations",
    params(("id" = String, Path, description = "The request's identifier.")),
    responses((status = 200, description = "The message.", body = String, content_type = "application/xml"), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn question(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    let elimination = found(&app, &caller, &id)?;
    Ok(([(CONTENT_TYPE, "application/xml")], requests::question(&app, &elimination).await?).into_response())
}

/// The control authority's visa or refusal, given by an administrator.
#[utoipa::path(
    post, path = "/v1/eliminations/{id}/authorization", tag = "eliminations",
    params(("id" = String, Path, description = "The request's identifier.")),
    request_body(description = "JSON, or the message `AuthorizationControlAuthorityRequestReply` of SEDA 2.x.", content((AuthorizationRequest = "application/json"), (String = "application/xml"))),
    responses((status = 200, description = "Recorded.", body = EliminationDocument), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn answer(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    id: Identified,
    body: Body,
) -> Result<axum::Json<EliminationDocument>, Problem> {
    caller.require(&[Scope::Admin])?;
    let asked = elimination(&app, id.index)?;
    let answer = requests::answer(&app, &headers, &asked, body).await?;
    let body = RecordBody::EliminationAuthorization(Box::new(answer));
    let about = vec![app.ark(asked.index).to_string()];
    let record = record_with(&asked.agency, &caller.actor, about, body, app.clock.now())?;
    committed_and_followed(&app, record).await?;
    Ok(axum::Json(document(&app, elimination(&app, id.index)?)))
}

/// Carries an elimination out: everything is checked again, recorded, then destroyed.
#[utoipa::path(
    post, path = "/v1/eliminations/{id}/execution", tag = "eliminations",
    params(("id" = String, Path, description = "The request's identifier.")),
    responses(
        (status = 200, description = "The documents are destroyed.", body = EliminationDocument),
        (status = 202, description = "Recorded; the documents are being destroyed.", body = EliminationDocument),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused: `visa-missing`, `not-due`."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn execute(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    caller.require(&[Scope::Archivist, Scope::Admin])?;
    let turn = app.standing.clone().lock_owned().await;
    let asked = elimination(&app, id.index)?;
    if !caller.sees(&asked.agency) && !caller.has(Scope::Admin) {
        return Err(Problem::not_found());
    }
    let Some((true, visa)) = asked.authorization.clone() else {
        let detail = "Le service de contrôle n'a pas donné son visa : rien n'est éliminé sans lui.";
        return Err(Problem::new(Code::VisaMissing, detail, "The control authority has not given its visa."));
    };
    if asked.eliminated.is_none() {
        record_elimination(&app, &caller, &asked, visa).await?;
    }
    let asked = elimination(&app, id.index)?;
    if asked.given == 0 {
        let carrying = app.clone();
        let task = tokio::spawn(async move { carry_out::carry_out(&carrying, &asked, turn).await });
        if let Ok(done) = tokio::time::timeout(CARRY_OUT_MAX, task).await {
            done.map_err(|e| Problem::internal(&e))??;
        }
    }
    let now = elimination(&app, id.index)?;
    let status = if now.given > 0 { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, axum::Json(document(&app, now))).into_response())
}

/// The notification to the originating agency: `ArchiveDestructionNotification`.
#[utoipa::path(
    get, path = "/v1/eliminations/{id}/notification", tag = "eliminations",
    params(("id" = String, Path, description = "The request's identifier.")),
    responses((status = 200, description = "The message.", body = String, content_type = "application/xml"), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not eliminated.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn notification(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    let asked = found(&app, &caller, &id)?;
    let eliminated = carry_out::recorded(&app, &asked).await?;
    let payload = eliminated.payloads.first().ok_or_else(Problem::not_found)?;
    Ok(([(CONTENT_TYPE, "application/xml")], app.read_payload(payload).await?).into_response())
}

/// Checks everything again and records the elimination: from then on the documents may not be read.
async fn record_elimination(app: &App, caller: &Caller, asked: &Delivery, visa: String) -> Result<(), Problem> {
    let archives = load::again(app, &asked.asked.payloads).await?;
    all_due(app, &archives)?;
    let named: BTreeSet<u64> = archives.iter().map(|archive| archive.index).collect();
    if let Some(left) = load::below(app, &archives).await?.difference(&named).next() {
        let detail =
            format!("L'unité {} est venue depuis sous celles à éliminer : refaites la demande.", app.ark(*left));
        return Err(Problem::new(Code::NotDue, detail, "A unit below those has come since: ask again."));
    }
    let version = Version::of_number(&asked.asked.version).unwrap_or(requests::VERSION);
    let message = Outgoing {
        comment: asked.asked.reason.clone(),
        date: second(app.clock.now()),
        identifier: format!("ELIMINATION-{}", uuid::Uuid::now_v7()),
        authorization: Some(visa.clone()),
        unit_identifiers: archives.iter().map(|archive| archive.ark.clone()).collect(),
        archives: Party { identifier: app.identifier.clone() },
        other: Party { identifier: asked.asked.requester.clone() },
        ..Outgoing::default()
    };
    let text = written(Kind::ArchiveDestructionNotification, version, &message)?;
    let notification = app.keep(&asked.agency, "notification.xml", "application/xml", text.into()).await?;
    let eliminated = Eliminated {
        request: asked.index,
        authorization: visa,
        archives: named.into_iter().collect(),
        payloads: vec![notification],
    };
    let about = vec![app.ark(asked.index).to_string()];
    let body = RecordBody::Eliminated(Box::new(eliminated));
    let record = record_with(&asked.agency, &caller.actor, about, body, app.clock.now())?;
    committed_and_followed(app, record).await.map(drop)
}

/// Fails with the reasons of those that may not go.
fn all_due(app: &Services, archives: &[Archived]) -> Result<(), Problem> {
    let today = app.clock.now().date();
    let against: Vec<NotDue> = archives.iter().filter_map(|archive| due(archive, &app.policies, today).err()).collect();
    if against.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = against.iter().take(TOLD_MAX).map(ToString::to_string).collect();
    let (count, all) = (against.len(), archives.len());
    Err(Problem::new(
        Code::NotDue,
        format!("{count} archives sur {all} ne peuvent être éliminées : {}.", told.join(" ; ")),
        format!("{count} archives of {all} may not be eliminated: {}.", told.join(" ; ")),
    ))
}

/// The agency and the originating agency of all.
fn of_one_agency(archives: &[Archived]) -> Result<(String, String), Problem> {
    let producer = |archive: &Archived| {
        let unit = archive.deposit.unit.as_ref();
        unit.and_then(|unit| unit.originating_agency.clone()).unwrap_or_else(|| archive.agency.clone())
    };
    let first = archives.first().ok_or_else(Problem::not_found)?;
    let (agency, name) = (first.agency.clone(), producer(first));
    if archives.iter().any(|archive| archive.agency != agency || producer(archive) != name) {
        let detail = "Archives de plusieurs services producteurs : faites une demande pour chacun.";
        return Err(Problem::request("/archives", detail, "Several originating agencies: ask for each of them."));
    }
    Ok((agency, name))
}

fn may_read(caller: &Caller) -> Result<(), Problem> {
    caller.require(&[Scope::Read, Scope::Audit, Scope::Archivist, Scope::Admin])
}

/// The elimination, when the caller may know of it.
fn found(app: &App, caller: &Caller, id: &Identified) -> Result<Delivery, Problem> {
    may_read(caller)?;
    let elimination = elimination(app, id.index)?;
    let sees = caller.sees(&elimination.agency) || caller.has(Scope::Admin);
    if sees { Ok(elimination) } else { Err(Problem::not_found()) }
}

fn elimination(app: &Services, index: u64) -> Result<Delivery, Problem> {
    app.catalog.delivery(index).filter(|found| found.asked.purpose == PURPOSE).ok_or_else(Problem::not_found)
}

fn document(app: &Services, elimination: Delivery) -> EliminationDocument {
    let state = match (&elimination.authorization, elimination.eliminated, elimination.given) {
        (_, Some(_), 1..) => "eliminated",
        (_, Some(_), 0) => "eliminating",
        (Some((true, _)), None, _) => "authorized",
        (Some((false, _)), None, _) => "refused",
        (None, None, _) => "authorization-required",
    };
    let since = time::Duration::milliseconds(i64::try_from(elimination.time_ms).unwrap_or(0));
    EliminationDocument {
        id: app.ark(elimination.index).to_string(),
        state,
        time: format_record_time(OffsetDateTime::UNIX_EPOCH + since),
        agency: elimination.agency,
        archives: elimination.asked.archives,
        reason: elimination.asked.reason.unwrap_or_default(),
        authorization: elimination.authorization.map(|(_, identifier)| identifier),
        record: elimination.eliminated.map(|index| app.ark(index).to_string()),
    }
}
