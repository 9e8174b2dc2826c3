//! `GET /v1/archives`: the record of an archive, and looking archives up.

use super::auth::Caller;
use super::identifier::Identified;
use super::problem::Problem;
use super::services::App;
use crate::admission::parse_date;
use crate::catalog::Standing;
use crate::clock::format_record_time;
use crate::package::{AppliedRule, Scope, term};
use crate::search::{Audience, Hit, Order, PAGE_HITS_MAX, Query};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use time::{Date, Duration, OffsetDateTime};

/// Most conditions on fields in one question.
const FIELDS_MAX: usize = 16;

/// An archive: its record, byte for byte what the log commits to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ArchiveDocument<'a> {
    /// The identifier.
    archive: String,
    /// Its place in the log.
    index: u64,
    /// The record (canonical JSON, RFC 8785).
    #[schema(value_type = Object)]
    record: &'a RawValue,
    /// What became of it since, when anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<SinceDocument>,
}

/// What became of an archive since its deposit. Its record does not change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SinceDocument {
    /// Its title, when it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// The rules that apply to it, when they changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    rules: Option<Vec<AppliedRule>>,
    /// The records that changed it, the oldest first.
    changes: Vec<String>,
    /// The record of its elimination: its documents are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    eliminated: Option<String>,
}

/// The record of an archive.
#[utoipa::path(
    get,
    path = "/v1/archives/{id}",
    tag = "archives",
    params(("id" = String, Path, description = "ARK (percent-encoded) or its name part.")),
    responses(
        (status = 200, description = "The record.", body = ArchiveDocument<'_>),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "Not found, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn fetch(State(app): State<App>, caller: Caller, id: Identified) -> Result<Response, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let found = id.read(&app, &caller).await?;
    if found.record.payloads().is_empty() || id.extension.is_some() {
        return Err(Problem::not_found());
    }
    let record = serde_json::from_slice(&found.bytes).map_err(|e| Problem::internal(&e))?;
    let standing = super::deliveries::load::standing(&app, found.index).await?;
    let since = (standing != Standing::default()).then(|| SinceDocument {
        title: standing.title,
        rules: standing.rules,
        changes: standing.changes.iter().map(|index| ark_of(&app, *index)).collect(),
        eliminated: standing.eliminated.map(|index| ark_of(&app, index)),
    });
    let document = ArchiveDocument { archive: ark_of(&app, found.index), index: found.index, record, since };
    Ok(axum::Json(document).into_response())
}

/// The identifier of the entry at `index`, as text.
pub(super) fn ark_of(app: &App, index: u64) -> String {
    app.ark(index).to_string()
}

/// A page of archives.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ArchivePage {
    archives: Vec<ArchiveHit>,
    /// What to give as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// An archive found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ArchiveHit {
    archive: String,
    index: u64,
    /// When it was archived.
    time: String,
    agency: String,
    title: String,
    #[serde(rename = "type")]
    document_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// When the document was made, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    /// SHA-256 of each document.
    sha256: Vec<String>,
}

/// Looks archives up; every condition given must hold. Seconds fresh.
#[utoipa::path(
    get,
    path = "/v1/archives",
    tag = "archives",
    params(
        ("sha256" = Option<String>, Query, description = "SHA-256 of one of the documents, hexadecimal."),
        ("external_id" = Option<String>, Query, description = "The producer's identifier, exactly."),
        ("agency" = Option<String>, Query, description = "Agency; other agencies' archives are seen with the scope audit only."),
        ("type" = Option<String>, Query, description = "Document type."),
        ("field" = Option<Vec<String>>, Query, description = "`name:value`, a producer's field by its whole value or by a word of it, in any case; may be given several times."),
        ("from" = Option<String>, Query, description = "Archived on this day (`YYYY-MM-DD`, UTC) or later."),
        ("to" = Option<String>, Query, description = "Archived on this day or earlier."),
        ("created_from" = Option<String>, Query, description = "Document made on this day or later."),
        ("created_to" = Option<String>, Query, description = "Document made on this day or earlier."),
        ("order" = Option<String>, Query, description = "`newest` (default) or `oldest` first."),
        ("limit" = Option<usize>, Query, description = "Most answers, 1 to 1,000; 50 by default."),
        ("after" = Option<u64>, Query, description = "`next` of the page before."),
    ),
    responses(
        (status = 200, description = "A page.", body = ArchivePage),
        (status = "4XX", body = super::openapi::Problem, content_type = "application/problem+json", description = "A parameter is wrong, or not allowed."),
    ),
    security(("token" = []), ("certificate" = [])),
)]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    RawQuery(raw): RawQuery,
) -> Result<axum::Json<ArchivePage>, Problem> {
    caller.require(&[Scope::Read, Scope::Audit])?;
    let query = parse_query(raw.as_deref().unwrap_or_default(), &caller)?;
    let searching = app.clone();
    // The index reads the disk.
    let page = tokio::task::spawn_blocking(move || searching.search.find(&query))
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))?;
    let archives = page.hits.into_iter().map(|hit| answer(&app, hit)).collect();
    Ok(axum::Json(ArchivePage { archives, next: page.next }))
}

