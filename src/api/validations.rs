//! `POST /v1/validations`: files in, report out. Nothing is stored.

use super::auth::Caller;
use super::body::Incoming;
use super::problem::Problem;
use super::services::App;
use crate::admission::multipart::{Event, Parser};
use crate::admission::{Reason, Refusal};
use crate::package::Scope;
use crate::validation::verdict::{Context, judge};
use crate::validation::{self, Content, Input, report};
use axum::extract::{Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The largest request, in bytes.
const BYTES_MAX: u64 = 128 << 20;
/// The most files in one request.
const FILES_MAX: usize = 64;

/// How to validate, and which report to give.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Options {
    /// `json` (default), `text`, `etsi`, `detailed` or `diagnostic`.
    format: Option<Form>,
    /// Time of validation, RFC 3339; now by default.
    at: Option<String>,
    /// Leaves certificate paths, revocations and end dates of algorithms out.
    #[serde(default)]
    integrity_only: bool,
}

/// The reports.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// The verdict, for programs.
    #[default]
    Json,
    /// One screen, in French.
    Text,
    /// ETSI TS 119 102-2.
    Etsi,
    /// Each building block.
    Detailed,
    /// The facts.
    Diagnostic,
}

/// What the signatures of a file are worth.
#[utoipa::path(
    post, path = "/v1/validations", tag = "validations",
    request_body(
        description = "One raw file, or `multipart/form-data`: the signed file or the signature first, then the contents it is about. At most 128 MiB.",
        content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "multipart/form-data")),
    ),
    params(Options),
    responses(
        (status = 200, description = "The report, whatever it says.", content((serde_json::Value = "application/json"), (String = "text/plain"), (String = "application/xml"))),
        (status = "4XX", description = "Not allowed, or no usable request.", body = super::openapi::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too much at once.", body = super::openapi::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn validate(
    State(app): State<App>,
    caller: Caller,
    Query(options): Query<Options>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(&[Scope::Deposit, Scope::Read, Scope::Audit])?;
    let at = instant(options.at.as_deref())?.unwrap_or_else(|| app.clock.now());
    let Ok(_slot) = app.deposits.try_acquire() else { return Err(Problem::busy()) };
    let (parts, body) = request.into_parts();
    let length = parts.headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // What is not announced is taken for the largest.
    let kib = u32::try_from(length.unwrap_or(BYTES_MAX).min(BYTES_MAX).div_ceil(1024)).unwrap_or(u32::MAX);
    let _held = app.buffers.clone().try_acquire_many_owned(kib).map_err(|_| Problem::busy())?;
    let idle_max = Duration::from_millis(app.limits.body_idle_ms_max);
    let incoming = Incoming::new(body, BYTES_MAX.min(app.limits.body_bytes_max), idle_max);
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let files = read(content_type, incoming).await?;
    let rules = app.signatures.current();
    let form = options.format.unwrap_or_default();
    let integrity_only = options.integrity_only;
    let answer = tokio::task::spawn_blocking(move || {
        let ((name, bytes), contents) = files.split_first()?;
        let contents: Vec<_> = contents.iter().map(|(name, bytes)| Content { name, bytes }).collect();
        let certificates = rules.trust.outside_certificates();
        let input = Input { name: Some(name), bytes, contents: &contents, certificates: &certificates };
        let facts = validation::gather(&input);
        let context =
            Context { policy: &rules.policy, trust: &rules.trust, at, existence: None, beside: None, integrity_only };
        let verdict = judge(&facts, &context);
        Some(match form {
            Form::Json => ("application/json", report::json(&verdict).to_string()),
            Form::Detailed => ("application/json", report::detailed(&facts, &verdict).to_string()),
            Form::Diagnostic => ("application/json", report::diagnostic(&facts).to_string()),
            Form::Text => ("text/plain; charset=utf-8", report::simple(&verdict)),
            Form::Etsi => ("application/xml", report::etsi::xml(&facts, &verdict)),
        })
    })
    .await
    .map_err(|error| Problem::internal(&error))?;
    let (media_type, text) = answer.ok_or_else(|| Refusal::from(Reason::NoPayload))?;
    Ok(([(CONTENT_TYPE, media_type)], text).into_response())
}

/// An instant asked for.
pub(super) fn instant(text: Option<&str>) -> Result<Option<OffsetDateTime>, Problem> {
    let wrong = |_| Problem::request("at", "Instant RFC 3339 attendu.", "An RFC 3339 instant is expected.");
    text.map(|text| OffsetDateTime::parse(text, &Rfc3339).map_err(wrong)).transpose()
}

/// The files, in order, with their names.
async fn read(content_type: &str, mut incoming: Incoming) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    let multipart = content_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    if !multipart {
        let whole = incoming.whole().await?;
        return Ok(if whole.is_empty() { Vec::new() } else { vec![(String::new(), whole)] });
    }
    let malformed =
        |error: crate::admission::multipart::MultipartError| Refusal::from(Reason::Multipart(error.to_string()));
    let mut parser = Parser::new(content_type).map_err(malformed)?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        match parser.next().map_err(malformed)? {
            Some(Event::Part(_)) if files.len() == FILES_MAX => {
                return Err(Reason::TooMany { field: "files", count_max: FILES_MAX }.into());
            }
            Some(Event::Part(head)) => {
                let name = head.file_name.unwrap_or(head.name);
                files.push((String::from_utf8_lossy(&name).into_owned(), Vec::new()));
            }
            Some(Event::Data(data)) => {
                if let Some((_, bytes)) = files.last_mut() {
                    bytes.extend_from_slice(&data);
                }
            }
            Some(Event::PartEnd) => {}
            Some(Event::End) => return Ok(files),
            None => match incoming.chunk().await? {
                Some(chunk) => parser.push(chunk),
                None => parser.end(),
            },
        }
    }
}
