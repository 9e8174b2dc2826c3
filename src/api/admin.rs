//! Administration: agencies and tokens. Each act is a record of the log; the answer waits until this node knows of it, so
//! that a token works, or no longer works, once it is given.

use super::auth::Caller;
use super::body::Incoming;
use super::problem::Problem;
use super::services::{App, Services};
use crate::admission::code_is_valid;
use crate::catalog::Token;
use crate::clock::{format_record_time, parse_record_time};
use crate::digest::sha256;
use crate::package::{Agency, Body as RecordBody, Record, Scope, TokenIssued, TokenRevoked, fresh_salt};
use crate::sequencer::Submission;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

/// What secrets begin with, so that a leaked one is recognised by scanners.
const SECRET_PREFIX: &str = "archi_";

/// The longest administrative request, in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// The longest name or label, in characters.
const NAME_CHARS_MAX: usize = 255;

/// How long an answer waits for the views of this node.
const FOLLOW_MAX: Duration = Duration::from_secs(10);

/// An agency, registered or to be.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AgencyDocument {
    /// SIREN, INSEE code or short name: `[a-z0-9-]{1,64}`.
    code: String,
    /// Official name.
    name: String,
}

/// Every agency.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Agencies {
    agencies: Vec<AgencyDocument>,
}

/// A token to be issued.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    /// Whose.
    agency: String,
    /// `deposit`, `read`, `audit`, `admin`, `archivist`.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// What it is for.
    #[serde(default)]
    label: String,
    /// When it ends, `2027-12-31T23:59:59.000Z`; none: until revoked.
    #[serde(default)]
    expires: Option<String>,
    /// SHA-256 of a client certificate's DER, instead of a secret.
    #[serde(default)]
    certificate_sha256: Option<String>,
    /// The secret is the password of an as@lae connector, which sends its SHA-256 (HTTP Basic, `/restservices`).
    #[serde(default)]
    password: bool,
    /// SHA-256 of the client certificate without which the secret is worth nothing: an account of that certificate.
    #[serde(default)]
    with_certificate_sha256: Option<String>,
}

/// A token just issued.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TokenCreated {
    /// Its public name, to revoke it by.
    token: String,
    /// The secret, told this once; none for a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TokenDocument {
    token: String,
    agency: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    revoked: bool,
}

/// Every token.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Tokens {
    tokens: Vec<TokenDocument>,
}