/// A search as a query string.
pub(super) fn parse_query(raw: &str, caller: &Caller) -> Result<Query, Problem> {
    let audience =
        if caller.has(Scope::Audit) { Audience::AllAgencies } else { Audience::Agency(caller.agency.clone()) };
    let mut query = Query { order: Order::NewestFirst, limit: 50, ..Query::new(audience) };
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.replace('+', " ");
        let value = percent_encoding::percent_decode_str(&value)
            .decode_utf8()
            .map_err(|_| wrong(name, "UTF-8 codé en % attendu", "percent-encoded UTF-8 expected"))?
            .into_owned();
        match name {
            "sha256" => query.sha256 = Some(digest(name, &value)?),
            "external_id" => query.external_id = Some(value),
            "type" => query.document_type = Some(value),
            "field" => {
                let (field, value) =
                    value.split_once(':').filter(|_| query.terms.len() < FIELDS_MAX).ok_or_else(|| {
                        wrong(
                            name,
                            "« nom:valeur » attendu, 16 fois au plus",
                            "\"name:value\" expected, at most 16 times",
                        )
                    })?;
                query.terms.push(term(field, value));
            }
            "agency" if caller.sees(&value) => query.audience = Audience::Agency(value),
            // As if that agency had no archive: its existence is not told.
            "agency" => query.audience = Audience::Agency(String::new()),
            "from" => query.from_ms = Some(milliseconds(day(name, &value)?)),
            "to" => query.to_ms = Some(milliseconds(day(name, &value)?.next_day().unwrap_or(Date::MAX))),
            "created_from" => query.created_from = Some(number(day(name, &value)?)),
            "created_to" => query.created_to = Some(number(day(name, &value)?)),
            "order" if value == "oldest" => query.order = Order::OldestFirst,
            "order" if value == "newest" => query.order = Order::NewestFirst,
            "order" => {
                return Err(wrong(name, "« newest » ou « oldest » attendu", "\"newest\" or \"oldest\" expected"));
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=PAGE_HITS_MAX).contains(limit));
                query.limit = limit.ok_or_else(|| wrong(name, "de 1 à 1000 attendu", "1 to 1,000 expected"))?;
            }
            "after" => {
                let after = value.parse().ok();
                query.after = Some(after.ok_or_else(|| wrong(name, "nombre attendu", "number expected"))?);
            }
            _ => return Err(wrong(name, "paramètre inconnu", "unknown parameter")),
        }
    }
    Ok(query)
}

fn wrong(name: &str, french: &str, english: &str) -> Problem {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    Problem::request(&name, format!("Paramètre « {name} » : {french}."), format!("Parameter \"{name}\": {english}."))
}

fn digest(name: &str, value: &str) -> Result<[u8; 32], Problem> {
    let mut digest = [0; 32];
    hex::decode_to_slice(value, &mut digest)
        .map_err(|_| wrong(name, "64 chiffres hexadécimaux attendus", "64 hexadecimal digits expected"))?;
    Ok(digest)
}

fn day(name: &str, value: &str) -> Result<Date, Problem> {
    parse_date(value).ok_or_else(|| wrong(name, "date AAAA-MM-JJ attendue", "date YYYY-MM-DD expected"))
}

fn milliseconds(day: Date) -> u64 {
    let seconds = day.midnight().assume_utc().unix_timestamp();
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}

/// `YYYYMMDD` as a number.
fn number(day: Date) -> u32 {
    u32::try_from(day.year()).unwrap_or(0) * 10_000 + u32::from(u8::from(day.month())) * 100 + u32::from(day.day())
}

fn answer(app: &App, hit: Hit) -> ArchiveHit {
    let time = OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(i64::try_from(hit.time_ms).unwrap_or(i64::MAX / 2));
    ArchiveHit {
        archive: app.ark(hit.index).to_string(),
        index: hit.index,
        time: format_record_time(time),
        agency: hit.agency,
        title: hit.title,
        document_type: hit.document_type,
        external_id: hit.external_id,
        created: hit.created.map(|n| format!("{:04}-{:02}-{:02}", n / 10_000, n / 100 % 100, n % 100)),
        sha256: hit.sha256,
    }
}
