//! `/v1/producers/{profile}/webhook/{agency}`: what a producer's system announces by itself, signed with a shared secret.
//!
//! The signature is that of GLPI 10 and 11: `X-GLPI-signature` is the hexadecimal HMAC-SHA256 of the body followed by
//! `X-GLPI-timestamp`. GLPI announces from a queue, hours later at times: no window of time is asked for, and the same
//! announcement twice is the same archive. The agency is in the path because GLPI replaces the query of the address by its own.

use super::receive::held_in_memory;
use super::{Failed, respond};
use crate::api::auth::Caller;
use crate::api::code::Code;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::producer::profile::{Loaded, Refusals};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ring::hmac;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Longest challenge, in bytes.
const CHALLENGE_BYTES_MAX: usize = 1024;
/// Longest timestamp, in bytes.
const TIMESTAMP_BYTES_MAX: usize = 32;
/// Longest announcement, in bytes.
pub(super) const ANNOUNCED_BYTES_MAX: u64 = 8 << 20;

/// What GLPI asks to see that the secret is known.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct Challenge {
    crc_token: Option<String>,
}

/// What an announcement that makes no archive is answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Ignored {
    /// `ignored`.
    state: &'static str,
    /// Why, in French.
    detail: String,
}

/// Answers the challenge of the system that announces.
#[utoipa::path(
    get, path = "/v1/producers/{profile}/webhook/{agency}", tag = "producers",
    params(
        ("profile" = String, Path, description = "Code of the profile."),
        ("agency" = String, Path, description = "Code of the agency that deposits."),
        ("crc_token" = String, Query, description = "The challenge."),
    ),
    responses(
        (status = 200, description = "The hexadecimal HMAC-SHA256 of the challenge.", body = String, content_type = "text/plain"),
        (status = "4XX", description = "No such webhook, or no challenge.", body = crate::api::openapi::Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn challenge(
    State(app): State<App>,
    Path((profile, agency)): Path<(String, String)>,
    Query(challenge): Query<Challenge>,
) -> Result<Response, Problem> {
    let (_, key) = hook(&app, &profile, &agency)?;
    let token = challenge.crc_token.filter(|token| (1..=CHALLENGE_BYTES_MAX).contains(&token.len()));
    let token = token.ok_or_else(|| Problem::request("crc_token", "Défi absent ou trop long.", "No challenge."))?;
    let answer = hex::encode(hmac::sign(key, token.as_bytes()));
    Ok(([("content-type", "text/plain")], answer).into_response())
}

/// Archives what a system announces, when its profile archives it.
#[utoipa::path(
    post, path = "/v1/producers/{profile}/webhook/{agency}", tag = "producers",
    params(
        ("profile" = String, Path, description = "Code of the profile."),
        ("agency" = String, Path, description = "Code of the agency that deposits."),
        ("X-GLPI-signature" = String, Header, description = "Hexadecimal HMAC-SHA256 of the body and the timestamp."),
        ("X-GLPI-timestamp" = String, Header, description = "Part of what is signed."),
    ),
    request_body(description = "What is announced.", content((serde_json::Value = "application/json"))),
    responses(
        (status = 201, description = "Archived.", body = super::Deposited),
        (status = 200, description = "Archived before, or not to be archived (a ticket that is not closed): `state` is `ignored`.", body = Ignored),
        (status = 401, description = "The signature is not that of the secret.", body = crate::api::openapi::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused; nothing is archived.", body = crate::api::openapi::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not now; announce it again.", body = crate::api::openapi::Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn announced(
    State(app): State<App>,
    Path((profile, agency)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failed> {
    let (loaded, key) = hook(&app, &profile, &agency)?;
    let (parts, body) = request.into_parts();
    let caller = Caller::of_webhook(&agency, &profile);
    if let Err(seconds) = app.rates.take(&caller.agency, Instant::now()) {
        return Err(crate::api::auth::too_many(seconds).into());
    }
    let received = held_in_memory(&app, ANNOUNCED_BYTES_MAX, &parts, body).await?;
    if !is_signed(&parts.headers, received.data(), key) {
        app.metrics.refused(Code::Unauthenticated);
        return Err(Problem::new(
            Code::Unauthenticated,
            "Signature absente ou fausse : vérifiez que le secret du webhook est le même des deux côtés.",
            "The signature is missing or wrong: check that both sides have the same secret.",
        )
        .into());
    }
    let loaded = about(&app, loaded, received.data()).clone();
    match received.drafts(&loaded).await? {
        Ok(drafts) => match respond(&app, &caller, &loaded, drafts).await {
            Err(Failed::Refused(_, refusals)) if unknown_target(&refusals) => Ok(ignored(&refusals)),
            other => other,
        },
        // Announced all the same, as its system does for every change: nobody did anything wrong.
        Err(refusals) if refusals.list.iter().all(|refusal| refusal.code == "producer-case-refused") => {
            Ok(ignored(&refusals))
        }
        Err(refusals) => Err(super::refused(&app, &caller, &loaded, refusals)),
    }
}

/// A deletion is told by a profile of its own: the archive stays, and what is kept is that it was announced.
fn about<'a>(app: &'a App, loaded: &'a Loaded, body: &[u8]) -> &'a Loaded {
    #[derive(Deserialize)]
    struct Event {
        event: Option<String>,
    }
    let event = serde_json::from_slice::<Event>(body).ok().and_then(|event| event.event);
    if event.as_deref() != Some("delete") {
        return loaded;
    }
    app.profiles.get(&format!("{}-suppression", loaded.profile.code)).unwrap_or(loaded)
}

fn unknown_target(refusals: &Refusals) -> bool {
    refusals.list.iter().all(|refusal| refusal.code == "producer-link-unknown")
}

fn ignored(refusals: &Refusals) -> Response {
    let detail = refusals.list.first().map(|refusal| refusal.detail.clone()).unwrap_or_default();
    (StatusCode::OK, axum::Json(Ignored { state: "ignored", detail })).into_response()
}

/// The profile and the secret of a webhook.
fn hook<'a>(app: &'a App, profile: &str, agency: &str) -> Result<(&'a Loaded, &'a hmac::Key), Problem> {
    let key = app.webhooks.get(&(profile.to_owned(), agency.to_owned())).ok_or_else(Problem::not_found)?;
    Ok((app.profiles.get(profile).ok_or_else(Problem::not_found)?, key))
}

/// Compared in constant time.
fn is_signed(headers: &HeaderMap, body: &[u8], key: &hmac::Key) -> bool {
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes().trim_ascii());
    let (Some(signature), Some(timestamp)) = (header("x-glpi-signature"), header("x-glpi-timestamp")) else {
        return false;
    };
    let Ok(signature) = hex::decode(signature) else { return false };
    timestamp.len() <= TIMESTAMP_BYTES_MAX && hmac::verify(key, &[body, timestamp].concat(), &signature).is_ok()
}
