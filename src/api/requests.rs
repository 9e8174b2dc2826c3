//! Requests that come as JSON or as SEDA messages, and the exchange with the control authority: the question asked of it
//! (`AuthorizationControlAuthorityRequest`) and its answer, which is written for it when it came otherwise.

use super::body::Incoming;
use super::problem::Problem;
use super::services::App;
use crate::catalog::Delivery;
use crate::clock::format_record_time;
use crate::package::{DeliveryAuthorization, Payload};
use crate::spec::seda::write::{Kind, Outgoing, Party, write};
use crate::spec::seda::xml::Limits;
use crate::spec::seda::{Request as Message, Version, request as read_message};
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;
use time::OffsetDateTime;

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: u64 = 8 << 20;

/// The version written when none is asked for.
pub(super) const VERSION: Version = Version::V2_2;

/// The name of the payload that is the question to the control authority.
const QUESTION: &str = "demande-autorisation.xml";

/// The control authority's answer.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorizationRequest {
    /// Whether it allows.
    granted: bool,
    /// Its answer's identifier.
    identifier: String,
}

/// What the control authority is asked.
pub(super) struct Question<'a> {
    pub(super) agency: &'a str,
    pub(super) version: Version,
    pub(super) reason: String,
    pub(super) archives: Vec<String>,
    pub(super) comment: Option<String>,
}

/// Writes and keeps the question.
pub(super) async fn ask_authority(app: &App, question: Question<'_>) -> Result<Payload, Problem> {
    let now = app.clock.now();
    let message = Outgoing {
        date: second(now),
        identifier: format!("AUTORISATION-{}", uuid::Uuid::now_v7()),
        reason: Some((question.reason, now.date().to_string())),
        unit_identifiers: question.archives,
        archives: Party { identifier: app.identifier.clone() },
        other: Party { identifier: app.control_authority.clone() },
        comment: question.comment,
        ..Outgoing::default()
    };
    let text = written(Kind::AuthorizationControlAuthorityRequest, question.version, &message)?;
    app.keep(question.agency, QUESTION, "application/xml", text.into()).await
}

/// The question asked of the control authority about a request, where one was.
pub(super) async fn question(app: &App, delivery: &Delivery) -> Result<Vec<u8>, Problem> {
    let asked = delivery.asked.payloads.iter().find(|payload| payload.name == QUESTION);
    app.read_payload(asked.ok_or_else(Problem::not_found)?).await
}

/// Reads the control authority's answer to a request: JSON, or its message. One that came as JSON is made the message.
pub(super) async fn answer(
    app: &App,
    headers: &HeaderMap,
    delivery: &Delivery,
    body: Body,
) -> Result<DeliveryAuthorization, Problem> {
    let awaited = delivery.asked.withheld > 0 && delivery.authorization.is_none();
    if !awaited {
        let detail = "Aucune autorisation n'est attendue pour cette demande.";
        return Err(Problem::request("", detail, "No authorization is awaited for this request."));
    }
    let limits = Limits { bytes_max: u64::MAX, ..Limits::default() };
    let asked = question(app, delivery).await?;
    let asked = read_message(asked.as_slice(), &limits).map_err(|e| Problem::internal(&e))?.identifier;
    let bytes = whole(app, body).await?;
    let (given, kept) = if is_xml(headers, &bytes) {
        let message = parse(&bytes, "AuthorizationControlAuthorityRequestReply")?;
        if message.request.as_deref() != Some(&asked) {
            let detail = format!("MessageRequestIdentifier : « {asked} » attendu, l'identifiant de la demande.");
            return Err(Problem::request("", detail, "MessageRequestIdentifier is not that of the question asked."));
        }
        let code = message.reply_code.clone().unwrap_or_default();
        let granted = code.eq_ignore_ascii_case("ok") || code == "000";
        (AuthorizationRequest { granted, identifier: message.identifier }, bytes)
    } else {
        let given: AuthorizationRequest = json(&bytes)?;
        super::admin::check_text("/identifier", &given.identifier, true)?;
        let message = Outgoing {
            comment: Some("Réponse consignée par l'administrateur de l'archive".into()),
            date: second(app.clock.now()),
            identifier: given.identifier.clone(),
            reply_code: Some(if given.granted { "OK" } else { "KO" }.into()),
            request: asked,
            archives: Party { identifier: app.identifier.clone() },
            other: Party { identifier: app.control_authority.clone() },
            ..Outgoing::default()
        };
        let version = Version::of_number(&delivery.asked.version).unwrap_or(VERSION);
        let text = written(Kind::AuthorizationControlAuthorityRequestReply, version, &message)?;
        (given, text.into())
    };
    super::admin::check_text("/identifier", &given.identifier, true)?;
    let payloads = vec![app.keep(&delivery.agency, "reponse-autorisation.xml", "application/xml", kept).await?];
    let (granted, identifier) = (given.granted, given.identifier);
    Ok(DeliveryAuthorization { request: delivery.index, granted, identifier, payloads })
}

/// A version that messages are written in.
pub(super) fn version(asked: Option<&str>) -> Result<Version, Problem> {
    asked.map_or(Some(VERSION), Version::of_number).filter(|v| v.is_second()).ok_or_else(|| {
        Problem::request("/version", "Versions écrites : 2.1, 2.2, 2.3.", "Versions written: 2.1, 2.2, 2.3.")
    })
}

/// A message; one that cannot be written is a fault of ours, never an empty text.
pub(super) fn written(kind: Kind, version: Version, message: &Outgoing) -> Result<String, Problem> {
    write(kind, version, message)
        .ok_or_else(|| Problem::internal(&format_args!("{} sans forme en {version}", kind.root())))
}

/// A message of the name expected, valid by the official schema.
pub(super) fn parse(bytes: &[u8], root: &str) -> Result<Message, Problem> {
    let refused = |detail: String| {
        Problem::request("", format!("Message refusé : {detail}."), format!("Message refused: {detail}."))
    };
    let limits = Limits { bytes_max: REQUEST_BYTES_MAX, ..Limits::default() };
    let checked = crate::spec::seda::validate(bytes, &limits).map_err(|e| refused(e.to_string()))?;
    if let Some(finding) = checked.findings.kept.first() {
        return Err(refused(finding.to_string()));
    }
    let message = read_message(bytes, &limits).map_err(|e| refused(e.to_string()))?;
    if message.message != root || message.version.is_none() {
        return Err(refused(format!("« {root} » d'une version 2.x attendu")));
    }
    Ok(message)
}

pub(super) fn is_xml(headers: &HeaderMap, bytes: &[u8]) -> bool {
    let announced = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|v| v.contains("xml"));
    announced || bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

pub(super) fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|e| {
        let what = crate::config::in_french(&e.to_string());
        Problem::request("", format!("JSON refusé : {what}."), format!("JSON refused: {e}."))
    })
}

pub(super) async fn whole(app: &App, body: Body) -> Result<Bytes, Problem> {
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let read = Incoming::new(body, REQUEST_BYTES_MAX, idle_max).whole().await;
    Ok(Bytes::from(read.map_err(crate::admission::Refusal::from)?))
}

/// `2026-11-24T03:00:00Z`.
pub(super) fn second(now: OffsetDateTime) -> String {
    let text = format_record_time(now);
    text.split('.').next().map_or_else(|| text.clone(), |head| format!("{head}Z"))
}
