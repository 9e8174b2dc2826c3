//! `/v1/producers/{profile}`: what a producer's system sends, as it sends it; the profile says what archive it makes.
//!
//! A profile is open to the depositing services that the configuration names, and to nobody else. What is refused is told
//! whole: every error with its place in what was sent and the key of the profile that asks for it.

mod archive;
mod bids;
mod receive;
mod watch;
pub(super) mod webhook;

use super::auth::Caller;
use super::code::Code;
use super::problem::{Problem, ProblemDocument};
use super::services::App;
use crate::package::Scope;
use crate::producer::profile::{Loaded, Refusals};
pub use watch::watch;

use archive::Archived;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

pub(super) const DEPOSITS: &str = "/v1/producers/{profile}/deposits";
const WEBHOOK: &str = "/v1/producers/{profile}/webhook/{agency}";

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/producers", get(list))
        .route(DEPOSITS, post(deposit))
        .route(WEBHOOK, get(webhook::challenge).post(webhook::announced))
}

/// A profile, as depositors see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProfileDocument {
    /// Its code.
    profile: String,
    /// Its version.
    version: String,
    /// French title.
    title: String,
    /// How deposits come: `json`, `csv`, `zip-csv`, …
    intake: &'static str,
    /// Document type.
    #[serde(rename = "type")]
    document_type: String,
}

/// The profiles open to who asks.
#[utoipa::path(
    get, path = "/v1/producers", tag = "producers",
    responses(
        (status = 200, description = "The profiles.", body = Vec<ProfileDocument>),
        (status = "4XX", description = "Not allowed.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn list(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read])?;
    let open = app.profiles.iter().filter(|loaded| app.producers.allows(&loaded.profile.code, &caller.agency));
    let list = open.map(|Loaded { profile, .. }| ProfileDocument {
        profile: profile.code.clone(),
        version: profile.version.clone(),
        title: profile.title.clone(),
        intake: profile.intake.as_str(),
        document_type: profile.document_type.clone(),
    });
    Ok(axum::Json(list.collect::<Vec<_>>()).into_response())
}

/// What was made of a sending.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Deposited {
    /// Code of the profile.
    profile: String,
    /// The archives, in the order of the sending.
    deposits: Vec<DepositedOne>,
}

/// An archive made of a sending.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DepositedOne {
    /// Its identifier.
    archive: String,
    /// The producer's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Its title.
    title: String,
    /// `archived`, or `before`: the same was archived already.
    state: &'static str,
    /// Where its receipt is.
    receipt: String,
    /// When it was time-stamped, RFC 3339, where its profile has a deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    stamped: Option<String>,
    /// Whether that is after the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
    /// What was not as expected, in French.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Archives what a producer's system sends.
#[utoipa::path(
    post, path = "/v1/producers/{profile}/deposits", tag = "producers",
    params(("profile" = String, Path, description = "Code of the profile.")),
    request_body(
        description = "What the profile asks for: a JSON document (alone, or as the first part of `multipart/form-data` with its files), a CSV file, a ZIP with its manifest, an XML document.",
        content((serde_json::Value = "application/json"), (String = "text/csv"), (String = "application/zip"), (String = "multipart/form-data")),
    ),
    responses(
        (status = 201, description = "Archived.", body = Deposited),
        (status = 200, description = "All of it was archived before: the same archives.", body = Deposited),
        (status = 422, description = "Refused, with every error: `errors` lists `code`, `detail`, `location` (in what was sent) and `profile` (the key that asks for it).", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Not allowed, or refused; nothing is archived.", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not now; send it again.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn deposit(
    State(app): State<App>,
    caller: Caller,
    Path(code): Path<String>,
    request: Request,
) -> Result<Response, Failed> {
    caller.require(&[Scope::Deposit])?;
    let loaded = open(&app, &caller, &code)?.clone();
    let received = match receive::receive(&app, &loaded, request).await {
        Ok(received) => received,
        Err(problem) => {
            app.metrics.refused(problem.code);
            journal(&app, &caller, problem.code.as_str(), &format!("profil « {code} » : {}", problem.detail));
            return Err(problem.into());
        }
    };
    let drafts = received.drafts(&loaded).await?.map_err(|refusals| refused(&app, &caller, &loaded, refusals))?;
    respond(&app, &caller, &loaded, drafts).await
}

/// Archives drafts, and says so.
async fn respond(app: &App, caller: &Caller, loaded: &Loaded, drafts: receive::Held) -> Result<Response, Failed> {
    let archived = match archive::archive(app, caller, loaded, drafts).await? {
        Ok(archived) => archived,
        Err(refusals) => return Err(refused(app, caller, loaded, refusals)),
    };
    let fresh = archived.iter().any(|one| one.fresh);
    let deposits = archived.into_iter().map(document).collect();
    let body = Deposited { profile: loaded.profile.code.clone(), deposits };
    let status = if fresh { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(body)).into_response())
}