/// Registers an agency, or changes its name.
#[utoipa::path(
    post, path = "/v1/agencies", tag = "administration", request_body = AgencyDocument,
    responses((status = 201, description = "Registered.", body = AgencyDocument), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn register(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, axum::Json<AgencyDocument>), Problem> {
    caller.require(&[Scope::Admin])?;
    let agency: AgencyDocument = read(&app, body).await?;
    if !code_is_valid(&agency.code) || agency.code.starts_with('-') {
        let detail = "Le code est fait de 1 à 64 caractères parmi a-z, 0-9 et « - » (pas en tête).";
        return Err(Problem::request("/code", detail, "The code is 1 to 64 of a-z, 0-9 and \"-\" (not first)."));
    }
    check_text("/name", &agency.name, true)?;
    let registered = Agency { code: agency.code.clone(), name: agency.name.clone() };
    record(&app, &caller.actor, &agency.code, RecordBody::AgencyRegistered(registered)).await?;
    Ok((StatusCode::CREATED, axum::Json(agency)))
}

/// Every agency.
#[utoipa::path(
    get, path = "/v1/agencies", tag = "administration",
    responses((status = 200, description = "Every agency.", body = Agencies), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn agencies(State(app): State<App>, caller: Caller) -> Result<axum::Json<Agencies>, Problem> {
    caller.require(&[Scope::Admin, Scope::Audit])?;
    let agencies = app.catalog.agencies().into_iter().map(|a| AgencyDocument { code: a.code, name: a.name });
    Ok(axum::Json(Agencies { agencies: agencies.collect() }))
}

/// Issues a token, or accepts a client certificate.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "administration", request_body = TokenRequest,
    responses((status = 201, description = "Issued; the secret is told this once.", body = TokenCreated), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Refused.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn issue(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, axum::Json<TokenCreated>), Problem> {
    caller.require(&[Scope::Admin])?;
    let request: TokenRequest = read(&app, body).await?;
    if app.catalog.agency(&request.agency).is_none() {
        let detail = "Aucun organisme n'a ce code : enregistrez-le d'abord (POST /v1/agencies).";
        return Err(Problem::request(
            "/agency",
            detail,
            "No agency has this code: register it first (POST /v1/agencies).",
        ));
    }
    if request.scopes.is_empty() {
        return Err(Problem::request("/scopes", "Donnez au moins un droit.", "Give at least one scope."));
    }
    check_text("/label", &request.label, false)?;
    let expires = request.expires.as_deref().map(parse_expiry).transpose()?;
    let (hash, secret) = if let Some(fingerprint) = &request.certificate_sha256 {
        (parse_fingerprint(fingerprint)?, None)
    } else {
        let secret = fresh_secret()?;
        // What is sent is then the secret; what the log has of it lets nobody in.
        let sent = if request.password { hex::encode(sha256(secret.as_bytes())) } else { secret.clone() };
        (sha256(sent.as_bytes()), Some(secret))
    };
    if app.catalog.token_by_hash(&hash).is_some_and(|known| known.revoked_ms.is_none()) {
        let detail = "Ce certificat est déjà accepté : révoquez d'abord son jeton.";
        return Err(Problem::request(
            "/certificate_sha256",
            detail,
            "This certificate is accepted already: revoke it first.",
        ));
    }
    let certificate = request.with_certificate_sha256.as_deref().map(parse_fingerprint).transpose()?;
    let mut issued = new_token(hash, request.scopes, request.label, expires);
    issued.certificate = certificate.map(hex::encode);
    let token = issued.token.clone();
    record(&app, &caller.actor, &request.agency, RecordBody::TokenIssued(issued)).await?;
    Ok((StatusCode::CREATED, axum::Json(TokenCreated { token, secret })))
}

/// Every token, without secrets.
#[utoipa::path(
    get, path = "/v1/tokens", tag = "administration",
    responses((status = 200, description = "Every token.", body = Tokens), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn tokens(State(app): State<App>, caller: Caller) -> Result<axum::Json<Tokens>, Problem> {
    caller.require(&[Scope::Admin])?;
    let tokens = app.catalog.tokens(None).into_iter().map(document);
    Ok(axum::Json(Tokens { tokens: tokens.collect() }))
}

/// Ends a token.
#[utoipa::path(
    delete, path = "/v1/tokens/{token}", tag = "administration",
    params(("token" = String, Path, description = "The token's public name.")),
    responses((status = 204, description = "Worth nothing from now on."), (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed.")),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(&[Scope::Admin])?;
    let token = app.catalog.token(&name).ok_or_else(Problem::not_found)?;
    if token.revoked_ms.is_none() {
        let revoked = RecordBody::TokenRevoked(TokenRevoked { token: token.token });
        record(&app, &caller.actor, &token.agency, revoked).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A token's record body; its public name is random too, and tells nothing of the secret.
pub(crate) fn new_token(
    hash: [u8; 32],
    scopes: Vec<Scope>,
    label: String,
    expires: Option<OffsetDateTime>,
) -> TokenIssued {
    TokenIssued {
        token: format!("t-{}", Uuid::new_v4().simple()),
        hash: hex::encode(hash),
        scopes,
        label,
        expires: expires.map(format_record_time),
        certificate: None,
    }
}

/// A fresh secret: `archi_` and 32 random bytes.
pub(crate) fn fresh_secret() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|e| Problem::internal(&e))?;
    Ok(format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// A record of an administrative act.
pub(crate) fn administrative_record(
    agency: &str,
    actor: &str,
    body: RecordBody,
    now: OffsetDateTime,
) -> Result<Vec<u8>, Problem> {
    record_with(agency, actor, Vec::new(), body, now)
}

/// A record of an administrative act that is about earlier records.
pub(super) fn record_with(
    agency: &str,
    actor: &str,
    references: Vec<String>,
    body: RecordBody,
    now: OffsetDateTime,
) -> Result<Vec<u8>, Problem> {
    let record = Record {
        v: 1,
        time: format_record_time(now),
        agency: agency.to_owned(),
        actor: actor.to_owned(),
        id: Uuid::now_v7(),
        references,
        salt: fresh_salt().map_err(|e| Problem::internal(&e))?,
        body,
    };
    record.to_canonical().map_err(|e| Problem::internal(&e))
}

async fn record(app: &Services, actor: &str, agency: &str, body: RecordBody) -> Result<(), Problem> {
    let bytes = administrative_record(agency, actor, body, app.clock.now())?;
    committed_and_followed(app, bytes).await.map(drop)
}

/// Writes a record and waits until this node's views have it; its index.
pub(super) async fn committed_and_followed(app: &Services, record: Vec<u8>) -> Result<u64, Problem> {
    let committed = app.sequencer.submit(Submission { record: record.into(), idempotency: None }).await?;
    let mut views = app.views.clone();
    let followed = timeout(FOLLOW_MAX, views.wait_for(|progress| progress.applied() > committed.index)).await;
    // Done either way; only the moment it takes effect on this node is not certain.
    followed.map_err(|_| Problem::outcome_unknown())?.map_err(|e| Problem::internal(&e))?;
    Ok(committed.index)
}

/// A small JSON body.
pub(super) async fn read<T: DeserializeOwned>(app: &Services, body: Body) -> Result<T, Problem> {
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let bytes =
        Incoming::new(body, REQUEST_BYTES_MAX, idle_max).whole().await.map_err(crate::admission::Refusal::from)?;
    serde_json::from_slice(&bytes).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        let what = e.to_string();
        let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
        let detail = format!("JSON refusé, ligne {line}, colonne {column} : {}.", crate::config::in_french(what));
        Problem::request("", detail, format!("JSON refused at line {line}, column {column}: {what}."))
    })
}

pub(super) fn check_text(pointer: &str, text: &str, required: bool) -> Result<(), Problem> {
    if required && text.trim().is_empty() {
        return Err(Problem::request(pointer, "Ce champ ne peut être vide.", "This field cannot be empty."));
    }
    if text.chars().count() > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        let detail = "255 caractères au plus, sans caractère de commande.";
        return Err(Problem::request(pointer, detail, "At most 255 characters, no control characters."));
    }
    Ok(())
}

fn parse_expiry(text: &str) -> Result<OffsetDateTime, Problem> {
    use time::format_description::well_known::Rfc3339;
    parse_record_time(text).or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok()).ok_or_else(|| {
        let detail = "Date et heure RFC 3339 attendues, comme 2030-12-31T23:59:59Z.";
        Problem::request("/expires", detail, "RFC 3339 date and time expected, like 2030-12-31T23:59:59Z.")
    })
}

fn parse_fingerprint(text: &str) -> Result<[u8; 32], Problem> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text.replace(':', ""), &mut hash).map_err(|_| {
        let detail = "Empreinte SHA-256 du certificat attendue, en hexadécimal.";
        Problem::request("/certificate_sha256", detail, "SHA-256 of the certificate expected, hexadecimal.")
    })?;
    Ok(hash)
}

fn document(token: Token) -> TokenDocument {
    let expires = token.expires_ms.map(|ms| OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(ms));
    TokenDocument {
        token: token.token,
        agency: token.agency,
        scopes: token.scopes,
        label: token.label,
        expires: expires.map(format_record_time),
        revoked: token.revoked_ms.is_some(),
    }
}