fn document(one: Archived) -> DepositedOne {
    let name = super::deposits::name_of(&one.receipt.archive);
    DepositedOne {
        archive: one.receipt.archive.to_string(),
        external_id: one.external_id,
        title: one.title,
        state: if one.fresh { "archived" } else { "before" },
        receipt: format!("/v1/receipts/{name}"),
        stamped: one.stamped.as_ref().and_then(|stamped| stamped.time.format(&Rfc3339).ok()),
        late: one.stamped.map(|stamped| stamped.late),
        warnings: one.warnings,
    }
}

/// The profile, where it is open to the caller's agency.
fn open<'a>(app: &'a App, caller: &Caller, code: &str) -> Result<&'a Loaded, Problem> {
    let loaded = app.profiles.get(code).ok_or_else(Problem::not_found)?;
    if !app.producers.allows(code, &caller.agency) {
        return Err(Problem::new(
            Code::Forbidden,
            "Ce profil de producteur n'est pas ouvert à votre organisme : l'exploitant l'ouvre dans [[producers.allow]].",
            "This producer profile is not open to your agency: the operator opens it in [[producers.allow]].",
        ));
    }
    Ok(loaded)
}

/// Why a sending was not archived.
pub(super) enum Failed {
    /// As everywhere.
    Problem(Problem),
    /// With every error.
    Refused(Problem, Refusals),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A problem document with every error.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    problem: ProblemDocument<'a>,
    errors: &'a [crate::producer::profile::Refusal],
    #[serde(skip_serializing_if = "is_zero")]
    more: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let (problem, refusals) = match self {
            Self::Problem(problem) => return problem.into_response(),
            Self::Refused(problem, refusals) => (problem, refusals),
        };
        let status = problem.code.status();
        let document = ProblemDocument {
            kind: format!("urn:archiland:problem:{}", problem.code.as_str()),
            title: problem.code.title(),
            status: status.as_u16(),
            code: problem.code.as_str(),
            detail: &problem.detail,
            pointer: problem.pointer.as_deref(),
        };
        let told = Told { problem: document, errors: &refusals.list, more: refusals.more };
        let content_type = [("content-type", "application/problem+json"), ("content-language", "fr")];
        (status, content_type, serde_json::to_vec(&told).unwrap_or_default()).into_response()
    }
}

/// A sending that does not fit: counted, journalled without its content, told whole.
fn refused(app: &App, caller: &Caller, loaded: &Loaded, refusals: Refusals) -> Failed {
    let duplicate = refusals.list.iter().all(|refusal| refusal.code == Code::ProducerDuplicate.as_str());
    let code = if duplicate { Code::ProducerDuplicate } else { Code::ProducerRefused };
    let count = refusals.list.len() + refusals.more;
    let first = refusals.list.first().map(ToString::to_string).unwrap_or_default();
    let detail = format!("Envoi refusé, {count} erreur(s) ; {first}.");
    let english = format!("Sending refused, {count} error(s): see \"errors\".");
    let pointer = refusals.list.first().and_then(|refusal| refusal.location.clone());
    app.metrics.refused(code);
    let codes: std::collections::BTreeSet<&str> = refusals.list.iter().map(|refusal| refusal.code).collect();
    let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
    let kept = format!("profil « {} » : {count} erreur(s) ({codes}) ; {first}", loaded.profile.code);
    journal(app, caller, code.as_str(), &kept);
    let mut problem = Problem::new(code, detail, english);
    problem.pointer = pointer;
    Failed::Refused(problem, refusals)
}

/// The refusal journal keeps who, when, which profile and why, and nothing of what was sent.
fn journal(app: &App, caller: &Caller, code: &str, detail: &str) {
    app.refusals.record(&caller.agency, &caller.actor, code, detail, app.clock.now());
}
